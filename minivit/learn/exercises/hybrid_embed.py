"""Checks of hybrid_embed."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.hybrid_embed import hybrid_embed
from minivit.tensor import Tensor

SIZES = ((2, 3, 3, 4, 5), (3, 4, 2, 6, 3), (2, 5, 1, 4, 6), (2, 1, 5, 2, 4))       # B, C, Gy, Gx, D


def cases(rng):
    return [(f"features {B}x{C}x{Gy}x{Gx}, D = {D}", (
        rng.standard_normal((B, C, Gy, Gx)), rng.standard_normal((D, C)), rng.standard_normal(D),
        rng.standard_normal(D), rng.standard_normal((1 + Gy * Gx, D)))) for B, C, Gy, Gx, D in SIZES]


def oracle(features, E, bias, x_class, positions):
    """minivit's convolution with kernels of 1 x 1, read place by place."""
    y = ops.conv2d(Tensor(features), Tensor(E[:, :, None, None]), Tensor(bias)).data       # (B, D, Gy, Gx)
    z = [np.tile(x_class, (len(features), 1))]
    z += [y[:, :, gy, gx] for gy in range(y.shape[2]) for gx in range(y.shape[3])]
    return np.stack([token + position for token, position in zip(z, positions)], axis=1)


def places_are_tokens(function, rng):
    features = np.arange(6.0).reshape(1, 1, 2, 3)
    z = function(features, np.ones((1, 1)), np.zeros(1), np.array([-1.0]), np.zeros((7, 1)))
    if z.shape != (1, 7, 1) or z[0, :, 0].tolist() != [-1, 0, 1, 2, 3, 4, 5]:
        return ("a map of one channel with the numbers 0 to 5, two rows of three, must give the class token and then "
                "the tokens 0, 1, 2, 3, 4, 5, if E is 1 and bias and positions are 0; yours come out otherwise")


def variant(features, E, bias, x_class, positions, order="bcyx->byxc", cut=None, last=False, given=None):
    """The steps one by one, each of which may be done otherwise."""
    B, C = features.shape[:2]
    places = np.einsum(order, features).reshape(B, -1, C) if cut is None else cut(features)
    tokens = np.einsum("bnc,dc->bnd", places, E) + bias
    z = np.empty((B, len(positions), len(E)), features.dtype)
    z[:, -1 if last else 0] = x_class
    z[:, slice(-1) if last else slice(1, None)] = tokens
    return z + (positions if given is None else given(positions, features))


def place_by_place(features, E, bias, x_class, positions):
    """A correct answer, written as the definition."""
    B, _, Gy, Gx = features.shape
    z = np.empty((B, 1 + Gy * Gx, len(E)), features.dtype)
    for b in range(B):
        z[b, 0] = x_class + positions[0]
        for n in range(Gy * Gx):
            z[b, 1 + n] = E @ features[b, :, n // Gx, n % Gx] + bias + positions[1 + n]
    return z


def channels_first(features, E, bias, x_class, positions):
    """A correct answer that projects before it transposes."""
    B, C = features.shape[:2]
    tokens = E @ features.reshape(B, C, -1) + bias[:, None]                             # (B, D, N)
    patches = tokens.swapaxes(1, 2) + positions[1:]
    return np.concatenate([np.tile(x_class + positions[0], (B, 1, 1)), patches], axis=1)


def torn(features):
    B, C = features.shape[:2]
    return features.reshape(B, -1, C)


def pooled(features):
    return np.repeat(features.mean(axis=(2, 3))[:, None], features.shape[2] * features.shape[3], axis=1)


def by_columns(positions, features):
    """The positions of patches, as though those had been numbered column by column."""
    Gy, Gx = features.shape[2:]
    grid = positions[1:].reshape(Gx, Gy, -1).swapaxes(0, 1)
    return np.concatenate([positions[:1], grid.reshape(Gy * Gx, -1)])


def none_for_class(positions, features):
    return np.concatenate([0 * positions[:1], positions[1:]])


def bias_for_class(features, E, bias, x_class, positions):
    return variant(features, E, bias, x_class + bias, positions)


EXERCISE = Exercise(
    slug="hybrid_embed", lesson=11, minutes=15, difficulty=1,
    task="Make tokens of a feature map, as the hybrid does.",
    solution=hybrid_embed, oracle=oracle, cases=cases, outputs=("z0",),
    properties=(Property("places are tokens", places_are_tokens),),
    wrong=(
        Wrong("reshape-alone", lambda *a: variant(*a, cut=torn), "reshape alone makes no tokens: in memory the numbers "
              "lie channel after channel, so a row of (B, N, C) would hold neighbouring places of one channel. Make "
              "the channels the last axis first, by transpose.", specific=True),
        Wrong("column-by-column", lambda *a: variant(*a, order="bcyx->bxyc"), "the tokens come column by column, as by "
              "the axes (0, 3, 2, 1). The first row of places comes first, from left to right: (0, 2, 3, 1).",
              specific=True),
        Wrong("pooled", lambda *a: variant(*a, cut=pooled), "the features were averaged over the map, by mean, so all "
              "tokens are the same: each place is a token of its own.", specific=True),
        Wrong("no-bias", lambda features, E, bias, *a: variant(features, E, 0 * bias, *a), "the bias is missing: the "
              "linear map is E times the features of a place, plus bias."),
        Wrong("bias-for-the-class-token", bias_for_class, "the bias was added to the class token too: that is no "
              "feature, and does not go through the linear map.", specific=True),
        Wrong("class-token-last", lambda *a: variant(*a, last=True), "the class token stands at the end: it is token "
              "0, so it comes first in np.concatenate, [x_class, tokens]."),
        Wrong("no-positions", lambda *a: variant(*a, given=lambda positions, _: 0 * positions), "the positions are "
              "missing: a hybrid has them like a ViT."),
        Wrong("no-position-for-the-class-token", lambda *a: variant(*a, given=none_for_class), "the class token got no "
              "position: positions has 1 + N rows, and row 0 is its own."),
        Wrong("positions-one-off", lambda *a: variant(*a, given=lambda positions, _: np.roll(positions, 1, axis=0)),
              "every token has the position of the one before it. Row 0 belongs to the class token, row 1 + n to place "
              "n: the tokens, class token in front, + positions as they are."),
        Wrong("positions-by-columns", lambda *a: variant(*a, given=by_columns), "tokens and positions are numbered "
              "differently: the tokens row by row, the positions column by column.", specific=True),
        Wrong("map-upside-down", lambda features, *a: variant(features[:, :, ::-1], *a), "the rows of the map come "
              "from the bottom up, as by [:, :, ::-1]: row 0 is the top one, and comes first.")),
    correct=(variant, place_by_place, channels_first),
    hints=(
        "What is one token here? Write down which of the B * C * Gy * Gx numbers it is made of, and where they lie in "
        "`features`.",
        "The C numbers of a place must lie side by side: (B, C, Gy, Gx) -> (B, Gy, Gx, C) -> (B, N, C). Then one "
        "matrix product with E.T makes (B, N, D).",
        "places = features with its axes in the order (0, 2, 3, 1), reshaped to (B, N, C); tokens = places @ ... + "
        "...; then x_class as (B, 1, D) in front of them, by np.concatenate along axis 1, and positions at the end."),
    why="It is the embedding of a ViT with patches of 1 x 1, on other images: those that a CNN has made. The linear "
        "map is a convolution with kernels of 1 x 1, and is stored as one. The CNN's windows overlap, so neighbouring "
        "tokens have seen some pixels in common, which patches never have.")

"""Checks of count_params."""
from minivit import nn
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.count_params import count_params
from minivit.models import ViTConfig, VisionTransformer


def oracle(S, P, C, D, L, F, Y):
    """Those of minivit's model, counted."""
    with nn.no_init():
        return VisionTransformer(ViTConfig(S, P, C, Y, D, L, num_heads=1, mlp_ratio=F / D)).num_parameters()


def cases(rng):
    """Sizes so small that no part is lost in the sum."""
    grid, patch = rng.integers(2, 5, 2), rng.integers(2, 4, 2)
    drawn = {"S": tuple((grid * patch).tolist()), "P": tuple(patch.tolist()), "C": 2, "D": 2 ** int(rng.integers(2, 5)),
             "L": int(rng.integers(3, 6)), "F": 24, "Y": int(rng.integers(7, 12))}
    return [("S 6x8, P 2x4, C 3, D 4, L 2, F 10, Y 5", ((6, 8), (2, 4), 3, 4, 2, 10, 5)),
            ("S 9x4, P 3x2, C 1, D 8, L 1, F 8, Y 3", ((9, 4), (3, 2), 1, 8, 1, 8, 3)),
            (", ".join(f"{name} {value}" for name, value in drawn.items()), tuple(drawn.values()))]


def published(function, rng):
    for name, sizes, total in (("ViT-Ti/16", (192, 12, 768), 5_717_416), ("ViT-B/16", (768, 12, 3072), 86_567_656),
                               ("ViT-L/16", (1024, 24, 4096), 304_326_632)):
        counted = function((224, 224), (16, 16), 3, *sizes, 1000)
        if counted != total:
            return f"{name} at 224 pixels with 1,000 classes has {total:,} parameters, and you count {counted:,}"


def off_by(change):
    """A wrong answer: the right one and change(G, P, C, D, L, F, Y), where G is the number of patches."""
    return lambda S, P, C, D, L, F, Y: count_params(S, P, C, D, L, F, Y) + change(
        (S[0] // P[0]) * (S[1] // P[1]), P[0] * P[1], C, D, L, F, Y)


def term_by_term(S, P, C, D, L, F, Y):
    """A correct answer by the published formula."""
    N = S[0] * S[1] // (P[0] * P[1])
    return (P[0] * P[1] * C + 1) * D + D + (N + 1) * D + L * (4 * D * D + 9 * D + 2 * D * F + F) + 2 * D + (D + 1) * Y


def layer_by_layer(S, P, C, D, L, F, Y):
    """A correct answer by a list of layers."""
    block = [(D, 3 * D), (D, D), (D, F), (F, D)]
    layers = [(C * P[0] * P[1], D)] + L * block + [(D, Y)]
    rows = [1, 1 + S[0] // P[0] * (S[1] // P[1])] + (2 * L + 1) * [2]           # of width D: tokens, positions, norms
    return sum(inputs * outputs + outputs for inputs, outputs in layers) + D * sum(rows)


EXERCISE = Exercise(
    slug="count_params", lesson=9, minutes=15, difficulty=1,
    task="Count the parameters of a Vision Transformer from its sizes alone.",
    solution=count_params, oracle=oracle, cases=cases, outputs=("count",), float32=False,
    properties=(Property("published models", published),),
    wrong=(
        Wrong("no-class-token", off_by(lambda G, P, C, D, L, F, Y: -D), "D are missing: one vector of width D, either "
              "the class token itself, D + ..., or the position that it has, the 1 in (1 + Gy * Gx) * D.",
              specific=True),
        Wrong("no-class-token-no-position", off_by(lambda G, P, C, D, L, F, Y: -2 * D), "2 * D are missing: the class "
              "token and its position, D + (1 + Gy * Gx) * D, or the final layer norm with its scale and its offset.",
              specific=True),
        Wrong("no-positions", off_by(lambda G, P, C, D, L, F, Y: -(1 + G) * D), "the positions are missing: one of "
              "width D for every token, (1 + Gy * Gx) * D.", specific=True),
        Wrong("no-bias-of-qkv", off_by(lambda G, P, C, D, L, F, Y: -3 * D * L), "the bias of qkv is missing, 3 * D in "
              "each block.", specific=True),
        Wrong("no-projection", off_by(lambda G, P, C, D, L, F, Y: -(D * D + D) * L), "attention's projection (D -> D) "
              "is missing, D * D + D: after the heads comes one more linear layer.", specific=True),
        Wrong("one-norm-a-block", off_by(lambda G, P, C, D, L, F, Y: -2 * D * L), "one layer norm in each block is "
              "missing: there are two, before attention and before the MLP.", specific=True),
        Wrong("norms-without-offset", off_by(lambda G, P, C, D, L, F, Y: -D * (2 * L + 1)), "each layer norm was "
              "counted with D numbers: it has a scale and an offset, 2 * D.", specific=True),
        Wrong("no-biases-in-blocks", off_by(lambda G, P, C, D, L, F, Y: -(5 * D + F) * L), "the biases of the blocks' "
              "linear layers are missing: 3 * D, D, F and D.", specific=True),
        Wrong("no-biases-of-the-mlp", off_by(lambda G, P, C, D, L, F, Y: -(F + D) * L), "the biases of the MLP are "
              "missing, F and D in each block.", specific=True),
        Wrong("no-bias-of-the-head", off_by(lambda G, P, C, D, L, F, Y: -Y), "the bias of the head is missing: Y.",
              specific=True),
        Wrong("no-channels", off_by(lambda G, P, C, D, L, F, Y: -(C - 1) * P * D), "the channels are missing in the "
              "patches: one has C * Py * Px numbers.", specific=True),
        Wrong("pixels-for-patches", lambda S, P, C, D, L, F, Y: count_params(S, P, C, D, L, F, Y) + (
              S[0] * S[1] - S[0] // P[0] * (S[1] // P[1])) * D, "there is a position for each pixel: there is one for "
              "each token, 1 + Gy * Gx with Gy = Sy / Py and Gx = Sx / Px.", specific=True),
        Wrong("one-block", lambda S, P, C, D, L, F, Y: count_params(S, P, C, D, 1, F, Y), "one block was counted: "
              "there are L of them.")),
    correct=(term_by_term, layer_by_layer),
    hints=(
        "A linear layer from I to O numbers has I * O + O parameters. How many numbers does a patch have, and how many "
        "tokens are there?",
        "A block has 2 norms (2 * D each), qkv (D * 3 * D + 3 * D), the projection (D * D + D), and two linear layers "
        "D -> F and F -> D.",
        "Add up: the patches' layer (C * Py * Px -> D); D for the class token; (1 + Gy * Gx) * D positions; L times "
        "the block; 2 * D; the head (D -> Y)."),
    why="The number of heads is not in it: heads cut D numbers into parts, they do not add any. Nor do larger images "
        "need more than positions, which is why a trained ViT can be given some. And D^2 rules: of ViT-B's 86.6 "
        "million, 85 million lie in the blocks.")

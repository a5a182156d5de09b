"""Checks of deit_forward."""
import math
from functools import partial

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.deit_forward import block, deit_forward, layernorm, linear, patches, softmax
from minivit.models import DistilledConfig, DistilledVisionTransformer
from minivit.modes import no_grad, using
from minivit.tensor import Tensor


def model_of(images, D, F, Y, patch, depth, heads):
    """minivit's model of such sizes for images (B, C, Sy, Sx)."""
    return DistilledVisionTransformer(DistilledConfig(images.shape[2:], patch, images.shape[1], Y, D, depth, heads,
                                                      F / D))


@no_grad()
def oracle(images, weights, depth, heads):
    """minivit's model with these weights, as it is in training and in evaluation."""
    D, _, *patch = weights["patch_embed.proj.weight"].shape
    F, Y = len(weights["blocks.0.mlp.fc1.bias"]), len(weights["head.bias"])
    model = model_of(images, D, F, Y, patch, depth, heads).astype(images.dtype)
    model.load_state_dict(weights)
    with using("composed"):
        pair = tuple(logits.data for logits in model.train()(Tensor(images)))
        return (*pair, model.eval()(Tensor(images)).data)


def case(rng, B, image, patch, D, F, Y, depth, heads):
    images = rng.standard_normal((B,) + image)
    model = model_of(images, D, F, Y, patch, depth, heads)
    weights = {name: rng.standard_normal(parameter.shape) / math.sqrt(max(parameter.size // len(parameter), 1))
               for name, parameter in model.named_parameters()}
    return f"images {'x'.join(map(str, images.shape))}, patches {patch[0]}x{patch[1]}", (images, weights, depth, heads)


def cases(rng):
    return [case(rng, 2, (2, 4, 6), (2, 2), D=6, F=12, Y=4, depth=2, heads=3),
            case(rng, 3, (1, 6, 4), (3, 2), D=4, F=6, Y=3, depth=1, heads=2),
            case(rng, 1, (3, 4, 4), (4, 2), D=8, F=8, Y=5, depth=2, heads=1)]


def alike(function, rng):
    """Two tokens with the same vector, position and head say the same."""
    images, weights, depth, heads = case(rng, 2, (1, 4, 2), (2, 2), D=6, F=12, Y=3, depth=2, heads=3)[1]
    pos = weights["pos_embed"].copy()
    pos[:, 1] = pos[:, 0]
    same = {"dist_token": weights["cls_token"], "pos_embed": pos,
            "head_dist.weight": weights["head.weight"], "head_dist.bias": weights["head.bias"]}
    of_class, of_teacher, answer = function(images, weights | same, depth, heads)
    if max(np.abs(of_teacher - of_class).max(), np.abs(answer - of_class).max()) > 1e-9:
        return ("both tokens were given the same vector, the same position and the same head: then all three results "
                "must be the same, and yours differ")


def token(weights, name, B):
    return np.repeat(weights[name], B, axis=0)


def embedded(images, weights, names=("cls_token", "dist_token"), positions=None):
    """Class token, distillation token and patches, with positions."""
    z = np.concatenate([token(weights, name, len(images)) for name in names] + [patches(images, weights)], axis=1)
    return z + (weights["pos_embed"] if positions is None else positions(weights["pos_embed"]))


def distillation_token_last(images, weights):
    z = np.concatenate([token(weights, "cls_token", len(images)), patches(images, weights),
                        token(weights, "dist_token", len(images))], axis=1)
    return z + weights["pos_embed"]


def without_first_row(pos):
    """Positions where the distillation token has none of its own, but that of the class token."""
    return pos[:, [0, 0, *range(2, pos.shape[1])]]


def without_second_position(pos):
    pos = pos.copy()
    pos[:, 1] = 0
    return pos


def patches_alone(pos):
    pos = pos.copy()
    pos[:, :2] = 0
    return pos


def both_tokens(z, weights, first=0, second=1, heads=("head", "head_dist"), norm=True):
    """Logits of the class token and of the distillation token."""
    z = layernorm(z, weights, "norm") if norm else z
    return linear(z[:, first], weights, heads[0]), linear(z[:, second], weights, heads[1])


def mean_of_logits(of_class, of_teacher):
    return (of_class + of_teacher) / 2


def mean_of_probabilities(of_class, of_teacher):
    return (softmax(of_class) + softmax(of_teacher)) / 2


def variant(images, weights, depth, heads, embed=embedded, read=both_tokens, answer=mean_of_logits):
    """The steps one by one, each of which may be done otherwise."""
    z = embed(images, weights)
    for number in range(depth):
        z = block(z, weights, f"blocks.{number}", heads)
    of_class, of_teacher = read(z, weights)
    return of_class, of_teacher, answer(of_class, of_teacher)


def image_by_image(images, weights, depth, heads):
    """A correct answer with one image at a time."""
    found = [variant(images[b:b + 1], weights, depth, heads) for b in range(len(images))]
    return tuple(np.concatenate(each) for each in zip(*found))


def filled_in(images, weights, depth, heads):
    """A correct answer that fills an array of tokens, and makes the mean of the heads by two products."""
    tokens = patches(images, weights)
    z = np.empty((len(images), 2 + tokens.shape[1], tokens.shape[2]), images.dtype)
    z[:, 0], z[:, 1], z[:, 2:] = weights["cls_token"][0, 0], weights["dist_token"][0, 0], tokens
    z += weights["pos_embed"]
    for number in range(depth):
        z = block(z, weights, f"blocks.{number}", heads)
    y = layernorm(z, weights, "norm")
    of_class, of_teacher = (np.einsum("bd,yd->by", y[:, k], weights[name + ".weight"]) + weights[name + ".bias"]
                            for k, name in enumerate(("head", "head_dist")))
    return of_class, of_teacher, 0.5 * of_class + 0.5 * of_teacher


def mean_before_the_norm(images, weights, depth, heads):
    """The answer from the mean of both tokens, before the final layer norm."""
    z = embedded(images, weights)
    for number in range(depth):
        z = block(z, weights, f"blocks.{number}", heads)
    mean = layernorm(z[:, :2].mean(axis=1), weights, "norm")
    return *both_tokens(z, weights), (linear(mean, weights, "head") + linear(mean, weights, "head_dist")) / 2


def two_passes(images, weights, depth, heads):
    """Each token alone with the patches, so that class token and distillation token do not see each other."""
    found = []
    for k, (name, head) in enumerate((("cls_token", "head"), ("dist_token", "head_dist"))):
        pos = weights["pos_embed"][:, [k, *range(2, weights["pos_embed"].shape[1])]]
        z = embedded(images, weights, (name,), lambda _: pos)
        for number in range(depth):
            z = block(z, weights, f"blocks.{number}", heads)
        found.append(linear(layernorm(z[:, 0], weights, "norm"), weights, head))
    return *found, mean_of_logits(*found)


EXERCISE = Exercise(
    slug="deit_forward", lesson=15, minutes=20, difficulty=2,
    task="Write the forward pass of a DeiT with a distillation token, from images to the logits of both heads.",
    solution=deit_forward, oracle=oracle, cases=cases, outputs=("of_class", "of_teacher", "answer"),
    properties=(Property("two tokens that are alike", alike),),
    wrong=(
        Wrong("position-of-the-class-token", partial(variant, embed=partial(embedded, positions=without_first_row)),
              "the distillation token was given the class token's position, as by the rows [0, 0, 2, ...] of "
              "pos_embed: it has one of its own, row 1.", specific=True),
        Wrong("no-position-of-its-own", partial(variant, embed=partial(embedded, positions=without_second_position)),
              "the distillation token has no position: pos_embed has 2 + Gy * Gx rows, and row 1 is its own.",
              specific=True),
        Wrong("positions-of-patches-alone", partial(variant, embed=partial(embedded, positions=patches_alone)),
              "positions were added to the patches alone, those from [:, 2:]: class token and distillation token have "
              "the first two rows of pos_embed.", specific=True),
        Wrong("no-positions", partial(variant, embed=partial(embedded, positions=np.zeros_like)), "pos_embed is not "
              "added: the model could not tell where a patch is."),
        Wrong("tokens-exchanged", partial(variant, embed=partial(embedded, names=("dist_token", "cls_token"))), "the "
              "distillation token was put before the class token: the order is cls_token, dist_token, patches.",
              specific=True),
        Wrong("distillation-token-last", partial(variant, embed=distillation_token_last, read=partial(both_tokens,
                                                                                                      second=-1)),
              "the distillation token was put behind the patches, so all their positions are off by one: it comes "
              "second, z[:, 1], and the patches last, np.concatenate(... + [tokens], axis=1). (Some libraries do put "
              "it last; published weights then do not fit.)", specific=True),
        Wrong("heads-exchanged", partial(variant, read=partial(both_tokens, first=1, second=0)), "the heads read each "
              "other's token: `head` reads z[:, 0], `head_dist` z[:, 1].", specific=True),
        Wrong("one-head-for-both", partial(variant, read=partial(both_tokens, heads=("head", "head"))), "one head "
              "reads both tokens: the distillation token has a head of its own, head_dist.", specific=True),
        Wrong("one-token-for-both", partial(variant, read=partial(both_tokens, second=0)), "both heads read the class "
              "token: head_dist reads the distillation token, z[:, 1].", specific=True),
        Wrong("class-token-twice", partial(variant, embed=partial(embedded, names=("cls_token", "cls_token"))),
              "the class token stands in both places: the second is dist_token.", specific=True),
        Wrong("no-final-norm", partial(variant, read=partial(both_tokens, norm=False)), "the final layer norm is "
              "missing: both heads read LN(z)."),
        Wrong("mean-before-the-norm", mean_before_the_norm, "the answer comes from the mean of the two tokens: each "
              "goes through the layer norm and its own head, and then the logits are averaged.", specific=True),
        Wrong("answer-of-the-class-head", partial(variant, answer=lambda of_class, of_teacher: of_class.copy()), "the "
              "answer is the class head's alone: it is the mean of both heads, which know more together, (of_class + "
              "of_teacher) / 2.", specific=True),
        Wrong("answer-of-the-distillation-head", partial(variant, answer=lambda of_class, of_teacher:
                                                         of_teacher.copy()), "the answer is the distillation head's "
              "alone: it is the mean of both heads, (of_class + of_teacher) / 2.", specific=True),
        Wrong("sum-of-logits", partial(variant, answer=np.add), "the logits are added: their mean was asked for, the "
              "sum / 2. (The largest stays the largest, but the probabilities become too sure.)", specific=True),
        Wrong("mean-of-probabilities", partial(variant, answer=mean_of_probabilities), "these are averaged "
              "probabilities, softmax(of_class) and so on, as the paper's text has it: its code, and this exercise, "
              "average the logits.", specific=True),
        Wrong("two-passes", two_passes, "each token went through the blocks without the other: there is one pass, in "
              "which they also attend to each other, and at its end they are z[:, 0] and z[:, 1].", specific=True),
        Wrong("one-block", lambda images, weights, depth, heads: variant(images, weights, 1, heads), "only one block "
              "was run: there are `depth` of them.")),
    correct=(variant, image_by_image, filled_in),
    hints=(
        "It is vit_forward with one more token. What else has one row more, and what stands at the end in place of one "
        "line?",
        "np.concatenate three things along axis 1, (B, 1, D), (B, 1, D) and (B, Gy * Gx, D), then add pos_embed, which "
        "has as many rows. After the blocks: the layer norm, and for tokens 0 and 1 a head each.",
        "np.broadcast_to(weights['dist_token'], (B, 1, D)) stands after the class token. z = block(z, weights, "
        "f'blocks.{number}', heads) for each number. Then layernorm(..., 'norm') and linear(..., 'head') of z[:, 0], "
        "linear(..., 'head_dist') of z[:, 1]; the mean of the two is the third result."),
    why="The token is the smallest change that gives a second question a place: 2 * D numbers and a head more, and it "
        "looks at the same patches through the same blocks. Nothing in the architecture says \"teacher\"; that is in "
        "the loss alone. With the labels for both heads it would be a ViT with two class tokens, which the authors "
        "tried: the two became the same vector (cosine 0.999) and brought nothing.")

"""Checks of logit_lens."""
from functools import partial

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.logit_lens import layernorm, linear, logit_lens, softmax
from minivit.models import DistilledConfig, DistilledVisionTransformer, ViTConfig, VisionTransformer
from minivit.modes import no_grad, using
from minivit.ops import softmax as of_tensor
from minivit.tensor import Tensor


def case(rng, L, B, N, D, Y, distilled, size=1.0):
    heads = ("head", "head_dist") if distilled else ("head",)
    weights = {"norm.weight": 1 + 0.5 * rng.standard_normal(D), "norm.bias": 0.5 * rng.standard_normal(D)}
    for name in heads:
        weights |= {f"{name}.weight": rng.standard_normal((Y, D)) / np.sqrt(D) * 1.5, f"{name}.bias":
                    rng.standard_normal(Y)}
    tokens = size * (rng.standard_normal((L + 1, B, N, D)).cumsum(axis=0) + 0.7)
    return (f"tokens {'x'.join(map(str, tokens.shape))} of a {'distilled DeiT' if distilled else 'ViT'}, {Y} classes",
            (tokens, weights))


def cases(rng):
    return [case(rng, 3, 2, 6, 5, 4, True), case(rng, 2, 3, 5, 8, 3, False), case(rng, 4, 1, 4, 6, 5, True),
            case(rng, 1, 2, 3, 4, 6, False, size=1e-3)]          # so small that the norm's epsilon counts


@no_grad()
def oracle(tokens, weights):
    """minivit's models, which read the tokens of one layer after the other."""
    D, Y = tokens.shape[-1], len(weights["head.bias"])
    model = (DistilledVisionTransformer(DistilledConfig(2, 2, 1, Y, D, 1, 1)) if both(weights)
             else VisionTransformer(ViTConfig(2, 2, 1, Y, D, 1, 1))).astype(np.float64).eval()
    model.load_state_dict(model.state_dict() | weights)
    with using("composed"):
        return np.stack([of_tensor(model.classify(Tensor(each))).data for each in tokens])


def patches_are_not_read(function, rng):
    _, (tokens, weights) = cases(rng)[0]
    others = tokens.copy()
    others[:, :, 2:] = rng.standard_normal(others[:, :, 2:].shape)
    if np.abs(function(tokens, weights) - function(others, weights)).max() > 1e-9:
        return ("the patches were exchanged for others, and class and distillation token left: the heads read these "
                "two alone, so nothing may change; yours gives other probabilities")


def both(weights):
    return "head_dist.weight" in weights


def mean_of_heads(first, second, y, weights):
    return (first + second) / 2


def variant(tokens, weights, norm=layernorm, of_class=0, of_teacher=1, join=mean_of_heads, end=softmax):
    """The steps, each of which may be done otherwise."""
    y = norm(tokens, weights, "norm")
    logits = linear(y[:, :, of_class], weights, "head")
    if both(weights):
        logits = join(logits, linear(y[:, :, of_teacher], weights, "head_dist"), y, weights)
    return end(logits)


def layer_by_layer(tokens, weights):
    """A correct answer that normalises only what is read."""
    result = []
    for layer in tokens:
        names = ["head", "head_dist"] if both(weights) else ["head"]
        logits = [linear(layernorm(layer[:, place], weights, "norm"), weights, name)
                  for place, name in enumerate(names)]
        e = np.exp(sum(logits) / len(logits))
        result.append(e / e.sum(axis=1, keepdims=True))
    return np.array(result)


def joined(tokens, weights):
    """A correct answer with both heads as one matrix."""
    names = ["head", "head_dist"] if both(weights) else ["head"]
    read = layernorm(tokens[:, :, :len(names)], weights, "norm").reshape(*tokens.shape[:2], -1)
    matrix = np.concatenate([weights[f"{name}.weight"] for name in names], axis=1) / len(names)
    return softmax(read @ matrix.T + sum(weights[f"{name}.bias"] for name in names) / len(names))


def norm_of_all_tokens(x, weights, name):
    centred = x - x.mean(axis=(-2, -1), keepdims=True)
    scale = np.sqrt((centred ** 2).mean(axis=(-2, -1), keepdims=True) + 1e-6)
    return centred / scale * weights[name + ".weight"] + weights[name + ".bias"]


def norm_without_weights(x, weights, name):
    return layernorm(x, {"norm.weight": 1.0, "norm.bias": 0.0}, name)


def mean_of_probabilities(tokens, weights):
    p = variant(tokens, weights, join=lambda first, *rest: first)
    if both(weights):
        p = (p + variant(tokens, weights, join=lambda first, second, *rest: second)) / 2
    return p


def mean_of_tokens(tokens, weights):
    y = layernorm(tokens, weights, "norm").mean(axis=2, keepdims=True)
    return variant(np.repeat(y, 2, axis=2), weights, norm=lambda x, *rest: x)


def what_blocks_add(tokens, weights):
    return variant(np.concatenate([tokens[:1], np.diff(tokens, axis=0)]), weights)


def over_the_images(logits):
    return softmax(logits.swapaxes(1, 2)).swapaxes(1, 2)


EXERCISE = Exercise(
    slug="logit_lens", lesson=16, minutes=15, difficulty=1,
    task="Read with the head what the tokens say after each block.",
    solution=logit_lens, oracle=oracle, cases=cases, outputs=("p",), float32=False,
    properties=(Property("patches are not read", patches_are_not_read),),
    wrong=(
        Wrong("no-norm", partial(variant, norm=lambda x, *rest: x), "the layer norm is missing: the head was trained "
              "on normalised tokens, and the residual stream grows from block to block.", specific=True),
        Wrong("norm-without-weights", partial(variant, norm=norm_without_weights), "the tokens were normalised, but "
              "not multiplied by norm.weight and shifted by norm.bias: layernorm(tokens, weights, \"norm\") does all "
              "of it.", specific=True),
        Wrong("norm-of-all-tokens", partial(variant, norm=norm_of_all_tokens), "mean and variance were taken over all "
              "tokens of an image: a layer norm normalises each token by itself.", specific=True),
        Wrong("head-dist-not-read", partial(variant, join=lambda first, *rest: first), "only the class token was read: "
              "a distilled DeiT has a second head, head_dist, for token 1, and its answer is the mean of both.",
              specific=True),
        Wrong("heads-added", partial(variant, join=lambda first, second, *rest: first + second), "the logits of the "
              "two heads were added: their mean is asked for, the sum / 2. Twice the logits make a model surer than it "
              "is.", specific=True),
        Wrong("probabilities-averaged", mean_of_probabilities, "each head had a softmax of its own, and the "
              "probabilities were averaged: average the logits, then one softmax.", specific=True),
        Wrong("both-heads-on-token-0", partial(variant, of_teacher=0), "head_dist was given the class token too: it "
              "reads token 1, the distillation token, [:, :, 1].", specific=True),
        Wrong("tokens-exchanged", partial(variant, of_class=1, of_teacher=0), "class token and distillation token are "
              "exchanged: head reads token 0, [:, :, 0], and head_dist token 1, [:, :, 1].", specific=True),
        Wrong("mean-of-tokens", mean_of_tokens, "the heads were given the mean of all tokens: this model reads its "
              "class token (and its distillation token).", specific=True),
        Wrong("last-token", partial(variant, of_class=-1), "head was given the last token, [:, :, -1], a patch: the "
              "class token is token 0.", specific=True),
        Wrong("what-blocks-add", what_blocks_add, "the differences between layers were read, as by np.diff, what each "
              "block adds: the lens reads the whole residual stream as it is after the block.", specific=True),
        Wrong("logits", partial(variant, end=lambda logits: logits), "these are logits: a softmax over the classes is "
              "missing."),
        Wrong("softmax-over-images", partial(variant, end=over_the_images), "softmax was taken over the images: the "
              "classes are the last axis, as in softmax(logits).")),
    correct=(variant, layer_by_layer, joined),
    hints=(
        "Write it as if there were one layer, after the last block: what does the model do there? The same works for "
        "all layers at once, since they are only one more axis in front.",
        "layernorm(tokens, weights, \"norm\") normalises every token of every layer; token 0 is y[:, :, 0], (L + 1, B, "
        "D). A distilled DeiT is one with \"head_dist.weight\" in its weights.",
        "logits = linear(y[:, :, 0], weights, ...); if there is a second head, take the mean of these logits and those "
        "of token 1; return softmax of the logits."),
    why="Nothing was trained for it: the lens works as far as blocks write into the residual stream in the language "
        "that the head reads. In the first blocks they often do not, so an early \"prediction\" is no thought of the "
        "model's. The final layer norm matters twice: it makes tokens comparable in size, and its weights are part of "
        "what the head has learned to read.")

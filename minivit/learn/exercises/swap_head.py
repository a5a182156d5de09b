"""Checks of swap_head."""
from dataclasses import replace

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.swap_head import swap_head
from minivit.models import ViTConfig, VisionTransformer
from minivit.modes import no_grad
from minivit.tensor import Tensor

HEAD, BIAS = "head.weight", "head.bias"
OF_HEAD = (HEAD, BIAS, "pre_logits.fc.weight", "pre_logits.fc.bias")


def probe(function, state, num_classes):
    """The names of the result's arrays; the new head; all arrays of the trunk that are there, one after another."""
    found = function(state, num_classes)
    if not isinstance(found, dict):
        raise TypeError(f"swap_head must return a dictionary {{name: array}}, not {type(found).__name__}")
    trunk = [np.ravel(found[name]) for name in sorted(found) if name not in OF_HEAD]
    return " ".join(sorted(found)), found.get(HEAD), found.get(BIAS), np.concatenate(trunk) if trunk else np.zeros(0)


def config_of(D, R, Y):
    return ViTConfig((2, 6), (2, 2), 1, Y, D, 1, 1, 1.5, representation_size=R)


def case(rng, D, R, Y, num_classes):
    """The weights of a small model, all random."""
    model = VisionTransformer(config_of(D, R, Y))
    state = {name: rng.standard_normal(parameter.shape) for name, parameter in model.named_parameters()}
    hidden = f"a hidden layer of {R}, " if R else ""
    return f"D = {D}, {hidden}{Y} classes to {num_classes}", (state, num_classes)


def cases(rng):
    return [case(rng, 4, 0, 5, 3), case(rng, 4, 6, 5, 2), case(rng, 6, 0, 3, 3), case(rng, 2, 3, 4, 1)]


def model_with(state, num_classes):
    """minivit's model for these classes, with a linear head, and what it can use of `state`."""
    model = VisionTransformer(replace(config_of(len(state["norm.weight"]), 0, num_classes), zero_head=True))
    own = model.astype(state["norm.weight"].dtype).state_dict()
    model.load_state_dict({name: own[name] if name in OF_HEAD else state[name] for name in own})
    return model


def oracle(state, num_classes):
    """What a model of minivit's has to say of its names and shapes."""
    return probe(lambda state, num_classes: model_with(state, num_classes).state_dict(), state, num_classes)


@no_grad()
def knows_nothing_yet(function, rng):
    _, (state, num_classes) = case(rng, 4, 6, 5, 3)
    model = model_with(state, num_classes)
    model.load_state_dict(function(state, num_classes))
    if np.abs(model(Tensor(rng.standard_normal((2, 1, 2, 6)))).data).max() > 0:
        return "with a head of zeros all logits are 0, whatever the image; yours are not"


def variant(state, num_classes, left_out=OF_HEAD, shape=None, bias=None):
    """The steps one by one, each of which may be done otherwise. shape: of the weight, from (Y, D)."""
    new = {}
    for name in state:
        if name not in left_out:
            new[name] = state[name]
    D, dtype = state["cls_token"].shape[2], state["cls_token"].dtype
    new[HEAD] = np.zeros((num_classes, D) if shape is None else shape(num_classes, D), dtype)
    new[BIAS] = np.zeros(num_classes, dtype) if bias is None else bias(num_classes)
    return new


def copied(state, num_classes):
    """A correct answer that copies everything, and then takes away."""
    new = {name: array.copy() for name, array in state.items()}
    for name in ("pre_logits.fc.weight", "pre_logits.fc.bias"):
        new.pop(name, None)
    like = new["pos_embed"]
    return new | {HEAD: np.zeros_like(like, shape=(num_classes, like.shape[-1])),
                  BIAS: np.zeros_like(like, shape=num_classes)}


def old_rows(state, num_classes):
    return variant(state, num_classes) | {HEAD: state[HEAD][:num_classes], BIAS: state[BIAS][:num_classes]}


def old_bias(state, num_classes):
    return variant(state, num_classes, bias=lambda Y: state[BIAS][:Y])


def only_if_it_does_not_fit(state, num_classes):
    return dict(state) if len(state[HEAD]) == num_classes else variant(state, num_classes)


def old_width(state, num_classes):
    return variant(state, num_classes, shape=lambda Y, D: (Y, state[HEAD].shape[1]))


def given_one_changed(state, num_classes):
    new = variant(state, num_classes)
    for name in OF_HEAD:
        state.pop(name, None)
    state.update(new)
    return state


def zeroed_in_place(state, num_classes):
    new = dict(state)
    new[HEAD][:] = 0
    new[BIAS][:] = 0
    return new


def no_bias(state, num_classes):
    new = variant(state, num_classes)
    del new[BIAS]
    return new


def norm_lost(state, num_classes):
    return variant(state, num_classes, left_out=OF_HEAD + ("norm.weight", "norm.bias"))


EXERCISE = Exercise(
    slug="swap_head", lesson=14, minutes=10, difficulty=1,
    task="Put a new head of zeros on a trained model's trunk.",
    solution=swap_head, oracle=oracle, cases=cases, probe=probe,
    outputs=("the names", "head.weight", "head.bias", "the trunk"),
    properties=(Property("knows nothing yet", knows_nothing_yet),),
    wrong=(
        Wrong("hidden-layer-kept", lambda state, Y: variant(state, Y, left_out=(HEAD, BIAS)), "pre_logits is still "
              "there: it is the hidden layer of the old head, made for the old classes, and is taken off with it.",
              specific=True),
        Wrong("width-of-the-old-head", old_width, "head.weight is as wide as the old one. That read a hidden layer of "
              "width R; the new one reads the trunk, whose width D is that of norm.weight.", specific=True),
        Wrong("transposed", lambda state, Y: variant(state, Y, shape=lambda Y, D: (D, Y)), "head.weight is (D, Y): a "
              "linear layer's weight is (out, in), so it is (Y, D), num_classes first."),
        Wrong("old-rows-kept", old_rows, "the head has rows of the old one: they speak of the old classes. It begins "
              "with zeros.", specific=True),
        Wrong("old-bias-kept", old_bias, "head.bias has numbers of the old head: it says how frequent the old classes "
              "were. It begins with zeros, like the weight.", specific=True),
        Wrong("kept-where-it-fits", only_if_it_does_not_fit, "the old head is kept where the number of classes is the "
              "same: ten animals are not ten digits. Swap the head whatever its shape. (DeiT's code drops only what "
              "does not fit.)", specific=True),
        Wrong("given-dictionary-changed", given_one_changed, "the dictionary that was given is changed: make a new "
              "one, so that the trained model can be used again.", specific=True),
        Wrong("zeros-written-into-the-old-head", zeroed_in_place, "zeros are written into the old head's own arrays: "
              "the copy of a dictionary holds the same arrays, and theirs is the shape of the old classes. Make new "
              "ones.", specific=True),
        Wrong("no-bias", no_bias, "head.bias is missing from the result: a linear layer has both."),
        Wrong("norm-lost", norm_lost, "the last layer norm, norm.weight and norm.bias, is gone: it belongs to the "
              "trunk, y = LN(z)[class token], and is trained. Leave out (\"head\", \"pre_logits\") alone.",
              specific=True),
        Wrong("bias-minus-log", lambda state, Y: variant(state, Y, bias=lambda Y: np.full(Y, -np.log(Y))), "the bias "
              "is -log(Y). Under softmax the same bias for all classes changes nothing, so 0 it is. (Codes that train "
              "each class by a sigmoid of its own begin so.)", specific=True)),
    correct=(variant, copied),
    hints=(
        "Which names belong to the head? Print them for a model that has a hidden layer, and for one that has none.",
        "Go through state.items() and keep what does not begin with `head.` or `pre_logits.`. The width D of the trunk "
        "is the length of norm.weight; a linear layer's weight is (out, in).",
        "new = {name: array for name, array in state.items() if ...}; then new['head.weight'] and new['head.bias'] are "
        "np.zeros of the right shape, with the dtype of norm.weight; return new."),
    why="With zeros in the head all logits are 0, the first loss is ln Y, and no gradient passes into the trunk: it is "
        "the product of what arrives and the head's weights. So a trained trunk is not shaken by a head that knows "
        "nothing. After the first step the head points somewhere, and from the second on the trunk learns too.")

"""Optimizers around the arithmetic, which test_golden.py checks: groups, packing, state."""
import math

import numpy as np
import pytest

from minivit import Tensor, nn
from minivit.models import create
from minivit.nn import Parameter
from minivit.optim import SGD, Adam, AdamW, decay_groups

MAKERS = {
    "sgd": lambda params: SGD(params, 0.1), "momentum": lambda params: SGD(params, 0.1, momentum=0.9),
    "nesterov": lambda params: SGD(params, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda params: Adam(params, 0.1, weight_decay=0.01), "adamw": lambda params: AdamW(params, 0.1)}
each_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def parameter(*values, dtype=np.float32):
    return nn.Parameter(np.array(values, dtype))


def layer(seed=0):
    return nn.Linear(3, 2, seed)


def fill_gradients(model, seed=0):
    x = np.random.default_rng(seed).standard_normal((4, 3)).astype(model.weight.dtype)
    (model(Tensor(x)) ** 2).mean().backward()


# Groups

def test_biases_norms_tokens_and_positions_do_not_decay():
    with nn.no_init():
        decayed, free = decay_groups(create("vit_tiny_patch16_224", depth=1), 0.05)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.05, 0.0)
    assert [name for name, _ in decayed["params"]] == [
        "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.attn.proj.weight", "blocks.0.mlp.fc1.weight",
        "blocks.0.mlp.fc2.weight", "head.weight"]
    assert {"cls_token", "pos_embed", "norm.weight", "head.bias"} < {name for name, _ in free["params"]}


def test_a_group_without_parameters_is_left_out():
    assert [group["weight_decay"] for group in decay_groups(nn.LayerNorm(3), 0.05)] == [0.0]


def test_groups_have_their_own_options():
    decayed, free = parameter(1.0), parameter(1.0)
    optimizer = AdamW([{"params": [("a", decayed)], "weight_decay": 0.5}, {"params": [("b", free)]}], lr=0.1,
                      weight_decay=0.0)
    optimizer.step()
    assert decayed.data[0] == pytest.approx(1 - 0.1 * 0.5) and free.data[0] == 1


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0])
def test_lr_scale_multiplies_the_learning_rate(scale):
    p = parameter(1.0)
    optimizer = SGD([{"params": [("p", p)], "lr_scale": scale}], lr=0.1)
    p.grad = np.float32([1])
    optimizer.step()
    assert p.data[0] == pytest.approx(1 - 0.1 * scale)


def test_the_learning_rate_of_a_step_is_remembered():
    optimizer = SGD(layer(), lr=0.1)
    optimizer.step(lr=0.02)
    assert optimizer.lr == 0.02 and optimizer.steps == 1


@pytest.mark.parametrize("call, error, message", [
    (lambda p: SGD([], 0.1), ValueError, "given no parameters"),
    (lambda p: SGD([p], 0.1), TypeError, r"given as \(name, parameter\)"),
    (lambda p: SGD([("p", p)], -0.1), ValueError, "learning rate must be >= 0, not -0.1"),
    (lambda p: SGD([("p", p)], math.nan), ValueError, "learning rate must be >= 0, not nan"),
    (lambda p: SGD([("p", p)], 0.1, nesterov=True), ValueError, "needs a momentum"),
    (lambda p: Adam([("p", p)], 0.1, betas=(0.9, 1.0)), ValueError, r"betas must be .* not \(0.9, 1.0\)"),
    (lambda p: SGD([{"params": [("p", p)], "momentun": 0.9}], 0.1), ValueError,
     "SGD has no option 'momentun'; it has momentum, nesterov, weight_decay, lr_scale"),
    (lambda p: SGD([("p", p), ("q", parameter(1.0, dtype=np.float64))], 0.1), TypeError,
     "must have one dtype, and these have float32, float64"),
], ids=["none", "no names", "negative lr", "nan lr", "nesterov", "betas", "option", "dtypes"])
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call(parameter(1.0))


# A parameter packed twice makes its first view stale, and a name used twice loses a state on saving.
@pytest.mark.parametrize("pairs", [[("a", p := parameter(1.0)), ("b", p)], [("a", parameter(1.0)), ("a", p)]],
                         ids=["parameter", "name"])
def test_duplicates_are_refused(pairs):
    with pytest.raises(ValueError, match=r"^[ab] is given to the optimizer twice"):
        SGD(pairs, 0.1)


# Packing

@each_optimizer
def test_data_never_moves_and_a_step_leaves_the_gradients_side_by_side(make):
    model = layer()
    optimizer = make(model)
    before = [p.data for p in model.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        fill_gradients(model)
        given = [p.grad.copy() for p in model.parameters()]
        optimizer.step()
        for p, gradient in zip(model.parameters(), given):
            np.testing.assert_array_equal(p.grad, gradient)
            assert np.shares_memory(p.grad, optimizer.groups[0].grad)
        model.zero_grad()
        model.load_state_dict(layer(1).state_dict())
        optimizer.load_state_dict(optimizer.state_dict())
    assert all(p.data is data for p, data in zip(model.parameters(), before))
    assert all(np.shares_memory(p.data, optimizer.groups[0].data) for p in model.parameters())


def test_packing_changes_no_value():
    packed, plain = layer(), layer()
    SGD(packed, 0.1)
    for name, array in plain.state_dict().items():
        np.testing.assert_array_equal(packed.state_dict()[name], array)


def test_replacing_an_array_is_an_error_that_names_it():
    model = layer()
    optimizer = SGD(model, 0.1)
    model.bias.data = np.zeros(2, np.float32)
    with pytest.raises(RuntimeError, match=r"array of bias was replaced .*p.data\[\.\.\.\] = values"):
        optimizer.step()


def test_gradients_set_by_hand_are_gathered():
    model = layer()
    optimizer, before = SGD(model, 0.5), model.bias.data.copy()
    model.bias.grad = np.array([1, 2], np.float32)
    optimizer.step()
    np.testing.assert_allclose(model.bias.data, before - [0.5, 1])


def test_a_gradient_of_none_counts_as_zero():
    model = layer()
    optimizer, before = SGD(model, 0.5), model.bias.data.copy()
    fill_gradients(model)
    model.bias.grad = None
    optimizer.step()
    np.testing.assert_array_equal(model.bias.data, before)


def test_backward_adds_and_zero_grad_starts_again():
    model = layer()
    optimizer = SGD(model, 0.1)
    fill_gradients(model)
    once = model.weight.grad.copy()
    fill_gradients(model)
    np.testing.assert_allclose(model.weight.grad, 2 * once)
    optimizer.zero_grad()
    assert model.weight.grad is None and model.bias.grad is None
    fill_gradients(model)
    np.testing.assert_array_equal(model.weight.grad, once)


def test_gradients_add_up_after_a_step_too():
    """There they are views of the optimizer's own array: what is added must not be lost, nor counted twice."""
    model = layer()
    optimizer = SGD(model, lr=0.0)
    fill_gradients(model)
    once = model.weight.grad.copy()
    for times in (2, 3):
        optimizer.step()
        fill_gradients(model)
        np.testing.assert_allclose(model.weight.grad, times * once, rtol=1e-6)


def test_frozen_parameters_stay():
    model = layer()
    model.weight.requires_grad = False
    before = model.weight.data.copy()
    optimizer = SGD(model, 0.1)
    fill_gradients(model)
    optimizer.step()
    np.testing.assert_array_equal(model.weight.data, before)
    assert model.bias.data.any()


@each_optimizer
def test_long_arrays_are_stepped_like_short_ones(make):
    """More elements than one block of the step."""
    long, short = parameter(*np.full(70_000, 2.0)), parameter(2.0)
    for p in (long, short):
        optimizer = make([("p", p)])
        for _ in range(2):
            p.grad = np.full(p.shape, 0.5, np.float32)
            optimizer.step()
    assert (long.data == short.data[0]).all() and short.data[0] != 2


@each_optimizer
def test_float64_stays_float64(make):
    model = layer().astype("float64")
    optimizer = make(model)
    fill_gradients(model)
    optimizer.step()
    assert {str(p.dtype) for p in model.parameters()} == {"float64"}
    assert {str(array.dtype) for name, array in optimizer.state_dict().items() if name != "steps"} == {"float64"}


# State

@each_optimizer
def test_state_by_name_continues_exactly(make):
    model, other = layer(), layer()
    optimizer = make(model)
    fill_gradients(model)
    optimizer.step()
    other.load_state_dict(model.state_dict())
    resumed = make(reversed(list(other.named_parameters())))                # another order: names decide
    resumed.load_state_dict({name: array.copy() for name, array in optimizer.state_dict().items()})
    for net, stepper in ((model, optimizer), (other, resumed)):
        stepper.zero_grad()
        fill_gradients(net, seed=1)
        stepper.step()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
    assert resumed.steps == 2


@pytest.mark.parametrize("change, error, message", [
    (lambda state: state.pop("mean/bias"), KeyError, r"not the state of this Adam: missing \['mean/bias'\]"),
    (lambda state: state.update(other=np.zeros(1)), KeyError, r"unexpected \['other'\]"),
    (lambda state: state.update({"square/bias": np.zeros(9)}), ValueError, r"square/bias has shape \(9,\), expected"),
], ids=["missing", "unexpected", "shape"])
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(change, error, message):
    model = layer()
    optimizer = Adam(model, 0.1)
    fill_gradients(model)
    optimizer.step()
    before = {name: array.copy() for name, array in optimizer.state_dict().items()}
    state = {name: array + 1 for name, array in before.items()}
    change(state)
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(state)
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_positions_of_rows_and_columns_do_not_decay():
    groups = decay_groups(create("vit_nano_patch7_28", pos_embed="learned-2d", registers=2), 0.1)
    decayed, free = ({name for name, _ in group["params"]} for group in groups)
    assert {"pos_embed.x", "pos_embed.y", "cls_token", "reg_token"} <= free and "head.weight" in decayed


def test_a_step_may_begin_before_its_gradients():
    """`begin` sets the learning rate of the step that follows; a rate that `step` itself is given goes before it."""
    found = []
    for steps in (((None, 0.1), (None, 0.2), (None, 0.2)), ((0.1, None), (0.2, None), (None, None)),
                  ((0.5, 0.1), (0.5, 0.2), (0.2, None))):
        p = Parameter(np.float32([1, -2, 3]))
        optimizer = AdamW([("p", p)])
        for begun, given in steps:
            if begun is not None:
                optimizer.begin(begun)
            p.grad = np.float32([1, 2, -1])
            optimizer.step(given)
        assert optimizer.steps == 3 and optimizer.lr == 0.2
        found.append(p.data.tolist())
    assert found[0] == found[1] == found[2]

"""Hooks: functions that see, and may replace, the gradient of one tensor; sinks; and gradients that are retained."""
import numpy as np
import pytest

from minivit import Tensor


def leaf(*numbers):
    return Tensor(np.array(numbers, np.float32), requires_grad=True)


def test_a_leaf_hook_runs_once_with_the_complete_gradient():
    x, seen = leaf(3), []
    x.register_hook(lambda gradient: seen.append(gradient.item()))
    (x * x + x).sum().backward()
    assert seen == [7]


def test_the_hook_of_an_intermediate_runs_once_with_the_complete_gradient():
    x, seen = leaf(3), []
    h = x * 2.0
    h.register_hook(lambda gradient: seen.append(gradient.item()))
    (h * h + h).sum().backward()
    assert seen == [13]


def test_each_output_of_an_operation_has_its_own_hooks():
    x, seen = leaf(1, 2), []
    first, second = x.split((1, 1))
    second.register_hook(lambda gradient: seen.append(gradient.item()))
    (first * 3.0 + second * 5.0).sum().backward()
    assert seen == [5]


@pytest.mark.parametrize("where", ["leaf", "intermediate"])
def test_a_hook_may_replace_the_gradient(where):
    x = leaf(3)
    h = x * 2.0
    (x if where == "leaf" else h).register_hook(lambda gradient: gradient * 100)
    h.sum().backward()
    assert x.grad.tolist() == [200]


@pytest.mark.parametrize("returns", [True, False], ids=["and returns it", "and returns nothing"])
@pytest.mark.parametrize("where", ["leaf", "intermediate"])
def test_a_hook_may_edit_its_gradient_in_place_for_its_tensor_alone(where, returns):
    x, y = leaf(3, 3), leaf(4, 4)
    h, other = x * 2.0, y * 1.0

    def edit(gradient):
        gradient *= 100
        return gradient if returns else None
    (x if where == "leaf" else h).register_hook(edit)
    given = np.ones(2, np.float32)
    (h + other).backward(given)                     # add hands one array to both sides
    assert x.grad.tolist() == [200, 200]
    assert y.grad.tolist() == [1, 1] and given.tolist() == [1, 1]


def test_hooks_run_in_order_each_on_what_the_one_before_returned():
    x = leaf(1)
    x.register_hook(lambda gradient: gradient + 1).register_hook(lambda gradient: gradient * 10)
    x.sum().backward()
    assert x.grad.tolist() == [20]


@pytest.mark.parametrize("replacement, match", [
    (np.ones(3, np.float32), r"float32 \(3,\) in place of an array float32 \(2,\)"),
    (np.ones(2), r"float64 \(2,\) in place of an array float32 \(2,\)")], ids=["shape", "dtype"])
def test_a_replacement_of_another_shape_or_type_is_refused(replacement, match):
    x = leaf(1, 2)
    x.register_hook(lambda gradient: replacement)
    with pytest.raises(TypeError, match=match):
        x.sum().backward()


@pytest.mark.parametrize("replacement", [2.0, Tensor([1.0, 1.0])], ids=["number", "tensor"])
def test_a_replacement_that_is_no_array_is_refused(replacement):
    x = leaf(1, 2)
    x.register_hook(lambda gradient: replacement)
    with pytest.raises(TypeError, match="a hook on"):
        x.sum().backward()


def test_a_hook_that_could_never_run_is_refused():
    with pytest.raises(RuntimeError, match="would never be called"):
        Tensor([1.0]).register_hook(print)


def test_a_sink_receives_the_gradients_instead_of_grad():
    x, y, seen, hooked = leaf(1), leaf(2), {}, []
    x.register_hook(hooked.append)
    (x * y).sum().backward(sink=lambda leaf, gradient, owned: seen.update({id(leaf): gradient.item()}))
    assert seen == {id(x): 2, id(y): 1}
    assert x.grad is None and hooked == []          # the hook waits for the gradient that all workers added up
    x.receive(np.array([7], np.float32))
    assert x.grad.tolist() == [7] and len(hooked) == 1


def test_retain_grad_keeps_the_gradient_of_an_intermediate():
    x = leaf(3)
    h = (x * 2.0).retain_grad()
    (h * h).sum().backward()
    assert h.grad.tolist() == [12]

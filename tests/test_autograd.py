"""The tape: how gradients add up, who owns them, what is recorded, what is freed, and what the errors say."""
import gc
import weakref

import numpy as np
import pytest

from minivit import Tensor, no_grad, ops
from minivit.function import Function
from minivit.tape import walk
from minivit.tensor import apply


def leaf(*numbers, dtype=np.float32):
    return Tensor(np.array(numbers, dtype), requires_grad=True)


def one_like(t):
    return np.ones_like(t.data)


class SineAndCosine(Function):
    """Two outputs. It writes down which of their gradients backward was given."""

    given = []

    @staticmethod
    def forward(ctx, x):
        ctx.save(x)
        return np.sin(x), np.cos(x)

    @staticmethod
    def backward(ctx, dsin, dcos):
        x, = ctx.saved
        SineAndCosine.given.append((dsin is not None, dcos is not None))
        dx = np.zeros_like(x)
        if dsin is not None:
            dx += dsin * np.cos(x)
        if dcos is not None:
            dx -= dcos * np.sin(x)
        return dx


class TestAddingUp:
    def test_a_tensor_used_twice_gets_both_gradients(self):
        x = leaf(1, 2)
        (x + x).backward(np.array([1, 10], np.float32))
        assert x.grad.tolist() == [2, 20]

    def test_diamond(self):
        x = leaf(3)
        h = x * 2.0
        (h * h + h).sum().backward()
        assert x.grad.tolist() == [2 * (2 * 6 + 1)]

    def test_two_backwards_accumulate(self):
        x = leaf(1, 2)
        for _ in range(3):
            (x * 2.0).sum().backward()
        assert x.grad.tolist() == [6, 6]

    def test_backward_on_a_leaf(self):
        x = Tensor(2.0, requires_grad=True)
        x.backward()
        assert x.grad == 1

    def test_a_repeated_index_adds_up(self):
        x = leaf(1, 2, 3)
        x[[0, 0, 2]].backward(np.array([1, 10, 100], np.float32))
        assert x.grad.tolist() == [11, 0, 100]

    @pytest.mark.parametrize("unused, given", [(0, (False, True)), (1, (True, False))], ids=["sine", "cosine"])
    def test_an_unused_output_has_no_gradient(self, unused, given):
        x = leaf(0.5)
        SineAndCosine.given.clear()
        outputs = apply(SineAndCosine, x)
        outputs[1 - unused].sum().backward()
        assert SineAndCosine.given == [given]
        assert x.grad == pytest.approx(-np.sin(0.5) if unused == 0 else np.cos(0.5))

    @pytest.mark.parametrize("cut", [lambda x: x.split((1, 1)), lambda x: x.unbind()], ids=["split", "unbind"])
    def test_a_part_that_nothing_uses_gets_zeros(self, cut):
        x = Tensor([[1.0], [2.0]], requires_grad=True)
        cut(x)[1].sum().backward()
        assert x.grad.tolist() == [[0], [1]]

    def test_the_numbers_of_a_vector_can_be_unbound(self):
        x = leaf(1, 2)
        x.unbind()[1].backward()
        assert x.grad.tolist() == [0, 1]

    def test_both_outputs_meet_in_one_backward(self):
        x = leaf(0.5)
        SineAndCosine.given.clear()
        sine, cosine = apply(SineAndCosine, x)
        (sine * cosine).sum().backward()
        assert SineAndCosine.given == [(True, True)]
        assert x.grad == pytest.approx(np.cos(1.0))

    def test_a_graph_of_depth_5000(self):
        x = leaf(1)
        y = x
        for _ in range(5000):
            y = y + x
        y.sum().backward()
        assert x.grad.tolist() == [5001]

    def test_an_unused_graph_of_depth_5000_is_forgotten(self):
        y = leaf(1)
        for _ in range(5000):
            y = y * 1.0
        tape = weakref.ref(y)
        del y
        assert tape() is None


class TestOwnership:
    """A backward may return the array that it was given, or a view of it: no two tensors may end up with one array."""

    @pytest.mark.parametrize("operation", [
        lambda x, y: x + y, lambda x, y: x.T + y.T, lambda x, y: x.reshape(4) + y.reshape(4),
        lambda x, y: ops.concat([x, y]), lambda x, y: (x + y).expand(3, 2, 2)],
        ids=["same-array", "transposed", "reshaped", "parts", "broadcast"])
    def test_grads_are_separate_arrays(self, operation):
        x, y = (Tensor(np.zeros((2, 2), np.float32), requires_grad=True) for _ in range(2))
        z = operation(x, y)
        dz = one_like(z)
        z.backward(dz)
        x.grad += 100
        assert (y.grad == y.grad[0, 0]).all() and y.grad[0, 0] < 100
        assert (dz == 1).all()

    def test_the_gradient_that_backward_is_given_is_not_kept(self):
        x = leaf(1, 2)
        given = one_like(x)
        x.backward(given)
        x.backward(given)
        assert given.tolist() == [1, 1] and x.grad.tolist() == [2, 2]

    def test_a_retained_gradient_is_a_copy(self):
        a, b = ((leaf(1, 2) * 1.0).retain_grad() for _ in range(2))
        given = one_like(a)
        (a + b).backward(given)
        a.grad += 100
        assert b.grad.tolist() == [1, 1] and given.tolist() == [1, 1]

    def test_a_sum_is_not_added_into_what_a_backward_returned(self):
        x = leaf(1, 2)
        h = x * 1.0
        a, b = h + 0.0, h + 0.0         # both return dy itself as the gradient of h
        seen = []
        a.register_hook(lambda gradient: seen.append(gradient))
        (a + b + a).backward(one_like(h))
        assert seen[0].tolist() == [2, 2] and x.grad.tolist() == [3, 3]

    def test_the_array_that_a_hook_returns_is_not_kept(self):
        x, ones = leaf(0, 0), np.ones(2, np.float32)
        x.register_hook(lambda gradient: ones)
        for _ in range(3):
            (x * 2.0).sum().backward()
        assert x.grad.tolist() == [3, 3]

    def test_a_hook_that_edits_in_place_changes_no_other_gradient(self):
        x, y = leaf(1), leaf(1)
        x.register_hook(lambda gradient: gradient.fill(10))
        (x + y).backward(one_like(x))
        assert y.grad.tolist() == [1]


class TestRecording:
    def test_detach_cuts_the_history_and_shares_the_array(self):
        x = leaf(2)
        cut = (x * 3.0).detach()
        assert not cut.requires_grad and cut.is_leaf
        (x * cut).sum().backward()
        assert x.grad.tolist() == [6]

    def test_no_grad_records_and_saves_nothing(self):
        saved = []

        class Spy(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save(x)
                saved.append(ctx.saved)
                return x + 1

            @staticmethod
            def backward(ctx, dy):
                return dy

        x = leaf(1)
        with no_grad():
            y = apply(Spy, x)
        assert saved == [()] and not y.requires_grad and walk(y.edge) == []
        assert apply(Spy, x).requires_grad and saved[1] == (x.data,)

    def test_nothing_is_recorded_where_no_input_requires_a_gradient(self):
        y = Tensor([1.0]) * 2.0
        assert not y.requires_grad and walk(y.edge) == []

    def test_backward_need_not_compute_what_nobody_wants(self):
        needs = []

        class Needs(Function):
            @staticmethod
            def forward(ctx, a, b):
                needs.append(ctx.needs)
                return a * b

            @staticmethod
            def backward(ctx, dy):
                return None, dy

        apply(Needs, Tensor([1.0]), leaf(1)).sum().backward()
        assert needs == [(False, True)]


class TestFreeing:
    def test_a_node_is_freed_as_soon_as_it_was_used(self):
        x = leaf(1, 2)
        first = x.exp()
        second = first.exp()
        array, alive = weakref.ref(second.data), []
        first.register_hook(lambda gradient: alive.append(array() is not None))
        loss = second.sum()
        del second
        nodes = walk(loss.edge)
        gc.disable()
        try:
            loss.backward()
        finally:
            gc.enable()
        assert alive == [False]         # gone while backward was still on its way to x
        assert [node.ctx for node in nodes] == [None, None, None]
        assert walk(loss.edge)[1:] == []

    def test_a_tape_that_was_never_used_goes_with_its_tensor(self):
        x = leaf(1, 2)
        y = x.exp()
        array = weakref.ref(y.data)
        gc.disable()
        try:
            y = y.sum()
            del y
            assert array() is None
        finally:
            gc.enable()

    def test_retain_grad_does_not_keep_its_tensor_alive(self):
        x = leaf(1, 2)
        h = x.exp().retain_grad()
        h.sum().backward()
        alive = weakref.ref(h)
        gc.disable()
        try:
            del h
            assert alive() is None
        finally:
            gc.enable()


class TestErrors:
    def test_a_second_backward(self):
        x = leaf(1)
        y = x.exp().sum()
        y.backward()
        with pytest.raises(RuntimeError, match="backward already went through this sum.*run the forward pass again"):
            y.backward()
        assert x.grad == pytest.approx(np.e)

    def test_a_second_backward_through_a_shared_part_changes_no_grad(self):
        x, other = leaf(1), leaf(1)
        shared = x.exp()
        one, two = (shared * 2.0).sum(), (shared * other).sum()
        one.backward()
        before = x.grad.copy()
        with pytest.raises(RuntimeError, match="backward already went through this exp"):
            two.backward()
        assert x.grad == before and other.grad is None

    def test_backward_starts_from_one_number(self):
        with pytest.raises(ValueError, match=r"this tensor has shape \(2,\): reduce it, say with .mean\(\)"):
            (leaf(1, 2) * 2.0).backward()

    def test_backward_without_a_history(self):
        with pytest.raises(RuntimeError, match="requires_grad=True, or it was computed under no_grad"):
            Tensor([1.0]).sum().backward()

    @pytest.mark.parametrize("gradient, got", [
        (np.ones(3, np.float32), r"float32 \(3,\)"), (np.ones(2), r"float64 \(2,\)"), ([1.0, 1.0], r"\[1.0, 1.0\]")],
        ids=["shape", "dtype", "list"])
    def test_an_output_gradient_that_does_not_fit(self, gradient, got):
        with pytest.raises(ValueError, match=rf"must be like the tensor, float32 \(2,\), not {got}"):
            (leaf(1, 2) * 2.0).backward(gradient)

"""The Tensor: what it accepts, how it meets numbers, NumPy and Python, and what its errors say.

What happens on the way back is in test_autograd.py.
"""
import numpy as np
import pytest

from minivit import Tensor, ops


def leaf(*numbers, dtype=np.float32):
    return Tensor(np.array(numbers, dtype), requires_grad=True)


X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


class TestTypes:
    @pytest.mark.parametrize("data, dtype", [
        ([1.0, 2.0], np.float32), (1.5, np.float32), ([1, 2], np.int64), ([True], bool),
        (np.ones(2), np.float64), (np.ones(2, np.float32), np.float32), (np.float64(1), np.float64)],
        ids=["list", "number", "integers", "booleans", "float64-array", "float32-array", "float64-scalar"])
    def test_arrays_keep_their_type_and_lists_become_float32(self, data, dtype):
        assert Tensor(data).dtype == dtype

    @pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex64, object, "U1"])
    def test_other_types_are_refused(self, dtype):
        with pytest.raises(TypeError, match="holds float32, float64, integers or booleans, not"):
            Tensor(np.zeros(2, dtype))

    @pytest.mark.parametrize("data", [[1, 2], [True], np.arange(3)], ids=["list", "booleans", "array"])
    def test_integers_cannot_require_a_gradient(self, data):
        with pytest.raises(TypeError, match="cannot require a gradient.*astype"):
            Tensor(data, requires_grad=True)

    def test_a_tensor_of_a_tensor_is_refused(self):
        with pytest.raises(TypeError, match="use tensor.detach()"):
            Tensor(Tensor([1.0]))

    @pytest.mark.parametrize("number", [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2)],
                             ids=lambda number: type(number).__name__)
    @pytest.mark.parametrize("combine", [
        lambda t, n: t * n, lambda t, n: n * t, lambda t, n: t + n, lambda t, n: n - t, lambda t, n: n / t,
        lambda t, n: t ** n, lambda t, n: ops.maximum(t, n), lambda t, n: ops.where(t.data > 1, t, n)],
        ids=["t*n", "n*t", "t+n", "n-t", "n/t", "t**n", "maximum", "where"])
    def test_numbers_do_not_widen_float32(self, combine, number):
        t = leaf(1, 2)
        y = combine(t, number)
        assert isinstance(y, Tensor) and y.dtype == np.float32
        y.sum().backward()
        assert t.grad.dtype == np.float32

    def test_float32_and_float64_do_not_mix(self):
        with pytest.raises(TypeError, match=r"mul was given float32, float64: .*Convert one side, with .astype"):
            Tensor([1.0]) * np.ones(1)

    def test_integer_arrays_take_the_type_of_the_other_side(self):
        assert (Tensor([1.0, 2.0]) * np.arange(2)).dtype == np.float32
        assert (np.arange(2) * Tensor(np.ones(2))).dtype == np.float64

    def test_astype_carries_the_gradient_back_in_the_old_type(self):
        x = leaf(1, 2)
        y = x.astype(np.float64) * 3.0
        assert y.dtype == np.float64
        y.sum().backward()
        assert x.grad.dtype == np.float32 and x.grad.tolist() == [3, 3]
        with pytest.raises(TypeError, match="float32 or float64, not int64"):
            x.astype(np.int64)


class TestNumPy:
    @pytest.mark.parametrize("operation", [
        lambda a, t: a + t, lambda a, t: a - t, lambda a, t: a * t, lambda a, t: a / t, lambda a, t: a @ t],
        ids=["+", "-", "*", "/", "@"])
    def test_an_array_on_the_left_gives_a_tensor(self, operation):
        a, t = np.array([1, 2], np.float32), leaf(3, 4)
        y = operation(a, t)
        assert isinstance(y, Tensor) and y.requires_grad
        assert np.array_equal(y.data, operation(a, t.data))

    @pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh"])
    def test_a_ufunc_names_the_method(self, name):
        with pytest.raises(TypeError, match=rf"np.{name} would lose the tensor's gradient: use t.{name}\(\)"):
            getattr(np, name)(leaf(1))

    def test_a_ufunc_without_a_method_names_detach(self):
        with pytest.raises(TypeError, match=r"np.sin .* t.detach\(\) or t.data"):
            np.sin(leaf(1))

    def test_adding_into_an_array_is_refused(self):
        a = np.zeros(1, np.float32)
        with pytest.raises(TypeError, match="np.add would lose the tensor's gradient"):
            a += leaf(1)

    @pytest.mark.parametrize("compare", [
        lambda a, b: a < b, lambda a, b: a <= b, lambda a, b: a > b, lambda a, b: a >= b, lambda a, b: a == b,
        lambda a, b: a != b], ids=["<", "<=", ">", ">=", "==", "!="])
    def test_comparisons_are_boolean_arrays(self, compare):
        a, b = np.array([1, 2, 3], np.float32), np.array([3, 2, 1], np.float32)
        expected = compare(a, b)
        for found in (compare(Tensor(a), Tensor(b)), compare(Tensor(a), b), compare(a, Tensor(b))):
            assert isinstance(found, np.ndarray) and np.array_equal(found, expected)
        assert np.array_equal(compare(Tensor(a), 2), compare(a, 2))

    def test_as_an_array(self):
        t = Tensor([1.0, 2.0])
        assert np.asarray(t) is not None and np.shares_memory(np.asarray(t), t.data)
        assert np.asarray(t, dtype=np.float64).dtype == np.float64
        assert not np.shares_memory(np.array(t), t.data)
        assert t.numpy().tolist() == [1, 2]

    @pytest.mark.parametrize("convert", [np.asarray, np.array, Tensor.numpy], ids=["asarray", "array", "numpy"])
    def test_a_tensor_with_a_gradient_is_no_array(self, convert):
        with pytest.raises(TypeError, match=r"requires a gradient, which an array cannot carry: use t.detach\(\)"):
            convert(leaf(1))

    def test_a_function_of_numpys_on_a_history_is_refused(self):
        with pytest.raises(TypeError, match=r"use t.detach\(\)"):
            np.concatenate([leaf(1), leaf(2)])


class TestPython:
    def test_assignment_is_refused(self):
        with pytest.raises(TypeError, match="not assigned to in place.*where"):
            leaf(1)[0] = 2

    def test_item_and_float_and_bool(self):
        t = Tensor([[2.5]])
        assert t.item() == 2.5 and type(t.item()) is float and float(t) == 2.5
        assert bool(Tensor(1.0)) and not Tensor(0.0)

    @pytest.mark.parametrize("convert", [Tensor.item, float, bool], ids=["item", "float", "bool"])
    def test_several_numbers_are_not_one(self, convert):
        with pytest.raises(ValueError, match=r"one element, and this one has shape \(2,\)"):
            convert(Tensor([1.0, 2.0]))

    def test_len_and_iteration(self):
        x = Tensor(X, requires_grad=True)
        assert len(x) == 2
        sum(row.sum() * k for k, row in enumerate(x)).backward()
        assert x.grad[0].max() == 0 and x.grad[1].min() == 1
        with pytest.raises(TypeError):
            len(Tensor(1.0))

    def test_repr_tells_values_type_and_source(self):
        assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.], float32)"
        assert repr(leaf(1, 2) * 2.0) == "Tensor([2., 4.], float32, from=mul, requires_grad=True)"

    def test_tensors_are_keys_by_identity(self):
        a, b = Tensor([1.0]), Tensor([1.0])
        assert len({a, b, a}) == 2

    def test_a_tensor_as_exponent_is_refused(self):
        with pytest.raises(TypeError, match=r"write a \*\* b as \(a.log\(\) \* b\).exp\(\)"):
            Tensor([1.0]) ** Tensor([2.0])


class TestPowersOfNumbers:
    @pytest.mark.parametrize("base", [2, 2.0, 0.5, np.e, 1], ids=str)
    def test_a_number_to_the_power_of_a_tensor(self, base):
        t = leaf(-1.5, 0, 3)
        y = base ** t
        assert isinstance(y, Tensor) and y.dtype == np.float32
        assert y.data == pytest.approx(float(base) ** t.data, rel=1e-6)
        y.sum().backward()
        assert t.grad == pytest.approx(np.log(base) * float(base) ** t.data, rel=1e-6)

    @pytest.mark.parametrize("base", [0, -2.0], ids=str)
    def test_a_base_without_a_logarithm_is_refused(self, base):
        with pytest.raises(ValueError):
            base ** leaf(1, 2)


class TestShapes:
    @pytest.mark.parametrize("index", [
        0, -1, slice(1, None), (0, 1), (slice(None), 1), (..., 0), (slice(None), None, 2), (0, slice(None, None, -2)),
        [1, 0, 1], (slice(None), [0, 2]), ([0, 1], [2, 0]), (np.array([[0], [1]]), np.array([0, 2])), X > 5,
        (0, X[0] > 5), np.int64(1), (slice(2, 2),)], ids=str)
    def test_indexing_is_numpys(self, index):
        x = Tensor(X, requires_grad=True)
        y = x[index]
        assert np.array_equal(y.data, X[index])
        y.sum().backward()
        counts = np.zeros_like(X)
        np.add.at(counts, index, 1)
        assert np.array_equal(x.grad, counts)

    def test_tensors_are_indices_too(self):
        assert np.array_equal(Tensor(X)[Tensor([1, 0])].data, X[[1, 0]])
        assert np.array_equal(Tensor(X)[:, Tensor([2])].data, X[:, [2]])

    @pytest.mark.parametrize("a, b", [((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((4, 1, 3), (2, 1)), ((1,), (5,)),
                                      ((0, 3), (3,))], ids=str)
    def test_broadcasting_sums_what_was_repeated(self, a, b):
        x, y = (Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in (a, b))
        z = x + y
        z.sum().backward()
        for t in (x, y):
            assert t.grad.shape == t.shape and (t.grad == z.size / max(t.size, 1)).all()

    @pytest.mark.parametrize("size, axis, lengths", [(2, 0, [2]), (2, 1, [2, 1]), (3, 2, [3, 1]), (9, -1, [4]),
                                                     (1, 1, [1, 1, 1])], ids=str)
    def test_split_into_parts_of_one_size(self, size, axis, lengths):
        x = Tensor(X, requires_grad=True)
        parts = x.split(size, axis)
        assert [part.shape[axis] for part in parts] == lengths
        assert np.array_equal(np.concatenate([part.data for part in parts], axis), X)
        sum((part * (k + 1.0)).sum() for k, part in enumerate(parts)).backward()
        assert np.moveaxis(x.grad, axis, 0)[:, 0, 0].tolist() == [k // size + 1 for k in range(X.shape[axis])]

    @pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2])
    def test_stack_is_numpys(self, axis):
        a, b = (Tensor(X + k, requires_grad=True) for k in (0, 1))
        y = ops.stack([a, b], axis)
        assert np.array_equal(y.data, np.stack([a.data, b.data], axis))
        dy = np.random.default_rng(0).standard_normal(y.shape).astype(np.float32)
        y.backward(dy)
        assert np.array_equal(a.grad, np.take(dy, 0, axis)) and np.array_equal(b.grad, np.take(dy, 1, axis))

    def test_mean_and_var_are_numpys(self):
        for axis in (None, 0, -1, (0, 2)):
            assert Tensor(X).mean(axis).data == pytest.approx(X.mean(axis))
            assert Tensor(X).var(axis, keepdims=True).data == pytest.approx(X.var(axis, keepdims=True))

    @pytest.mark.parametrize("operation, error, match", [
        (lambda x: x @ Tensor(np.ones((5, 4), np.float32)), ValueError,
         r"matmul.*last axis of the left must be as long as the rows of the right \(4 != 5\). "
         r"Did you mean b.swapaxes\(-1, -2\)"),
        (lambda x: x @ 2.0, Exception, "matmul|@"),
        (lambda x: x + Tensor([1.0, 2.0]), ValueError, r"add\(\(2, 3, 4\), \(2,\)\): .*broadcast"),
        (lambda x: x.reshape(5, -1), ValueError, r"reshape\(\(2, 3, 4\)\): .*shape \(5"),
        (lambda x: x.transpose(0, 1), ValueError, r"transpose\(\(2, 3, 4\)\): axes"),
        (lambda x: x.expand(2, 3, 5), ValueError, r"expand\(\(2, 3, 4\)\)"),
        (lambda x: x.sum(axis=3), ValueError, r"sum\(\(2, 3, 4\)\): axis 3 is out of bounds"),
        (lambda x: x[2], IndexError, r"getitem\(\(2, 3, 4\)\): index 2 is out of bounds"),
        (lambda x: x.split((1, 3), axis=1), ValueError, r"add up to 4, but axis 1 of \(2, 3, 4\) has 3"),
        (lambda x: x.pad(((1, 1),)), ValueError, r"a pair \(before, after\) >= 0 per axis"),
        (lambda x: ops.concat([x, x[0]]), ValueError, r"concat\(\(2, 3, 4\), \(3, 4\)\)"),
        (lambda x: ops.stack([x, x[0]]), ValueError, r"stack needs tensors of one shape, not \[\(2, 3, 4\), \(3, 4\)"),
        (lambda x: ops.stack([]), ValueError, "^stack needs tensors of one shape, not none at all: ")],
        ids=["matmul", "matmul-number", "add", "reshape", "transpose", "expand", "sum", "getitem", "split", "pad",
             "concat", "stack", "stack-nothing"])
    def test_what_does_not_fit_is_named(self, operation, error, match):
        with pytest.raises(error, match=match):
            operation(Tensor(X))

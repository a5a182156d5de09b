"""What holds for a block: no_grad, the form that runs, and a learner's own functions in its place."""
import numpy as np
import pytest

from minivit import Tensor, no_grad, ops, primitives, randomness, using
from minivit.function import FUNCTIONS, Function, Primitive
from minivit.gradcheck import CASES
from minivit.gradcheck.compare import forms_of
from minivit.modes import choose, grad_enabled
from minivit.streams import stream
from minivit.tape import walk
from minivit.tensor import apply

HAND_WRITTEN = ("softmax", "gelu", "layernorm", "attention", "cross_entropy")


def leaf(*shape, dtype=np.float32):
    return Tensor(stream(0).standard_normal(shape).astype(dtype), requires_grad=True)


def names(tensor):
    """Of the operations that `tensor` was computed by, newest first."""
    return [node.name for node in walk(tensor.edge)]


def form_of(name):
    """The form that would run here for float32 on NumPy."""
    return choose(FUNCTIONS[name], [np.ones(2, np.float32)])[0]


def small_transformer():
    """The loss of a graph with attention, layer norm and everything around them."""
    x, gamma, beta, weight = leaf(2, 1, 3, 4), leaf(4), leaf(4), leaf(5, 12)
    with randomness(seed=0):
        h = ops.layernorm(x, gamma, beta)
        h = ops.dropout(ops.attention(h, h, h, mask=np.tri(3, dtype=bool), dropout=0.2), 0.1)
        logits = ops.linear(ops.gelu(h).reshape(2, 12), weight)
        return ops.cross_entropy(logits, np.array([0, 3]), label_smoothing=0.1)


class TestForms:
    @pytest.mark.parametrize("name", HAND_WRITTEN)
    def test_the_hand_written_form_is_the_default(self, name):
        assert form_of(name) == "array"

    @pytest.mark.parametrize("form", ["composed", "array"])
    def test_a_block_holds_one_form(self, form):
        with using(form):
            assert form_of("softmax") == form
        assert form_of("softmax") == "array"

    def test_blocks_nest(self):
        with using("composed"):
            with using("array"):
                assert form_of("softmax") == "array"
            assert form_of("softmax") == "composed"

    def test_a_block_that_fails_still_ends(self):
        with pytest.raises(KeyError):
            with using("composed"), no_grad():
                raise KeyError
        assert form_of("softmax") == "array" and grad_enabled()

    def test_an_unknown_form(self):
        with pytest.raises(ValueError, match="unknown form 'numpy': the forms are composed, array, cuda"):
            with using("numpy"):
                pass

    def test_an_unknown_operation(self):
        with pytest.raises(ValueError, match="unknown operation 'layer_norm': did you mean 'layernorm'"):
            with using("array", {"layer_norm": (None, None)}):
                pass

    @pytest.mark.parametrize("name", HAND_WRITTEN)
    def test_cuda_names_the_operation_and_the_forms_it_has(self, name):
        if "cuda" in FUNCTIONS[name].forms:
            pytest.skip(f"{name} has a cuda form")
        function, inputs = CASES[name].make(stream(0), CASES[name].shapes[0])
        with using("cuda"), pytest.raises(ValueError, match=f"{name} has no cuda form: it has composed, array"):
            function(*map(Tensor, inputs.values()))

    def test_under_array_an_operation_is_one_node(self):
        with using("array"):
            loss = small_transformer()
        assert names(loss) == ["cross_entropy", "linear", "reshape", "gelu", "dropout", "attention", "layernorm"]

    def test_under_composed_everything_is_primitives(self):
        with using("composed"):
            loss = small_transformer()
        assert len(names(loss)) > 30
        assert all(issubclass(FUNCTIONS[name], Primitive) for name in names(loss))
        loss.backward()

    def test_both_forms_give_the_same_loss(self):
        losses = []
        for form in ("composed", "array"):
            with using(form):
                losses.append(small_transformer().item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)

    @pytest.mark.parametrize("draw", [
        lambda x: ops.dropout(x, 0.5), lambda x: ops.drop_path(x, 0.5), lambda x: ops.attention(x, x, x, dropout=0.5)],
        ids=["dropout", "drop_path", "attention"])
    def test_all_forms_see_the_same_mask(self, draw):
        found = []
        for form in ("composed", "array"):
            with using(form), randomness(seed=3):
                found.append(draw(leaf(4, 2, 5, 5, dtype=np.float64)).data)
        assert np.allclose(*found, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("case, form", [pytest.param(case, form, id=f"{case.name}-{form}")
                                            for case in CASES.values() for form in forms_of(case)
                                            if FUNCTIONS[case.covers[0]].keeps_dtype])
    def test_a_float32_graph_holds_float32_only(self, case, form):
        function, inputs = case.make(stream(0), case.shapes[0])
        with using(form), randomness(seed=0):
            outputs = function(*(Tensor(x.astype(np.float32), requires_grad=True) for x in inputs.values()))
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            for node in walk(output.edge):
                assert {dtype for _, dtype in filter(None, node.inputs)} == {np.dtype(np.float32)}, node.name
                saved = {array.dtype for array in node.ctx.saved if hasattr(array, "dtype")}
                assert np.dtype(np.float64) not in saved, f"{node.name} keeps float64"


class TestOwnFunctions:
    """`using(form, {name: functions})` lays a learner's own functions over the table."""

    @staticmethod
    def doubled(ctx, x, axis=-1):
        return 2 * x

    def test_they_run_in_the_block_only(self):
        x = leaf(2, 3)
        with using("array", {"softmax": (self.doubled, lambda ctx, dy: 5 * dy)}):
            y = ops.softmax(x)
        assert np.array_equal(y.data, 2 * x.data)
        y.backward(np.ones((2, 3), np.float32))         # a call keeps the backward that belongs to its forward
        assert (x.grad == 5).all()
        assert ops.softmax(x).data.sum() == pytest.approx(2)

    def test_operations_built_on_the_overlaid_one_use_it_too(self):
        x = leaf(1, 1, 2, 3)
        with using("composed", {"softmax": lambda x, axis=-1: x * 0.0}):
            assert (ops.attention(x, x, x).data == 0).all()
            assert (ops.softmax(x).data == 0).all()

    def test_an_inner_block_keeps_the_outer_ones(self):
        with using("array", {"softmax": (self.doubled, None)}):
            with using("array", {"gelu": (lambda ctx, x, approximate: x - 1, None)}):
                x = Tensor([1.0, 2.0])
                assert ops.softmax(x).data.tolist() == [2, 4] and ops.gelu(x).data.tolist() == [0, 1]

    def test_a_primitive_can_be_replaced(self):
        with using("array", {"exp": (lambda ctx, x: x + 1, None)}):
            assert Tensor([1.0]).exp().item() == 2

    @pytest.mark.parametrize("form, functions, match", [
        ("array", len, r"the array form of gelu is a pair \(forward, backward\)"),
        ("composed", (len, len), "the composed form of gelu is one function on Tensors")], ids=["array", "composed"])
    def test_functions_of_the_wrong_kind_are_refused(self, form, functions, match):
        with pytest.raises(TypeError, match=match):
            with using(form, {"gelu": functions}):
                pass

    def test_a_form_that_the_operation_lacks_can_be_laid_over_it(self):
        with using("cuda", {"gelu": (lambda ctx, x, approximate: x, None)}):
            assert ops.gelu(Tensor([1.0])).item() == 1

    def test_a_composed_form_for_a_primitive_is_used_or_refused(self):
        with using("composed", {"exp": lambda x: x + 1.0}):
            assert Tensor([1.0]).exp().item() == 2


class Broken(Function):
    """Laid over by the functions of each test below."""

    name = "broken_for_a_test"

    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, dy):
        return dy


class TestNames:
    def test_a_second_operation_of_a_name_that_is_taken_is_refused(self):
        gelu = FUNCTIONS["gelu"]
        with pytest.raises(TypeError, match=r"^there is an operation called 'gelu' already, minivit.ops.gelu.GELU: set "
                                            r"another `name`, or lay your functions over its own .* using\(\)$"):
            class GELU(Function):
                forward = backward = staticmethod(lambda ctx, x: x)
        assert FUNCTIONS["gelu"] is gelu

    def test_running_the_same_definition_again_replaces_it(self):
        """As a reader does who edits a cell of a notebook and runs it again."""
        def define(factor):
            class Scaled(Function):
                name = "scaled_for_a_test"
                forward = backward = staticmethod(lambda ctx, x: factor * x)
            return Scaled
        try:
            first, second = define(2), define(3)
            assert FUNCTIONS["scaled_for_a_test"] is second is not first
            assert apply(second, leaf(2, 3)).data == pytest.approx(3 * leaf(2, 3).data)
        finally:
            FUNCTIONS.pop("scaled_for_a_test", None)


class TestWhatAnOperationReturns:
    @pytest.mark.parametrize("forward, error, match", [
        (lambda ctx, x: x.astype(np.float64), TypeError, "forward of broken_for_a_test returned float64 for float32"),
        (lambda ctx, x: x * np.sqrt(64), TypeError, r"use Python numbers \(math.sqrt, not np.sqrt\)"),
        (lambda ctx, x: (x, x.astype(np.float64)), TypeError, "forward of broken_for_a_test returned float64"),
        (lambda ctx, x: x.reshape(7), ValueError, r"broken_for_a_test\(\(2, 3\)\): cannot reshape"),
        (lambda ctx, x: x[5], IndexError, r"broken_for_a_test\(\(2, 3\)\): index 5"),
        (lambda ctx, x: None, TypeError, "broken_for_a_test"),
        (lambda ctx, x: [x], TypeError, "broken_for_a_test")],
        ids=["astype", "sqrt", "second-output", "shape", "index", "none", "list"])
    def test_forward(self, forward, error, match):
        with using("array", {"broken_for_a_test": (forward, None)}), pytest.raises(error, match=match):
            apply(Broken, leaf(2, 3))

    @pytest.mark.parametrize("backward, match", [
        (lambda ctx, dy: dy.astype(np.float64), r"returned float64 \(2, 3\) as the gradient of input 0, which is"),
        (lambda ctx, dy: dy.T, r"returned float32 \(3, 2\) as the gradient of input 0, which is float32 \(2, 3\)"),
        (lambda ctx, dy: 0.0, "returned float as the gradient of input 0"),
        (lambda ctx, dy: (dy, dy), "returned 2 gradients for 1 inputs: return one per input"),
        (lambda ctx, dy: (), "returned 0 gradients for 1 inputs")],
        ids=["dtype", "shape", "number", "too-many", "too-few"])
    def test_backward(self, backward, match):
        with using("array", {"broken_for_a_test": (Broken.forward, backward)}):
            y = apply(Broken, leaf(2, 3)).sum()
        with pytest.raises(TypeError, match="backward of broken_for_a_test " + match):
            y.backward()


def test_no_grad_decorates_too():
    @no_grad()
    def double(x):
        return x * 2.0
    assert not double(leaf(2)).requires_grad
    assert not double(leaf(2)).requires_grad
    assert grad_enabled()


def test_primitives_have_one_form():
    assert {name: list(getattr(primitives, name).forms) for name in primitives.__all__} == {
        name: ["array"] for name in primitives.__all__}

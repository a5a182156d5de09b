"""The operations one by one: what they must be beyond equal in all forms, at extremes, and what their errors name.

Values against PyTorch are in test_golden.py, gradients in test_gradients.py.
"""
import numpy as np
import pytest

from minivit import Tensor, ops, randomness, using
from minivit.cuda import why_no_emulator

emulated = pytest.param("cuda", marks=pytest.mark.skipif(why_no_emulator() is not None, reason=str(why_no_emulator())))
both_forms = pytest.mark.parametrize("form", ["composed", "array"])
all_forms = pytest.mark.parametrize("form", ["composed", "array", emulated])


def normal(*shape, dtype=np.float32, scale=1.0, offset=0.0):
    return (offset + scale * np.random.default_rng(0).standard_normal(shape)).astype(dtype)


def tensors(*arrays):
    return [Tensor(array, requires_grad=True) for array in arrays]


def run(form, operation, *arrays):
    """The output of `operation` and the gradients of its inputs, for an output gradient that is not constant.

    The cuda form is float32: float64 arrays go through the definition in its place.
    """
    inputs = tensors(*arrays)
    form = "composed" if form == "cuda" and arrays[0].dtype == np.float64 else form
    with using(form), randomness(seed=0):
        y = operation(*inputs)
        y.backward(np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape))
    return y.data, [t.grad for t in inputs]


@all_forms
class TestExtremes:
    """float32 inputs at the edges, against float64."""

    @pytest.mark.parametrize("operation", [ops.softmax, ops.log_softmax], ids=["softmax", "log_softmax"])
    @pytest.mark.parametrize("scale, offset", [(1, 1e4), (1e3, 0), (1, -1e4)], ids=["offset", "scale", "minus-offset"])
    def test_softmax(self, form, operation, scale, offset):
        x = normal(2, 5, 33, scale=scale, offset=offset)
        y, (dx,) = run(form, operation, x)
        exact, (exact_dx,) = run(form, operation, x.astype(np.float64))
        assert y == pytest.approx(exact, rel=1e-5, abs=1e-6)
        assert dx == pytest.approx(exact_dx, rel=1e-5, abs=2e-6)

    def test_softmax_of_logits_too_large_for_exp(self, form):
        y, _ = run(form, ops.softmax, np.array([[1e3, -1e3, 1e3], [1e38, 0, -1e38]], np.float32))
        assert y.tolist() == [[0.5, 0, 0.5], [1, 0, 0]]

    def test_layernorm_far_from_zero(self, form):
        x, gamma, beta = normal(4, 33, offset=1e4), normal(33), normal(33)
        y, (dx, *_) = run(form, ops.layernorm, x, gamma, beta)
        exact, (exact_dx, *_) = run(form, ops.layernorm, *(a.astype(np.float64) for a in (x, gamma, beta)))
        tolerance = 6e-3 if form == "composed" else 2e-6        # the definition rounds the mean to a multiple of 1e-3
        assert y == pytest.approx(exact, abs=tolerance) and dx == pytest.approx(exact_dx, abs=tolerance)

    def test_layernorm_of_equal_numbers_is_beta(self, form):
        y, grads = run(form, ops.layernorm, np.full((2, 8), 7, np.float32), normal(8), normal(8))
        assert np.array_equal(y, [normal(8)] * 2) and all(np.isfinite(g).all() for g in grads)

    @pytest.mark.parametrize("K", [1, 5, 33, 64])
    @pytest.mark.parametrize("N, M", [(1, 1), (1, 7), (7, 1), (3, 5)])
    def test_attention_of_any_size(self, form, N, M, K):
        q, k, v = normal(2, 2, N, K, scale=30), normal(2, 2, M, K), normal(2, 2, M, K)
        y, grads = run(form, ops.attention, q, k, v)
        exact, exact_grads = run(form, ops.attention, *(a.astype(np.float64) for a in (q, k, v)))
        assert y == pytest.approx(exact, abs=1e-4)
        for gradient, expected in zip(grads, exact_grads):
            assert gradient == pytest.approx(expected, abs=1e-4 * max(1, np.abs(expected).max()))

    def test_a_query_that_may_look_nowhere(self, form):
        mask = np.array([[True, True, False], [False, False, False]])
        q, k, v = normal(1, 2, 2, 4), normal(1, 2, 3, 4), normal(1, 2, 3, 4)
        y, (dq, dk, dv) = run(form, lambda *qkv: ops.attention(*qkv, mask=mask), q, k, v)
        assert (y[:, :, 1] == 0).all() and (dq[:, :, 1] == 0).all()
        assert (y[:, :, 0] != 0).all()
        assert (dk[:, :, 2] == 0).all() and (dv[:, :, 2] == 0).all()        # the key that no one may look at

    def test_a_mask_that_hides_everything_has_no_gradients(self, form):
        qkv = [normal(1, 1, 3, 4)] * 3
        y, grads = run(form, lambda *qkv: ops.attention(*qkv, mask=np.zeros((3, 3), bool)), *qkv)
        assert not any(array.any() for array in (y, *grads))

    @pytest.mark.parametrize("right, loss", [(True, 0), (False, 2e3)], ids=["right", "wrong"])
    def test_cross_entropy_of_a_certain_model(self, form, right, loss):
        logits = np.array([[1e3, -1e3], [-1e3, 1e3]], np.float32)
        targets = np.array([0, 1] if right else [1, 0])
        y, (dx,) = run(form, lambda x: ops.cross_entropy(x, targets), logits)
        assert y == loss and np.abs(dx).max() == (0 if right else 0.5)


class TestMeaning:
    @pytest.mark.parametrize("number", [100.3, -100.3, 12345.67], ids=str)
    @pytest.mark.parametrize("D", [8, 33, 64, 192, 768])
    def test_layernorm_of_a_constant_that_float32_rounds_is_beta(self, D, number):
        """rstd is 1,000 there: what rounding leaves of x - mean(x) would become visible, as in the composed form."""
        y, grads = run("array", ops.layernorm, np.full((2, D), number, np.float32), normal(D), normal(D))
        assert np.abs(y - normal(D)).max() <= 1e-3 and all(np.isfinite(g).all() for g in grads)

    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_softmax_adds_up_to_1(self, axis):
        y = ops.softmax(Tensor(normal(3, 4, 5)), axis).data
        assert (y > 0).all() and y.sum(axis) == pytest.approx(1, abs=1e-6)

    def test_layernorm_has_mean_0_and_variance_1(self):
        y = ops.layernorm(Tensor(normal(6, 50, dtype=np.float64, scale=9, offset=4)), Tensor(np.ones(50)),
                          Tensor(np.zeros(50))).data
        assert y.mean(-1) == pytest.approx(0, abs=1e-12) and y.var(-1) == pytest.approx(1, rel=1e-6)

    @both_forms
    def test_attention_does_not_see_the_order_of_tokens(self, form):
        q, k, v = normal(3, 2, 2, 5, 4, dtype=np.float64)
        order = [3, 0, 4, 2, 1]
        y, _ = run(form, ops.attention, q, k, v)
        moved, _ = run(form, ops.attention, *(a[:, :, order] for a in (q, k, v)))
        assert moved == pytest.approx(y[:, :, order], rel=1e-12)

    def test_attention_with_a_causal_mask_does_not_see_the_future(self):
        q, k, v = normal(3, 1, 2, 5, 4)
        causal = np.tri(5, dtype=bool)
        y = ops.attention(Tensor(q), Tensor(k), Tensor(v), mask=causal).data
        k[:, :, 3:], v[:, :, 3:] = 99, 99
        changed = ops.attention(Tensor(q), Tensor(k), Tensor(v), mask=causal).data
        assert np.array_equal(changed[:, :, :3], y[:, :, :3]) and not np.array_equal(changed[:, :, 3:], y[:, :, 3:])

    @pytest.mark.parametrize("s", [0.0, 0.1, 0.9])
    def test_label_smoothing_is_the_formula(self, s):
        logits, targets = normal(4, 5, dtype=np.float64), np.array([0, 4, 2, 2])
        logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = -((1 - s) * logp[range(4), targets] + s * logp.mean(axis=1)).mean()
        assert ops.cross_entropy(Tensor(logits), targets, label_smoothing=s).item() == pytest.approx(expected)

    def test_one_hot_rows_are_class_indices(self):
        logits, targets = Tensor(normal(4, 5)), np.array([0, 4, 2, 2])
        rows = np.eye(5, dtype=np.float32)[targets]
        for s in (0.0, 0.1):
            soft, hard = (ops.cross_entropy(logits, t, label_smoothing=s).item() for t in (rows, targets))
            assert soft == hard

    def test_losses_of_parts_add_up_to_the_loss_of_the_whole(self):
        logits, targets = normal(6, 5), np.array([0, 4, 2, 2, 1, 3])
        whole = ops.cross_entropy(Tensor(logits), targets).item()
        parts = [ops.cross_entropy(Tensor(logits[a:b]), targets[a:b], images=6).item() for a, b in ((0, 2), (2, 6))]
        assert sum(parts) == pytest.approx(whole)


class TestDropout:
    def test_the_share_that_is_dropped_and_the_scale_of_the_rest(self):
        with randomness(seed=0):
            y = ops.dropout(Tensor(np.ones((100, 1000), np.float32)), 0.3).data
        assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
        assert (y == 0).mean() == pytest.approx(0.3, abs=0.005)         # 3.5 standard deviations
        assert y.mean() == pytest.approx(1, abs=0.01)

    def test_drop_path_drops_whole_images(self):
        with randomness(seed=0):
            y = ops.drop_path(Tensor(np.ones((2000, 2, 3), np.float32)), 0.25).data.reshape(2000, 6)
        assert (y == y[:, :1]).all() and set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
        assert (y[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.035)

    def test_a_share_of_0_changes_nothing_and_draws_nothing(self):
        x = Tensor([1.0])
        assert ops.dropout(x, 0.0) is x and ops.drop_path(x, 0) is x

    def test_each_call_and_each_step_has_its_own_mask(self):
        def masks(step):
            with randomness(seed=0, step=step):
                return [ops.dropout(Tensor(np.ones((4, 50), np.float32)), 0.5).data for _ in range(2)]
        (a, b), (c, d) = masks(0), masks(1)
        for one, other in ((a, b), (a, c), (b, d), (a, d)):
            assert not np.array_equal(one, other)
        assert np.array_equal(a, masks(0)[0])

    @all_forms
    @pytest.mark.parametrize("operation", [
        lambda x: ops.dropout(x, 0.5), lambda x: ops.drop_path(x, 0.5), lambda x: ops.attention(x, x, x, dropout=0.5),
        lambda x: ops.drop_path(ops.dropout(x, 0.5), 0.5)], ids=["dropout", "drop_path", "attention", "both"])
    def test_micro_batches_draw_their_part_of_the_batchs_masks(self, operation, form):
        x = normal(7, 2, 3, 5)
        with using(form):
            with randomness(seed=5, step=2):
                whole = operation(Tensor(x)).data
            for first, end in ((0, 3), (3, 4), (4, 7)):
                with randomness(seed=5, step=2, first_image=first):
                    assert np.array_equal(operation(Tensor(x[first:end])).data, whole[first:end])

    @pytest.mark.parametrize("operation", [
        lambda x: ops.dropout(x, 0.5), lambda x: ops.drop_path(x, 0.5), lambda x: ops.attention(x, x, x, dropout=0.5)],
        ids=["dropout", "drop_path", "attention"])
    def test_outside_a_randomness_block(self, operation):
        with pytest.raises(RuntimeError, match="needs random numbers.*minivit.randomness.*eval"):
            operation(Tensor(np.ones((1, 1, 2, 2), np.float32)))


def attend(q=(2, 1, 3, 4), k=(2, 1, 5, 4), v=(2, 1, 5, 4), **options):
    return ops.attention(*(Tensor(np.ones(shape, np.float32)) for shape in (q, k, v)), **options)


def entropy(targets, logits=(3, 5), **options):
    return ops.cross_entropy(Tensor(np.ones(logits, np.float32)), targets, **options)


ONES = Tensor(np.ones((2, 3), np.float32))
ERRORS = {
    "softmax-integers": (lambda: ops.softmax(Tensor([1, 2])), TypeError, "softmax needs a floating-point .*not int64"),
    "softmax-axis": (lambda: ops.softmax(ONES, 2), ValueError, r"axis 2 of a tensor of shape \(2, 3\).* has 2 axes"),
    "log_softmax-list": (lambda: ops.log_softmax([1.0]), TypeError, "log_softmax needs a floating-point .*not list"),
    "gelu-name": (lambda: ops.gelu(ONES, "erf"), ValueError, r"one of \('none', 'tanh'\), not 'erf'"),
    "bias_gelu-bias": (lambda: ops.bias_gelu(ONES, Tensor([1.0])), ValueError,
                       r"x \(2, 3\) needs a bias as long as the last axis of x, not \(1,\)"),
    "bias_gelu-name": (lambda: ops.bias_gelu(ONES, Tensor([1.0, 2.0, 3.0]), "erf"), ValueError, "not 'erf'"),
    "layernorm-gamma": (lambda: ops.layernorm(ONES, Tensor([1.0]), Tensor([1.0])), ValueError,
                        r"x \(2, 3\) needs gamma and beta as long as the last axis of x, not \(1,\) and \(1,\)"),
    "linear-transposed": (lambda: ops.linear(ONES, Tensor(np.ones((3, 5), np.float32))), ValueError,
                          r"needs a weight \(outputs, 3\), not \(3, 5\): weights are stored \(out, in\)"),
    "linear-bias": (lambda: ops.linear(ONES, ONES, ONES), ValueError, r"needs a bias \(2,\), not \(2, 3\)"),
    "cross_entropy-pair": (lambda: ops.cross_entropy((ONES, ONES), np.array([0, 1])), TypeError,
                           "was given several: a distilled model returns a pair in training"),
    "attention-heads": (lambda: attend(k=(2, 2, 5, 4)), ValueError, r"k \(2, 2, 5, 4\), v \(2, 1, 5, 4\)"),
    "attention-width": (lambda: attend(q=(2, 1, 3, 8)), ValueError, r"not q \(2, 1, 3, 8\)"),
    "attention-three-axes": (lambda: attend((2, 3, 4), (2, 3, 4), (2, 3, 4)), ValueError, r"needs q \(B, H, N, K\)"),
    "attention-float-mask": (lambda: attend(mask=np.ones((3, 5))), TypeError, "mask is a boolean array.*not float64"),
    "attention-mask-shape": (lambda: attend(mask=np.ones((5, 3), bool)), ValueError, r"mask|broadcast"),
    "attention-big-mask": (lambda: attend(mask=np.ones((7, 2, 1, 3, 5), bool)), ValueError,
                           r"mask \(7, 2, 1, 3, 5\) does not broadcast to the scores .* \(2, 1, 3, 5\)"),
    "attention-dropout": (lambda: attend(dropout=1.0), ValueError, "attention's dropout needs a probability 0 <= p"),
    "dropout-1": (lambda: ops.dropout(ONES, 1.0), ValueError, "dropout needs a probability 0 <= p < 1, not 1.0"),
    "dropout-negative": (lambda: ops.dropout(ONES, -0.1), ValueError, "not -0.1"),
    "drop_path-percent": (lambda: ops.drop_path(ONES, 10), ValueError, "drop_path needs a probability .* not 10"),
    "cross_entropy-index": (lambda: entropy([0, 5, 1]), ValueError,
                            r"class index 5 of image 1 is outside 0 ... 4: the model has 5 classes. Were labels"),
    "cross_entropy-negative": (lambda: entropy([0, 1, -1]), ValueError, "class index -1 of image 2"),
    "cross_entropy-float": (lambda: entropy([0.0, 1.0, 2.0]), TypeError, "class indices are integers, not float64"),
    "cross_entropy-int-rows": (lambda: entropy(np.eye(5, dtype=int)[:3]), TypeError, "soft targets are probabilities"),
    "cross_entropy-length": (lambda: entropy([0, 1]), ValueError, r"logits \(3, 5\) with targets \(2,\)"),
    "cross_entropy-one-axis": (lambda: entropy([0], logits=(5,)), ValueError, r"needs logits \(B, Y\)"),
    "cross_entropy-images": (lambda: entropy([0, 1, 2], images=2), ValueError,
                             "^images=2 is the size of the whole batch, of which these logits are 3$"),
    "cross_entropy-no-images": (lambda: entropy([0, 1, 2], images=0), ValueError, "^images=0 is the size of the whole"),
    "cross_entropy-smoothing": (lambda: entropy([0, 1, 2], label_smoothing=1.0), ValueError, "0 <= s < 1, not 1.0"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_what_was_given_and_what_was_expected(name):
    call, error, match = ERRORS[name]
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("call, match", [
    (lambda: attend(mask=np.ones((5, 3), bool)), "attention's mask"),
    (lambda: ops.gelu(Tensor([1, 2])), "gelu"),
    (lambda: ops.cross_entropy(Tensor([[1, 2]]), [1]), "cross_entropy")],
    ids=["attention-mask-shape", "gelu-integers", "cross_entropy-integers"])
def test_errors_name_the_operation(call, match):
    with pytest.raises((TypeError, ValueError), match=match):
        call()


def test_a_mask_may_be_a_tensor():
    mask = np.tri(3, 5, dtype=bool)
    assert np.array_equal(attend(mask=Tensor(mask)).data, attend(mask=mask).data)

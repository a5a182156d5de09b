"""Convolution, pooling, group norm, weight standardisation and ReLU: against PyTorch and timm, whose results are frozen
in golden/conv.npz by make_conv.py, and what they must be beyond that.

Gradients by differences, and all forms at every shape, are in test_gradients.py.
"""
import json
from pathlib import Path

import numpy as np
import pytest

from minivit import Tensor, nn, ops, using
from minivit.function import Context
from minivit.ops.conv import Conv2d, columns
from minivit.ops.windows import windows

GOLDEN = dict(np.load(Path(__file__).parent / "golden" / "conv.npz"))
CASES = {case["name"]: case for case in json.loads(str(GOLDEN["cases"]))}
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
ROUNDED = {("groupnorm-offset", "composed", "float32"): 1.3e-3}     # the mean of numbers near 1e4 is itself rounded

both_forms = pytest.mark.parametrize("form", ["composed", "array"])


def normal(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def read_only(array, dtype):
    array = array.astype(dtype)
    array.flags.writeable = False
    return array


# Against PyTorch

@pytest.mark.parametrize("dtype", TOLERANCE)
@both_forms
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_pytorchs(name, form, dtype):
    case, tolerance = CASES[name], ROUNDED.get((name, form, dtype), TOLERANCE[dtype])
    inputs = {key: Tensor(read_only(GOLDEN[f"{name}/{key}"], dtype), requires_grad=True) for key in case["inputs"]}
    with using(form):
        y = getattr(ops, case["op"])(**inputs, **case["options"])
        y.backward(read_only(GOLDEN[f"{name}/dy"], dtype))
    found = {"y": y.data} | {f"d{key}": tensor.grad for key, tensor in inputs.items()}
    for key, array in found.items():
        expected = GOLDEN[f"{name}/{key}"]
        assert array.dtype == dtype and array.shape == expected.shape
        assert np.abs(array - expected).max() <= tolerance * max(1, np.abs(expected).max()), key


def test_every_operation_is_checked_against_pytorch():
    assert {case["op"] for case in CASES.values()} == \
        {"conv2d", "max_pool2d", "avg_pool2d", "groupnorm", "standardise", "relu"}


# Convolution

def by_hand(x, weight, stride):
    """Every output by the formula in conv.py, one at a time."""
    (B, _, *image), (outputs, _, *size) = x.shape, weight.shape
    y = np.empty((B, outputs, *((i - k) // stride + 1 for i, k in zip(image, size))))
    for b, o, gy, gx in np.ndindex(y.shape):
        window = x[b, :, gy * stride:gy * stride + size[0], gx * stride:gx * stride + size[1]]
        y[b, o, gy, gx] = (window * weight[o]).sum()
    return y


@both_forms
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_is_the_formula(form, stride):
    x, weight = normal(2, 3, 7, 6), normal(4, 3, 3, 2, seed=1)
    with using(form):
        found = ops.conv2d(Tensor(x), Tensor(weight), stride=stride).data
    np.testing.assert_allclose(found, by_hand(x, weight, stride), rtol=0, atol=1e-13)


def test_a_patch_embedding_is_a_convolution_whose_stride_is_its_size():
    x, weight, bias = Tensor(normal(2, 3, 6, 9)), Tensor(normal(8, 3, 3, 3)), Tensor(normal(8))
    tokens = ops.linear(ops.extract_patches(x, 3), weight.reshape(8, -1), bias).data        # (B, Gy, Gx, D)
    np.testing.assert_allclose(ops.conv2d(x, weight, bias, stride=3).data, tokens.transpose(0, 3, 1, 2), atol=1e-13)


def test_a_convolution_moves_with_its_image():
    x, weight = normal(1, 2, 8, 8), Tensor(normal(3, 2, 3, 3))
    y, moved = (ops.conv2d(Tensor(images), weight).data for images in (x, np.roll(x, (2, 1), (2, 3))))
    np.testing.assert_allclose(moved[:, :, 2:, 1:], y[:, :, :-2, :-1], atol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("image", [(5, 8), (6, 7)])
def test_same_padding_makes_as_many_windows_as_there_are_strides(image, stride, size):
    y = ops.conv2d(Tensor(normal(1, 1, *image)), Tensor(normal(1, 1, size, size)), stride=stride, padding="SAME")
    assert y.shape[2:] == tuple(-(-side // stride) for side in image)


def test_same_padding_with_stride_2_lies_elsewhere_than_symmetric_padding():
    """An even image needs one row and one column more: TensorFlow puts them after the image."""
    x, weight = Tensor(normal(1, 1, 6, 6)), Tensor(normal(1, 1, 3, 3))
    same, symmetric = (ops.conv2d(x, weight, stride=2, padding=padding).data for padding in ("SAME", 1))
    assert same.shape == symmetric.shape and np.abs(same - symmetric).min() > 1e-3
    np.testing.assert_array_equal(same, ops.conv2d(x.pad(((0, 0), (0, 0), (0, 1), (0, 1))), weight, stride=2).data)


@both_forms
def test_images_that_need_no_gradient_get_none(form):
    x, weight = Tensor(normal(2, 3, 5, 5)), Tensor(normal(4, 3, 3, 3), requires_grad=True)
    with using(form):
        ops.conv2d(x, weight).backward(normal(2, 4, 3, 3))
    assert x.grad is None and weight.grad.shape == weight.shape
    assert Conv2d.backward(context(needs=(False, True, False)), normal(2, 4, 3, 3))[0] is None
    dx, dweight, _ = Conv2d.backward(context(needs=(True, False, False)), normal(2, 4, 3, 3))
    assert dx.shape == x.shape and dweight is None


def context(needs):
    ctx = Context(needs, recording=True)
    Conv2d.forward(ctx, normal(2, 3, 5, 5), normal(4, 3, 3, 3), None, windows((5, 5), 3))
    return ctx


def test_a_pointwise_convolution_copies_no_image():
    x = normal(1, 3, 4, 5)
    assert np.shares_memory(columns(x, windows((4, 5), 1)), x)


def test_the_first_values_of_a_convolution_keep_the_size_of_a_signal():
    x = np.maximum(normal(8, 64, 9, 9), 0)
    y = nn.Conv2d(64, 200, 3, rng=0)(Tensor(x.astype(np.float32))).data
    assert (y * y).mean() == pytest.approx(2 * (x * x).mean(), rel=0.1)         # of which ReLU keeps half


# Pooling

@both_forms
def test_pixels_that_tie_for_the_largest_share_the_gradient(form):
    x = Tensor(np.array([[[[1.0, 1, 0, 5], [0, 1, 2, 3]]]]), requires_grad=True)
    with using(form):
        y = ops.max_pool2d(x, 2)
        y.backward(np.array([[[[6.0, 7]]]]))
    assert y.data.tolist() == [[[[1, 5]]]]
    assert x.grad.tolist() == [[[[2, 2, 0, 7], [0, 2, 0, 0]]]]


@both_forms
def test_the_border_is_below_every_number_for_the_largest_and_0_for_the_mean(form):
    x = Tensor(np.full((1, 1, 2, 2), -4e30))
    with using(form):
        assert ops.max_pool2d(x, 2, padding=1).data.tolist() == [[[[-4e30, -4e30], [-4e30, -4e30]]]]
        assert ops.avg_pool2d(x, 2, padding=1).data.tolist() == [[[[-1e30, -1e30], [-1e30, -1e30]]]]


def test_pooling_the_whole_image_is_its_mean():
    x = Tensor(normal(2, 3, 4, 5))
    np.testing.assert_allclose(ops.avg_pool2d(x, (4, 5)).data[:, :, 0, 0], x.mean((2, 3)).data, rtol=1e-12)


# Normalisation

def test_group_norm_has_mean_0_and_variance_1_in_each_group():
    y = ops.groupnorm(Tensor(9 * normal(2, 6, 5, 4) + 3), 3, Tensor(np.ones(6)), Tensor(np.zeros(6))).data
    groups = y.reshape(2, 3, -1)
    assert groups.mean(-1) == pytest.approx(0, abs=1e-12) and groups.var(-1) == pytest.approx(1, rel=1e-5)


def test_group_norm_of_one_group_is_layer_norm_over_the_image():
    x, one, zero = normal(2, 6, 5, 4), Tensor(np.ones(120)), Tensor(np.zeros(120))
    expected = ops.layernorm(Tensor(x.reshape(2, -1)), one, zero, 1e-5).data.reshape(x.shape)
    np.testing.assert_allclose(ops.groupnorm(Tensor(x), 1, one[:6], zero[:6]).data, expected, atol=1e-12)


def test_images_of_a_batch_do_not_see_each_other():
    x, gamma, beta = normal(3, 4, 5, 5), Tensor(normal(4)), Tensor(normal(4))
    alone = [ops.groupnorm(Tensor(image[None]), 2, gamma, beta).data[0] for image in x]
    np.testing.assert_allclose(ops.groupnorm(Tensor(x), 2, gamma, beta).data, alone, rtol=1e-12)


def test_standardised_filters_forget_their_offset_and_their_scale():
    weight = normal(4, 3, 3, 3)
    same = ops.standardise(Tensor(7 * weight + 2)).data
    np.testing.assert_allclose(same, ops.standardise(Tensor(weight)).data, atol=1e-8)
    assert same.mean((1, 2, 3)) == pytest.approx(0, abs=1e-12) and same.var((1, 2, 3)) == pytest.approx(1)


# Layers

def test_layers_are_their_operations():
    x = Tensor(normal(2, 4, 7, 6, dtype=np.float32))
    conv, std = nn.Conv2d(4, 6, (3, 2), 0, 2, (1, 0)), nn.StdConv2d(4, 6, 3, 0, padding="SAME")
    norm = nn.GroupNorm(2, 4)
    pairs = [(conv(x), ops.conv2d(x, conv.weight, conv.bias, 2, (1, 0))),
             (std(x), ops.conv2d(x, ops.standardise(std.weight, 1e-8), padding="SAME")),
             (norm(x), ops.groupnorm(x, 2, norm.weight, norm.bias, 1e-5)),
             (nn.MaxPool2d(3, 2, 1)(x), ops.max_pool2d(x, 3, 2, 1)), (nn.ReLU()(x), ops.maximum(x, 0))]
    for found, expected in pairs:
        np.testing.assert_array_equal(found.data, expected.data)
    assert {name: p.shape for name, p in nn.Sequential(conv, norm, std).named_parameters()} == {
        "0.weight": (6, 4, 3, 2), "0.bias": (6,), "1.weight": (4,), "1.bias": (4,), "2.weight": (6, 4, 3, 3)}


# Errors

ONES = Tensor(np.ones((2, 3, 6, 5), np.float32))


def conv(weight=(4, 3, 3, 3), x=ONES, bias=None, **options):
    bias = None if bias is None else Tensor(np.ones(bias, np.float32))
    return ops.conv2d(x, Tensor(np.ones(weight, np.float32)), bias, **options)


def group(groups, C=3, x=ONES):
    return ops.groupnorm(x, groups, Tensor(np.ones(C, np.float32)), Tensor(np.ones(C, np.float32)))


@pytest.mark.parametrize("call, message", [
    (lambda: conv((4, 2, 3, 3)), r"of as many channels C, not \(2, 3, 6, 5\) and \(4, 2, 3, 3\)"),
    (lambda: conv((4, 3, 3)), r"a weight \(O, C, Ky, Kx\).*not \(2, 3, 6, 5\) and \(4, 3, 3\)"),
    (lambda: conv(x=ONES[0]), r"conv2d needs x \(B, C, Sy, Sx\).*not \(3, 6, 5\)"),
    (lambda: conv(bias=(3,)), r"weight \(4, 3, 3, 3\) needs a bias \(4,\), not \(3,\)"),
    (lambda: conv((4, 3, 7, 3)), r"reach over \(7, 3\) pixels do not fit into an image of \(6, 5\)"),
    (lambda: conv(padding="same"), "padding must be 'VALID' or 'SAME', not 'same'"),
    (lambda: conv(padding=-1), "padding must be a number of pixels, a pair .* not -1"),
    (lambda: conv(padding=(1, 2, 3)), r"padding must be .* not \(1, 2, 3\)"),
    (lambda: conv(padding=0.5), "padding must be .* not 0.5"),
    (lambda: conv(stride=0), "stride must be a positive integer .* not 0"),
    (lambda: ops.max_pool2d(ONES[0], 2), r"max_pool2d needs images \(B, C, Sy, Sx\), not \(3, 6, 5\)"),
    (lambda: ops.avg_pool2d(ONES[0], 2), "avg_pool2d needs images"),
    (lambda: ops.max_pool2d(ONES, 2, padding=2), r"padding 2 has windows of \(2, 2\) that lie in the border"),
    (lambda: ops.avg_pool2d(ONES, 7), r"do not fit into an image of \(6, 5\)"),
    (lambda: group(2), "3 channels cannot be divided into 2 groups of equal size"),
    (lambda: group(0), "3 channels cannot be divided into 0 groups"),
    (lambda: group(3, C=4), r"groupnorm of x \(2, 3, 6, 5\) needs .* not \(4,\) and \(4,\)"),
    (lambda: nn.GroupNorm(32, 48), "48 channels cannot be divided into 32 groups of equal size"),
], ids=lambda value: None if callable(value) else value[:24])
def test_errors_name_what_was_given_and_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()

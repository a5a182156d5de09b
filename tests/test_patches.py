"""Patches: cut out as a plain loop does it, laid out as TensorFlow's extract_patches, and put together again."""
import math

import numpy as np
import pytest

from minivit import Tensor, ops, using
from minivit.ops.patches import geometry

both_forms = pytest.mark.parametrize("form", ["composed", "array"])
WINDOWS = {
    "side-by-side": dict(size=2),
    "rectangles": dict(size=(3, 2)),
    "overlap": dict(size=3, stride=1),
    "gaps": dict(size=1, stride=(2, 3)),
    "dilated": dict(size=2, stride=1, dilation=(2, 3)),
    "same": dict(size=3, stride=2, padding="SAME"),
    "same-even": dict(size=2, stride=3, padding="SAME"),
    "same-dilated": dict(size=(3, 2), stride=(1, 2), padding="SAME", dilation=(1, 2)),
    "whole-image": dict(size=(6, 7)),
}
windows = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 6, 7))


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def brute_force(images, size, stride=None, padding="VALID", dilation=1):
    """Every patch element by its formula, one at a time; pixels outside of the image are 0.

    SAME as TensorFlow's documentation has it: ceil(image / stride) windows, and the border that they need is shared
    between both sides, the odd row or column after the image.
    """
    size, stride, dilation = pair(size), pair(stride or size), pair(dilation)
    B, C, *image = images.shape
    grid, before = [], []
    for length, window, step, spread in zip(image, size, stride, dilation):
        reach = (window - 1) * spread + 1
        count = math.ceil(length / step) if padding == "SAME" else math.ceil((length - reach + 1) / step)
        border = max((count - 1) * step + reach - length, 0) if padding == "SAME" else 0
        grid.append(count), before.append(border // 2)
    patches = np.zeros((B, *grid, C, *size))
    for b, gy, gx, c, py, px in np.ndindex(patches.shape):
        y = gy * stride[0] + py * dilation[0] - before[0]
        x = gx * stride[1] + px * dilation[1] - before[1]
        if 0 <= y < image[0] and 0 <= x < image[1]:
            patches[b, gy, gx, c, py, px] = images[b, c, y, x]
    return patches.reshape(B, *grid, -1)


@both_forms
@windows
def test_extraction_is_the_loop(window, form):
    with using(form):
        assert np.array_equal(ops.extract_patches(Tensor(IMAGES), **window).data, brute_force(IMAGES, **window))


@both_forms
@windows
def test_the_gradient_of_a_pixel_adds_up_its_patches(window, form):
    """For any dy, <extract(x), dy> = <x, dx>: extraction is linear and its backward is the transpose."""
    x = Tensor(IMAGES, requires_grad=True)
    with using(form):
        patches = ops.extract_patches(x, **window)
    dy = np.random.default_rng(1).standard_normal(patches.shape)
    patches.backward(dy)
    assert np.vdot(x.grad, IMAGES) == pytest.approx(np.vdot(dy, patches.data))
    pixel = np.zeros_like(IMAGES)
    pixel[1, 2, 3, 3] = 1
    assert x.grad[1, 2, 3, 3] == pytest.approx(np.vdot(brute_force(pixel, **window), dy), abs=1e-12)


@both_forms
@windows
def test_merging_is_the_inverse_of_extraction(window, form):
    """Also where patches overlap; a pixel that no patch covers is 0."""
    with using(form):
        merged = ops.merge_patches(ops.extract_patches(Tensor(IMAGES), **window), (6, 7), **window).data
    numbered = np.arange(1, 43).reshape(1, 1, 6, 7)
    covered = np.isin(numbered[0, 0], brute_force(numbered, **window))
    assert covered.any()
    assert np.allclose(merged, IMAGES * covered, rtol=1e-14, atol=0)


@pytest.mark.parametrize("image, size, stride, dilation, grid, before, padded", [
    ((5, 5), 3, 2, 1, (3, 3), (1, 1), (7, 7)),
    ((4, 5), 2, 1, 1, (4, 5), (0, 0), (5, 6)),          # one row too many: after the image, not before it
    ((4, 4), 3, 2, 1, (2, 2), (0, 0), (5, 5)),
    ((4, 4), 1, 3, 1, (2, 2), (0, 0), (4, 4)),          # windows with gaps need no border
    ((10, 10), 3, 1, 2, (10, 10), (2, 2), (14, 14)),    # reach 5
    ((224, 224), 16, 16, 1, (14, 14), (0, 0), (224, 224))], ids=str)
def test_same_geometry_is_tensorflows(image, size, stride, dilation, grid, before, padded):
    g = geometry(image, size, stride, "SAME", dilation)
    assert (g.grid, g.before, g.padded) == (grid, before, padded)


def test_elements_are_ordered_as_in_a_convolutions_weight():
    """A patch embedding is a convolution: the weight (D, C, Py, Px) flattened, times a patch."""
    weight = np.random.default_rng(1).standard_normal((4, 3, 2, 2))
    patch = IMAGES[0, :, 2:4, 4:6]
    expected = np.einsum("dcyx,cyx->d", weight, patch)
    found = ops.linear(ops.extract_patches(Tensor(IMAGES), 2), Tensor(weight.reshape(4, -1))).data
    assert found[0, 1, 2] == pytest.approx(expected)


@pytest.mark.parametrize("call, match", [
    (lambda: ops.extract_patches(Tensor(IMAGES[0]), 2), r"needs images \(B, C, Sy, Sx\), not \(3, 6, 7\)"),
    (lambda: ops.extract_patches(Tensor(IMAGES), 8), r"reach over \(8, 8\) pixels do not fit into .*\(6, 7\)"),
    (lambda: ops.extract_patches(Tensor(IMAGES), 3, dilation=3), r"reach over \(7, 7\) pixels"),
    (lambda: ops.extract_patches(Tensor(IMAGES), 2, padding="same"), "padding must be 'VALID' or 'SAME', not 'same'"),
    (lambda: ops.extract_patches(Tensor(IMAGES), 0), "patch size must be a positive integer or a pair .* not 0"),
    (lambda: ops.extract_patches(Tensor(IMAGES), 2, stride=1.5), "stride must be a positive integer|float"),
    (lambda: ops.extract_patches(Tensor(IMAGES), (1, 2, 3)), r"not \(1, 2, 3\)"),
    (lambda: ops.merge_patches(Tensor(np.ones((2, 3, 3, 5))), (6, 7), 2),
     r"needs patches \(B, 3, 3, C \* 4\) for an image of \(6, 7\), not \(2, 3, 3, 5\)"),
    (lambda: ops.merge_patches(Tensor(np.ones((2, 2, 3, 4))), (6, 7), 2), r"not \(2, 2, 3, 4\)")],
    ids=["three-axes", "too-large", "too-spread", "padding", "zero", "float-stride", "triple", "elements", "grid"])
def test_errors_name_what_was_given(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()

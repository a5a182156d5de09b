"""Checks of conv2d_forward, and the images and kernels that conv2d_backward is tried on too."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.conv2d_forward import conv2d_forward
from minivit.modes import using
from minivit.ops.conv import Conv2d
from minivit.ops.patches import bordered
from minivit.tensor import Tensor

SHAPES = (((2, 3, 5, 7), (4, 3, 3, 2), 2, 1), ((3, 2, 6, 4), (3, 2, 3, 3), 1, 0), ((1, 1, 4, 6), (2, 1, 1, 3), 1, 2),
          ((2, 3, 8, 5), (2, 3, 3, 3), 3, 1))


def cases(rng):
    return [(f"x {'x'.join(map(str, x))}, weight {'x'.join(map(str, weight))}, stride {stride}, padding {padding}",
             (rng.standard_normal(x), rng.standard_normal(weight), rng.standard_normal(weight[0]), stride, padding))
            for x, weight, stride, padding in SHAPES]


def oracle(x, weight, bias, stride, padding):
    """minivit's definition: patches, and a linear map."""
    with using("composed"):
        return ops.conv2d(Tensor(x), Tensor(weight), Tensor(bias), stride, padding).data


def padded(x, padding):
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def variant(x, weight, bias, stride, padding, pad=padded, step=None):
    """One matrix product for each place in the kernel, with all windows at once; each step may be done otherwise."""
    (Sy, Sx), (Ky, Kx) = x.shape[2:], weight.shape[2:]
    Gy, Gx = (Sy + 2 * padding - Ky) // stride + 1, (Sx + 2 * padding - Kx) // stride + 1
    x, step = pad(x, padding), step or stride
    y = np.zeros((len(x), Gy, Gx, len(weight)), x.dtype)
    for ky in range(Ky):
        for kx in range(Kx):
            seen = x[:, :, ky:ky + (Gy - 1) * step + 1:step, kx:kx + (Gx - 1) * step + 1:step]
            y += seen.transpose(0, 2, 3, 1) @ weight[:, :, ky, kx].T
    return (y + bias).transpose(0, 3, 1, 2)


def by_sliding_windows(x, weight, bias, stride, padding):
    """A correct answer by a matrix of all windows."""
    windows = np.lib.stride_tricks.sliding_window_view(padded(x, padding), weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)             # (B, Gy, Gx, C, Ky, Kx)
    columns = windows.reshape(*windows.shape[:3], -1)
    return (columns @ weight.reshape(len(weight), -1).T + bias).transpose(0, 3, 1, 2)


def one_number_after_the_other(x, weight, bias, stride, padding):
    """A correct answer, written as the definition."""
    x, (Ky, Kx) = padded(x, padding), weight.shape[2:]
    Gy, Gx = (x.shape[2] - Ky) // stride + 1, (x.shape[3] - Kx) // stride + 1
    y = np.empty((len(x), len(weight), Gy, Gx), x.dtype)
    for b, o, gy, gx in np.ndindex(y.shape):
        window = x[b, :, gy * stride:gy * stride + Ky, gx * stride:gx * stride + Kx]
        y[b, o, gy, gx] = (window * weight[o]).sum() + bias[o]
    return y


def an_impulse_shows_the_kernel(function, rng):
    x, weight = np.zeros((1, 1, 5, 7)), rng.standard_normal((2, 1, 3, 3))
    x[0, 0, 2, 3] = 1
    y = function(x, weight, np.zeros(2), 1, 0)
    if y.shape != (1, 2, 3, 5) or np.abs(y[0, :, :, 1:4] - weight[:, 0, ::-1, ::-1]).max() > 1e-9:
        return ("an image with a single 1 must give the kernel back, turned by 180 degrees: the window that begins "
                "above and left of the 1 has it under its last weight; yours gives something else")


def inputs_before_outputs(x, weight, *rest):
    shape = (weight.shape[1], weight.shape[0]) + weight.shape[2:]
    return variant(x, weight.reshape(shape).swapaxes(0, 1), *rest)


def smallest_grid(x, weight, bias, stride, padding):
    return variant(x, weight, bias, stride, padding)[:, :, :-1, :-1]


def kernels(function):
    """Convolution with the learner's forward; the border, which may differ from side to side, is minivit's."""
    def forward(ctx, x, weight, bias, g):
        if bias is None or g.stride[0] != g.stride[1]:
            return Conv2d.forward(ctx, x, weight, bias, g)
        ctx.save(x, weight)
        ctx.g = g
        return function(bordered(x, g), weight, bias, g.stride[0], 0)
    return {"conv2d": (forward, Conv2d.backward)}


EXERCISE = Exercise(
    slug="conv2d_forward", lesson=4, minutes=20, difficulty=2,
    task="Write convolution: a kernel applied to every window of a batch of images.",
    solution=conv2d_forward, oracle=oracle, cases=cases, outputs=("y",), kernels=kernels,
    properties=(Property("an impulse shows the kernel", an_impulse_shows_the_kernel),),
    wrong=(
        Wrong("stride-forgotten", lambda *a: variant(*a, step=1), "the windows lie side by side, one pixel apart: "
              "window (gy, gx) begins at row gy * stride and column gx * stride.", specific=True),
        Wrong("kernel-flipped", lambda x, weight, *a: variant(x, weight[:, :, ::-1, ::-1], *a),
              "the kernel is flipped, [::-1]. That is convolution as mathematicians have it; in deep learning the "
              "kernel lies on the image as it is (a correlation).", specific=True),
        Wrong("kernel-transposed", lambda x, weight, *a: variant(x, weight.swapaxes(2, 3), *a),
              "rows and columns of the kernel are exchanged: weight is (O, C, Ky, Kx), rows first. It needs no "
              ".swapaxes(2, 3), nor .T."),
        Wrong("no-bias", lambda x, weight, bias, *a: variant(x, weight, 0 * bias, *a), "the bias is missing: bias[o] "
              "is added to every place of channel o."),
        Wrong("bias-for-each-channel", lambda x, weight, bias, *a: variant(x, weight, len(weight[0]) * bias, *a), "the "
              "bias is added once for each of the C channels: it belongs after the sum over them.", specific=True),
        Wrong("one-channel", lambda x, weight, *a: variant(x[:, -1:], weight[:, -1:], *a), "only one channel of the "
              "image is in the result: each output sums over all C of them, x[:, :] and weight[:, :] with a colon for "
              "c, and not one index such as [:, -1]. In a loop over channels: +=, not =.",
              specific=True),
        Wrong("mean-for-sum", lambda x, weight, *a: variant(x, weight / weight[0].size, *a), "the mean over the window "
              "was taken: convolution sums. Do not divide by the size of the kernel."),
        Wrong("padding-after-the-image", lambda *a: variant(*a, pad=lambda x, p: np.pad(
              x, ((0, 0), (0, 0), (0, 2 * p), (0, 2 * p)))), "all zeros are put below and right of the image: padding "
              "is the border on each of the four sides.", specific=True),
        Wrong("padding-repeats-the-edge", lambda *a: variant(*a, pad=lambda x, p: np.pad(
              x, ((0, 0), (0, 0), (p, p), (p, p)), mode="edge")), "the border repeats the pixels at the edge: it is "
              "made of zeros.", specific=True),
        Wrong("no-padding", lambda x, weight, bias, stride, padding: variant(x, weight, bias, stride, 0), "padding is "
              "forgotten, so the grid comes out too small: put `padding` zeros around the image first."),
        Wrong("one-window-short", smallest_grid, "the last row and the last column of windows are missing: from place "
              "0 to place Sy + 2 * padding - Ky there is one place more than the difference says, so Gy and Gx are ... "
              "// stride + 1.", specific=True),
        Wrong("inputs-before-outputs", inputs_before_outputs, "the kernel is read as (C, O, Ky, Kx): its first axis is "
              "that of the filters O.", specific=True)),
    correct=(variant, by_sliding_windows, one_number_after_the_other),
    hints=(
        "Begin with one image, one channel, one filter: which pixels does the number at place (gy, gx) come from? Cut "
        "them out as a slice.",
        "Pad the image with np.pad. The window at (gy, gx) is x[:, :, gy * stride:gy * stride + Ky, ...]: all images "
        "and channels at once. Multiply with weight and sum over c, ky and kx; this leaves b and o.",
        "Two loops, over gy and gx; inside, y[:, :, gy, gx] = np.einsum('bcyx,ocyx->bo', window, weight), and the "
        "bias, with y an empty array of (B, O, Gy, Gx) of x's dtype."),
    why="With all windows in one array it is a single matrix product, W (O, C * Ky * Kx) times X (C * Ky * Kx, B * Gy "
        "* Gx), and that is how minivit does it: X holds every pixel up to Ky * Kx times, and a matrix product is so "
        "much faster than a loop that the copies pay. The same few weights are used at every place: 3 x 3 x 16 = 144 "
        "of them make 16 pictures of a grey image of any size.")

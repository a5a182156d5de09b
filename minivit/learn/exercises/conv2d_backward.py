"""Checks of conv2d_backward."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.exercises import conv2d_forward as forward
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.conv2d_backward import conv2d_backward
from minivit.modes import using
from minivit.ops.conv import Conv2d
from minivit.ops.patches import bordered
from minivit.tensor import Tensor


def cases(rng):
    made = []
    for label, (x, weight, bias, stride, padding) in forward.cases(rng):
        shape = forward.variant(x, weight, bias, stride, padding).shape
        made.append((label, (rng.standard_normal(shape), x, weight, stride, padding)))
    return made


def oracle(dy, x, weight, stride, padding):
    """Autograd's, through the definition."""
    leaves = [Tensor(array, requires_grad=True) for array in (x, weight, np.zeros(len(weight)))]
    with using("composed"):
        ops.conv2d(*leaves, stride, padding).backward(dy)
    return tuple(leaf.grad for leaf in leaves)


def numeric(dy, x, weight, stride, padding):
    bias = np.zeros(len(weight))
    return (numeric_gradient(lambda x: forward.variant(x, weight, bias, stride, padding), x, dy),
            numeric_gradient(lambda weight: forward.variant(x, weight, bias, stride, padding), weight, dy),
            numeric_gradient(lambda bias: forward.variant(x, weight, bias, stride, padding), bias, dy))


def adjoint(function, rng):
    """y is linear in x: <y(x'), dy> = <x', dx> for every x'."""
    x, weight, dy = (rng.standard_normal(shape) for shape in ((2, 2, 5, 6), (3, 2, 3, 2), (2, 3, 3, 4)))
    dx = function(dy, x, weight, 2, 1)[0]
    there = np.sum(forward.variant(x, weight, np.zeros(3), 2, 1) * dy)
    if abs(there - np.sum(x * dx)) > 1e-9 * max(1, abs(there)):
        return (f"without a bias, y is linear in x, so sum(y * dy) must equal sum(x * dx): {there:.6g}; yours gives "
                f"{np.sum(x * dx):.6g}")


def variant(dy, x, weight, stride, padding, step=None, flip=False):
    """One product for each place in the kernel, with all windows at once; each step may be done otherwise."""
    (Sy, Sx), (Ky, Kx), (Gy, Gx) = x.shape[2:], weight.shape[2:], dy.shape[2:]
    x, step = forward.padded(x, padding), step or stride
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    kernel = weight[:, :, ::-1, ::-1] if flip else weight
    for ky in range(Ky):
        for kx in range(Kx):
            seen = np.s_[:, :, ky:ky + (Gy - 1) * step + 1:step, kx:kx + (Gx - 1) * step + 1:step]
            dweight[:, :, ky, kx] = np.einsum("bogh,bcgh->oc", dy, x[seen])
            dx[seen] += np.einsum("bogh,oc->bcgh", dy, kernel[:, :, ky, kx])
    return dx[:, :, padding:padding + Sy, padding:padding + Sx], dweight, dy.sum(axis=(0, 2, 3))


def by_columns(dy, x, weight, stride, padding):
    """A correct answer with the matrix of windows; its gradient is added up by pixel numbers."""
    B, C, Sy, Sx = x.shape
    x = forward.padded(x, padding)
    numbers = np.arange(x[0].size).reshape(x[0].shape)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, weight.shape[2:], axis=(1, 2))
    pixels = windows[:, ::stride, ::stride].transpose(1, 2, 0, 3, 4).reshape(dy[0, 0].size, -1)     # (places, C*Ky*Kx)
    rows, W = dy.reshape(B, len(weight), -1), weight.reshape(len(weight), -1)
    dweight = np.einsum("bop,bpk->ok", rows, x.reshape(B, -1)[:, pixels]).reshape(weight.shape)
    dx = np.zeros((B, x[0].size), x.dtype)
    np.add.at(dx, (slice(None), pixels), rows.swapaxes(1, 2) @ W)
    return dx.reshape(x.shape)[:, :, padding:padding + Sy, padding:padding + Sx], dweight, rows.sum(axis=(0, 2))


def windows_overwrite(dy, x, weight, stride, padding):
    _, dweight, dbias = variant(dy, x, weight, stride, padding)
    (Sy, Sx), (Ky, Kx) = x.shape[2:], weight.shape[2:]
    dx = np.zeros_like(forward.padded(x, padding))
    for gy in range(dy.shape[2]):
        for gx in range(dy.shape[3]):
            window = np.s_[:, :, gy * stride:gy * stride + Ky, gx * stride:gx * stride + Kx]
            dx[window] = np.einsum("bo,ocyx->bcyx", dy[:, :, gy, gx], weight)
    return dx[:, :, padding:padding + Sy, padding:padding + Sx], dweight, dbias


def last_window_only(dy, x, weight, stride, padding):
    dx, _, dbias = variant(dy, x, weight, stride, padding)
    x, Ky, Kx = forward.padded(x, padding), *weight.shape[2:]
    top, left = (dy.shape[2] - 1) * stride, (dy.shape[3] - 1) * stride
    return dx, np.einsum("bo,bcyx->ocyx", dy[:, :, -1, -1], x[:, :, top:top + Ky, left:left + Kx]), dbias


def border_kept(dy, x, weight, stride, padding):
    """dx with its border, or the wrong part of it: the border is above and left too."""
    _, dweight, dbias = variant(dy, x, weight, stride, padding)
    return variant(dy, forward.padded(x, padding), weight, stride, 0)[0], dweight, dbias


def cropped_at_the_end(dy, x, weight, stride, padding):
    dx, dweight, dbias = border_kept(dy, x, weight, stride, padding)
    return dx[:, :, :x.shape[2], :x.shape[3]], dweight, dbias


def image_without_border(dy, x, weight, stride, padding):
    dx, _, dbias = variant(dy, x, weight, stride, padding)
    below = np.pad(x, ((0, 0), (0, 0), (0, 2 * padding), (0, 2 * padding)))
    return dx, variant(dy, below, weight, stride, 0)[1], dbias


def but(change):
    """A wrong answer: change(dx, dweight, dbias, dy)."""
    return lambda dy, *a: change(*variant(dy, *a), dy)


def kernels(function):
    """Convolution with the learner's backward; the border, which may differ from side to side, is minivit's."""
    def backward(ctx, dy):
        (x, weight), g = ctx.saved, ctx.g
        if g.stride[0] != g.stride[1]:
            return Conv2d.backward(ctx, dy)
        dx, dweight, dbias = function(dy, bordered(x, g), weight, g.stride[0], 0)
        return dx[(...,) + g.inside()], dweight, dbias
    return {"conv2d": (Conv2d.forward, backward)}


EXERCISE = Exercise(
    slug="conv2d_backward", lesson=4, minutes=30, difficulty=3,
    task="Write the gradient of convolution by the image, the kernel and the bias.",
    solution=conv2d_backward, oracle=oracle, cases=cases, outputs=("dx", "dweight", "dbias"), numeric=numeric,
    properties=(Property("adjoint", adjoint),), kernels=kernels,
    wrong=(
        Wrong("windows-overwrite", windows_overwrite, "where windows overlap, dx keeps what the last one brought: a "
              "pixel in several windows gets something from each, dx[window] += ...", specific=True),
        Wrong("stride-forgotten", lambda *a: variant(*a, step=1), "the windows are taken one pixel apart: window (gy, "
              "gx) begins at row gy * stride and column gx * stride, as in the forward pass.", specific=True),
        Wrong("kernel-flipped", lambda *a: variant(*a, flip=True), "the kernel is flipped in dx, [::-1]. What pixel "
              "(ky, kx) of a window gets is dy times weight[ky, kx]. (Written as *one* convolution of dy, dx does need "
              "the flipped kernel; added up window by window, it does not.)", specific=True),
        Wrong("border-kept", border_kept, "dx still has the border of zeros around it: cut off `padding` rows and "
              "columns on each side.", specific=True),
        Wrong("cropped-at-the-end", cropped_at_the_end, "dx is cut off below and right only, so it is shifted: the "
              "border lies above and left as well, dx[:, :, padding:padding + Sy, padding:padding + Sx].",
              specific=True),
        Wrong("image-without-border", image_without_border, "dweight is taken from the image without its border, whose "
              "windows lie elsewhere: pad x as in the forward pass.", specific=True),
        Wrong("last-window-only", last_window_only, "dweight comes from the last window alone: a weight is used at "
              "every place, and its gradient is the sum over all of them, +=.", specific=True),
        Wrong("dweight-flipped", but(lambda dx, dweight, dbias, dy: (dx, dweight[:, :, ::-1, ::-1], dbias)),
              "dweight is flipped, [::-1]: weight[ky, kx] multiplies pixel (ky, kx) of a window, and its gradient is "
              "dy times that pixel.", specific=True),
        Wrong("mean-over-the-batch", but(lambda dx, dweight, dbias, dy: (dx, dweight / len(dy), dbias / len(dy))),
              "dweight and dbias are means over the images, and must be sums: do not divide by the number of images, / "
              "len(dy). (The mean, if there is one, is in the loss, and has arrived with dy.)"),
        Wrong("dbias-a-mean", but(lambda dx, dweight, dbias, dy: (dx, dweight, dy.mean(axis=(0, 2, 3)))), "dbias is a "
              "mean: the bias is added at every place of every image, so its gradient is the sum over all of them."),
        Wrong("dbias-of-one-image", but(lambda dx, dweight, dbias, dy: (dx, dweight, dy[0].sum(axis=(1, 2)))),
              "dbias comes from the first image alone: sum over images as well as places, axis=(0, 2, 3)."),
        Wrong("one-filter", lambda dy, x, weight, *a: (variant(dy[:, -1:], x, weight[-1:], *a)[0],
                                                       *variant(dy, x, weight, *a)[1:]), "dx comes from one filter "
              "alone: a pixel is seen by all O filters, and gets the sum over o. Take dy and weight with all "
              "filters, not with one index for o such as [:, -1].", specific=True)),
    correct=(variant, by_columns),
    hints=(
        "Keep the loops of the forward pass, and turn the arrows round: at (gy, gx), what goes from y[:, :, gy, gx] to "
        "the window, and what to the weights?",
        "With d = dy[:, :, gy, gx], (B, O): dweight += sum over b of d[b, o] * window[b, c, ky, kx], and the window of "
        "dx += sum over o of d[b, o] * weight[o, c, ky, kx]. dbias is a sum of dy.",
        "Pad x, and make dx of the padded shape, full of zeros. In the loops two lines with +=, by "
        "np.einsum('bo,bcyx->ocyx', ...) and np.einsum('bo,ocyx->bcyx', ...). After them, cut the border off dx."),
    why="Forward reads windows, backward adds into the same windows: reading from overlapping places becomes adding "
        "up, and this is the only thing that the loops know of convolution. It can be turned round once more: the "
        "pixel gathers from the windows that it lies in. For stride 1 that is a convolution of dy with the flipped "
        "kernel, and minivit computes dx in this way: one large matrix product is faster than many additions.")

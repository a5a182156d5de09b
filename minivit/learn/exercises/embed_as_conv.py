"""Checks of embed_as_conv."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.embed_as_conv import embed_as_conv
from minivit.modes import no_grad
from minivit.tensor import Tensor


@no_grad()
def conv2d(x, weight, bias, stride, padding):
    """minivit's convolution, from array to array."""
    return ops.conv2d(Tensor(x), Tensor(weight), Tensor(bias), stride, padding).data


def probe(function, images, E, bias, P):
    """What function makes of minivit's convolution."""
    return (function(images, E, bias, P, conv2d),)


def cases(rng):
    return [(f"images {'x'.join(map(str, shape))}, P = {P}, D = {D}", (
        rng.standard_normal(shape), rng.standard_normal((D, shape[1] * P * P)), rng.standard_normal(D), P))
        for shape, P, D in (((2, 3, 4, 6), 2, 5), ((2, 2, 9, 6), 3, 4), ((1, 1, 2, 6), 2, 3), ((3, 3, 4, 8), 4, 6))]


def oracle(images, E, bias, P):
    """minivit's patches, and a linear map."""
    patches = ops.extract_patches(Tensor(images), P).data
    return patches.reshape(len(images), -1, patches.shape[3]) @ E.T + bias


def convolves_once(function, rng):
    calls = []

    def counted(*arguments, **options):
        calls.append(arguments)
        return conv2d(*arguments, **options)
    _, (images, E, bias, P) = cases(rng)[0]
    function(images, E, bias, P, counted)
    if len(calls) != 1:
        return f"the tokens of all images come from one call of conv2d, and yours calls it {len(calls)} times"


def variant(images, E, bias, P, conv2d, kernel=lambda E, D, C, P: E.reshape(D, C, P, P), again=0,
            order="bdyx->byxd"):
    """The steps one by one, each of which may be done otherwise."""
    D, C = len(E), images.shape[1]
    y = conv2d(images, kernel(E, D, C, P), bias, P, 0)
    tokens = np.einsum(order, y).reshape(len(images), -1, D)
    return tokens + again * bias


def token_by_token(images, E, bias, P, conv2d):
    """A correct answer that reads the picture place by place."""
    y = conv2d(images, np.stack([row.reshape(-1, P, P) for row in E]), bias, stride=P, padding=0)
    return np.stack([y[:, :, gy, gx] for gy in range(y.shape[2]) for gx in range(y.shape[3])], axis=1)


def bias_by_hand(images, E, bias, P, conv2d):
    """A correct answer that adds the bias itself."""
    kernel = E.reshape(len(E), images.shape[1], P, -1)
    return np.moveaxis(conv2d(images, kernel, np.zeros_like(bias), P, 0), 1, -1).reshape(len(images), -1, len(E)) + bias


def not_transposed(images, E, bias, P, conv2d):
    y = conv2d(images, E.reshape(len(E), -1, P, P), bias, P, 0)
    return y.reshape(len(images), -1, len(E))


def stride_of_one(images, E, bias, P, conv2d):
    y = conv2d(images, E.reshape(len(E), -1, P, P), bias, 1, 0)
    return y.reshape(*y.shape[:2], -1).swapaxes(1, 2)


EXERCISE = Exercise(
    slug="embed_as_conv", lesson=6, minutes=15, difficulty=2,
    task="Write the patch embedding as one convolution.",
    solution=embed_as_conv, oracle=oracle, cases=cases, outputs=("tokens",), probe=probe,
    properties=(Property("convolves once", convolves_once),),
    wrong=(
        Wrong("not-transposed", not_transposed, "the result (B, D, Gy, Gx) is reshaped to (B, N, D), which tears the "
              "tokens apart: flatten the grid to (B, D, N), then exchange the last two axes.", specific=True),
        Wrong("channels-last", lambda *a: variant(*a, kernel=lambda E, D, C, P: E.reshape(D, P, P, C).transpose(
              0, 3, 1, 2)), "the rows of E are taken as (P, P, C); they are (C, P, P), which is already the order of a "
              "kernel.", specific=True),
        Wrong("kernel-transposed", lambda *a: variant(*a, kernel=lambda E, D, C, P: E.reshape(D, C, P, P).swapaxes(
              2, 3)), "rows and columns of the kernel are exchanged: E.reshape(D, C, P, P) has them in order, without "
              ".swapaxes(2, 3) or .T.",
              specific=True),
        Wrong("kernel-flipped", lambda *a: variant(*a, kernel=lambda E, D, C, P: E.reshape(
              D, C, P, P)[:, :, ::-1, ::-1]), "the kernel is flipped, [::-1]. conv2d lays it on the image as it is, so "
              "it needs no turning.", specific=True),
        Wrong("E-turned", lambda *a: variant(*a, kernel=lambda E, D, C, P: E.T.reshape(D, C, P, P)),
              "E was transposed before the reshape, which mixes the filters: row d of E is filter d, and needs only "
              "the shape (C, P, P): E.reshape(, not E.T.reshape(.", specific=True),
        Wrong("column-by-column", lambda *a: variant(*a, order="bdyx->bxyd"), "the tokens come column by column: the "
              "first row of patches comes first. Flatten the grid as it is, y.reshape(B, D, -1), without exchanging Gy "
              "and Gx.", specific=True),
        Wrong("stride-of-one", stride_of_one, "the windows are one pixel apart, so there are far too many: with stride "
              "P they lie side by side.", specific=True),
        Wrong("no-bias", lambda images, E, bias, *a: variant(images, E, 0 * bias, *a), "the bias is missing: "
              "conv2d(images, kernel, bias, ...) adds it."),
        Wrong("bias-twice", lambda *a: variant(*a, again=1), "the bias is added twice: conv2d adds it already."),
        Wrong("channels-exchanged", lambda images, *a: variant(images[:, ::-1], *a), "the channels of kernel and image "
              "do not belong together: their order is reversed, [:, ::-1], in one of them.")),
    correct=(variant, token_by_token, bias_by_hand),
    hints=(
        "A row of E makes one number of a patch. What is such a thing called in a convolution, and what shape has it "
        "there?",
        "The kernel is E in the shape (D, C, P, P): nothing has to be moved, since both read channels first, then "
        "rows. Then (B, D, Gy, Gx) has to become (B, Gy * Gx, D).",
        "y = conv2d(images, E in another shape, bias, P, 0); then two steps, a reshape of y that joins its last two "
        "axes, and an exchange of the last two of what that leaves."),
    why="Most published code embeds patches with a convolution, and so files of weights hold a kernel (D, C, P, P). It "
        "is no convolutional network for that: the windows do not overlap, and every pixel is seen once. minivit cuts "
        "patches and multiplies, to the same numbers, and keeps the weight in the kernel's shape.")

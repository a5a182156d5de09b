"""Checks of shift_test."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.shift_test import shift_test


def network(kernel, places, stride, everywhere=0.5):
    """A convolution (padding 1) that also knows its places, like a network with positions, and sees the whole image
    everywhere, like attention."""
    def f(images):
        y = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        y = np.lib.stride_tricks.sliding_window_view(y, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
        y = np.einsum("bchwyx,ocyx->bohw", y, kernel)
        y = y * places[:y.shape[2], :y.shape[3]]
        return y + everywhere * y.mean(axis=(2, 3), keepdims=True)
    return f


def probe(function, images, kernel, places, dy, dx, stride, margin):
    """What function says of the network."""
    return (function(network(kernel, places, stride), images, dy, dx, stride, margin),)


def cases(rng):
    return [(f"images {'x'.join(map(str, shape))}, moved by ({dy}, {dx}), stride {stride}, margin {margin}", (
        rng.standard_normal(shape), rng.standard_normal((O, shape[1], 3, 3)), rng.uniform(0.5, 1.5, shape[2:]),
        dy, dx, stride, margin))
        for shape, O, dy, dx, stride, margin in (
            ((2, 2, 14, 17), 3, 2, 1, 1, 2), ((3, 1, 24, 31), 2, 4, 2, 2, 2), ((2, 3, 11, 16), 1, 0, 3, 1, 1),
            ((2, 1, 29, 22), 2, 2, 4, 2, 1))]


def oracle(images, kernel, places, dy, dx, stride, margin):
    """Pair by pair."""
    f, (Sy, Sx) = network(kernel, places, stride), images.shape[2:]
    still, moved = f(images[:, :, dy:Sy, dx:Sx]), f(images[:, :, 0:Sy - dy, 0:Sx - dx])
    Gy, Gx = still.shape[2:]
    error = []
    for b in range(len(images)):
        difference, size = 0.0, 0.0
        for gy in range(margin, Gy - margin - dy // stride):
            for gx in range(margin, Gx - margin - dx // stride):
                a = still[b, :, gy, gx]
                difference += ((moved[b, :, gy + dy // stride, gx + dx // stride] - a) ** 2).sum()
                size += (a ** 2).sum()
        error.append(np.sqrt(difference / size))
    return np.array(error)


def of_a_convolution(function, rng):
    images, kernel = rng.standard_normal((2, 2, 15, 19)), rng.standard_normal((2, 2, 3, 3))
    error = np.asarray(function(network(kernel, np.ones((15, 19)), 1, 0), images, 3, 2, 1, 1))
    if error.shape != (2,) or not (error < 1e-9).all():
        return "a convolution is equivariant away from the edges, so its error must be 0; yours is not"


def cut(images, dy, dx):
    return images[:, :, dy:, dx:], images[:, :, :images.shape[2] - dy, :images.shape[3] - dx]


def rolled(images, dy, dx):
    return images, np.roll(images, (dy, dx), axis=(2, 3))


def filled(images, dy, dx):
    moved = np.zeros_like(images)
    moved[:, :, dy:, dx:] = images[:, :, :images.shape[2] - dy, :images.shape[3] - dx]
    return images, moved


def variant(f, images, dy, dx, stride, margin, pair=cut, places=lambda d, stride: d // stride, before=None, after=None,
            measure=lambda a, b: np.linalg.norm(b - a, axis=1) / np.linalg.norm(a, axis=1)):
    """The steps one by one, each of which may be done otherwise."""
    still, moved = (f(each) for each in pair(images, dy, dx))
    ty, tx = places(dy, stride), places(dx, stride)
    before, after = margin if before is None else before, margin if after is None else after
    Gy, Gx = still.shape[2:]
    a = still[:, :, before + max(-ty, 0):Gy - after - max(ty, 0), before + max(-tx, 0):Gx - after - max(tx, 0)]
    b = moved[:, :, before + max(ty, 0):Gy - after - max(-ty, 0), before + max(tx, 0):Gx - after - max(-tx, 0)]
    return measure(a.reshape(len(a), -1), b.reshape(len(b), -1))


def with_a_mask(f, images, dy, dx, stride, margin):
    """A correct answer that moves the whole map, and leaves out where there is nothing to compare with."""
    still, moved = (f(each) for each in cut(images, dy, dx))
    ty, tx = dy // stride, dx // stride
    inner = np.zeros(still.shape[2:], bool)
    inner[margin + ty:inner.shape[0] - margin, margin + tx:inner.shape[1] - margin] = True
    along = np.roll(still, (ty, tx), axis=(2, 3))
    return np.sqrt((((moved - along) * inner) ** 2).sum((1, 2, 3)) / ((along * inner) ** 2).sum((1, 2, 3)))


def margin_first(f, images, dy, dx, stride, margin):
    """A correct answer that takes the margin away before it moves anything."""
    still, moved = (f(each) for each in cut(images, dy, dx))
    inner = slice(margin, -margin)
    still, moved = still[:, :, inner, inner], moved[:, :, inner, inner]
    ty, tx = dy // stride, dx // stride
    b = moved[:, :, ty:, tx:]
    a = still[:, :, :b.shape[2], :b.shape[3]]
    return np.sqrt(np.einsum("boyx,boyx->b", b - a, b - a) / np.einsum("boyx,boyx->b", a, a))


def exchanged(f, images, dy, dx, stride, margin):
    """The map moves by dx down and by dy to the right."""
    still, moved = (f(each) for each in cut(images, dy, dx))
    ty, tx = dx // stride, dy // stride
    Gy, Gx = still.shape[2:]
    a = still[:, :, margin:Gy - margin - ty, margin:Gx - margin - tx]
    b = moved[:, :, margin + ty:Gy - margin, margin + tx:Gx - margin]
    return np.sqrt(((b - a) ** 2).sum((1, 2, 3)) / (a ** 2).sum((1, 2, 3)))


def of_all(a, b):
    return np.full(len(a), np.linalg.norm(b - a) / np.linalg.norm(a))


EXERCISE = Exercise(
    slug="shift_test", lesson=11, minutes=20, difficulty=2,
    task="Measure how far a network is from being equivariant to a shift.",
    solution=shift_test, oracle=oracle, cases=cases, outputs=("error",), probe=probe,
    properties=(Property("a convolution has none", of_a_convolution),),
    wrong=(
        Wrong("edge-included", lambda *a: variant(*a, before=0, after=0), "places at the edge of the map are compared "
              "too: there f sees padding, and it is another part of the image that lies beside it. Leave out `margin` "
              "places on each side.", specific=True),
        Wrong("map-not-moved", lambda *a: variant(*a, places=lambda d, stride: 0), "the two maps are compared at the "
              "same places. That is a test for invariance; here f(moved) at (gy + ty, gx + tx) belongs to f(still) at "
              "(gy, gx).", specific=True),
        Wrong("wrong-way", lambda *a: variant(*a, places=lambda d, stride: -(d // stride)), "the map is moved the "
              "wrong way: without its *last* rows and columns, an image shows the same things further down and to the "
              "right, so the larger index belongs to f(moved).", specific=True),
        Wrong("stride-forgotten", lambda *a: variant(*a, places=lambda d, stride: d), "the map is moved by as many "
              "places as the image by pixels: from place to place it goes `stride` pixels, so ty = dy / stride.",
              specific=True),
        Wrong("axes-exchanged", exchanged, "the map is moved by ty to the right and by tx down: dy and rows come "
              "first.", specific=True),
        Wrong("rolled", lambda *a: variant(*a, pair=rolled), "the image is rolled, by np.roll: what leaves it on one "
              "side comes back on the other, where it does not belong. Cut both images out of a larger one.",
              specific=True),
        Wrong("filled-with-zeros", lambda *a: variant(*a, pair=filled), "the moved image is filled up with zeros: that "
              "is an edge that the still one has not. Cut both images out of a larger one.", specific=True),
        Wrong("margin-in-pixels", lambda f, images, dy, dx, stride, margin: variant(
              f, images, dy, dx, stride, margin, before=margin // stride, after=margin // stride), "the margin was "
              "divided by stride: it counts places of the map already.", specific=True),
        Wrong("margin-on-one-side", lambda *a: variant(*a, after=0), "the margin is left out at the top and on the "
              "left only: each map has an edge at the bottom and on the right too.", specific=True),
        Wrong("not-relative", lambda *a: variant(*a, measure=lambda a, b: np.linalg.norm(b - a, axis=1)), "the error "
              "is not divided by the size of the map, sqrt(sum of a^2): a network with small numbers would look "
              "equivariant."),
        Wrong("squared", lambda *a: variant(*a, measure=lambda a, b: ((b - a) ** 2).sum(1) / (a ** 2).sum(1)), "the "
              "roots are missing, np.sqrt: this is the square of the error."),
        Wrong("one-for-all-images", lambda *a: variant(*a, measure=of_all), "the sums go over all images: each image "
              "has an error of its own, sum(axis=(1, 2, 3)).")),
    correct=(variant, with_a_mask, margin_first),
    hints=(
        "Draw a bright pixel into the image, at row r and column c. In which row and column is it in `still`? And in "
        "`moved`?",
        "Let ty = dy // stride. Of the rows of f(still), those from margin to Gy - margin - ty have a partner; the "
        "partners in f(moved) go from margin + ty to Gy - margin. Columns alike.",
        "Four lines: f of images[:, :, dy:, dx:] and of images[:, :, :Sy - dy, :Sx - dx]; ty and tx; two slices a and "
        "b of the maps; and a quotient of two roots of sums over axes (1, 2, 3)."),
    why="Cutting keeps the test honest. A rolled image has a seam and a filled one a black bar; a network that looks "
        "far sees them from everywhere, and then one measures its answer to the bar. What comes in at the edge of a "
        "cut image is at least a piece of an image. Slices that end at Sy - dy, and not at -dy, also work for dy = 0, "
        "where -0 would leave nothing.")

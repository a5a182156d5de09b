"""Checks of attention_distance."""
import math
from functools import partial

import numpy as np

from minivit.inspect import attention_distance as minivits
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.attention_distance import attention_distance


def maps_of(rng, L, B, H, N):
    """Attention maps (L, B, H, N, N) with rows that add up to 1."""
    e = np.exp(1.5 * rng.standard_normal((L, B, H, N, N)))
    return e / e.sum(axis=-1, keepdims=True)


def case(rng, L, B, H, grid, patch, prefix):
    maps = maps_of(rng, L, B, H, prefix + grid[0] * grid[1])
    return (f"a grid of {grid[0]}x{grid[1]}, patches of {patch[0]}x{patch[1]} pixels, {prefix} other tokens",
            (maps, grid, patch, prefix))


def cases(rng):
    return [case(rng, 2, 2, 3, (2, 4), (4, 3), 2), case(rng, 3, 2, 2, (3, 2), (2, 5), 1),
            case(rng, 1, 3, 2, (1, 5), (6, 4), 0), case(rng, 2, 1, 4, (4, 3), (3, 7), 2)]


def oracle(maps, grid, patch, prefix):
    """The definition, number by number."""
    (L, B, H, N, _), (Gy, Gx), (Py, Px) = maps.shape, grid, patch
    places = [(Py * (y + 0.5), Px * (x + 0.5)) for y in range(Gy) for x in range(Gx)]
    result = np.empty((L, H))
    for level in range(L):
        for h in range(H):
            means = []
            for b in range(B):
                for i, place in enumerate(places):
                    weights = [float(maps[level, b, h, prefix + i, prefix + j]) for j in range(N - prefix)]
                    far = sum(weight * math.dist(place, other) for weight, other in zip(weights, places))
                    means.append(far / sum(weights))
            result[level, h] = sum(means) / len(means)
    return result


def neighbour_to_the_right(function, rng):
    """All attention goes one patch to the right, and from the last column to the class token and the patch itself."""
    Gy, Gx, prefix = 2, 3, 1
    maps = np.zeros((1, 1, 1, 7, 7))
    maps[..., 0, 0] = 1
    for i in range(Gy * Gx):
        last = i % Gx == Gx - 1
        maps[..., prefix + i, prefix + i + (0 if last else 1)] = 0.5
        maps[..., prefix + i, 0] = 0.5
    found = np.ravel(function(maps, (Gy, Gx), (4, 6), prefix))
    if found.shape != (1,) or abs(found[0] - 4) > 1e-9:
        return ("patches of 4 x 6 pixels, 2 rows of 3; four of six attend to their neighbour on the right and to the "
                "class token, the two at the end to themselves: that is 4 pixels in the mean (4 * 6 / 6); yours says "
                f"{found}")


def euclidean(down, across):
    return np.hypot(down, across)


def table(grid, patch, norm=euclidean):
    """The distances (n, n) of n patches."""
    y, x = np.indices(grid).reshape(2, -1) * np.array(patch)[:, None]
    return norm(np.subtract.outer(y, y), np.subtract.outer(x, x))


def variant(maps, grid, patch, prefix, norm=euclidean, first=None, axis=-1, whole=True, weigh=lambda a: a,
            average=(1, 3)):
    """The steps, each of which may be done otherwise."""
    n = grid[0] * grid[1]
    first = prefix if first is None else first
    a = weigh(maps[..., first:first + n, first:first + n])
    found = (a * table(grid, patch, norm)).sum(axis=axis)
    return (found / a.sum(axis=axis) if whole else found).mean(axis=average)


def image_by_image(maps, grid, patch, prefix):
    """A correct answer with one matrix at a time."""
    distance, result = table(grid, patch), np.zeros((maps.shape[0], maps.shape[2]))
    for b in range(maps.shape[1]):
        a = maps[:, b, :, prefix:, prefix:].copy()
        a /= a.sum(axis=-1, keepdims=True)
        result += np.einsum("lhij,ij->lh", a, distance) / len(distance)
    return result / maps.shape[1]


def all_tokens(maps, grid, patch, prefix):
    """The tokens before the patches take part, at a distance of 0 from everything."""
    return (maps * np.pad(table(grid, patch), (prefix, 0))).sum(axis=-1).mean(axis=(1, 3))


def to_the_most_attended(a):
    return (a == a.max(axis=-1, keepdims=True)).astype(float)


def of_the_mean_map(maps, grid, patch, prefix):
    return variant(maps.mean(axis=1, keepdims=True), grid, patch, prefix)


EXERCISE = Exercise(
    slug="attention_distance", lesson=16, minutes=20, difficulty=2,
    task="Measure how far each head looks, in pixels.",
    solution=attention_distance, oracle=oracle, cases=cases, outputs=("distance",), float32=False,
    properties=(Property("the neighbour on the right", neighbour_to_the_right),),
    wrong=(
        Wrong("in-patches", lambda maps, grid, patch, prefix: variant(maps, grid, (1, 1), prefix), "the distance is "
              "counted in patches: one step down is patch[0] pixels, one step to the right patch[1].", specific=True),
        Wrong("pixels-exchanged", lambda maps, grid, patch, prefix: variant(maps, grid, patch[::-1], prefix),
              "Py and Px are exchanged: a step down the grid is patch[0] pixels, a step to the right patch[1].",
              specific=True),
        Wrong("grid-exchanged", lambda maps, grid, patch, prefix: variant(maps, grid[::-1], patch, prefix), "rows and "
              "columns of the grid are exchanged: grid is (Gy, Gx), as np.indices(grid) expects it, and patch i lies "
              "in row i // Gx and column i % Gx. (On a square grid this is not seen.)", specific=True),
        Wrong("prefix-at-the-end", partial(variant, first=0), "the tokens that are no patches were cut off at the end: "
              "they stand in front, so patches are maps[..., prefix:, prefix:].", specific=True),
        Wrong("one-token-cut-off", partial(variant, first=1), "one token was cut off in front, whatever prefix says: a "
              "distilled DeiT has two, a model that averages its patches none.", specific=True),
        Wrong("not-made-whole", partial(variant, whole=False), "the weights were not divided by their sum: part of a "
              "patch's attention goes to the tokens that were left out, and a head that looks at the class token would "
              "seem to look near.", specific=True),
        Wrong("all-tokens", all_tokens, "the tokens that are no patches are in it, at a distance of 0: they have no "
              "place, so they are left out, as rows and as columns: maps[..., prefix:, prefix:].", specific=True),
        Wrong("columns", partial(variant, axis=-2), "the sums run over the patches that attend, where they must run "
              "over those that are attended to, the last axis, axis=-1.", specific=True),
        Wrong("squared", partial(variant, norm=lambda y, x: y ** 2 + x ** 2), "the distances are squared: the root is "
              "missing, np.sqrt."),
        Wrong("blockwise", partial(variant, norm=lambda y, x: abs(y) + abs(x)), "rows and columns were added up, as a "
              "taxi drives: the distance is that of the straight line, np.sqrt of the sum of squares."),
        Wrong("most-attended-alone", partial(variant, weigh=to_the_most_attended), "this is the distance to the patch "
              "that gets most (max): every patch counts, by its weight.", specific=True),
        Wrong("not-weighted", partial(variant, weigh=np.ones_like), "attention does not enter: this is the mean "
              "distance of all patches, where a head comes to that attends to all alike. The weights are those of the "
              "maps, a = maps[...].", specific=True),
        Wrong("of-the-mean-map", of_the_mean_map, "the maps of the images were averaged first: the weights of each "
              "patch in each image are made whole by themselves, and the mean comes after.", specific=True),
        Wrong("summed-over-patches", lambda maps, grid, *rest: variant(maps, grid, *rest) * grid[0] * grid[1], "the "
              "patches' distances were summed, where their mean belongs: np.mean over images and patches, axis=(1, "
              "3).")),
    correct=(
        image_by_image, variant,
        lambda maps, grid, patch, prefix: minivits(list(maps), grid, patch, prefix)),
    hints=(
        "First a table (n, n) of the distances between all pairs of the n = Gy * Gx patches. In which row and column "
        "of the grid is patch i?",
        "row, column = np.indices(grid).reshape(2, -1) has both for all patches; differences by row[:, None] - row, "
        "times the pixels of a patch. Cut the first `prefix` rows and columns off the maps; the axes are (L, B, H, i, "
        "j).",
        "sum(a * table, axis=-1) / sum(a, axis=-1) is (L, B, H, n): one distance for each patch of each image. Then "
        "the mean over two axes leaves (L, H)."),
    why="It is the ViT's counterpart of a CNN's receptive field, except that it is learned, and differs from head to "
        "head. Two conventions differ between published codes: whether the weights are made whole after the class "
        "token is cut off (they must be, or a head that looks at the class token seems to be local), and the unit. "
        "Compare with the distance of uniform attention, which depends on the grid: a mean distance of 15 pixels says "
        "nothing by itself.")

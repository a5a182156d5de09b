"""Checks of resize_pos_embed."""
import math
from functools import partial

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.resize_pos_embed import resize_pos_embed
from minivit.models import positions


def oracle(pos, old_grid, new_grid, num_prefix):
    """minivit's, which builds a matrix for each axis."""
    return positions.resize_pos_embed(pos, old_grid, new_grid, num_prefix, "bilinear")


def case(rng, old_grid, new_grid, num_prefix, D):
    """Random positions, the prefix 5 times as large: where it leaks into the patches, that is seen."""
    pos = rng.standard_normal((1, num_prefix + old_grid[0] * old_grid[1], D))
    pos[:, :num_prefix] *= 5
    label = " to ".join("{} x {}".format(*grid) for grid in (old_grid, new_grid))
    return f"{label} patches, {num_prefix} in front", (pos, old_grid, new_grid, num_prefix)


def cases(rng):
    return [case(rng, (2, 3), (3, 5), 1, 4), case(rng, (2, 8), (4, 4), 1, 3), case(rng, (5, 3), (2, 4), 2, 5),
            case(rng, (1, 4), (3, 6), 0, 2)]


def slopes_stay_slopes(function, rng):
    """Positions that grow by the same amount from row to row, and not along a row."""
    pos = np.repeat(np.arange(4.0), 3)[None, :, None]
    found = function(pos, (4, 3), (8, 5), 0)[0, :, 0].reshape(8, 5)
    if np.abs(found - found[:, :1]).max() > 1e-9:
        return ("positions that are the same along every row of a 4 x 3 grid must be so in an 8 x 5 grid; yours "
                "differ: rows and columns are mixed up")
    if not np.allclose(np.diff(found[1:-1, 0]), 0.5):
        return ("positions that grow by 1 from row to row, of 4 rows, must grow by 1/2 where there are 8; yours grow "
                f"by {np.array2string(np.diff(found[1:-1, 0]), precision=3)}")


def same_grid(function, rng):
    _, (pos, grid, _, num_prefix) = cases(rng)[2]
    if np.abs(function(pos, grid, grid, num_prefix) - pos).max() > 1e-9:
        return "for the same grid the positions must come back as they are"


def centres(i, old, new):
    return (i + 0.5) * old / new - 0.5


def corners(i, old, new):
    return i * (old - 1) / max(new - 1, 1)


def weights(old, new, place=centres, nearest=False, edge="clip"):
    """The matrix (new, old) that interpolates along an axis, row by row, with switches for what may be done otherwise.
    """
    matrix = np.zeros((new, old))
    for i in range(new):
        at = place(i, old, new)
        at = min(max(at, 0), old - 1) if edge == "clip" else at
        at = min(max(math.floor(at + 0.5), 0), old - 1) if nearest else at
        below = math.floor(at)
        below = min(max(below, 0), max(old - 2, 0)) if edge == "beyond" else below
        t = at - below
        matrix[i, below] += 1 - t                                   # a `below` of -1 is the last one
        matrix[i, min(below + 1, old - 1)] += t
    return matrix


def in_2d(pos, old_grid, new_grid, num_prefix, **how):
    """A correct answer, by a matrix for each axis; `how` makes it a wrong one."""
    My, Mx = (weights(old, new, **how) for old, new in zip(old_grid, new_grid))
    patches = np.einsum("ay,bx,yxd->abd", My, Mx, pos[0, num_prefix:].reshape(*old_grid, -1))
    patches = patches.reshape(1, -1, pos.shape[2]).astype(pos.dtype)
    return np.concatenate([pos[:, :num_prefix], patches], axis=1)


def patch_by_patch(pos, old_grid, new_grid, num_prefix):
    """A correct answer with loops over the new patches: the mean of four old ones, with weights."""
    rows = [row for row in pos[0, :num_prefix]]
    old = pos[0, num_prefix:].reshape(*old_grid, -1)
    for y in range(new_grid[0]):
        for x in range(new_grid[1]):
            (y0, y1, v), (x0, x1, u) = (_around(i, *sizes) for i, sizes in zip((y, x), zip(old_grid, new_grid)))
            rows.append((1 - v) * (1 - u) * old[y0, x0] + (1 - v) * u * old[y0, x1]
                        + v * (1 - u) * old[y1, x0] + v * u * old[y1, x1])
    return np.stack(rows)[None].astype(pos.dtype)


def _around(i, old, new):
    """(below, above, t) of new place i."""
    at = min(max(centres(i, old, new), 0.0), old - 1.0)
    return int(at), min(int(at) + 1, old - 1), at - int(at)


def by_np_interp(pos, old_grid, new_grid, num_prefix):
    """A correct answer by NumPy's own interpolation along an axis, columns first."""
    patches = pos[0, num_prefix:].reshape(*old_grid, -1)
    for axis in (1, 0):
        places = centres(np.arange(new_grid[axis]), old_grid[axis], new_grid[axis])
        patches = np.apply_along_axis(lambda line: np.interp(places, np.arange(len(line)), line), axis, patches)
    patches = patches.reshape(1, -1, pos.shape[2]).astype(pos.dtype)
    return np.concatenate([pos[:, :num_prefix], patches], axis=1)


def as_a_list(pos, old_grid, new_grid, num_prefix):
    count = [(1, grid[0] * grid[1]) for grid in (old_grid, new_grid)]
    return in_2d(pos, *count, num_prefix)


def prefix_too(pos, old_grid, new_grid, num_prefix):
    return in_2d(pos, (1, pos.shape[1]), (1, num_prefix + new_grid[0] * new_grid[1]), 0)


def untouched(pos, old_grid, new_grid, num_prefix):
    if old_grid[0] * old_grid[1] == new_grid[0] * new_grid[1]:
        return pos.copy()
    return in_2d(pos, old_grid, new_grid, num_prefix)


def square_old_grid(pos, old_grid, new_grid, num_prefix):
    side = int(math.sqrt(pos.shape[1] - num_prefix))
    return in_2d(pos, (side, side), new_grid, num_prefix)


def transposed(pos, old_grid, new_grid, num_prefix):
    return in_2d(pos, old_grid[::-1], new_grid[::-1], num_prefix)


def columns_first(pos, old_grid, new_grid, num_prefix):
    (Gy, Gx), D = new_grid, pos.shape[2]
    found = in_2d(pos, old_grid, new_grid, num_prefix)
    patches = found[0, num_prefix:].reshape(Gy, Gx, D).swapaxes(0, 1).reshape(1, -1, D)
    return np.concatenate([found[:, :num_prefix], patches], axis=1)


def one_class_token(pos, old_grid, new_grid, num_prefix):
    patches = pos[:, pos.shape[1] - old_grid[0] * old_grid[1]:]
    return np.concatenate([pos[:, :1], in_2d(patches, old_grid, new_grid, 0)], axis=1)


EXERCISE = Exercise(
    slug="resize_pos_embed", lesson=14, minutes=30, difficulty=3,
    task="Stretch learned positions over another grid of patches, in two dimensions.",
    solution=resize_pos_embed, oracle=oracle, cases=cases, outputs=("positions",),
    properties=(Property("slopes stay slopes", slopes_stay_slopes), Property("the same grid", same_grid)),
    wrong=(
        Wrong("as-a-list", as_a_list, "the patches are interpolated as if they lay in one row. Neighbours in the list "
              "are neighbours in the picture only within a row: reshape to (Gy, Gx, D) first, and go along both axes.",
              specific=True),
        Wrong("prefix-interpolated", prefix_too, "the tokens in front are interpolated with the patches: a class token "
              "has no place in the picture. Take off the first num_prefix, stretch the rest, put them back.",
              specific=True),
        Wrong("untouched-where-the-count-agrees", untouched, "nothing is done where the number of patches, old_grid[0] "
              "* old_grid[1], agrees: 2 x 8 patches and 4 x 4 are 16 both, and lie elsewhere. Compare grids, not "
              "counts. (timm had this: pull request 2737.)", specific=True),
        Wrong("square-guessed", square_old_grid, "the old grid is taken for a square, by the root of the number of "
              "patches: 16 may be 2 x 8, and 6 are no square at all. Use old_grid. (DINO: issues 8 and 36.)",
              specific=True),
        Wrong("transposed", transposed, "rows and columns of the grids are exchanged: grids are (Gy, Gx), and patches "
              "are counted row by row, so it is reshape(*old_grid, D), and old_grid[0] goes with axis 0. For squares "
              "nobody notices.", specific=True),
        Wrong("counted-by-columns", columns_first, "the new patches are counted column by column, as after swapaxes(0, "
              "1): before they are flattened the grid is (Gy, Gx, D).", specific=True),
        Wrong("one-class-token-assumed", one_class_token, "one token in front is kept whatever num_prefix says: there "
              "may be none, or two (a distilled DeiT has a second). Nor can it be guessed from the number of tokens. "
              "(Google's code: pull request 317.)", specific=True),
        Wrong("prefix-lost", lambda pos, old, new, num_prefix: in_2d(pos, old, new, num_prefix)[:, num_prefix:], "the "
              "tokens in front are missing from the result: put the first num_prefix positions back before the "
              "patches.", specific=True),
        Wrong("corners-aligned", partial(in_2d, place=corners), "the first patch stays on the first and the last on "
              "the last: place = i (old - 1) / (new - 1). Google's code does it so; here a patch has an area, and "
              "the two grids cover the same picture: place = (i + 1/2) old / new - 1/2.", specific=True),
        Wrong("half-forgotten", partial(in_2d, place=lambda i, old, new: i * old / new), "the halves are missing, + "
              "0.5 and - 0.5: the centre of patch i is at i + 1/2. Without them all positions move up and left.",
              specific=True),
        Wrong("scale-plus-a-tenth", partial(in_2d, place=lambda i, old, new: centres(i, old, new + 0.1)), "the places "
              "are computed from new + 0.1: some codes add that tenth so that a scale factor, multiplied by the old "
              "size and rounded down, gives the new one. It moves every position. (DINOv2: pull request 378.)",
              specific=True),
        Wrong("not-clipped", partial(in_2d, edge="open"), "places beyond the edge are not clipped: there `below` is "
              "-1, which NumPy reads as the last one, so the first row is mixed with the last. np.clip keeps places "
              "within 0 ... old - 1.", specific=True),
        Wrong("extrapolated", partial(in_2d, edge="beyond"), "at the edges the line is drawn on beyond the last "
              "patches, with a t below 0 or above 1: clip the places themselves to 0 ... old - 1, before t is taken.",
              specific=True),
        Wrong("nearest", partial(in_2d, nearest=True), "each new patch gets the position of the nearest old one: take "
              "both neighbours, with the weights 1 - t and t.")),
    correct=(in_2d, patch_by_patch, by_np_interp),
    hints=(
        "Write it for one axis first: for 4 old patches and 6 new ones, where do the new centres lie among the old "
        "ones? Which of them lie beyond the first or last centre?",
        "Take off the prefix, reshape the rest to (Gy, Gx, D). For each axis: places = (i + 1/2) old / new - 1/2, "
        "clipped; below = floor; above = below + 1, at most old - 1; (1 - t) times one plus t times the other.",
        "array.take(below, axis) picks rows or columns. t needs two more axes to be multiplied with (Gy, Gx, D): "
        "t[:, None, None] for rows, t[None, :, None] for columns. At the end reshape to (1, -1, D), cast to pos.dtype, "
        "and concatenate after pos[:, :num_prefix]."),
    why="Everything else in a ViT takes any number of tokens: the patch embedding, attention and the MLPs have no size "
        "of the image in them. Positions are the one place that has, and stretching them is, with the cut into "
        "patches, the only point where its authors put in by hand that an image has two dimensions (section 3.2). The "
        "rules for places and edges are conventions; weights that were stretched by one and read by another still "
        "work, a little worse.")

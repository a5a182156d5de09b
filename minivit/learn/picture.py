"""The error of a result as characters in a terminal.

- `heat(error)`: a small map of |error|, ` ` for none to a full block for the largest
- `window(yours, expected, index)`: both arrays, three by three numbers around a place
"""
import numpy as np

BLOCKS = " \N{LIGHT SHADE}\N{MEDIUM SHADE}\N{DARK SHADE}\N{FULL BLOCK}"
ROWS, COLUMNS = 8, 48


def heat(error, index):
    """Lines of blocks: the slice of |error| along the last two axes that holds `index`; large maps are thinned out.

    inf, a place that is not finite, is a full block. No line where the array is a single number.
    """
    if error.size < 2:
        return ""
    plane = error[index[:-2]] if error.ndim > 2 else np.atleast_2d(error)
    plane = _thinned(_thinned(plane, 0, ROWS), 1, COLUMNS)
    largest = plane[np.isfinite(plane)].max(initial=0) or 1.0
    levels = np.ceil(np.minimum(plane / largest, 1) * (len(BLOCKS) - 1)).astype(int)
    return "\n".join("|" + "".join(BLOCKS[level] for level in row) + "|" for row in levels)


def window(yours, expected, index):
    """Three lines at most, `yours | expected`, of the numbers around `index`; none where there is one number."""
    if yours.ndim == 0 or yours.size < 2:
        return ()
    yours, expected = (np.atleast_2d(array[index[:-2]] if array.ndim > 2 else array) for array in (yours, expected))
    row, column = ((0,) + index)[-2:]
    part = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
    lines = [f"{_numbers(a)}  |  {_numbers(b)}" for a, b in zip(yours[part], expected[part])]
    return (f"{'yours':^{len(_numbers(yours[part][0]))}}  |  expected", *lines)


def _thinned(plane, axis, most):
    """At most `most` rows (or columns), each the largest of those it stands for."""
    parts = np.array_split(plane, min(most, plane.shape[axis]), axis=axis)
    return np.stack([part.max(axis=axis) for part in parts], axis=axis)


def _numbers(row):
    return " ".join(f"{number:+10.4g}" for number in row)

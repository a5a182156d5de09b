"""Whether one number grows where another does: Spearman's rank correlation (1904)."""
import math

import numpy as np


def ranks(values):
    """The rank of every value among all, from 0, as a flat array; equal values share the mean of theirs."""
    _, place, counts = np.unique(np.ravel(values), return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts + 1) / 2)[place]


def spearman(a, b):
    """The correlation of the ranks of two arrays of one size, from -1 to 1; nan where one of them is constant."""
    a, b = (rank - rank.mean() for rank in (ranks(a), ranks(b)))
    size = math.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else math.nan

"""The principal components of the filters that a model looks at patches with.

    W - mean = U diag(s) V        the rows of V: the components, that of the largest s first
    share_k  = s_k^2 / sum(s^2)   how much of the variance lies along component k

Shapes: weights (D, C, Py, Px), D filters; W (D, C * Py * Px), a filter a row; mean: of the D filters, place by place.
Result: the first `count` components (count, C, Py, Px), each of length 1, and their shares (count,), of all variance.

A component is as good as its negative. So that there is one answer, its largest number by size is to be positive.
"""
import numpy as np


def filter_pca(weights, count):
    """(components (count, C, Py, Px), shares (count,)); count is less than D and at most C * Py * Px."""
    W = weights.reshape(len(weights), -1)
    U, s, V = np.linalg.svd(W - np.mean(W, axis=0), full_matrices=False)
    shares = s ** 2 / np.sum(s ** 2)
    components = []
    for component in V[:count]:
        largest = component[np.argmax(np.abs(component))]
        components.append(component * np.sign(largest))
    return np.reshape(components, (count, *weights.shape[1:])), shares[:count]

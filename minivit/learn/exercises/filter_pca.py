"""Checks of filter_pca."""
from functools import partial

import numpy as np

from minivit.inspect import principal_filters
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.filter_pca import filter_pca


def case(rng, D, C, Py, Px, count):
    """Filters whose variance differs from place to place, so that components are clear; and whose mean is not 0."""
    weights = rng.standard_normal((D, C * Py * Px)) * 0.8 ** np.arange(C * Py * Px)
    weights += 2 * rng.standard_normal(C * Py * Px)
    return f"{count} of filters {D}x{C}x{Py}x{Px}", (rng.permuted(weights, axis=0).reshape(D, C, Py, Px), count)


def cases(rng):
    return [case(rng, 9, 3, 2, 4, 4), case(rng, 40, 1, 4, 3, 5), case(rng, 12, 2, 1, 3, 6), case(rng, 6, 3, 3, 2, 3)]


def oracle(weights, count):
    """The covariance by loops, its components one by one: each is what stays the same when multiplied again and again
    (the power method), made faster by squaring the matrix."""
    D, size = len(weights), weights[0].size
    rows = [list(map(float, filter.ravel())) for filter in weights]
    middle = [sum(row[k] for row in rows) / D for k in range(size)]
    covariance = np.array([[sum((row[i] - middle[i]) * (row[j] - middle[j]) for row in rows) for j in range(size)]
                           for i in range(size)])
    whole, components, variances = np.trace(covariance), [], []
    for _ in range(count):
        power = covariance / np.trace(covariance)
        for _ in range(40):
            power = power @ power
            power = power / np.trace(power)
        component = power[:, np.argmax(np.diag(power))]
        component = component / np.sqrt(component @ component)
        variances.append(component @ covariance @ component)
        covariance = covariance - variances[-1] * np.outer(component, component)
        components.append(max(component, -component, key=lambda c: c[np.argmax(abs(c))]))
    return np.array(components).reshape(count, *weights.shape[1:]), np.array(variances) / whole


def same_mean_nothing_changes(function, rng):
    weights, count = case(rng, 8, 2, 2, 3, 3)[1]
    before, after = function(weights, count)[0], function(weights + rng.standard_normal((2, 2, 3)), count)[0]
    if np.abs(before - after).max() > 1e-9:
        return ("the same filter was added to all of them: that moves their mean and not their components; yours "
                "change")


def positive(component):
    return component * np.sign(component[np.argmax(abs(component))])


def by_covariance(weights, count, oriented=positive, order=slice(None, None, -1), vectors=np.transpose):
    """The eigenvectors of the covariance, with switches."""
    rows = weights.reshape(len(weights), -1)
    variances, columns = np.linalg.eigh(np.cov(rows.T, bias=True).reshape(rows.shape[1], -1))
    chosen = vectors(columns)[order][:count]
    shares = variances[order] / variances.sum()
    return np.array([oriented(one) for one in chosen]).reshape(count, *weights.shape[1:]), shares[:count]


def variant(weights, count, centre=lambda rows: rows - rows.mean(axis=0), oriented=lambda c, s: positive(c), power=2,
            of=slice(None), axes=lambda parts, shape: parts.reshape(-1, *shape)):
    """The steps by the singular value decomposition, each of which may be done otherwise."""
    _, s, V = np.linalg.svd(centre(weights.reshape(len(weights), -1)), full_matrices=False)
    components = np.array([oriented(*pair) for pair in zip(V[:count], s)])
    of = slice(count) if of == "shown" else of
    return axes(components, weights.shape[1:]), s[:count] ** power / (s[of] ** power).sum()


def by_gram(weights, count):
    """A correct answer from the products of the filters with one another."""
    rows = weights.reshape(len(weights), -1)
    rows = rows - rows.mean(axis=0)
    variances, columns = np.linalg.eigh(rows @ rows.T)
    components = columns.T[::-1][:count] @ rows
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    largest = np.take_along_axis(components, abs(components).argmax(axis=1)[:, None], axis=1)
    components = np.where(largest < 0, -components, components)
    return components.reshape(count, *weights.shape[1:]), variances[::-1][:count] / variances.sum()


def channels_last(parts, shape):
    C, Py, Px = shape
    return np.moveaxis(parts.reshape(-1, Py, Px, C), -1, 1)


EXERCISE = Exercise(
    slug="filter_pca", lesson=16, minutes=15, difficulty=2,
    task="Find the principal components of a model's first filters.",
    solution=filter_pca, oracle=oracle, cases=cases, outputs=("components", "shares"), float32=False,
    properties=(Property("the mean does not matter", same_mean_nothing_changes),),
    wrong=(
        Wrong("not-centred", partial(variant, centre=lambda rows: rows), "the mean filter was not subtracted: the "
              "first component is then little else than that mean.", specific=True),
        Wrong("each-filter-centred", partial(variant, centre=lambda rows: rows - rows.mean(axis=1, keepdims=True)),
              "each filter's own mean was subtracted: subtract the mean *over* the filters, axis=0, place by place.",
              specific=True),
        Wrong("one-mean-for-all", partial(variant, centre=lambda rows: rows - rows.mean()), "one number was "
              "subtracted, the mean of everything: each place has a mean of its own, axis 0.", specific=True),
        Wrong("standardised", partial(variant, centre=lambda rows: (rows - rows.mean(axis=0)) / rows.std(axis=0)),
              "the places were also divided by their standard deviation, np.std: these are components of the "
              "correlation, and a place where filters hardly differ weighs as much as any.", specific=True),
        Wrong("rows-of-eigh", partial(by_covariance, vectors=lambda columns: columns), "np.linalg.eigh has the "
              "components in its columns, and these are rows: transpose first. (np.linalg.svd's third result has them "
              "in its rows.)", specific=True),
        Wrong("smallest-first", partial(by_covariance, order=slice(None)), "the components come with the smallest "
              "variance first, as np.linalg.eigh gives them: turn them round.", specific=True),
        Wrong("shares-not-squared", partial(variant, power=1), "the shares are of s: the variance along a component is "
              "proportional to s ** 2.", specific=True),
        Wrong("shares-of-those-shown", partial(variant, of="shown"), "the shares add up to 1 over the components that "
              "are returned: divide by the variance of all, np.sum(s ** 2).", specific=True),
        Wrong("signs-as-they-come", partial(variant, oriented=lambda c, s: c), "the signs are those that the "
              "decomposition happens to give, which differ from one library to another: make the number of each "
              "component that is largest by size positive."),
        Wrong("first-number-positive", partial(variant, oriented=lambda c, s: c * np.sign(c[0])), "the first number "
              "of each component is positive: it may be next to nothing. Asked for is the one that is largest by "
              "size."),
        Wrong("not-of-length-1", partial(variant, oriented=lambda c, s: positive(c) * s), "the components were "
              "multiplied by s: they have length 1, their size is what the shares say.", specific=True),
        Wrong("channels-last", partial(variant, axes=channels_last), "the numbers of a component were laid out as "
              "(Py, Px, C): they are ordered as in the weights, (C, Py, Px).", specific=True)),
    correct=(by_covariance, by_gram, principal_filters),
    hints=(
        "Filters are points in a space of C * Py * Px dimensions. What has to be subtracted before one asks in which "
        "directions they differ most?",
        "np.linalg.svd(W - mean, full_matrices=False) returns U, s and V, sorted by s from large to small; V has the "
        "components as rows. The shares are of s ** 2, of all of them.",
        "Three steps: W = weights.reshape(D, -1); the decomposition of W less its mean along axis 0; for each of the "
        "first rows of V, look at the number at np.argmax(np.abs(row)), and turn the row round if it is negative."),
    why="A linear layer's filters can be rotated into one another by the layer above, so single filters need not look "
        "like anything; the space that they span does. Its principal components are the picture of the ViT paper's "
        "figure 7. Their signs are arbitrary, which is why a picture made elsewhere may show negatives of yours.")

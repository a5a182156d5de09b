"""How much a trained model's features say about other classes, without training it.

- `without_head(model)`: the model as far as its head: what it returns are features
- `Ridge(x, labels, classes)`: linear classifiers in closed form, for any l2; `choose_l2` picks one on held-out images
- `nearest(x, labels, classes, queries)`: the vote of the k most similar images
- `probe(train, test, classes, shots)`: the accuracies of both

    W = argmin |X W - T|^2 + l2 |W|^2 = V (values + l2)^-1 V^T X^T T        X^T X = V diag(values) V^T

X (n, F): features, of each the mean taken off and divided by the standard deviation. T (n, Y): 1 for the label, -1 for
other classes, less their mean, which is the bias. One eigendecomposition serves every l2. Of fewer images than features
the smaller matrix is taken apart: W = X^T U (values + l2)^-1 U^T T, with X X^T = U diag(values) U^T.

Sources: Dosovitskiy et al. 2020, arXiv 2010.11929, section 4.1 (few-shot accuracy by regularised least squares; details
as in the authors' big_vision, fewshot_lsr); Wu et al. 2018, arXiv 1805.01978, section 3.4 (the vote).
"""
import copy

import numpy as np

from minivit import nn
from minivit.streams import stream
from minivit.train.fit import balanced

L2 = tuple(10.0 ** k for k in range(-3, 6))
TEMPERATURE = 0.07      # of the vote: similarities count as exp(similarity / 0.07)


class _Same(nn.Module):
    """In the place of a head: returns what it is given."""

    def forward(self, x):
        return x


def without_head(model):
    """A copy of the model that returns features (B, F), what its head reads. (Of a distilled model, the mean of what
    both heads read.)"""
    model = copy.deepcopy(model)
    if hasattr(model.head, "fc"):           # a ResNet's head takes the mean over the image first: that stays
        model.head.fc = _Same()
    else:
        model.head = _Same()
    if hasattr(model, "head_dist"):
        model.head_dist = _Same()
    return model.eval()


class Ridge:
    """Ridge regression of labels on features x (n, F), prepared for every l2."""

    def __init__(self, x, labels, classes):
        x = x.astype(np.float64)
        self.mean, self.std = x.mean(0), x.std(0) + 1e-6
        x = (x - self.mean) / self.std
        targets = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
        self.bias = targets.mean(0)
        targets -= self.bias
        if len(x) < x.shape[1]:
            values, U = np.linalg.eigh(x @ x.T)
            self.V, self.VXT = x.T @ U, U.T @ targets
        else:
            values, self.V = np.linalg.eigh(x.T @ x)
            self.VXT = self.V.T @ (x.T @ targets)
        self.values = np.maximum(values, 0)                     # rounding can leave a little less

    def predict(self, x, l2):
        """The classes (m,) of features x (m, F)."""
        W = self.V @ (self.VXT / (self.values + l2)[:, None])
        return ((x - self.mean) / self.std @ W + self.bias).argmax(1)


def choose_l2(x, labels, classes):
    """That of L2 with which four fifths of the images predict the others best; of equals the largest."""
    order = stream(0, place="l2").permutation(len(labels))
    kept, held_out = order[len(order) // 5:], order[:len(order) // 5]
    if not len(held_out):
        return 1.0                                              # nothing to choose by
    ridge = Ridge(x[kept], labels[kept], classes)
    accuracies = [(ridge.predict(x[held_out], l2) == labels[held_out]).mean() for l2 in L2]
    return L2[len(L2) - 1 - int(np.argmax(accuracies[::-1]))]


def nearest(x, labels, classes, queries, k=20):
    """The classes (m,) of queries (m, F): the vote of the k images of x (n, F) that are most similar by cosine."""
    x, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12) for rows in (x, queries))
    k = min(k, len(x))
    votes = np.zeros((len(queries), classes))
    for start in range(0, len(queries), 1000):
        similar = queries[start:start + 1000] @ x.T
        best = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        weights = np.exp(np.take_along_axis(similar, best, 1) / TEMPERATURE)
        rows = np.arange(len(similar))[:, None] + start
        np.add.at(votes, (rows, labels[best]), weights)
    return votes.argmax(1)


def probe(train, test, classes, shots=()):
    """A row {"shots", "images", "l2", "linear", "knn"} for each number of training images of each class, and at the
    end one of all; linear and knn are accuracies on the test images.

    train, test: (features (n, F), labels (n,)). Raises ValueError where a class has fewer images.
    """
    rows, (x, labels) = [], train
    fewest = np.bincount(labels, minlength=classes).min()
    for number in (*shots, 0):
        if number > fewest:
            raise ValueError(f"{number} images of each class were asked for, and one has {fewest}")
        chosen = balanced(labels, number * classes) if number else np.arange(len(labels))
        own, own_labels = x[chosen], labels[chosen]
        l2 = choose_l2(own, own_labels, classes)
        linear = Ridge(own, own_labels, classes).predict(test[0], l2)
        voted = nearest(own, own_labels, classes, test[0])
        rows.append({"shots": number or None, "images": len(chosen), "l2": l2,
                     "linear": float((linear == test[1]).mean()), "knn": float((voted == test[1]).mean())})
    return rows

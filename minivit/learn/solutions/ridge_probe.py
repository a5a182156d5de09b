"""A linear classifier on fixed features, in closed form: ridge regression.

    X = (features - mean) / std         mean and std of each feature over the images; to std 1e-6 is added, so that a
                                        feature that never changes does no harm
    T = 1 where the class is the label, -1 elsewhere; T_mean: the mean of each class's column
    W = argmin |X W - (T - T_mean)|^2 + strength |W|^2 = (X^T X + strength I)^-1 X^T (T - T_mean)

So X W + T_mean is what is predicted of T. A head reads features as they are: mean, std and T_mean go into its weight
and bias, so that

    features @ weight.T + bias  =  X W + T_mean

Shapes: features (n, D), labels (n,) integers from 0 to Y - 1, X (n, D), T (n, Y), T_mean (Y,), W (D, Y).
"""
import numpy as np


def ridge_probe(features, labels, num_classes, strength):
    """weight (Y, D) and bias (Y,) of a linear head for `num_classes` = Y classes."""
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    X = (features - mean) / std
    T = np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)
    T_mean = T.mean(axis=0)
    W = np.linalg.solve(X.T @ X + strength * np.eye(X.shape[1]), X.T @ (T - T_mean))
    weight = (W / std[:, None]).T
    return weight, T_mean - weight @ mean

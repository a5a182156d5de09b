"""Checks of ridge_probe."""
from functools import partial

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.ridge_probe import ridge_probe
from minivit.train.probe import Ridge


def oracle(features, labels, num_classes, strength):
    """What minivit's probe predicts, which takes X^T X or X X^T apart, as the weight and bias that predict the same."""
    ridge = Ridge(features, labels, num_classes)
    W = ridge.V @ (ridge.VXT / (ridge.values + strength)[:, None])
    bias = -ridge.mean / ridge.std @ W + ridge.bias                         # of features that are all 0
    return ((np.eye(len(W)) / ridge.std) @ W).T, bias


def case(rng, n, D, Y, strength):
    """Features of several sizes and means, so large that 1e-6 is nothing beside their std; classes that are not equally
    frequent, and say something of them."""
    labels = np.minimum(rng.permutation(n) % (Y + 1), Y - 1)
    features = rng.standard_normal((n, D)) + 0.7 * rng.standard_normal((Y, D))[labels]
    features = (features + rng.uniform(1, 2, D)) * rng.uniform(20, 100, D)
    return f"n, D, Y = {n}, {D}, {Y}, strength {strength}", (features, labels, Y, strength)


def cases(rng):
    label, few = case(rng, 7, 11, 4, 0.5)
    few[0][:, 4] = 0                                                        # as a dead ReLU has it
    return [case(rng, 14, 5, 3, 2.0), (f"{label}, a feature that is always 0", few), case(rng, 9, 1, 2, 3.0),
            case(rng, 20, 6, 5, 30.0)]


def units_do_not_matter(function, rng):
    _, (features, labels, Y, strength) = case(rng, 12, 4, 3, 1.0)
    weight, bias = function(features, labels, Y, strength)
    scaled, scaled_bias = function(1000 * features + 5, labels, Y, strength)
    if np.abs((1000 * features + 5) @ scaled.T + scaled_bias - features @ weight.T - bias).max() > 1e-4:
        return ("features in other units, 1000 times as large plus 5, must lead to the same predictions, since X has "
                "mean 0 and standard deviation 1; yours are others")


def one_hot(labels, Y, on=1.0, off=-1.0):
    return np.where(np.eye(Y, dtype=bool)[labels], on, off)


def standardised(features):
    mean, std = features.mean(0), features.std(0) + 1e-6
    return (features - mean) / std, mean, std


def by_pinv(A, b):
    return np.linalg.pinv(A) @ b


def by_steps(features, labels, Y, strength, *, standard=standardised, targets=one_hot, solve=by_pinv,
             ridge=lambda strength, n: strength, weight_of=lambda W, std: W / std[:, None],
             bias_of=lambda mean, weight, T_mean: T_mean - mean @ weight):
    """The steps one by one, each of which may be done otherwise."""
    X, mean, std = standard(features)
    T = targets(labels, Y)
    T_mean = T.mean(0)
    W = solve(X.T @ X + ridge(strength, len(X)) * np.eye(X.shape[1]), X.T @ (T - T_mean))
    weight = weight_of(W, std)
    return weight.T, bias_of(mean, weight, T_mean)


def by_more_rows(features, labels, Y, strength):
    """A correct answer: least squares with a row for each feature that asks for a weight of 0."""
    X, mean, std = standardised(features)
    T = one_hot(labels, Y)
    D = X.shape[1]
    rows = np.concatenate([X, np.sqrt(strength) * np.eye(D)])
    wanted = np.concatenate([T - T.mean(0), np.zeros((D, Y))])
    W = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return W.T / std, T.mean(0) - (mean / std) @ W


def by_images(features, labels, Y, strength):
    """A correct answer with a system of n equations rather than D: W = X^T (X X^T + strength I)^-1 T."""
    X, mean, std = standardised(features)
    T = one_hot(labels, Y)
    W = X.T @ np.linalg.inv(X @ X.T + strength * np.eye(len(X))) @ (T - T.mean(0))
    weight = (W / std[:, None]).T
    return weight, T.mean(0) - np.einsum("yd,d->y", weight, mean)


def uncentred(features):
    std = features.std(0) + 1e-6
    return features / std, 0 * std, std


def unscaled(features):
    mean = features.mean(0)
    return features - mean, mean, np.ones_like(mean)


def by_n_minus_one(features):
    mean, std = features.mean(0), features.std(0, ddof=1) + 1e-6
    return (features - mean) / std, mean, std


def no_epsilon(features):
    mean, std = features.mean(0), features.std(0)
    return (features - mean) / std, mean, std


def by_row(features):
    X = features - features.mean(1, keepdims=True)
    return X / (features.std(1, keepdims=True) + 1e-6), 0 * features[0], np.ones(features.shape[1])


def by_variance(features):
    mean, variance = features.mean(0), features.var(0) + 1e-6
    return (features - mean) / variance, mean, variance


def bias_shrunk(features, labels, Y, strength):
    """A column of ones among the features, whose weight is held small like any other."""
    X, mean, std = standardised(features)
    X = np.concatenate([X, np.ones((len(X), 1))], axis=1)
    W = np.linalg.solve(X.T @ X + strength * np.eye(X.shape[1]), X.T @ one_hot(labels, Y))
    weight = (W[:-1] / std[:, None]).T
    return weight, W[-1] - weight @ mean


def everywhere(features, labels, Y, strength):
    X, mean, std = standardised(features)
    T = one_hot(labels, Y)
    W = np.linalg.solve(X.T @ X + strength, X.T @ (T - T.mean(0)))
    weight = (W / std[:, None]).T
    return weight, T.mean(0) - weight @ mean


def transposed(features, labels, Y, strength):
    weight, bias = by_steps(features, labels, Y, strength)
    return weight.T, bias


EXERCISE = Exercise(
    slug="ridge_probe", lesson=14, minutes=25, difficulty=2,
    task="Fit a linear head to fixed features, in closed form.",
    solution=ridge_probe, oracle=oracle, cases=cases, outputs=("weight", "bias"), float32=False,
    properties=(Property("units do not matter", units_do_not_matter),),
    wrong=(
        Wrong("no-bias", partial(by_steps, bias_of=lambda mean, weight, T_mean: 0 * T_mean), "the bias is 0: it has "
              "to hold the mean of T, and what taking the mean off the features took away: mean of T - weight @ mean.",
              specific=True),
        Wrong("bias-without-the-features-mean", partial(by_steps, bias_of=lambda mean, weight, T_mean: T_mean), "the "
              "bias is the mean of T alone. That belongs to X; the head reads features whose mean was not taken off: "
              "subtract weight @ mean.", specific=True),
        Wrong("bias-without-the-targets-mean", partial(by_steps, bias_of=lambda mean, weight, T_mean: -mean @ weight),
              "the mean of T, T_mean, is missing from the bias: it was taken off before W was fitted.", specific=True),
        Wrong("weight-of-X", partial(by_steps, weight_of=lambda W, std: W), "the weight is "
              "W, which reads X. The head reads features, which were not divided by std: weight = W / std, for each "
              "feature.", specific=True),
        Wrong("not-centred", partial(by_steps, standard=uncentred), "the mean is not taken off before W is fitted, "
              "features - mean: then weights are spent on what all images have in common.", specific=True),
        Wrong("not-divided-by-std", partial(by_steps, standard=unscaled), "the features are not divided by their std: "
              "the strength then hits small features hardest, and depends on units.", specific=True),
        Wrong("divided-by-variance", partial(by_steps, standard=by_variance), "the features are divided by their "
              "variance, var: it is the standard deviation, std, its root."),
        Wrong("std-by-n-minus-one", partial(by_steps, standard=by_n_minus_one), "the std divides by n - 1 (ddof=1): "
              "here it is the root of the mean square, NumPy's default."),
        Wrong("no-1e-6", partial(by_steps, standard=no_epsilon, solve=np.linalg.solve), "a feature that is the same "
              "for all images has a std of 0, and 0 / 0 is nan: divide by the std + 1e-6.", specific=True),
        Wrong("each-image-normalised", partial(by_steps, standard=by_row), "mean and std are those of each image: they "
              "are taken over the images, of each feature (axis=0).", specific=True),
        Wrong("strength-times-n", partial(by_steps, ridge=lambda strength, n: n * strength), "strength is multiplied "
              "by the number of images, n * strength: the formula is a sum of squares, not a mean, and has strength "
              "alone.", specific=True),
        Wrong("no-strength", partial(by_steps, ridge=lambda strength, n: 0.0, solve=np.linalg.solve), "strength plays "
              "no part: that is least squares, which with fewer images than features has no single answer. It is added "
              "on the diagonal of X^T X.", specific=True),
        Wrong("strength-everywhere", everywhere, "strength is added to every number of X^T X: it belongs on the "
              "diagonal, strength times np.eye(D).", specific=True),
        Wrong("targets-0-and-1", partial(by_steps, targets=lambda labels, Y: one_hot(labels, Y, 1.0, 0.0)), "T is 0 "
              "where it should be -1: the answer is half as large. (The classes that it predicts are the same.)",
              specific=True),
        Wrong("bias-held-small", bias_shrunk, "the bias was fitted as the weight of a column of ones, and held small "
              "with the others: only W is. Take the mean off T, and the bias needs no fitting.", specific=True),
        Wrong("transposed", transposed, "the weight is (D, Y): a linear layer's is (out, in), so (Y, D). Transpose it "
              "at the end, (W / std[:, None]).T.")),
    correct=(by_steps, by_more_rows, by_images),
    hints=(
        "First find W and T_mean, and predict X W + T_mean. Then put (features - mean) / std in the place of X: what "
        "multiplies features, and what is left over?",
        "X^T X is (D, D), X^T (T - T_mean) is (D, Y), and np.linalg.solve(A, C) is A^-1 C. weight[y, d] = W[d, y] / "
        "std[d]; bias = T_mean - weight @ mean.",
        "mean, std = ... over axis 0; X = ...; T = np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0); "
        "T_mean = ...; W = np.linalg.solve(...); weight = (W / std[:, None]).T; return weight and the bias."),
    why="No training, no learning rate: the best linear head comes out of one system of equations. So it measures the "
        "features and not somebody's patience, and it is how the paper follows pre-training (section 4.1: few-shot "
        "accuracy by least squares). That targets of 1 and -1 are not probabilities does little harm; for the exact "
        "same features, a head trained with cross-entropy is a little better when there is much data.")

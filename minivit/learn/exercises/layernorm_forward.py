"""Checks of layernorm_forward."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.layernorm_forward import layernorm_forward
from minivit.modes import using
from minivit.ops.layernorm import LayerNorm
from minivit.tensor import Tensor


def oracle(x, gamma, beta, eps=1e-6):
    with using("composed"):
        return ops.layernorm(Tensor(x), Tensor(gamma), Tensor(beta), eps).data


def case(rng, shape, eps, scale=1.0):
    D = shape[-1]
    x = scale * (rng.standard_normal(shape) + 0.7)
    return f"x {'x'.join(map(str, shape))}, eps {eps}", (x, rng.standard_normal(D) + 1.5, rng.standard_normal(D), eps)


def cases(rng):
    return [case(rng, (2, 3, 5), 0.3), case(rng, (4, 7), 0.1, scale=2.0), case(rng, (3, 1, 6), 1e-6)]


def extreme(rng):
    """Tokens far from 0, and a token whose numbers are all equal."""
    far = rng.standard_normal((4, 16)).astype(np.float32)
    far += 300
    gamma, beta = np.ones(16, np.float32), np.zeros(16, np.float32)
    equal = np.full((2, 16), np.float32(2))
    return [("mean 300, deviation 1", (far, gamma, beta)), ("equal numbers", (equal, gamma, beta))]


def a_token_is_alone(function, rng):
    x, gamma, beta = rng.standard_normal((2, 3, 5)), np.ones(5), np.zeros(5)
    other = x.copy()
    other[:, 0] += rng.standard_normal(5)
    if np.abs(function(x, gamma, beta) - function(other, gamma, beta))[:, 1:].max() > 1e-12:
        return "the first token of each image was changed, and others changed with it: each is normalised by itself"


def variant(x, gamma, beta, eps=1e-6, axis=-1, ddof=0, mean=True, rms=False,
            divisor=lambda var, eps: (var + eps) ** 0.5):
    """The steps one by one, each of which may be done otherwise."""
    centre = x.mean(axis=axis, keepdims=True)
    var = (x * x).mean(axis=axis, keepdims=True) if rms else x.var(axis=axis, keepdims=True, ddof=ddof)
    return (x - centre if mean else x) / divisor(var, eps) * gamma + beta


def row_by_row(x, gamma, beta, eps=1e-6):
    """A correct answer with a loop over tokens."""
    y = np.empty_like(x)
    for row, out in zip(x.reshape(-1, x.shape[-1]), y.reshape(-1, x.shape[-1])):
        distance = row - row.sum() / row.size
        out[:] = gamma * distance / (distance @ distance / row.size + eps) ** 0.5 + beta
    return y


def kernels(function):
    """Layer norm with the learner's forward; minivit's runs too, for what its backward finds saved."""
    def forward(ctx, x, gamma, beta, eps=1e-6):
        LayerNorm.forward(ctx, x, gamma, beta, eps)
        return function(x, gamma, beta, eps)
    return {"layernorm": (forward, LayerNorm.backward)}


EXERCISE = Exercise(
    slug="layernorm_forward", lesson=8, minutes=10, difficulty=1,
    task="Write layer normalisation over the last axis.",
    solution=layernorm_forward, oracle=oracle, cases=cases, outputs=("y",), extreme=extreme,
    properties=(Property("a token is alone", a_token_is_alone),), kernels=kernels,
    wrong=(
        Wrong("variance-by-D-1", lambda *a: variant(*a, ddof=1), "the variance was divided by D - 1 (ddof=1). That "
              "estimates the variance of a population from a sample; here the D numbers are all there are: by D.",
              specific=True),
        Wrong("eps-outside-the-root", lambda *a: variant(*a, divisor=lambda var, eps: var ** 0.5 + eps), "eps was "
              "added to the root: it belongs under it, sqrt(var + eps).", specific=True),
        Wrong("no-eps", lambda *a: variant(*a, divisor=lambda var, eps: var ** 0.5), "eps was not used: a token of "
              "equal numbers would divide 0 by 0.", specific=True),
        Wrong("no-root", lambda *a: variant(*a, divisor=lambda var, eps: var + eps), "it was divided by the variance: "
              "the root is missing, np.sqrt(var + eps).", specific=True),
        Wrong("no-mean", lambda *a: variant(*a, mean=False), "the mean was not subtracted from x (though it was in the "
              "variance): what is divided is x - mean, the centred x.", specific=True),
        Wrong("rms", lambda *a: variant(*a, mean=False, rms=True), "the mean was left out altogether: that is RMS "
              "norm, which other models use. Layer norm first shifts each token to mean 0.", specific=True),
        Wrong("over-tokens", lambda *a: variant(*a, axis=-2), "mean and variance run over the tokens (axis -2): each "
              "token is normalised over its own D numbers, axis=-1.", specific=True),
        Wrong("over-everything", lambda *a: variant(*a, axis=None), "mean and variance run over the whole array: each "
              "token has its own, axis=-1, keepdims=True."),
        Wrong("beta-before-gamma", lambda x, gamma, beta, eps=1e-6: variant(x, gamma, beta * gamma, eps), "beta was "
              "added before gamma multiplied: scale first, then shift."),
        Wrong("no-beta", lambda x, gamma, beta, eps=1e-6: variant(x, gamma, 0 * beta, eps), "beta is not added.")),
    correct=(variant, row_by_row),
    hints=(
        "Mean and variance are of one token: which axis is that, and what keeps its place so that x - mean works?",
        "centred = x - mean; the variance is the mean of centred squared; eps is added to it before the root.",
        "centred = x - np.mean(..., axis=-1, keepdims=True), the same for the variance, then centred / np.sqrt(...) * "
        "gamma + beta."),
    why="Subtracting the mean first and squaring then is not the same in float32 as the mean of x^2 less the square of "
        "the mean: at a mean of 300 and a deviation of 1 those are 90001 and 90000, and float32 has but seven digits. "
        "minivit's kernel even subtracts twice where the mean is far from 0.")

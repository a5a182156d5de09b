"""Checks of layernorm_backward."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.layernorm_backward import layernorm_backward
from minivit.modes import using
from minivit.ops.layernorm import LayerNorm
from minivit.tensor import Tensor

EPS = 0.1               # so large that xhat and rstd show it


def normalised(x):
    """(xhat, rstd) of x (..., D)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + EPS)
    return centred * rstd, rstd


def case(rng, shape):
    xhat, rstd = normalised(2 * rng.standard_normal(shape))
    return "x " + "x".join(map(str, shape)), (rng.standard_normal(shape), xhat, rstd,
                                              rng.standard_normal(shape[-1]) + 1.5)


def cases(rng):
    return [case(rng, shape) for shape in ((2, 3, 6), (5, 4), (3, 1, 7), (1, 5))]


def oracle(dy, xhat, rstd, gamma):
    """Autograd's, through the definition; xhat / rstd is x, up to its mean."""
    x, gamma, beta = (Tensor(a, requires_grad=True) for a in (xhat / rstd, gamma, np.zeros_like(gamma)))
    with using("composed"):
        ops.layernorm(x, gamma, beta, EPS).backward(dy)
    return x.grad, gamma.grad, beta.grad


def numeric(dy, xhat, rstd, gamma):
    x = xhat / rstd
    return (numeric_gradient(lambda x: normalised(x)[0] * gamma, x, dy),
            numeric_gradient(lambda gamma: xhat * gamma, gamma, dy),
            numeric_gradient(lambda beta: xhat * gamma + beta, np.zeros_like(gamma), dy))


def rows_add_up_to_zero(function, rng):
    dx = function(*case(rng, (3, 5))[1])[0]
    worst = np.abs(dx.sum(axis=-1)).max()
    if worst > 1e-9:
        return ("dx must add up to 0 in every token, since a constant added to all its numbers is subtracted again "
                "with "
                f"the mean; yours adds up to {worst:.3g}")


def variant(dy, xhat, rstd, gamma, factor=1.0, axis=-1, reduce=np.mean, mean=1, along=1):
    """The steps one by one, each of which may be done otherwise."""
    g = dy * gamma
    first, second = reduce(g, axis=axis, keepdims=True), reduce(g * xhat, axis=axis, keepdims=True)
    rows = dy.reshape(-1, dy.shape[-1])
    return (g - mean * first - along * xhat * second) * rstd * factor, \
        np.einsum("nd,nd->d", rows, xhat.reshape(rows.shape)), rows.sum(axis=0)


def by_jacobian(dy, xhat, rstd, gamma):
    """A correct answer that builds dy/dx of every token."""
    D = len(gamma)
    dxhat_dx = np.eye(D, dtype=dy.dtype) - (1 + xhat[..., :, None] * xhat[..., None, :]) / D
    dx = np.einsum("...i,...ij->...j", dy * gamma, dxhat_dx) * rstd
    return dx, (dy * xhat).reshape(-1, D).sum(axis=0), dy.reshape(-1, D).sum(axis=0)


def with_parameters(change):
    """A wrong answer whose dgamma and dbeta are change(dgamma, dbeta, dy, xhat, gamma)."""
    def function(dy, xhat, rstd, gamma):
        dx, dgamma, dbeta = variant(dy, xhat, rstd, gamma)
        return dx, *change(dgamma, dbeta, dy, xhat, gamma)
    return function


def gamma_too_late(dy, xhat, rstd, gamma):
    dx, dgamma, dbeta = variant(dy, xhat, rstd, np.ones_like(gamma))
    return dx * gamma, dgamma, dbeta


def kernels(function):
    """Layer norm with the learner's backward."""
    def backward(ctx, dy):
        xhat, rstd, gamma = ctx.saved                                   # of (B * N, D) tokens
        dx, dgamma, dbeta = function(dy.reshape(xhat.shape), xhat, rstd, gamma)
        return dx.reshape(dy.shape), dgamma, dbeta
    return {"layernorm": (LayerNorm.forward, backward)}


EXERCISE = Exercise(
    slug="layernorm_backward", lesson=8, minutes=25, difficulty=3,
    task="Write the gradient of layer normalisation by x, gamma and beta.",
    solution=layernorm_backward, oracle=oracle, cases=cases, outputs=("dx", "dgamma", "dbeta"), numeric=numeric,
    properties=(Property("rows of dx add up to 0", rows_add_up_to_zero),), kernels=kernels,
    wrong=(
        Wrong("no-mean-terms", lambda *a: variant(*a, mean=0, along=0), "both mean terms are missing, dxhat - "
              "mean(dxhat) - xhat * mean(dxhat * xhat): mean and variance were treated as constants, but every x of "
              "the token moves them.", specific=True),
        Wrong("no-mean-of-dxhat", lambda *a: variant(*a, mean=0), "the term mean(dxhat) is missing: dxhat - "
              "mean(dxhat) - xhat * ... Every x moves the mean of its token, and with it all of xhat.", specific=True),
        Wrong("no-mean-along-xhat", lambda *a: variant(*a, along=0), "the term xhat * mean(dxhat * xhat) is missing: "
              "every x moves the variance of its token, and with it the scale of all of xhat.", specific=True),
        Wrong("sign-of-a-mean-term", lambda *a: variant(*a, along=-1), "the term xhat * mean(dxhat * xhat) was added: "
              "both mean terms are subtracted, ... - xhat * mean(dxhat * xhat)."),
        Wrong("sums-for-means", lambda *a: variant(*a, reduce=np.sum), "sums were taken where the two means belong: "
              "each x is one of D in mean and variance, which brings the factor 1 / D.", specific=True),
        Wrong("means-over-tokens", lambda *a: variant(*a, axis=-2), "the two means run over the tokens: they are means "
              "over the D numbers of one token, axis=-1, keepdims=True.", specific=True),
        Wrong("gamma-too-late", gamma_too_late, "gamma was multiplied at the end: it belongs into dxhat = dy * gamma, "
              "before the means are taken, since it differs from place to place.", specific=True),
        Wrong("no-gamma", lambda dy, xhat, rstd, gamma: variant(dy, xhat, rstd, 0 * gamma + 1), "gamma is missing in "
              "dx: what arrives at xhat is dy * gamma.", specific=True),
        Wrong("no-rstd", lambda dy, xhat, rstd, gamma: variant(dy, xhat, 0 * rstd + 1, gamma), "the factor rstd is "
              "missing in dx.", specific=True),
        Wrong("divided-by-rstd", lambda dy, xhat, rstd, gamma: variant(dy, xhat, 1 / rstd, gamma), "dx was divided by "
              "rstd: x was multiplied by it, and so is its gradient.", specific=True),
        Wrong("dgamma-without-xhat", with_parameters(lambda dgamma, dbeta, *_: (dbeta, dbeta)), "dgamma is that of "
              "beta: gamma multiplies xhat, so dgamma is the sum of dy * xhat.", specific=True),
        Wrong("dgamma-of-y", with_parameters(lambda dgamma, dbeta, dy, xhat, gamma: (dgamma * gamma, dbeta)), "dgamma "
              "has a factor gamma too many: the derivative of xhat * gamma by gamma is xhat.", specific=True),
        Wrong("means-over-the-batch", with_parameters(lambda dgamma, dbeta, dy, *_: (
              dgamma / (dy.size / dy.shape[-1]), dbeta / (dy.size / dy.shape[-1]))), "dgamma and dbeta are means over "
              "the tokens: a parameter that is used n times gets the sum of n gradients.")),
    correct=(variant, by_jacobian),
    hints=(
        "Suppose one x of a token grows. Its mean grows, so all the other xhat shrink: which of your terms says that?",
        "With dxhat = dy * gamma: dx = rstd * (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)), means over the token. "
        "dgamma and dbeta are sums over all tokens.",
        "dxhat = dy * gamma; two np.mean(..., axis=-1, keepdims=True), of dxhat and of dxhat * xhat; dx as in the "
        "second hint; dgamma and dbeta are np.sum(..., axis=every axis but the last) of dy * xhat and of dy."),
    why="Read dx without its factor: from dxhat, its part along (1, ..., 1) and its part along xhat are taken away. "
        "Layer norm does not see a shift of a token, nor (but for eps) a scaling, so no gradient may point in these "
        "two directions. In general: what a function ignores, its gradient is orthogonal to.")

"""Find the constants of GELU's fast float32 path, `minivit.ops.gelu.ODD`.

    python examples/fit_gelu.py

The normal distribution function is Phi(x) = (1 + tanh(u(x))) / 2 with an odd u(x) = artanh(erf(x / sqrt(2))). We look
for the polynomial u(x) = x (c0 + c1 x^2 + ... + c6 x^12) whose largest error in y = x Phi(x) is smallest. Near the
solution that error is linear in the coefficients, (x / 2) (1 - tanh(u)^2) du, so each round is a weighted least-squares
problem; the weights grow where the error is large, until it is level (Lawson 1961).
"""
import math

import numpy as np

TERMS, ROUNDS = 7, 400


def fit():
    """(c0 ... c6, largest error of x Phi(x) over |x| <= 6.5)."""
    x = np.linspace(0.001, 6.5, 6500)
    erf = np.array([math.erf(v / math.sqrt(2)) for v in x])
    erfc = np.array([math.erfc(v / math.sqrt(2)) for v in x])
    exact = np.log((1 + erf) / erfc) / 2
    sensitivity = x / 2 * (1 - erf) * (1 + erf)                     # of y to u
    powers = x[:, None] * (x[:, None] / x[-1]) ** (2 * np.arange(TERMS))
    weights, best = np.ones_like(x), (np.inf, None)
    for _ in range(ROUNDS):
        scale = sensitivity * np.sqrt(weights)
        c = np.linalg.lstsq(powers * scale[:, None], exact * scale, rcond=None)[0]
        error = np.abs(x / 2 * (np.tanh(powers @ c) - erf))
        if error.max() < best[0]:
            best = error.max(), c
        weights *= error / error.max() + 1e-3
        weights /= weights.mean()
    return best[1] / x[-1] ** (2 * np.arange(TERMS)), best[0]


if __name__ == "__main__":
    constants, error = fit()
    print("ODD = (" + ", ".join(f"{c:.8e}" for c in constants) + f")      # to {error:.1e}")

"""The error function on arrays: float64 to 1e-15, float32 to 2e-7.

Source: W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), the coefficients
of his program CALERF: three rational functions, for |x| up to 0.46875, up to 4, and beyond. (NumPy has no erf.)
"""
import math

from minivit.backend import xp_of

SMALL = ((1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
          3.20937758913846947e3),
         (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3))
MIDDLE = ((2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
           2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
           1.23033935479799725e3),
          (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
           3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3))
LARGE = ((1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
          1.60837851487422766e-2, 6.58749161529837803e-4),
         (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
          2.33520497626869185e-3))


def _ratio(coefficients, z):
    """P(z) / Q(z), both by Horner's rule."""
    numerator, denominator = (_polynomial(c, z) for c in coefficients)
    return numerator / denominator


def _polynomial(coefficients, z):
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * z + coefficient
    return value


def erf(x):
    """erf(x) for a floating-point array of any shape: -1 at -inf, 1 at inf, nan at nan."""
    xp = xp_of(x)
    size = abs(x)
    small = x * _ratio(SMALL, xp.minimum(size, 0.46875) ** 2)
    y = xp.clip(size, 0.46875, 4.0)
    middle = xp.exp(-y * y) * _ratio(MIDDLE, y)                     # 1 - erf
    y = xp.clip(size, 4.0, 6.0)                                     # beyond 6, 1 - erf is below 1e-16
    z = 1 / (y * y)
    large = xp.exp(-y * y) / y * (1 / math.sqrt(math.pi) - z * _ratio(LARGE, z))
    outer = xp.copysign(1 - xp.where(size <= 4.0, middle, large), x)
    return xp.where(size <= 0.46875, small, outer)

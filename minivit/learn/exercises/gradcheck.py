"""Checks of gradcheck: right gradients that it must accept, and planted mistakes that it must notice."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.gradcheck import gradcheck


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dy, x):
    y = softmax(x)
    return y * (dy - np.sum(dy * y, axis=-1, keepdims=True))


def tanh_backward(dy, x):
    return dy * (1 - np.tanh(x) ** 2)


def corner_missing(dy, x):
    dx = tanh_backward(dy, x)
    dx[(-1,) * x.ndim] = 0
    return dx


def planted(matrix):
    """{what it is: (right or not, forward, backward)}; matrix: square, not symmetric."""
    def squares(size):
        return lambda x: size * x ** 2

    return {
        "softmax": (True, softmax, softmax_backward),
        "softmax with a backward of zeros": (False, softmax, lambda dy, x: np.zeros_like(x)),
        "softmax with the wrong sign": (False, softmax, lambda dy, x: -softmax_backward(dy, x)),
        "matrix product": (True, lambda x: x @ matrix, lambda dy, x: dy @ matrix.T),
        "matrix product not transposed": (False, lambda x: x @ matrix, lambda dy, x: dy @ matrix),
        "sum of rows": (True, lambda x: x.sum(axis=0), lambda dy, x: np.broadcast_to(dy, x.shape)),
        "tanh": (True, np.tanh, tanh_backward),
        "tanh, twice too large": (False, np.tanh, lambda dy, x: 2 * tanh_backward(dy, x)),
        "tanh, 1 % too large": (False, np.tanh, lambda dy, x: 1.01 * tanh_backward(dy, x)),
        "tanh without the last element": (False, np.tanh, corner_missing),
        "tanh shifted by one place": (False, np.tanh, lambda dy, x: np.roll(tanh_backward(dy, x), 1, axis=-1)),
        "a steep curve": (True, lambda x: np.exp(8 * x), lambda dy, x: 8 * dy * np.exp(8 * x)),
        "large numbers": (True, squares(1e3), lambda dy, x: 2e3 * dy * x),
        "small numbers": (True, squares(1e-8), lambda dy, x: 2e-8 * dy * x),
        "small numbers with the wrong sign": (False, squares(1e-8), lambda dy, x: -2e-8 * dy * x),
    }


def probe(function, x, matrix):
    """1 or 0 for each: whether it was found right."""
    return tuple(np.array(float(function(forward, backward, x.copy(), np.random.default_rng(number))))
                 for number, (_, forward, backward) in enumerate(planted(matrix).values()))


def cases(rng):
    def numbers(shape):
        return rng.uniform(0.2, 1.2, shape) * rng.choice([-1, 1], shape)

    return [("x".join(map(str, shape)), (numbers(shape), rng.standard_normal((shape[-1], shape[-1]))))
            for shape in ((3, 4), (1, 5), (2, 1, 3))]


def leaves_x_alone(function, rng):
    x, matrix = cases(rng)[0][1]
    before = x.copy()
    function(*planted(matrix)["tanh"][1:], x, rng)
    if not np.array_equal(x, before):
        return "x is not as it was before: put back each element exactly, or nudge a copy"


def checker(h=1e-5, tolerance=1e-5, draw=lambda rng, shape: rng.standard_normal(shape), below=-1, divisor=2,
            distance=lambda dx, measured: np.abs(dx - measured).max(), scale=lambda measured: np.abs(measured).max()):
    """The solution with one of its parts replaced: a wrong answer. below: the second point, in steps from x."""
    def check(forward, backward, x, rng):
        dy = draw(rng, forward(x).shape)
        measured = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            nudge = np.zeros(x.shape)
            nudge[index] = h
            measured[index] = np.sum((forward(x + nudge) - forward(x + below * nudge)) * dy) / (divisor * h)
        return distance(backward(dy, x), measured) <= tolerance * scale(measured)
    return check


def in_place_with_four_points(forward, backward, x, rng):
    dy, h, errors, largest = rng.uniform(-1, 1, forward(x).shape), 1e-3, [], 0.0
    dx = backward(dy, x)
    for index in np.ndindex(x.shape):
        kept, values = x[index], {}
        for steps in (-2, -1, 1, 2):
            x[index] = kept + steps * h
            values[steps] = np.vdot(forward(x), dy)
        x[index] = kept
        slope = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * h)
        errors.append(abs(slope - dx[index]))
        largest = max(largest, abs(slope))
    return max(errors) <= 1e-5 * largest


def by_whole_jacobian(forward, backward, x, rng):
    h = 1e-5
    jacobian = np.stack([(forward(x + nudge) - forward(x - nudge)).ravel() / (2 * h)
                         for nudge in h * np.eye(x.size).reshape(x.size, *x.shape)], axis=1)
    dy = rng.standard_normal(forward(x).shape)
    measured = dy.ravel() @ jacobian
    return bool(np.allclose(backward(dy, x).ravel(), measured, rtol=0, atol=1e-5 * np.abs(measured).max()))


EXERCISE = Exercise(
    slug="gradcheck", lesson=2, minutes=25, difficulty=3,
    task="Write a gradient checker that accepts what is right and lets no planted mistake pass.",
    solution=gradcheck, cases=cases, probe=probe, float32=False, outputs=tuple(planted(np.eye(2))),
    oracle=lambda x, matrix: tuple(np.array(float(right)) for right, _, _ in planted(matrix).values()),
    properties=(Property("x is left alone", leaves_x_alone),),
    wrong=(
        Wrong("blind-to-sums", checker(draw=lambda rng, shape: np.ones(shape)), "dy is all ones, so the sum of the "
              "output is checked. Every row of a softmax sums to 1 whatever x is: a backward of zeros passes, and a "
              "wrong sign too. Draw dy at random.", specific=True),
        Wrong("forward-difference", checker(below=0, divisor=1), "(f(x + h) - f(x)) / h is wrong by h f''/2, and "
              "right gradients are suspected. (f(x + h) - f(x - h)) / 2h cancels that term: its error is of order "
              "h^2.", specific=True),
        Wrong("divided-by-h", checker(divisor=1), "x + h and x - h are 2 h apart: divide by (2 * h).", specific=True),
        Wrong("step-too-large", checker(h=0.1), "the step is so large that the curve bends within it, and right "
              "gradients are suspected. Near h = 1e-5 the two errors, of bending and of rounding, are both small.",
              specific=True),
        Wrong("step-too-small", checker(h=1e-13), "the step h is so small that x + h and x - h differ in their last "
              "few digits only, and right gradients are suspected. float64 has 16 digits: h = 1e-5 leaves 11.",
              specific=True),
        Wrong("absolute-tolerance", checker(scale=lambda measured: 1.0), "the difference is compared with a fixed "
              "number, so anything passes where gradients are small. Compare it with the size of the gradient: 1e-5 * "
              "np.abs(measured).max().",
              specific=True),
        Wrong("too-tolerant", checker(tolerance=0.05), "an error of 1 % passes. In float64 a right gradient agrees to "
              "some 9 digits, so <= 1e-5 times the largest slope has room to spare.", specific=True),
        Wrong("first-element-only", checker(distance=lambda dx, measured: abs(dx.flat[0] - measured.flat[0])),
              "one element alone is compared, and a mistake in another passes: take np.abs(...).max() over all.",
              specific=True),
        Wrong("compares-sums", checker(distance=lambda dx, measured: abs(dx.sum() - measured.sum())), "the sums of "
              "the two gradients are compared. Elements in the wrong places have the same sum: compare them one by "
              "one.", specific=True),
        Wrong("compares-sizes", checker(distance=lambda dx, measured: np.abs(np.abs(dx) - np.abs(measured)).max()),
              "only the sizes are compared, so a wrong sign passes: take abs of the difference, not a difference of "
              "abs.", specific=True)),
    correct=(in_place_with_four_points, by_whole_jacobian),
    hints=(
        "Which mistakes can you not see if you only look at the sum of the output? What could you do to the output "
        "before summing it, so that each of its elements counts differently?",
        "One element of x at a time: (s(x + h) - s(x - h)) / 2h with s(x) = sum(forward(x) * dy), dy random, h near "
        "1e-5. Then compare the largest difference with 1e-5 times the largest slope.",
        "dy = rng.standard_normal(...) of the output's shape; a loop over np.ndindex(x.shape) that fills `measured`; "
        "np.abs(backward(dy, x) - measured).max() on the left of the last comparison."),
    why="A checker is tested like a smoke alarm: with smoke. Each planted mistake slips past some plausible checker, "
        "and each right gradient is suspected by another. Summing the output is a common way to get down to one "
        "number, and a bad one for softmax, layer norm and everything else that fixes a sum. minivit's own checker "
        "(minivit/gradcheck/check.py) takes four points instead of two, a random dy and two seeds, and is tested "
        "against planted mistakes as well.")

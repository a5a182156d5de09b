"""Checks of scalar_backward_rules."""
import math

import numpy as np

from minivit.learn.exercise import Exercise, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.scalar_backward_rules import scalar_backward_rules
from minivit.tensor import Tensor

BINARY = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b}
UNARY = {"exp": lambda a: a.exp(), "log": lambda a: a.log(), "tanh": lambda a: a.tanh()}
OPERATIONS = ("add", "sub", "mul", "div", "pow", "exp", "log", "tanh")


def probe(function, a, b):
    """The slopes of each operation, a row for each number of a (and of b, also as the exponent)."""
    pairs = [(float(x), float(y)) for x, y in zip(a.ravel(), b.ravel())]
    return tuple(np.array([function(operation, x, *([] if operation in UNARY else [y])) for x, y in pairs])
                 .reshape(len(pairs), -1) for operation in OPERATIONS)


def oracle(a, b):
    """The engine's, whose arrays hold many such numbers."""
    def slopes(f, *operands):
        leaves = [Tensor(x.ravel(), requires_grad=True) for x in operands]
        f(*leaves).sum().backward()
        return np.stack([leaf.grad for leaf in leaves], axis=1)

    power = np.concatenate([slopes(lambda x: x ** float(p), a.ravel()[k:k + 1]) for k, p in enumerate(b.ravel())])
    return (*(slopes(f, a, b) for f in BINARY.values()), power, *(slopes(f, a) for f in UNARY.values()))


def numeric(a, b):
    a, b = a.ravel(), b.ravel()
    one = np.ones_like(a)
    both = [np.stack([numeric_gradient(lambda x: f(x, b), a, one), numeric_gradient(lambda x: f(a, x), b, one)], axis=1)
            for f in BINARY.values()]
    return (*both, *(numeric_gradient(f, a, one)[:, None] for f in (lambda x: x ** b, np.exp, np.log, np.tanh)))


def cases(rng):
    def numbers(shape):
        return rng.uniform(0.3, 2.0, shape), rng.uniform(0.4, 2.5, shape) * rng.choice([-1, 1], shape)

    return [(f"{math.prod(shape)} pairs of numbers", numbers(shape)) for shape in ((7,), (1,), (2, 3))]


def but(operation, slopes):
    """The solution with one operation's slopes replaced: a wrong answer."""
    return lambda name, a, b=None: slopes(a, b) if name == operation else scalar_backward_rules(name, a, b)


def by_table(operation, a, b=None):
    return {"add": lambda: [1, 1], "sub": lambda: [1, -1], "mul": lambda: [b, a], "div": lambda: [1 / b, -(a / b) / b],
            "pow": lambda: [b * a ** b / a], "exp": lambda: [math.e ** a], "log": lambda: [a ** -1],
            "tanh": lambda: [math.cosh(a) ** -2]}[operation]()


def by_complex_step(operation, a, b=None):
    """f(a + ih) has the imaginary part h f'(a), free of cancellation."""
    h = 1e-30
    f = {"add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
         "pow": lambda x, y: x ** y, "exp": lambda x, y: np.exp(x), "log": lambda x, y: np.log(x),
         "tanh": lambda x, y: np.tanh(x)}[operation]
    slopes = [f(complex(a, h), b).imag / h]
    return (*slopes, f(a, complex(b, h)).imag / h) if operation in BINARY else tuple(slopes)


EXERCISE = Exercise(
    slug="scalar_backward_rules", lesson=1, minutes=15, difficulty=1,
    task="Write the slopes of add, sub, mul, div, pow, exp, log and tanh.",
    solution=scalar_backward_rules, oracle=oracle, cases=cases, outputs=OPERATIONS, probe=probe, float32=False,
    numeric=numeric,
    wrong=(
        Wrong("mul-own-operand", but("mul", lambda a, b: (a, b)), "mul: the slopes are the wrong way round. Move a "
              "by 1 and a * b moves by b: the slope by a is the *other* operand, so return b, a.", specific=True),
        Wrong("sub-like-add", but("sub", lambda a, b: (1.0, 1.0)), "sub: as b grows, a - b falls, so the slope by b "
              "is -1.", specific=True),
        Wrong("div-sign", but("div", lambda a, b: (1 / b, a / b ** 2)), "div: as b grows (with a and b positive), "
              "a / b falls, so the slope by b is -a / b^2; yours lacks the minus.", specific=True),
        Wrong("div-not-squared", but("div", lambda a, b: (1 / b, -a / b)), "div: the slope by b is -a / b^2: write "
              "a / b as a * b^-1, whose slope is a * (-1) * b^-2.", specific=True),
        Wrong("pow-same-exponent", but("pow", lambda a, b: (b * a ** b,)), "pow: the exponent goes down by one, "
              "b * a^(b - 1).", specific=True),
        Wrong("pow-no-factor", but("pow", lambda a, b: (a ** (b - 1),)), "pow: the old exponent comes down as a "
              "factor, b * a^(b - 1).", specific=True),
        Wrong("exp-by-power-rule", but("exp", lambda a, b: (a * math.exp(a - 1),)), "exp: a * e^(a - 1) is the power "
              "rule, which is for a variable base. Here the variable is the exponent, and the slope of exp(a) is "
              "exp(a).", specific=True),
        Wrong("log-itself", but("log", lambda a, b: (math.log(a),)), "log: you return log a; its slope is 1 / a.",
              specific=True),
        Wrong("tanh-of-operand", but("tanh", lambda a, b: (1 - a ** 2,)), "tanh: the slope is 1 - y^2 with y = "
              "tanh(a), the result; yours has a^2, the operand.", specific=True),
        Wrong("tanh-not-squared", but("tanh", lambda a, b: (1 - math.tanh(a),)), "tanh: the square is missing: the "
              "slope is 1 - tanh(a)^2.", specific=True)),
    correct=(by_table, by_complex_step),
    hints=(
        "Nudge one operand by a little and hold the other still. By how much more, or less, does the result move? Try "
        "it with 3 * 5 and 3.001 * 5.",
        "(a b)' = b by a. (a / b)' = 1/b by a; for b, see it as a times b^-1. (a^b)' = b a^(b-1). tanh' = 1 - tanh^2.",
        "One branch for each name: `if operation == \"sub\": return 1.0, -1.0`. A tuple of one number is written "
        "`(slope,)`."),
    why="An operation needs to know nothing of the network that it stands in: its slopes depend on its own operands "
        "alone. That is why any program made of these eight operations can be differentiated, and why a new operation "
        "costs one new rule. exp and tanh are cheap in another way: their slopes can be had from the result, so the "
        "engine saves that and computes nothing twice.")

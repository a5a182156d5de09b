"""Checks of sgd_momentum_step."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.sgd_momentum_step import sgd_momentum_step
from minivit.nn import Parameter
from minivit.optim import SGD

STEPS = 3


def probe(function, p, gradients, rates, momentum, weight_decay):
    """p and b after each of the steps, with one gradient of `gradients` (STEPS, ...) and one of `rates` for each."""
    b, seen = np.zeros_like(p), []
    for g, lr in zip(gradients, rates):
        p, b = function(p, g, b, lr, momentum, weight_decay)
        seen.append((np.array(p), np.array(b)))
    return tuple(np.stack(arrays) for arrays in zip(*seen))


def oracle(p, gradients, rates, momentum, weight_decay):
    """minivit's optimizer, which packs its parameters and works in blocks."""
    parameter = Parameter(p.copy())
    optimizer = SGD([("p", parameter)], rates[0], momentum, weight_decay=weight_decay)
    seen = []
    for g, lr in zip(gradients, rates):
        parameter.grad = g.copy()
        optimizer.step(lr)
        seen.append((parameter.data.copy(), optimizer.state_dict()["momentum/p"].copy()))
    return tuple(np.stack(arrays) for arrays in zip(*seen))


def cases(rng):
    return [("x".join(map(str, shape)), (rng.standard_normal(shape), rng.standard_normal((STEPS, *shape)),
                                         (0.1, 0.3, 0.2), float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.1, 0.3))))
            for shape in ((5,), (1, 4), (2, 3))]


def constant_gradient(function, rng):
    g = rng.standard_normal(4)
    p = b = np.zeros(4)
    for _ in range(200):
        p, b = function(p, g, b, 0.01, 0.8, 0.0)
    if np.abs(b - g / (1 - 0.8)).max() > 1e-6:
        return "under a constant gradient g, b must settle at g / (1 - momentum): 5 g where momentum is 0.8"


def rule(*, gather=lambda b, g, lr, momentum: momentum * b + g, move=lambda p, g, b, lr, momentum: p - lr * b,
         decay=lambda g, p, lr, weight_decay: (g + weight_decay * p, p)):
    """The step with one of its parts replaced: a wrong answer."""
    def step(p, g, b, lr, momentum, weight_decay):
        g, p = decay(g, p, lr, weight_decay)
        b = gather(b, g, lr, momentum)
        return move(p, g, b, lr, momentum), b
    return step


def old_velocity(p, g, b, lr, momentum, weight_decay):
    return p - lr * b, sgd_momentum_step(p, g, b, lr, momentum, weight_decay)[1]


def in_place(p, g, b, lr, momentum, weight_decay):
    p, b = p.copy(), b.copy()
    b *= momentum
    b += g
    b += weight_decay * p
    p -= lr * b
    return p, b


def number_by_number(p, g, b, lr, momentum, weight_decay):
    new_p, new_b = np.empty_like(p), np.empty_like(b)
    for k in np.ndindex(p.shape):
        new_b[k] = g[k] + weight_decay * p[k] + momentum * b[k]
        new_p[k] = p[k] - lr * new_b[k]
    return new_p, new_b


EXERCISE = Exercise(
    slug="sgd_momentum_step", lesson=3, minutes=10, difficulty=2,
    task="Write one step of gradient descent with momentum and weight decay.",
    solution=sgd_momentum_step, oracle=oracle, cases=cases, outputs=("p", "b"), probe=probe,
    properties=(Property("settles under a constant gradient", constant_gradient),),
    wrong=(
        Wrong("rate-in-velocity", rule(gather=lambda b, g, lr, momentum: momentum * b + lr * g,
                                       move=lambda p, g, b, lr, momentum: p - b), "lr is multiplied into b. With a "
              "constant lr that makes no difference to p; when a schedule lowers lr, old gradients keep the old one.",
              specific=True),
        Wrong("damped", rule(gather=lambda b, g, lr, momentum: momentum * b + (1 - momentum) * g), "g is multiplied by "
              "1 - momentum, as in Adam's mean. Here b is a sum: the new gradient counts in full.", specific=True),
        Wrong("nesterov", rule(move=lambda p, g, b, lr, momentum: p - lr * (g + momentum * b)),
              "this is Nesterov's step, which looks one step ahead, g + momentum * b. Here p moves by b itself: p - lr "
              "* b.", specific=True),
        Wrong("old-velocity", old_velocity, "p moves by the b of the step before. First the new b = momentum * b + "
              "..., then p - lr * b.", specific=True),
        Wrong("no-momentum", rule(gather=lambda b, g, lr, momentum: g), "b forgets the past: momentum * b is missing."),
        Wrong("gradient-step", rule(move=lambda p, g, b, lr, momentum: p - lr * g), "b is kept and not used: p moves "
              "by the gradient. It must move by b: p - lr * b.", specific=True),
        Wrong("decoupled", rule(decay=lambda g, p, lr, weight_decay: (g, p * (1 - lr * weight_decay))),
              "the decay goes straight to p, as in AdamW. Here it is part of the gradient, g + weight_decay * p, so b "
              "carries it on.", specific=True),
        Wrong("no-decay", rule(decay=lambda g, p, lr, weight_decay: (g, p)), "weight_decay plays no part: add "
              "weight_decay * p to the gradient."),
        Wrong("uphill", rule(move=lambda p, g, b, lr, momentum: p + lr * b), "the step goes uphill: take lr * b "
              "away, p - lr * b.")),
    correct=(in_place, number_by_number),
    hints=(
        "Two lines: first what the velocity becomes, then where it carries p.",
        "The decay belongs to the gradient: g + weight_decay * p is what is added to momentum * b.",
        "b = momentum * b + (gradient with decay); then p moves against the new b, lr times. Return both."),
    why="Under a constant gradient b grows to g / (1 - momentum): 10 g with momentum 0.9. So momentum also raises the "
        "effective learning rate, tenfold in that case, and a rate that was tuned without it is too large with it. "
        "Across a narrow valley gradients alternate and cancel in b; along it they agree, and add up.")

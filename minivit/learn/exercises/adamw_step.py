"""Checks of adamw_step."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.adamw_step import adamw_step
from minivit.nn import Parameter
from minivit.optim import AdamW

STEPS = 3


def probe(function, p, gradients, lr, beta1, beta2, eps, weight_decay):
    """p, m and v after each of the steps, with one gradient of `gradients` (STEPS, ...) for each."""
    m, v, seen = np.zeros_like(p), np.zeros_like(p), []
    for t, g in enumerate(gradients, 1):
        p, m, v = function(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay)
        seen.append((np.array(p), np.array(m), np.array(v)))
    return tuple(np.stack(arrays) for arrays in zip(*seen))


def oracle(p, gradients, lr, beta1, beta2, eps, weight_decay):
    """minivit's optimizer, which packs its parameters and works in blocks."""
    parameter = Parameter(p.copy())
    optimizer = AdamW([("p", parameter)], lr, (beta1, beta2), eps, weight_decay)
    seen = []
    for g in gradients:
        parameter.grad = g.copy()
        optimizer.step()
        state = optimizer.state_dict()
        seen.append((parameter.data.copy(), state["mean/p"].copy(), state["square/p"].copy()))
    return tuple(np.stack(arrays) for arrays in zip(*seen))


def cases(rng):
    def arguments(shape, lr, beta1, beta2, eps, weight_decay, scale):
        return (rng.standard_normal(shape), scale * rng.standard_normal((STEPS, *shape)), lr, beta1, beta2, eps,
                weight_decay)

    return [("5 numbers", arguments((5,), 0.2, 0.9, 0.99, 0.01, 0.3, 0.1)),
            ("2x3", arguments((2, 3), 0.1, 0.8, 0.95, 0.1, 0.5, 1.0)),
            ("1x4, usual settings", arguments((1, 4), 1e-3, 0.9, 0.999, 1e-8, 0.05, 1.0))]


def first_step(function, rng):
    p, g = rng.standard_normal(6), np.array([1e-6, -1e-3, 1.0, -1.0, 50.0, -1e4])
    new = function(p, g, np.zeros(6), np.zeros(6), 1, 0.01, 0.9, 0.999, 1e-12, 0.0)[0]
    if np.abs((p - new) - 0.01 * np.sign(g)).max() > 1e-6:
        return ("without weight decay the first step is lr in the direction of the gradient, whatever its size, since "
                "mhat / sqrt(vhat) = g / |g|; yours is " + np.array2string(p - new, precision=4))


def rule(*, decay=lambda p, new, lr, weight_decay: new - lr * weight_decay * p,
         gradient=lambda g, p, weight_decay: g, square=lambda g: g * g,
         mhat=lambda m, beta, t: m / (1 - beta ** t), vhat=lambda v, beta, t: v / (1 - beta ** t),
         ratio=lambda m, v, eps: m / (np.sqrt(v) + eps), fresh=lambda beta: 1 - beta, sign=-1.0, keep=False):
    """The step with one of its parts replaced: a wrong answer. keep: what is corrected is what the next step is given.
    """
    def step(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
        g = gradient(g, p, weight_decay)
        m = beta1 * m + fresh(beta1) * g
        v = beta2 * v + fresh(beta2) * square(g)
        corrected = mhat(m, beta1, t), vhat(v, beta2, t)
        new = decay(p, p + sign * lr * ratio(*corrected, eps), lr, weight_decay)
        return (new, *corrected) if keep else (new, m, v)
    return step


def as_it_is(moment, beta, t):
    return moment


def in_place(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    """As minivit writes it: the corrections are moved into the factors."""
    m, v, p = m.copy(), v.copy(), p.copy()
    p *= 1 - lr * weight_decay
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    root = np.sqrt(v) / (1 - beta2 ** t) ** 0.5 + eps
    p -= lr / (1 - beta1 ** t) * m / root
    return p, m, v


def number_by_number(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    new = [x.copy() for x in (p, m, v)]
    for k in np.ndindex(p.shape):
        new[1][k] = beta1 * m[k] + (1 - beta1) * g[k]
        new[2][k] = beta2 * v[k] + (1 - beta2) * g[k] ** 2
        adam = new[1][k] / (1 - beta1 ** t) / (np.sqrt(new[2][k] / (1 - beta2 ** t)) + eps)
        new[0][k] = p[k] - lr * (adam + weight_decay * p[k])
    return tuple(new)


EXERCISE = Exercise(
    slug="adamw_step", lesson=3, minutes=20, difficulty=3,
    task="Write one step of AdamW: running means, their correction, and decay of its own.",
    solution=adamw_step, oracle=oracle, cases=cases, outputs=("p", "m", "v"), probe=probe,
    properties=(Property("the first step has the size lr", first_step),),
    wrong=(
        Wrong("no-bias-correction", rule(mhat=as_it_is, vhat=as_it_is), "m and v are used as they are. They begin at "
              "0, and after t steps are too small by 1 - beta^t: divide by it.", specific=True),
        Wrong("only-m-corrected", rule(vhat=as_it_is), "v is not corrected: it began at 0 too, and needs 1 - beta2^t. "
              "(The first steps are some 30 times too long.)", specific=True),
        Wrong("corrected-stored", rule(keep=True), "the corrected mhat and vhat are returned as m and v, so the next "
              "step corrects them again. The correction is for this step alone.", specific=True),
        Wrong("t-plus-one", rule(mhat=lambda m, beta, t: m / (1 - beta ** (t + 1)),
                                 vhat=lambda v, beta, t: v / (1 - beta ** (t + 1))), "the correction is one step "
              "ahead, beta^(t + 1): t counts from 1, so it is 1 - beta1 ** t, and 1 - beta2 ** t.", specific=True),
        Wrong("l2-instead-of-decay", rule(gradient=lambda g, p, weight_decay: g + weight_decay * p,
                                          decay=lambda p, new, lr, weight_decay: new), "weight decay is added to the "
              "gradient, and then divided by sqrt(vhat) with it: that is Adam with L2. In AdamW decay is of its own, "
              "lr * weight_decay * p.", specific=True),
        Wrong("decay-without-lr", rule(decay=lambda p, new, lr, weight_decay: new - weight_decay * p), "the decay is "
              "not multiplied by lr, so it goes on at full strength when the schedule lowers lr.", specific=True),
        Wrong("decay-of-the-new-p", rule(decay=lambda p, new, lr, weight_decay: new - lr * weight_decay * new),
              "the decay is taken from p after the step; it is taken from p as it was before. Subtract both at once: "
              "... + eps) - lr * weight_decay * p.", specific=True),
        Wrong("no-decay", rule(decay=lambda p, new, lr, weight_decay: new), "weight_decay plays no part: p also "
              "shrinks by lr * weight_decay * p."),
        Wrong("eps-inside-root", rule(ratio=lambda m, v, eps: m / np.sqrt(v + eps)), "eps is under the root: there it "
              "counts as sqrt(eps), 1e-4 instead of 1e-8. It is added to the root: sqrt(vhat) + eps.", specific=True),
        Wrong("no-root", rule(ratio=lambda m, v, eps: m / (v + eps)), "the root is missing: v is a mean of squares, "
              "and m / sqrt(v) has no unit.", specific=True),
        Wrong("not-squared", rule(square=abs), "v averages |g|; it is the mean of squares, g ** 2.", specific=True),
        Wrong("weight-one", rule(fresh=lambda beta: 1.0), "the factor 1 - beta in front of the new gradient is "
              "missing: m and v are means, not sums.", specific=True),
        Wrong("sign", rule(sign=1.0), "the step goes uphill: p - lr * mhat / ..., not +.")),
    correct=(in_place, number_by_number),
    hints=(
        "What are m and v after the first step, as multiples of g and g^2? What must they be divided by to give g and "
        "g^2 back?",
        "mhat = m / (1 - beta1^t), vhat = v / (1 - beta2^t); the step is lr mhat / (sqrt(vhat) + eps). Decay looks at "
        "p alone, never at m and v.",
        "Two running means, two corrected copies of them in new names, one line for p with two terms to subtract. "
        "Return the means, not the corrected copies."),
    why="mhat / sqrt(vhat) has no unit: multiply the loss by 1,000 and the step stays the same. So lr is nearly the "
        "distance that a parameter moves in a step, which is why 1e-3 is a sensible first try almost everywhere. It is "
        "also why L2 does not decay here: added to the gradient it is divided by sqrt(vhat) as well, and parameters "
        "with large gradients hardly shrink. Decoupled, all shrink alike (Loshchilov and Hutter 2017).")

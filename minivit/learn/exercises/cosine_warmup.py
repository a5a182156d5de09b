"""Checks of cosine_warmup."""
import math

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.cosine_warmup import cosine_warmup
from minivit.optim import cosine


def probe(function, steps, lr, warmup, final):
    """The rates of all steps."""
    return np.array([function(step, steps, lr, warmup, final) for step in range(steps)], np.float64)


def oracle(steps, lr, warmup, final):
    """minivit's schedule."""
    schedule = cosine(lr, steps, warmup, final)
    return np.array([schedule(step) for step in range(steps)])


def cases(rng):
    def rates():
        return float(rng.uniform(0.2, 0.9)), float(rng.uniform(0.05, 0.15))

    found = []
    for steps, warmup in ((14, 4), (9, 1), (8, 0), (11, 7)):
        lr, final = rates()
        found.append((f"{steps} steps, {warmup} of warm-up", (steps, lr, warmup, final)))
    return found


def whole_at_its_ends(function, rng):
    rates = probe(function, 1000, 0.01, 100, 1e-5)
    if abs(rates[-1] - 1e-5) > 1e-9:
        return f"the last of 1,000 steps must be at final, 1e-05, and yours is at {rates[-1]:.3g}"
    if rates.argmax() not in (99, 100) or abs(rates.max() - 0.01) > 1e-9:
        return f"the highest rate must be lr, 0.01, after 100 steps; yours is {rates.max():.3g} at {rates.argmax()}"


def rule(*, rise=lambda step, lr, warmup, final: lr * (step + 1) / warmup,
         way=lambda step, steps, warmup: (step - warmup) / (steps - 1 - warmup),
         fall=lambda lr, final, t: final + (lr - final) * (1 + math.cos(math.pi * t)) / 2):
    """The schedule with one of its parts replaced: a wrong answer."""
    def schedule(step, steps, lr, warmup, final):
        return rise(step, lr, warmup, final) if step < warmup else fall(lr, final, way(step, steps, warmup))
    return schedule


def multiplied(step, steps, lr, warmup, final):
    """The warm-up as a factor on a cosine over the whole run."""
    return min(1, (step + 1) / max(warmup, 1)) * rule()(step, steps, lr, 0, final)


def half_angle(step, steps, lr, warmup, final):
    """A correct answer: (1 + cos a) / 2 is the square of cos(a / 2)."""
    if step + 1 <= warmup:
        return (step + 1) * (lr / warmup)
    share = np.cos(np.pi / 2 * (step - warmup) / (steps - warmup - 1)) ** 2
    return share * lr + (1 - share) * final


def as_a_table(step, steps, lr, warmup, final):
    """A correct answer that makes the whole schedule, and looks one step up."""
    rising = np.arange(1, warmup + 1) * lr / max(warmup, 1)
    falling = final + (lr - final) * 0.5 * (1 + np.cos(np.linspace(0, np.pi, steps - warmup)))
    return np.concatenate([rising, falling])[step]


EXERCISE = Exercise(
    slug="cosine_warmup", lesson=10, minutes=15, difficulty=1,
    task="Write the learning rate of a step: a linear warm-up, then half a cosine.",
    solution=cosine_warmup, oracle=oracle, cases=cases, outputs=("rates",), probe=probe, float32=False,
    properties=(Property("a run of 1,000 steps", whole_at_its_ends),),
    wrong=(
        Wrong("first-step-at-zero", rule(rise=lambda step, lr, warmup, final: lr * step / warmup), "the warm-up is one "
              "step late: step 0 has the rate 0, so a whole batch is computed for nothing. Count the step that is "
              "being taken: step + 1.", specific=True),
        Wrong("never-arrives", rule(way=lambda step, steps, warmup: (step - warmup) / (steps - warmup)), "t does not "
              "reach 1: from step number warmup to step number steps - 1 there are steps - 1 - warmup steps to go, one "
              "less than there are steps.", specific=True),
        Wrong("cosine-from-the-start", rule(way=lambda step, steps, warmup: step / (steps - 1)), "the cosine began at "
              "step 0, so the rate jumps down when the warm-up ends. t must be 0 at step number warmup: count from "
              "there, step - warmup.", specific=True),
        Wrong("warm-up-as-a-factor", multiplied, "the warm-up is a factor on a cosine that runs over all steps. (Some "
              "programs do that; the highest rate is then less than lr.) Here one comes after the other.",
              specific=True),
        Wrong("warm-up-too-long", rule(rise=lambda step, lr, warmup, final: lr * (step + 1) / (warmup + 1)), "the "
              "warm-up is divided into warmup + 1 parts. Its last step, number warmup - 1, must be at lr.",
              specific=True),
        Wrong("warm-up-from-final", rule(rise=lambda step, lr, warmup, final: final + (lr - final) * (step + 1) /
                                         warmup), "the warm-up begins at final. Here it rises from 0.", specific=True),
        Wrong("falls-to-zero", rule(fall=lambda lr, final, t: lr * (1 + math.cos(math.pi * t)) / 2), "it falls to 0: "
              "final plays no part."),
        Wrong("final-on-top", rule(fall=lambda lr, final, t: final + lr * (1 + math.cos(math.pi * t)) / 2), "final is "
              "added on top: after the warm-up the rate is lr + final. The cosine goes over the difference, lr - "
              "final.", specific=True),
        Wrong("cut-off-at-final", rule(fall=lambda lr, final, t: max(final, lr * (1 + math.cos(math.pi * t)) / 2)),
              "the cosine goes to 0 and is cut off at final. It must end there: let it go over the difference, lr - "
              "final.", specific=True),
        Wrong("not-halved", rule(fall=lambda lr, final, t: final + (lr - final) * (1 + math.cos(math.pi * t))), "1 + "
              "cos goes from 2 to 0: halve it, (1 + cos(pi t)) / 2."),
        Wrong("no-pi", rule(fall=lambda lr, final, t: final + (lr - final) * (1 + math.cos(t)) / 2), "cos is taken of "
              "t itself. It must go from 0 to pi, while t goes from 0 to 1."),
        Wrong("whole-cosine", rule(fall=lambda lr, final, t: final + (lr - final) * (1 + math.cos(2 * math.pi * t)) /
                                   2), "the cosine comes back up: cos(2 pi t) goes over a whole period. Half of one is "
              "meant, cos(pi t)."),
        Wrong("quarter-cosine", rule(fall=lambda lr, final, t: final + (lr - final) * math.cos(math.pi / 2 * t)),
              "this is a quarter of a cosine, which falls fastest at the end. Half of one is meant: 1 + cos(pi t), "
              "halved, which is level at both ends."),
        Wrong("straight-line", rule(fall=lambda lr, final, t: lr + (final - lr) * t), "it falls along a straight line. "
              "What is left of lr - final is to be (1 + cos(pi t)) / 2, and not 1 - t.")),
    correct=(half_angle, as_a_table),
    hints=(
        "Write down by hand the rates of a run of 6 steps with a warm-up of 2: which step is the first at lr, which "
        "one is at final? Then count the steps between those two.",
        "In the warm-up: lr times (step + 1) / warmup. After it, t is 0 at step number warmup and 1 at steps - 1.",
        "If step < warmup, return the warm-up's rate. Else t is (step - warmup) over the number of steps from warmup "
        "to steps - 1, and the cosine's formula of the task has the rest."),
    why="Half a cosine is level at both ends: the rate stays high for a while, and the last tenth of the run is spent "
        "at less than a fortieth of it, where the noise of single batches averages out. Off by one matters little in "
        "a run of 100,000 steps, and much in one of 20: a first step at rate 0 is a batch for nothing, and a schedule "
        "that never arrives leaves out just those small last steps.")

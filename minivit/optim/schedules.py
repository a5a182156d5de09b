"""Learning rates over a run: functions from the step (0, 1, ...) to the learning rate.

Each begins with a linear warm-up, lr * (step + 1) / warmup, since early gradients of a transformer are large and its
second moments unknown; then the way goes from there to its end at the last step.
"""
import math


def _with_warmup(lr, steps, warmup, after):
    if not 0 <= warmup <= steps or steps < 1:
        raise ValueError(f"a schedule needs steps >= 1 and a warm-up within them, not {steps} steps with {warmup} of "
                         f"warm-up")

    def schedule(step):
        if step < warmup:
            return lr * (step + 1) / warmup
        return after(min((step - warmup) / max(steps - 1 - warmup, 1), 1.0))
    return schedule


def constant(lr, steps, warmup=0):
    """lr throughout."""
    return _with_warmup(lr, steps, warmup, lambda progress: lr)


def cosine(lr, steps, warmup=0, final=0.0):
    """From lr to `final` along half a cosine: Loshchilov and Hutter 2016, arXiv 1608.03983, eq. 5."""
    return _with_warmup(lr, steps, warmup,
                        lambda progress: final + (lr - final) * 0.5 * (1 + math.cos(math.pi * progress)))


def linear(lr, steps, warmup=0, final=0.0):
    """From lr to `final` along a straight line."""
    return _with_warmup(lr, steps, warmup, lambda progress: lr + (final - lr) * progress)


def staircase(lr, steps, warmup=0, drops=3, factor=0.1):
    """lr times `factor` at each of `drops` equally spaced steps."""
    return _with_warmup(lr, steps, warmup, lambda progress: lr * factor ** min(int(progress * (drops + 1)), drops))


SCHEDULES = {"constant": constant, "cosine": cosine, "linear": linear, "step": staircase}

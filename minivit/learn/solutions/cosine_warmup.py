"""The learning rate over a run: a warm-up, then half a cosine.

    warm-up     the first `warmup` steps: along a straight line that comes from 0. Step 0 is at lr / warmup already,
                and the last step of the warm-up, number warmup - 1, is at lr
    after it    from lr at step number `warmup` to `final` at the last step of the run, which is number steps - 1:

        final + (lr - final) (1 + cos(pi t)) / 2        t from 0 to 1, the share of the way

Steps are counted from 0, and a step is a batch, not an epoch. warmup may be 0; there are at least two steps after it.

Source: Loshchilov and Hutter 2016, "SGDR", arXiv 1608.03983, eq. 5; Goyal et al. 2017, arXiv 1706.02677, section 2.2,
for the warm-up.
"""
import math


def cosine_warmup(step, steps, lr, warmup, final):
    """The learning rate, a number, of step number `step` in a run of `steps`. step, steps, warmup: integers."""
    if step < warmup:
        return lr * (step + 1) / warmup
    t = (step - warmup) / (steps - 1 - warmup)
    return final + (lr - final) * (1 + math.cos(math.pi * t)) / 2

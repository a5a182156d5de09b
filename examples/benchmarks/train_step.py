"""One training step (forward, backward, AdamW) against other engines, in one process, step by step in turn.

    python examples/benchmarks/train_step.py --config mnist28 --peer torch
"""
import numpy as np
from configs import CONFIGS
from measure import arguments, compare
from peers import CHECKED


def work(side):
    side.step()


def agree(ours, theirs):
    """Take a step on both sides: the loss and a gradient must be the same, or there is nothing to compare."""
    loss, peer_loss = ours.step(), theirs.step()
    if not np.isclose(loss, peer_loss, rtol=1e-4):
        raise SystemExit(f"the sides do not agree: loss {loss} against {peer_loss}")
    for name in CHECKED:
        a, b = ours.gradient(name), theirs.gradient(name)
        error = np.abs(a - b).max() / np.abs(b).max()
        if not error < 1e-3:
            raise SystemExit(f"the sides do not agree: the gradient of {name} differs by {error:.1e} of its largest")


if __name__ == "__main__":
    compare(arguments(__doc__, CONFIGS), work, agree, share_of_gflop=1, script=__file__)

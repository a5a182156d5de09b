"""The logits of a batch against other engines, without gradients, in one process, in turn.

    python examples/benchmarks/inference.py --config mnist28 --peer torch
"""
import numpy as np
from configs import INFERENCE
from measure import arguments, compare


def work(side):
    side.infer()


def agree(ours, theirs):
    """The logits must be the same, or there is nothing to compare."""
    a, b = ours.infer(), theirs.infer()
    error = np.abs(a - b).max() / np.abs(b).max()
    if not error < 1e-4:
        raise SystemExit(f"the sides do not agree: logits differ by {error:.1e} of the largest")


if __name__ == "__main__":
    compare(arguments(__doc__, INFERENCE), work, agree, share_of_gflop=1 / 3, script=__file__)

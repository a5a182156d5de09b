"""Each operation, forward and backward, against PyTorch's on the same arrays and one thread each, in turn.

    python examples/benchmarks/kernels.py --width 192 --rows 1040

One thread, since that is how a worker runs them. GB/s counts each input, output and gradient once: what must be moved.
"""
import argparse
import importlib.util
import time

import numpy as np
from threadpoolctl import threadpool_limits

from minivit import Tensor, ops
from minivit.backend import keep_memory


def cases(rows, D):
    """{name: (our function, PyTorch's, shapes of the inputs)} for `rows` tokens of width D, in images of 65."""
    images, heads = max(rows // 65, 1), max(D // 64, 1)
    tokens, head = (images * 65, D), (images, heads, 65, D // heads)

    def torch(name):
        import torch
        return getattr(torch.nn.functional, name)

    return {
        "linear D->4D": (ops.linear, lambda x, w, b: torch("linear")(x, w, b), (tokens, (4 * D, D), (4 * D,))),
        "linear 4D->D": (ops.linear, lambda x, w, b: torch("linear")(x, w, b), ((tokens[0], 4 * D), (D, 4 * D), (D,))),
        "gelu": (ops.gelu, lambda x: torch("gelu")(x), ((tokens[0], 4 * D),)),
        "layernorm": (ops.layernorm, lambda x, g, b: torch("layer_norm")(x, (D,), g, b, 1e-6), (tokens, (D,), (D,))),
        "attention": (ops.attention, lambda q, k, v: torch("scaled_dot_product_attention")(q, k, v), (head,) * 3),
        "softmax": (ops.softmax, lambda x: torch("softmax")(x, -1), (tokens,)),
        "log_softmax": (ops.log_softmax, lambda x: torch("log_softmax")(x, -1), (tokens,)),
    }


class Ours:
    """Our operation on Tensors."""

    def __init__(self, function, arrays):
        self.function, self.inputs = function, [Tensor(array, requires_grad=True) for array in arrays]

    def forward(self):
        self.output = self.function(*self.inputs)

    def backward(self, dy):
        self.output.backward(dy)
        found = [x.grad for x in self.inputs]
        for x in self.inputs:
            x.grad = None
        return found

    def value(self):
        return self.output.data


class Torch:
    """PyTorch's on its tensors, over the same memory."""

    def __init__(self, function, arrays):
        import torch
        self.torch, self.function = torch, function
        self.inputs = [torch.from_numpy(array).requires_grad_() for array in arrays]

    def forward(self):
        self.output = self.function(*self.inputs)

    def backward(self, dy):
        return [g.numpy() for g in self.torch.autograd.grad(self.output, self.inputs, self.torch.from_numpy(dy))]

    def value(self):
        return self.output.detach().numpy()


def timed(work, *arguments):
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1040, help="tokens (default: 1040)")
    parser.add_argument("--width", type=int, default=192, help="width D (default: 192)")
    parser.add_argument("--pairs", type=int, default=30, help="timed pairs (default: 30)")
    options = parser.parse_args()
    peer = importlib.util.find_spec("torch") is not None
    if peer:
        import torch
        torch.set_num_threads(1)
    else:
        print("PyTorch is not installed: only our side is timed")
    rng = np.random.default_rng(0)
    print(f"{'operation':<16}{'':<10}{'us':>8}{'GB/s':>8}" + (f"{'PyTorch us':>12}{'ratio':>8}" if peer else ""))
    with threadpool_limits(1, user_api="blas"), keep_memory():
        for name, (function, torch_function, shapes) in cases(options.rows, options.width).items():
            arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
            sides = [Ours(function, arrays)] + ([Torch(torch_function, arrays)] if peer else [])
            report(name, sides, arrays, rng, options.pairs)


def report(name, sides, arrays, rng, pairs):
    """Check that the sides agree, time them in turn, and print a line for each direction."""
    for side in sides:
        side.forward()
    dy = rng.standard_normal(sides[0].value().shape, dtype=np.float32)
    results = [[side.value(), *side.backward(dy)] for side in sides]
    for ours, theirs in zip(results[0], results[-1]):
        assert np.abs(ours - theirs).max() <= 1e-4 * max(np.abs(theirs).max(), 1), f"{name}: the sides do not agree"
    seconds = np.array([[[timed(side.forward)[0], timed(side.backward, dy)[0]] for side in sides]
                        for _ in range(pairs)])                         # (pairs, sides, 2)
    inputs = sum(array.nbytes for array in arrays)
    for k, (direction, moved) in enumerate((("forward", inputs + dy.nbytes), ("backward", 2 * inputs + dy.nbytes))):
        ours = np.median(seconds[:, 0, k])
        line = f"{name:<16}{direction:<10}{1e6 * ours:>8.0f}{moved / ours / 1e9:>8.1f}"
        if len(sides) > 1:
            ratio = np.median(seconds[:, 1, k] / seconds[:, 0, k])
            line += f"{1e6 * np.median(seconds[:, 1, k]):>12.0f}{ratio:>8.2f}"
        print(line)


if __name__ == "__main__":
    main()

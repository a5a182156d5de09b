"""how fast each kernel is: against PyTorch's, and against the bandwidth that a copy reaches

Both sides run on the same numbers as CUDA graphs, so that launching them takes no part, in turn. Bytes are what must be
read and written once: inputs, result, and the gradients of both.
"""
import importlib.util
from functools import partial

import numpy as np
from on_gpu.attempt import attempt
from on_gpu.clock import in_turn, seconds

from minivit import Tensor, ops
from minivit.backend import to_device, to_host, xp_of
from minivit.cuda.graph import WARM_UP, Graphs
from minivit.optim.flat import adam_numbers, adam_step

ROUNDS = 7
BYTES_OF_COPY = 2**30


def add_arguments(parser):
    parser.add_argument("--images", type=int, default=1024, help="of 65 tokens, 192 wide (default: %(default)s)")
    parser.add_argument("--count", type=int, default=20, help="calls that are timed together (default: %(default)s)")


def cases(images):
    """{name: (our function, PyTorch's from its functional module, shapes of the inputs, multiply-adds forward)}."""
    tokens, D = images * 65, 192

    def attention(B, H, N, K):
        return (ops.attention, lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v), [(B, H, N, K)] * 3,
                2 * B * H * N * N * K)
    return {
        "softmax": (ops.softmax, lambda F, x: F.softmax(x, -1), [(tokens, D)], 0),
        "gelu": (ops.gelu, lambda F, x: F.gelu(x), [(tokens, 4 * D)], 0),
        "bias_gelu": (ops.bias_gelu, lambda F, x, b: F.gelu(x + b), [(tokens, 4 * D), (4 * D,)], 0),
        "layernorm": (ops.layernorm, lambda F, x, g, b: F.layer_norm(x, (D,), g, b, 1e-6),
                      [(tokens, D), (D,), (D,)], 0),
        "cross_entropy": (lambda x: ops.cross_entropy(x, Tensor(xp_of(x.data).zeros(len(x), np.int64))),
                          lambda F, x: F.cross_entropy(x, x.new_zeros(len(x)).long()), [(tokens, 1000)], 0),
        "attention N=65": attention(images, 3, 65, 64),
        "attention N=197": attention(max(images // 4, 1), 3, 197, 64),
    }


class Ours:
    """Forward, and forward with backward, recorded as graphs."""

    def __init__(self, function, arrays, dy):
        self.function, self.dy = function, to_device(dy, "cuda")
        self.inputs = [Tensor(to_device(array, "cuda"), requires_grad=True) for array in arrays]
        self.graphs = Graphs(self.dy)

    def forward(self):
        return self.function(*self.inputs)

    def both(self):
        found, y = {}, self.forward()
        y.backward(self.dy.reshape(y.shape), sink=lambda leaf, gradient, owned: found.update({id(leaf): gradient}))
        return [y.data, *(found[id(x)] for x in self.inputs)]

    def recorded(self, name):
        """A function that replays `name`."""
        def replay():
            return self.graphs.run(name, getattr(self, name))[0]
        for _ in range(WARM_UP + 1):
            replay()
        return replay

    def values(self):
        return [to_host(array) for array in self.both()]


class Torch:
    """The same with PyTorch's function."""

    def __init__(self, function, arrays, dy):
        import torch
        self.torch, self.function = torch, function
        torch.backends.cuda.matmul.allow_tf32 = False
        self.inputs = [torch.from_numpy(array).cuda().requires_grad_() for array in arrays]
        self.dy = torch.from_numpy(dy).cuda()

    def forward(self):
        return self.function(self.torch.nn.functional, *self.inputs)

    def both(self):
        y = self.forward()
        return [y, *self.torch.autograd.grad(y, self.inputs, self.dy.reshape(y.shape))]

    def recorded(self, name):
        work, stream = getattr(self, name), self.torch.cuda.Stream()
        with self.torch.cuda.stream(stream):
            for _ in range(WARM_UP + 1):
                work()
        self.torch.cuda.synchronize()
        graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(graph):
            kept = work()
        return lambda: (graph.replay(), kept)

    def values(self):
        return [array.detach().cpu().numpy() for array in self.both()]


def run(options):
    peer = importlib.util.find_spec("torch") is not None and not options.dry_run
    xp = xp_of(to_device(np.zeros(1, np.float32), "cuda"))
    bandwidth, rows = _bandwidth(xp, options), []
    work = {name: partial(_rows, xp, name, *case, peer, options) for name, case in cases(options.images).items()}
    for name, measure in (work | {"AdamW": partial(_adam, xp, options)}).items():
        rows += [row | ({"of_copy": row["GB/s"] / bandwidth} if "GB/s" in row else {})
                 for row in attempt({"case": name}, measure, options.until)]
        yield {"copy_GB/s": bandwidth, "precision": "fp32", "rows": rows}


def _bandwidth(xp, options):
    """GB/s of a copy on the device, read and written bytes together."""
    size = BYTES_OF_COPY // 4 if not options.dry_run else 1000
    a, b = xp.zeros(size, np.float32), xp.zeros(size, np.float32)
    return 8 * size / min(seconds(xp, lambda: b.__setitem__(..., a), options.count) for _ in range(ROUNDS)) / 1e9


def _rows(xp, name, function, torch_function, shapes, multiply_adds, peer, options):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    dy = np.ones(1, np.float32) if name == "cross_entropy" else rng.standard_normal(shapes[0], dtype=np.float32)
    sides = {"ours": Ours(function, arrays, dy)} | ({"torch": Torch(torch_function, arrays, dy)} if peer else {})
    wrong = peer and any(np.abs(one - other).max() > 1e-3 * np.abs(other).max() for one, other in
                         zip(sides["ours"].values(), sides["torch"].values()))
    forward, both = (in_turn(xp, {name: side.recorded(what) for name, side in sides.items()}, ROUNDS, options.count)
                     for what in ("forward", "both"))
    inputs, rows = sum(array.nbytes for array in arrays), []
    for direction, times, moved, products in (
            ("forward", forward, inputs + dy.nbytes, multiply_adds),
            ("backward", {key: both[key] - forward[key] for key in both}, 2 * inputs + dy.nbytes, 2.5 * multiply_adds)):
        ours = max(times["ours"], 1e-9)
        row = {"direction": direction, "us": 1e6 * ours, "GB/s": moved / ours / 1e9, "wrong": bool(wrong)}
        row |= {"TFLOP/s": 2 * products / ours / 1e12} if products else {}
        row |= {"torch_us": 1e6 * times["torch"], "ratio": times["torch"] / ours} if peer else {}
        rows.append(row)
    return rows


def _adam(xp, options):
    """AdamW over as many parameters as ViT-S has: four arrays read, three written."""
    size = 22_000_000 if not options.dry_run else 1000
    p, g, m, v = (xp.zeros(size, np.float32) for _ in range(4))
    numbers = to_device(np.array(adam_numbers(1, 1e-3, (0.9, 0.999), 0.05, True)), "cuda")
    factor = xp.ones((), np.float32)
    time_of_one = in_turn(xp, {"ours": lambda: adam_step(p, g, m, v, factor, numbers, (0.9, 0.999), 1e-8, 0.05, True)},
                          ROUNDS, options.count)["ours"]
    return [{"direction": "", "us": 1e6 * time_of_one, "GB/s": 28 * size / time_of_one / 1e9, "wrong": False}]


def table(results):
    lines = [f"a copy reaches {results['copy_GB/s']:.0f} GB/s; {results['precision']} on both sides",
             f"{'case':<18}{'':<10}{'us':>9}{'GB/s':>8}{'of copy':>9}{'TFLOP/s':>9}{'PyTorch us':>12}{'ratio':>7}"]
    for row in results["rows"]:
        if "said" in row:
            lines.append(f"{row['case']:<18}WRONG: {row['said']}")
            continue
        lines.append(f"{row['case']:<18}{row['direction']:<10}{row['us']:>9.1f}{row['GB/s']:>8.0f}"
                     f"{row['of_copy']:>9.0%}" + (f"{row['TFLOP/s']:>9.1f}" if "TFLOP/s" in row else f"{'':>9}")
                     + (f"{row['torch_us']:>12.1f}{row['ratio']:>7.2f}" if "ratio" in row else "")
                     + "   WRONG" * row["wrong"])
    return lines

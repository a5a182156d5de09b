"""What every kernel is run on, where it is checked: sizes that a kernel can get wrong, masks, views, random masks.

- `KERNEL_CASES`: name -> (function of Tensors, {input: shape}); `operation-size` or `operation-what is special`
- `arrays_of(name)`, `run(name, arrays, form)`, `error(found, truth)`: the inputs, what comes of them, how far off it is
- `kernel_error(name)`: the kernels' error, by the emulator, against the definition in float64

One token, numbers of tokens that are no power of two (17), the 65 and 197 tokens of our images and of the ViT paper's;
rows that are no multiple of a warp, rows that fill several, a row for each of ImageNet's classes; heads of 7 to 128.
"""
import numpy as np

from minivit import ops
from minivit.backend import beside, to_host
from minivit.modes import using
from minivit.streams import randomness, stream
from minivit.tensor import Tensor


def attend(mask=None, dropout=0.0):
    """Attention, with a mask of that shape; where it tells queries apart, the first may look nowhere."""
    def attention(q, k, v):
        if mask is None:
            return ops.attention(q, k, v, dropout=dropout)
        looks = np.random.default_rng(1).random(mask) > 0.3
        looks[..., 0, :] &= mask[-2] == 1
        return ops.attention(q, k, v, beside(looks, q.data), dropout)
    return attention


def packed(qkv):
    """Attention as a model calls it: q, k and v are views of one projection (B, N, 3, H, K)."""
    return ops.attention(*qkv.transpose(2, 0, 3, 1, 4).unbind(0))


def heads(B, H, N, M, K):
    return {"q": (B, H, N, K), "k": (B, H, M, K), "v": (B, H, M, K)}


def entropy(logits):
    """Cross-entropy with soft targets that need not add up to 1."""
    targets = np.random.default_rng(1).random(logits.shape) / logits.shape[1]
    return ops.cross_entropy(logits, beside(targets, logits.data), label_smoothing=0.1, images=len(logits) + 1)


def norm(*shape):
    return {"x": shape, "gamma": shape[-1:], "beta": shape[-1:]}


def biased(*shape):
    return {"x": shape, "bias": shape[-1:]}


KERNEL_CASES = {
    "softmax-1": (ops.softmax, {"x": (3, 1)}),
    "softmax-17": (ops.softmax, {"x": (5, 17)}),
    "softmax-65": (ops.softmax, {"x": (6, 65)}),
    "softmax-197": (ops.softmax, {"x": (3, 197)}),
    "softmax-1000": (ops.softmax, {"x": (2, 1000)}),
    "softmax-axis": (lambda x: ops.softmax(x, 0), {"x": (65, 5)}),
    "log_softmax-65": (ops.log_softmax, {"x": (6, 65)}),
    "log_softmax-300": (ops.log_softmax, {"x": (2, 300)}),
    "gelu-2051": (ops.gelu, {"x": (2051,)}),
    "gelu-65x64": (ops.gelu, {"x": (2, 65, 64)}),
    "gelu-tanh": (lambda x: ops.gelu(x, "tanh"), {"x": (17, 33)}),
    "bias_gelu-33": (ops.bias_gelu, biased(17, 33)),
    "bias_gelu-64": (ops.bias_gelu, biased(2, 65, 64)),
    "bias_gelu-600": (lambda x, bias: ops.bias_gelu(x, bias, "tanh"), biased(3, 600)),
    "layernorm-1": (ops.layernorm, norm(1, 1, 4)),
    "layernorm-33": (ops.layernorm, norm(1, 17, 33)),
    "layernorm-192": (ops.layernorm, norm(2, 65, 192)),
    "layernorm-300": (ops.layernorm, norm(1, 5, 300)),
    "layernorm-771": (ops.layernorm, norm(1, 3, 771)),
    "dropout": (lambda x: ops.dropout(x, 0.3), {"x": (3, 17, 33)}),
    "dropout-long": (lambda x: ops.dropout(x, 0.3), {"x": (2, 1031)}),
    "drop_path": (lambda x: ops.drop_path(x, 0.4), {"x": (9, 17, 65)}),
    "cross_entropy-1": (entropy, {"logits": (1, 3)}),
    "cross_entropy-10": (entropy, {"logits": (65, 10)}),
    "cross_entropy-1000": (entropy, {"logits": (3, 1000)}),
    "attention-1": (attend(), heads(2, 1, 1, 1, 16)),
    "attention-17": (attend(), heads(1, 2, 17, 17, 16)),
    "attention-65": (packed, {"qkv": (1, 65, 3, 2, 64)}),
    "attention-197": (attend(), heads(1, 1, 197, 197, 32)),
    "attention-K80": (attend(), heads(1, 1, 65, 50, 80)),
    "attention-K128": (attend(), heads(1, 1, 30, 65, 128)),
    "attention-K7": (attend(), heads(1, 2, 17, 5, 7)),
    "attention-one-query": (attend(), heads(2, 2, 1, 65, 32)),
    "attention-mask": (attend((2, 1, 17, 85)), heads(2, 2, 17, 85, 64)),
    "attention-keys-hidden": (attend((1, 65)), heads(2, 1, 5, 65, 64)),
    "attention-dropout": (attend(dropout=0.4), heads(2, 3, 41, 83, 16)),
    "attention-dropout-mask": (attend((17, 17), 0.2), heads(2, 1, 17, 17, 80)),
}


def arrays_of(name):
    """{input: float32 array}, seeded by the name."""
    rng = stream(0, place=name)
    return {key: rng.standard_normal(shape).astype(np.float32) for key, shape in KERNEL_CASES[name][1].items()}


def run(name, arrays, form):
    """{output or gradient: NumPy array} of a case, for a random output gradient; arrays: on any device."""
    inputs = {key: Tensor(array, requires_grad=True) for key, array in arrays.items()}
    with using(form), randomness(seed=3, step=2, first_image=5):
        y = KERNEL_CASES[name][0](*inputs.values())
        dy = stream(1, place=name).standard_normal(y.shape).astype(np.float32).astype(y.dtype)
        y.backward(beside(dy, y.data))
    return {"y": to_host(y.data)} | {f"d{key}": to_host(x.grad) for key, x in inputs.items()}


def error(found, truth):
    """The largest error of any array, relative to the largest number that it should hold (of all, if that is 0)."""
    sizes = {key: float(np.abs(array).max()) for key, array in truth.items()}
    floor = 1e-6 * max(sizes.values())
    return float(np.max([float(np.abs(found[key] - truth[key]).max()) / (size if size > floor else max(sizes.values()))
                         for key, size in sizes.items()]))          # nan, if one of them is


def kernel_error(name):
    """The error of a case's kernels on NumPy arrays. Within `checking()`, what else is wrong with them is found too."""
    arrays = arrays_of(name)
    exact = {key: array.astype(np.float64) for key, array in arrays.items()}
    return error(run(name, arrays, "cuda"), run(name, exact, "composed"))

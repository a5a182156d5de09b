"""The cases of ops.npz: what is asked of PyTorch. Read by make_golden.py, never by the tests.

`CASES[op][label]` is a function of a random generator that returns the keyword arguments of one
case: arrays are inputs, all else are options. Floating-point inputs get a gradient unless they are
listed in `fixed`. New cases go last within their op, and new ops last in the table, so that the
random numbers of the others stay what they are. `torch_ops.TORCH` says how PyTorch computes an op.

Operators, methods and indexing are written the same in PyTorch and in minivit, so one op,
`expression`, serves them all: its option is the Python text, over the names `x` and `z` and the
index arrays `i` and `j`. (`y` is always the output, and `dx` the gradient of `x`.)
"""

import numpy as np


def normal(rng, *shape):
    """Standard normal numbers that float32 holds exactly, as float64."""
    return exact(rng.standard_normal(shape))


def positive(rng, *shape):
    return exact(np.abs(normal(rng, *shape)) + 0.5)


def coarse(rng, *shape):
    """Numbers from {-1, 0, 1}: almost every row has ties."""
    return rng.integers(-1, 2, shape).astype(np.float64)


def exact(values):
    """Round to float32, return as float64."""
    return np.asarray(values, np.float32).astype(np.float64)


SPECIAL = [0.0, -0.0, *(s * x for x in (1e-30, 1e-6, 0.5, 1.0, 2.7, 5.0, 30.0) for s in (1, -1))]


def rows(shape, axis, scale=1.0, offset=0.0):
    return lambda r: dict(x=exact(normal(r, *shape) * scale + offset), axis=axis)


def norm(*shape, offset=0.0, eps=1e-6):
    return lambda r: dict(x=exact(normal(r, *shape) + offset), gamma=normal(r, shape[-1]),
                          beta=normal(r, shape[-1]), eps=eps)


def heads(b, h, n, m, k, mask=None, scale=1.0):
    """q (B, H, N, K), k and v (B, H, M, K); mask: its shape, every row keeps its first key."""
    def make(r):
        given = dict(q=exact(normal(r, b, h, n, k) * scale), k=normal(r, b, h, m, k),
                     v=normal(r, b, h, m, k))
        if mask:
            given["mask"] = r.random(mask) < 0.6
            given["mask"][..., 0] = True
        return given
    return make


def classes(b, y, soft=False, scale=1.0, total=1.0, **options):
    """`soft` draws class probabilities, which sum to `total`."""
    def make(r):
        logits = exact(normal(r, b, y) * scale)
        if not soft:
            return dict(input=logits, target=r.integers(0, y, b), **options)
        shares = r.dirichlet(np.ones(y), b) * total
        return dict(input=logits, target=exact(shares), fixed=("target",), **options)
    return make


def affine(*shape, out, bias=True):
    def make(r):
        given = dict(x=normal(r, *shape), weight=normal(r, out, shape[-1]))
        return {**given, "bias": normal(r, out)} if bias else given
    return make


def images(*shape, **options):
    return lambda r: dict(images=normal(r, *shape), **options)


def patches(*shape, **options):
    return lambda r: dict(patches=normal(r, *shape), **options)


def expression(text, x, z=None, draw=normal, **indices):
    """`text` over x and perhaps z, given as shapes, and over index arrays, given as values."""
    def make(r):
        given = dict(x=draw(r, *x))
        if z is not None:
            given["z"] = draw(r, *z)
        given.update({k: np.asarray(v) for k, v in indices.items()})
        return dict(given, names=list(given), text=text)
    return make


def reduction(*shape, axis, keepdims=False, draw=normal):
    return lambda r: dict(x=draw(r, *shape), axis=axis, keepdims=keepdims)


def two(x, y, draw=normal):
    return lambda r: dict(input=draw(r, *x), other=draw(r, *y))


def one(*shape, **options):
    return lambda r: dict(x=normal(r, *shape), **options)


def several(*shapes, axis):
    return lambda r: dict({f"x{i}": normal(r, *s) for i, s in enumerate(shapes)}, axis=axis)


def chosen(condition, a, b):
    return lambda r: dict(condition=r.random(condition) < 0.5, a=normal(r, *a), b=normal(r, *b))


SOFTMAX = {
    "last": rows((3, 4, 7), -1),
    "axis1": rows((3, 4, 7), 1),
    "offset": rows((5, 6), -1, offset=1e4),
    "minus_offset": rows((5, 6), -1, offset=-1e4),
    "large": rows((4, 5), -1, scale=1e3),
    "one": rows((3, 1), -1),
    "one_row": rows((1, 9), 1),
    "vector": rows((7,), 0),
}
REDUCE = {
    "all": reduction(3, 4, axis=(0, 1)),
    "axis0": reduction(3, 4, axis=0),
    "axis1_keep": reduction(3, 4, 2, axis=1, keepdims=True),
    "last": reduction(3, 4, 2, axis=-1),
    "two_axes": reduction(3, 4, 2, axis=(0, 2)),
    "two_axes_keep": reduction(3, 4, 2, axis=(-1, 0), keepdims=True),
    "size1": reduction(3, 1, axis=1),
}
TIES = {
    "ties_axis0": reduction(6, 4, axis=0, draw=coarse),
    "ties_keep": reduction(3, 5, 2, axis=1, keepdims=True, draw=coarse),
    "ties_two_axes": reduction(3, 4, 2, axis=(0, 2), draw=coarse),
}
ELEMENTWISE = {
    "plain": two((3, 4), (3, 4)),
    "broadcast": two((3, 1, 4), (2, 1)),
    "ties": two((4, 5), (4, 5), draw=coarse),
    "ties_broadcast": two((4, 5), (5,), draw=coarse),
}
CASES = {
    "softmax": SOFTMAX,
    "log_softmax": SOFTMAX,
    "gelu": {
        "erf": lambda r: dict(x=exact(normal(r, 3, 4, 5) * 2), approximate="none"),
        "tanh": lambda r: dict(x=exact(normal(r, 3, 4, 5) * 2), approximate="tanh"),
        "erf_special": lambda r: dict(x=exact(SPECIAL), approximate="none"),
        "tanh_special": lambda r: dict(x=exact(SPECIAL), approximate="tanh"),
        "erf_grid": lambda r: dict(x=exact(np.linspace(-9, 9, 145)), approximate="none"),
        "tanh_grid": lambda r: dict(x=exact(np.linspace(-9, 9, 145)), approximate="tanh"),
    },
    "layernorm": {
        "tokens": norm(2, 5, 12),
        "rows": norm(4, 7),
        "wide": norm(1, 3, 40),
        "size1": norm(2, 3, 1),
        "one_row": norm(1, 1, 6),
        "eps": norm(3, 4, 6, eps=0.5),
        "offset": norm(2, 3, 12, offset=1e4),
    },
    "attention": {
        "plain": heads(2, 3, 5, 5, 4),
        "cross": heads(2, 3, 4, 7, 5),
        "one_query": heads(2, 2, 1, 6, 3),
        "one_key": heads(2, 2, 5, 1, 3),
        "one_token": heads(1, 1, 1, 1, 1),
        "wide": heads(1, 1, 9, 9, 33),
        "sharp": heads(1, 2, 6, 6, 4, scale=30.0),
        "mask_keys": heads(2, 3, 5, 5, 4, mask=(2, 1, 1, 5)),
        "mask_square": heads(2, 3, 5, 5, 4, mask=(5, 5)),
        "mask_cross": heads(2, 3, 4, 7, 5, mask=(1, 3, 4, 7)),
        "mask_full": heads(2, 3, 4, 6, 2, mask=(2, 3, 4, 6)),
    },
    "cross_entropy": {
        "classes": classes(6, 4),
        "smoothed": classes(6, 4, label_smoothing=0.1),
        "soft": classes(5, 7, soft=True),
        "soft_smoothed": classes(5, 7, soft=True, label_smoothing=0.1),
        "soft_total_2": classes(5, 7, soft=True, total=2.0),
        "large": classes(6, 4, scale=1e3, label_smoothing=0.1),
        "one_image": classes(1, 9, label_smoothing=0.1),
        "two_classes": classes(8, 2),
    },
    "linear": {
        "tokens": affine(2, 5, 4, out=3),
        "tokens_no_bias": affine(2, 5, 4, out=3, bias=False),
        "rows": affine(6, 5, out=7),
        "four_axes": affine(2, 3, 1, 4, out=5),
        "size1": affine(3, 2, 1, out=1),
        "one_row": affine(1, 1, 6, out=2, bias=False),
    },
    "extract_patches": {
        "vit": images(2, 3, 4, 8, size=4),
        "tall": images(1, 2, 14, 10, size=(7, 5)),
        "overlap": images(2, 2, 7, 5, size=3, stride=2),
        "strides_differ": images(1, 2, 9, 11, size=(3, 2), stride=(2, 3)),
        "gaps": images(2, 1, 9, 10, size=2, stride=3),
        "remainder": images(2, 1, 9, 10, size=4),
        "dilation": images(2, 2, 6, 7, size=3, stride=1, dilation=2),
        "dilation_stride": images(1, 2, 11, 12, size=(3, 2), stride=(2, 3), dilation=(2, 3)),
        "same": images(2, 2, 7, 8, size=3, stride=2, padding="SAME"),
        "same_even": images(1, 2, 5, 6, size=(4, 2), stride=1, padding="SAME"),
        "same_dilation": images(1, 2, 8, 7, size=3, stride=2, padding="SAME", dilation=2),
        "same_gaps": images(1, 2, 7, 8, size=2, stride=3, padding="SAME"),
        "pixel": images(2, 3, 2, 3, size=1),
        "whole": images(2, 1, 3, 5, size=(3, 5)),
    },
    "expression": {
        "add": expression("x + z", (3, 4), (3, 4)),
        "add_broadcast": expression("x + z", (2, 1, 4), (3, 1)),
        "sub_broadcast": expression("x - z", (4,), (3, 4)),
        "mul_broadcast": expression("x * z", (2, 1, 4), (3, 1)),
        "div_broadcast": expression("x / z", (2, 1, 4), (3, 4), draw=positive),
        "div": expression("x / z", (3, 1), (1,), draw=positive),
        "scalars": expression("2.0 - 3 * x / 4 + 1", (3, 4)),
        "divided": expression("2.0 / x", (3, 4), draw=positive),
        "negative": expression("-x", (3, 4)),
        "twice": expression("x + x", (3, 4)),
        "diamond": expression("(x * z) * x + z * x", (3, 4), (4,)),
        "pow2": expression("x ** 2", (3, 4)),
        "pow3": expression("x ** 3", (3, 4)),
        "pow_half": expression("x ** 0.5", (3, 4), draw=positive),
        "pow_minus1": expression("x ** -1", (3, 4), draw=positive),
        "exp": expression("x.exp()", (3, 4)),
        "log": expression("x.log()", (3, 4), draw=positive),
        "sqrt": expression("x.sqrt()", (3, 4), draw=positive),
        "tanh": expression("x.tanh()", (3, 4)),
        "erf": expression("x.erf()", (5, 8)),
        "abs": expression("x.abs()", (5, 6), draw=coarse),
        "matmul": expression("x @ z", (3, 4), (4, 2)),
        "matmul_batched": expression("x @ z", (2, 1, 3, 4), (5, 4, 2)),
        "matmul_one_matrix": expression("x @ z", (2, 5, 3, 4), (4, 2)),
        "matmul_batch_right": expression("x @ z", (3, 4), (2, 4, 5)),
        "matmul_vector_matrix": expression("x @ z", (4,), (4, 3)),
        "matmul_matrix_vector": expression("x @ z", (3, 4), (4,)),
        "matmul_vectors": expression("x @ z", (4,), (4,)),
        "matmul_vector_batch": expression("x @ z", (4,), (2, 4, 3)),
        "matmul_batch_vector": expression("x @ z", (2, 3, 4), (4,)),
        "matmul_size1": expression("x @ z", (3, 1), (1, 2)),
        "reshape": expression("x.reshape(4, 6)", (2, 3, 4)),
        "reshape_minus1": expression("x.reshape(3, -1, 1)", (2, 3, 4)),
        "slice": expression("x[1:]", (4, 3)),
        "slice_steps": expression("x[::2, 1:-1]", (5, 6)),
        "slice_last": expression("x[..., -1]", (2, 3, 4)),
        "slice_class_token": expression("x[:, 0]", (2, 3, 4)),
        "slice_new_axis": expression("x[:, None, 1:]", (3, 4)),
        "index_repeated": expression("x[i]", (4, 3), i=[2, 0, 2, 2]),
        "index_columns": expression("x[:, i]", (2, 5, 3), i=[[4, 0], [0, 0]]),
        "index_pairs": expression("x[i, j]", (4, 5), i=[0, 3, 0, 3], j=[1, 2, 1, 4]),
        "index_negative": expression("x[i]", (4, 3), i=[-1, 3, 0]),
        "index_mask": expression("x[i]", (2, 3), i=[[True, False, True], [False, False, True]]),
        "index_mask_rows": expression("x[i]", (3, 4), i=[True, False, True]),
        "normalised": expression("(x - x.mean(-1, True)) / (x * x).mean(-1, True).sqrt()", (3, 5)),
    },
    "sum": REDUCE,
    "mean": REDUCE,
    "max": {**REDUCE, **TIES},
    "min": {**REDUCE, **TIES},
    "var": {
        **REDUCE,
        "offset": lambda r: dict(x=exact(normal(r, 3, 8) + 100), axis=1, keepdims=True),
    },
    "maximum": ELEMENTWISE,
    "minimum": ELEMENTWISE,
    "transpose": {
        "swap": one(3, 4, axes=(1, 0)),
        "cycle": one(2, 3, 4, axes=(2, 0, 1)),
        "heads": one(2, 5, 3, 4, axes=(0, 2, 1, 3)),
    },
    "expand": {
        "new_axis": one(3, 1, shape=(2, 3, 4)),
        "class_token": one(1, 1, 4, shape=(3, 1, 4)),
    },
    "pad": {
        "one_side": one(3, 4, widths=[(0, 0), (2, 0)]),
        "image": one(2, 1, 3, 4, widths=[(0, 0), (0, 0), (1, 2), (0, 3)]),
    },
    "reverse": {"two_axes": one(3, 2, 4)},
    "concat": {
        "class_token": several((2, 1, 4), (2, 5, 4), axis=1),
        "three": several((3, 2), (3, 1), (3, 4), axis=-1),
        "single": several((3, 2), axis=0),
    },
    "stack": {
        "first": several((3, 4), (3, 4), axis=0),
        "last": several((3, 4), (3, 4), (3, 4), axis=-1),
    },
    "split": {
        "even": one(2, 6, 3, sizes=[2, 2, 2], axis=1),
        "uneven": one(4, 7, sizes=[1, 4, 2], axis=-1),
    },
    "where": {
        "plain": chosen((3, 4), (3, 4), (3, 4)),
        "broadcast": chosen((3, 1), (2, 1, 4), (4,)),
    },
    "unbind": {
        "qkv": one(3, 2, 4, axis=0),
        "last": one(2, 3, 2, axis=-1),
    },
    "merge_patches": {
        "vit": patches(2, 2, 3, 2 * 4 * 4, image_size=(8, 12), size=4),
        "overlap": patches(1, 3, 2, 2 * 3 * 3, image_size=(7, 5), size=3, stride=2),
        "gaps": patches(1, 3, 3, 2 * 2, image_size=(9, 10), size=2, stride=3),
        "same_dilation": patches(1, 4, 4, 3 * 3, image_size=(8, 7), size=3, stride=2,
                                 padding="SAME", dilation=2),
    },
}

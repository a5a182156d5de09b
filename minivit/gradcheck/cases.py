"""One table of cases: a row per operation, which every form, device and test runs.

A row is a function (rng, shape) -> (f, inputs): inputs are named float64 arrays, f takes them as Tensors of any
device. Rows named `op:variant` belong to `op`. A new operation is one new row; a test fails if a Function has none.
Rows for images are in image_rows.py.
"""
from dataclasses import dataclass

import numpy as np

from minivit import ops
from minivit.backend import beside
from minivit.gradcheck import image_rows
from minivit.primitives import Cast, To
from minivit.tensor import apply


@dataclass(frozen=True)
class Case:
    """make(rng, shape) -> (f, {name: array}); shapes: those it is checked at; covers: the Functions it runs."""

    name: str
    make: object
    shapes: tuple
    covers: tuple


CASES = {}
MATRIX = ((2, 3), (1, 4), (5, 1))
TOKENS = ((2, 3, 5), (1, 1, 4), (3, 2, 33))
HEADS = ((2, 2, 3, 4), (1, 1, 1, 1), (1, 3, 5, 2))


def case(name, shapes, *covers):
    """Enter the decorated function into the table as `name`; covers: names of further Functions that it runs."""
    def enter(make):
        CASES[name] = Case(name, make, shapes, (name.partition(":")[0],) + covers)
        return make
    return enter


def select(op):
    """The rows of `op`, which may name a variant. Raises KeyError where there is none."""
    rows = [row for row in CASES.values() if op in (row.name, row.name.partition(":")[0])]
    if not rows:
        raise KeyError(op)
    return rows


def _unary(name, f, positive=False):
    @case(name, MATRIX)
    def make(rng, shape):
        x = rng.standard_normal(shape)
        return f, {"x": np.abs(x) + 0.5 if positive else x}


def _binary(name, f):
    @case(name, MATRIX)
    def make(rng, shape):                       # b is broadcast along the first axis
        return f, {"a": rng.standard_normal(shape), "b": _away_from_0(rng.standard_normal((1,) + shape[1:]))}

    @case(name + ":transposed", MATRIX)
    def make_other(rng, shape):                 # a gains an axis, b is stretched along the last
        a, b = rng.standard_normal(shape[1:]), _away_from_0(rng.standard_normal((3, shape[0], 1)))
        return f, {"a": a, "b": b}


def _away_from_0(x):
    return x + np.copysign(0.3, x)


_binary("add", lambda a, b: a + b)
_binary("sub", lambda a, b: a - b)
_binary("mul", lambda a, b: a * b)
_binary("div", lambda a, b: a / b)
_binary("maximum", ops.maximum)
_binary("minimum", ops.minimum)
_unary("neg", lambda x: -x)
_unary("pow", lambda x: x ** 3)
_unary("pow:fraction", lambda x: x ** -1.5, positive=True)
_unary("pow:zero", lambda x: x ** 0)
_unary("exp", lambda x: x.exp())
_unary("log", lambda x: x.log(), positive=True)
_unary("sqrt", lambda x: x.sqrt(), positive=True)
_unary("tanh", lambda x: x.tanh())
_unary("erf", lambda x: x.erf())
_unary("abs", abs)
_unary("relu", ops.relu)
_unary("sum", lambda x: x.sum())
_unary("sum:axis", lambda x: x.sum(axis=-1, keepdims=True))
_unary("sum:axes", lambda x: x.sum(axis=(0, 1)))
_unary("sum:mean", lambda x: x.mean(axis=0))
_unary("sum:var", lambda x: x.var(axis=-1))
_unary("max", lambda x: x.max())
_unary("max:axis", lambda x: x.max(axis=0))
_unary("min", lambda x: x.min(axis=-1, keepdims=True))
_unary("reshape", lambda x: x.reshape(-1, 1))
_unary("transpose", lambda x: x.T)
_unary("expand", lambda x: x.reshape(1, *x.shape).expand(3, *x.shape))
_unary("pad", lambda x: x.pad(((1, 0), (0, 2)), 7.0))
_unary("getitem", lambda x: x[-1:, ::2])
_unary("getitem:number", lambda x: x[0, -1])
_unary("getitem:repeated", lambda x: x[np.array([0, 0, -1])])
_unary("getitem:mask", lambda x: x[x > 0])
_unary("split", lambda x: x.reshape(-1).split((1, x.size - 1))[::-1])
_unary("unbind", lambda x: x.unbind(1))
_unary("unbind:unused", lambda x: x.unbind(0)[0])
_unary("concat", lambda x: ops.concat([x, x * 2], axis=1))
_unary("concat:stack", lambda x: ops.stack([x, x * x], axis=-1))
_unary("to", lambda x: apply(To, x, device="cpu"))
_unary("cast", lambda x: apply(Cast, x, dtype=np.float64).astype(x.dtype))


@case("where", MATRIX)
def _where(rng, shape):
    condition = rng.random(shape) > 0.5
    inputs = {"a": rng.standard_normal(shape), "b": rng.standard_normal(shape[1:])}
    return (lambda a, b: ops.where(beside(condition, a.data), a, b)), inputs


@case("matmul", ((2, 3, 4), (1, 1, 1), (3, 1, 2)))
def _matmul(rng, shape):
    n, k, m = shape
    return (lambda a, b: a @ b), {"a": rng.standard_normal((n, k)), "b": rng.standard_normal((k, m))}


@case("matmul:batched", ((2, 3, 4), (1, 1, 1), (3, 1, 2)))
def _matmul_batched(rng, shape):
    n, k, m = shape
    return (lambda a, b: a @ b), {"a": rng.standard_normal((2, 1, n, k)), "b": rng.standard_normal((3, k, m))}


@case("matmul:vectors", ((2, 3, 4), (1, 1, 1), (3, 1, 2)))
def _matmul_vectors(rng, shape):
    n, k, m = shape
    inputs = {"u": rng.standard_normal(k), "a": rng.standard_normal((2, n, k)), "b": rng.standard_normal((2, k, m))}
    return (lambda u, a, b: (u @ b, a @ u, u @ u)), inputs


def _rows(name, f, offset=0.0, scale=1.0):
    @case(name, TOKENS)
    def make(rng, shape):
        return f, {"x": offset + scale * rng.standard_normal(shape)}


_rows("softmax", ops.softmax)
_rows("softmax:offset", ops.softmax, offset=1e4)
_rows("softmax:axis", lambda x: ops.softmax(x, axis=1))
_rows("log_softmax", ops.log_softmax)
_rows("log_softmax:large", ops.log_softmax, scale=1e3)
_rows("log_softmax:axis", lambda x: ops.log_softmax(x, axis=0))
_rows("gelu", ops.gelu)
_rows("gelu:large", ops.gelu, scale=1e2)
_rows("gelu:tanh", lambda x: ops.gelu(x, approximate="tanh"))
_rows("dropout", lambda x: ops.dropout(x, 0.3))
_rows("dropout:path", lambda x: ops.drop_path(x, 0.5))


def _layernorm(name, offset, scale):
    @case(name, TOKENS)
    def make(rng, shape):
        return ops.layernorm, {"x": offset + scale * rng.standard_normal(shape),
                               "gamma": 1 + 0.5 * rng.standard_normal(shape[-1]),
                               "beta": rng.standard_normal(shape[-1])}


def _bias_gelu(name, **options):
    @case(name, TOKENS)
    def make(rng, shape):
        return ((lambda x, bias: ops.bias_gelu(x, bias, **options)),
                {"x": rng.standard_normal(shape), "bias": rng.standard_normal(shape[-1])})


_bias_gelu("bias_gelu")
_bias_gelu("bias_gelu:tanh", approximate="tanh")
_layernorm("layernorm", 0.0, 1.0)
_layernorm("layernorm:offset", 1e3, 10.0)


def _attention(name, variant):
    @case(name, HEADS)
    def make(rng, shape):
        B, H, N, K = shape
        M = N + 1 if "keys" in variant else N               # as many keys as queries, or one more
        mask = rng.random((B, 1, N, M)) > 0.4 if "mask" in variant else None
        if mask is not None:
            mask[0, 0, 0] = False                           # the first query may look nowhere
        dropout = 0.3 if "dropout" in variant else 0.0
        inputs = {"q": rng.standard_normal(shape), "k": rng.standard_normal((B, H, M, K)),
                  "v": rng.standard_normal((B, H, M, K))}

        def attention(q, k, v):
            return ops.attention(q, k, v, None if mask is None else beside(mask, q.data), dropout)
        return attention, inputs


_attention("attention", ())
_attention("attention:keys", ("keys",))
_attention("attention:mask", ("mask", "keys"))
_attention("attention:dropout", ("dropout", "mask"))


def _cross_entropy(name, soft, scale, **options):
    @case(name, ((3, 5), (1, 4), (4, 2)))
    def make(rng, shape):
        B, Y = shape
        targets = rng.dirichlet(np.ones(Y), B) if soft else rng.integers(0, Y, B)
        return (lambda x: ops.cross_entropy(x, beside(targets, x.data), **options)), {
            "logits": scale * rng.standard_normal(shape)}


_cross_entropy("cross_entropy", False, 1.0)
_cross_entropy("cross_entropy:smoothing", False, 1.0, label_smoothing=0.1)
_cross_entropy("cross_entropy:soft", True, 1.0, label_smoothing=0.2, images=7)
_cross_entropy("cross_entropy:large", False, 1e3)


@case("linear", TOKENS)
def _linear(rng, shape):
    inputs = {"x": rng.standard_normal(shape), "weight": rng.standard_normal((3, shape[-1])),
              "bias": rng.standard_normal(3)}
    return ops.linear, inputs


for _name, _shapes, _make in image_rows.ROWS:
    case(_name, _shapes)(_make)

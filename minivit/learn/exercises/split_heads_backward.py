"""Checks of split_heads_backward."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.split_heads_backward import split_heads_backward
from minivit.tensor import Tensor


def split_heads(qkv, H):
    """q, k and v (B, H, N, K) of qkv (B, N, 3 * H * K), an array or a Tensor, stacked along a new first axis."""
    B, N, width = qkv.shape
    return qkv.reshape(B, N, 3, H, width // (3 * H)).transpose(2, 0, 3, 1, 4)


def oracle(dq, dk, dv):
    """Autograd's."""
    B, H, N, K = dq.shape
    qkv = Tensor(np.zeros((B, N, 3 * H * K), dq.dtype), requires_grad=True)
    split_heads(qkv, H).backward(np.stack([dq, dk, dv]))
    return qkv.grad


def numeric(dq, dk, dv):
    B, H, N, K = dq.shape
    return numeric_gradient(lambda qkv: split_heads(qkv, H), np.zeros((B, N, 3 * H * K)), np.stack([dq, dk, dv]))


def cases(rng):
    return [(f"B, H, N, K = {', '.join(map(str, shape))}", tuple(rng.standard_normal((3,) + shape)))
            for shape in ((2, 3, 4, 5), (1, 2, 5, 3), (3, 4, 1, 2), (2, 1, 3, 4))]


def undoes_the_split(function, rng):
    qkv = rng.standard_normal((2, 4, 18))
    if not np.array_equal(function(*split_heads(qkv, 3)), qkv):
        return ("each number of qkv goes to one place of q, k or v, so given q, k and v themselves, qkv must come "
                "back; yours returns its numbers in other places")


def merged(part):
    return part.transpose(0, 2, 1, 3).reshape(part.shape[0], part.shape[2], -1)


def one_number_after_the_other(dq, dk, dv):
    """A correct answer, written as the definition."""
    B, H, N, K = dq.shape
    dqkv = np.empty((B, N, 3 * H * K), dq.dtype)
    for number, part in enumerate((dq, dk, dv)):
        for h in range(H):
            start = number * H * K + h * K
            dqkv[:, :, start:start + K] = part[:, h]
    return dqkv


def without_transpose(dq, dk, dv):
    B, H, N, K = dq.shape
    return np.concatenate([part.reshape(B, N, H * K) for part in (dq, dk, dv)], axis=-1)


def heads_innermost(dq, dk, dv):
    B, H, N, K = dq.shape
    return np.concatenate([part.transpose(0, 2, 3, 1).reshape(B, N, K * H) for part in (dq, dk, dv)], axis=-1)


def parts_innermost(dq, dk, dv):
    B, H, N, K = dq.shape
    return np.stack([dq, dk, dv], axis=-1).transpose(0, 2, 1, 3, 4).reshape(B, N, -1)


def joined_along_tokens(dq, dk, dv):
    B, H, N, K = dq.shape
    return merged(np.concatenate([dq, dk, dv], axis=2)).reshape(B, N, -1)


EXERCISE = Exercise(
    slug="split_heads_backward", lesson=7, minutes=15, difficulty=1,
    task="Write the gradient of splitting qkv into the queries, keys and values of the heads.",
    solution=split_heads_backward, oracle=oracle, cases=cases, outputs=("dqkv",), numeric=numeric,
    properties=(Property("undoes the split", undoes_the_split),),
    wrong=(
        Wrong("no-transpose", without_transpose, "reshape alone does not exchange axes: in (B, H, N, K) the numbers of "
              "one head lie together, in (B, N, H * K) those of one token. Exchange heads and tokens first, "
              ".transpose(0, 2, 1, 3).",
              specific=True),
        Wrong("heads-innermost", heads_innermost, "within a token, the numbers of a head must stay side by side: (B, "
              "N, H, K) before the reshape, so .transpose(0, 2, 1, 3); yours is (B, N, K, H).", specific=True),
        Wrong("parts-inside-heads", lambda dq, dk, dv: merged(np.concatenate([dq, dk, dv], axis=-1)), "each head has "
              "its own dq, dk, dv side by side here; qkv begins with the queries of all heads, then has all keys, then "
              "all values: merge the heads of each first, then join the three.", specific=True),
        Wrong("parts-innermost", parts_innermost, "dq, dk and dv take turns number by number here; qkv has three "
              "blocks of D numbers: np.concatenate along the last axis, where np.stack was used.", specific=True),
        Wrong("joined-along-tokens", joined_along_tokens, "the three were joined along the tokens, which then spill "
              "into each other; they belong beside each other, along the last axis: axis=-1.", specific=True),
        Wrong("keys-first", lambda dq, dk, dv: split_heads_backward(dk, dq, dv), "dk comes first: the order in qkv is "
              "queries, keys, values, (dq, dk, dv)."),
        Wrong("values-first", lambda dq, dk, dv: split_heads_backward(dv, dk, dq), "dv comes first: the order in qkv "
              "is queries, keys, values, (dq, dk, dv).")),
    correct=(
        one_number_after_the_other,
        lambda dq, dk, dv: merged(np.concatenate([dq, dk, dv], axis=1)),
        lambda dq, dk, dv: np.einsum("pbhnk->bnphk", np.stack([dq, dk, dv])).reshape(len(dq), dq.shape[2], -1)),
    hints=(
        "Which number of dqkv belongs to dq[b, h, n, i]? Read the first formula from right to left.",
        "For each of dq, dk, dv: (B, H, N, K) -> (B, N, H, K) -> (B, N, H * K). Which of the two steps moves numbers?",
        "Merge each with .transpose(0, 2, 1, 3) and a .reshape, then put the three beside each other with "
        "np.concatenate along the last axis."),
    why="A permutation is undone by its inverse, and for a permutation the transpose is the inverse: what forward "
        "takes apart, backward puts together. The same merge stands at the other end of attention, where the heads' "
        "results become one row again, and there its gradient is a split.")

"""Checks of attention_rollout."""
from functools import partial

import numpy as np

from minivit.inspect import rollout
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.attention_rollout import attention_rollout

FUSIONS = {"mean": np.mean, "max": np.max, "min": np.min}


def maps_of(rng, *shape):
    """Attention maps (L, B, H, N, N) with rows that add up to 1."""
    e = np.exp(1.5 * rng.standard_normal(shape + shape[-1:]))
    return e / e.sum(axis=-1, keepdims=True)


def cases(rng):
    return [(f"{fusion} of maps {'x'.join(map(str, shape + shape[-1:]))}", (maps_of(rng, *shape), fusion))
            for fusion, shape in (("mean", (3, 2, 3, 5)), ("max", (2, 3, 2, 4)), ("min", (3, 2, 2, 3)),
                                  ("max", (4, 1, 3, 6)), ("mean", (2, 2, 1, 4)))]


def oracle(maps, fusion):
    """The definition, number by number."""
    L, B, H, N, _ = maps.shape
    result = np.empty((B, N, N))
    for b in range(B):
        came = [[float(i == j) for j in range(N)] for i in range(N)]
        for level in range(L):
            takes = []
            for i in range(N):
                row = []
                for j in range(N):
                    heads = [float(maps[level, b, h, i, j]) for h in range(H)]
                    row.append({"mean": sum(heads) / H, "max": max(heads), "min": min(heads)}[fusion] + (i == j))
                takes.append([each / sum(row) for each in row])
            came = [[sum(takes[i][k] * came[k][j] for k in range(N)) for j in range(N)] for i in range(N)]
        result[b] = came
    return result


def rows_add_up_to_one(function, rng):
    maps = maps_of(rng, 3, 2, 4, 5)
    for fusion in FUSIONS:
        worst = np.abs(function(maps, fusion).sum(axis=-1) - 1).max()
        if worst > 1e-9:
            return f"each row of R must add up to 1; with fusion {fusion!r} one of yours is off by {worst:.3g}"


def attending_to_oneself(function, rng):
    alone = np.broadcast_to(np.eye(4), (3, 2, 2, 4, 4))
    if np.abs(function(alone, "mean") - np.eye(4)).max() > 1e-9:
        return "where each token attends to itself alone, nothing is mixed, and R is I; yours is something else"


def normalised(A):
    return A / A.sum(axis=-1, keepdims=True)


def with_identity(A):
    return normalised(A + np.eye(A.shape[-1]))


def product(M):
    R = np.eye(M.shape[-1])
    for one in M:
        R = one @ R
    return R


def variant(maps, fusion, fusions=FUSIONS, mix=with_identity, combine=product):
    """The three steps, each of which may be done otherwise: heads to one map, a block's M, and all blocks."""
    return combine(np.stack([mix(A) for A in fusions[fusion](maps, axis=2)]))


def from_above(M):
    """A correct product, begun with the last block."""
    R = M[-1]
    for one in M[-2::-1]:
        R = R @ one
    return R


def vector_by_vector(maps, fusion):
    """A correct answer that follows each embedded token through the blocks."""
    N = maps.shape[-1]
    columns = []
    for j in range(N):
        share = np.zeros((maps.shape[1], N))
        share[:, j] = 1
        for block in maps:
            A = FUSIONS[fusion](block, axis=1)
            share = (np.einsum("bij,bj->bi", A, share) + share) / (A.sum(axis=-1) + 1)
        columns.append(share)
    return np.stack(columns, axis=-1)


def by_the_row_sums_of_others(A):
    A = A + np.eye(A.shape[-1])
    return A / A.sum(axis=-1)[:, None, :]


def columns_normalised(A):
    A = A + np.eye(A.shape[-1])
    return A / A.sum(axis=-2, keepdims=True)


def downwards(M):
    R = np.eye(M.shape[-1])
    for one in M:
        R = R @ one
    return R


def normalised_once(maps, fusion):
    return normalised(variant(maps, fusion, mix=lambda A: A + np.eye(A.shape[-1])))


def each_head_alone(maps, fusion):
    heads = [variant(maps[:, :, h:h + 1], fusion) for h in range(maps.shape[2])]
    return FUSIONS[fusion](np.stack(heads), axis=0)


EXERCISE = Exercise(
    slug="attention_rollout", lesson=16, minutes=20, difficulty=2,
    task="Roll the attention of all blocks out into one map.",
    solution=attention_rollout, oracle=oracle, cases=cases, outputs=("R",), float32=False,
    properties=(Property("rows add up to 1", rows_add_up_to_one),
                Property("attending to oneself", attending_to_oneself)),
    wrong=(
        Wrong("divided-by-sums-of-other-rows", partial(variant, mix=by_the_row_sums_of_others), "column j was divided "
              "by the sum of row j: A.sum(axis=-1) has lost an axis, and NumPy then lays it along the columns. "
              "keepdims=True keeps it a column. (With the mean all sums are 2, and nothing is seen: a published tool "
              "has had this bug for years.)", specific=True),
        Wrong("columns-normalised", partial(variant, mix=columns_normalised), "the columns add up to 1 where the rows "
              "must: row n says how token n is mixed, so divide by the sum along the last axis, axis=-1.",
              specific=True),
        Wrong("no-identity", partial(variant, mix=normalised), "the identity is missing: A + np.eye(N), for the "
              "residual stream, by which each token keeps itself.", specific=True),
        Wrong("not-normalised", partial(variant, mix=lambda A: A + np.eye(A.shape[-1])), "A + I was not divided by its "
              "row sums, np.sum(A, axis=-1, keepdims=True): they are 2 with the mean, so R grows to 2^L.",
              specific=True),
        Wrong("identity-after-normalising", partial(variant, mix=lambda A: normalised(A) + np.eye(A.shape[-1])), "the "
              "rows were divided by their sums before the identity was added: first A + np.eye(N), then divide.",
              specific=True),
        Wrong("halved-for-normalised", partial(variant, mix=lambda A: (A + np.eye(A.shape[-1])) / 2), "A + I was "
              "halved: that is the row sum with the mean alone. The max of heads adds up to more than 1, the min to "
              "less; divide by the sums.", specific=True),
        Wrong("normalised-once", normalised_once, "the rows were divided by their sums once, at the end: each block's "
              "A + I has to be, before it is multiplied: A / np.sum(A, axis=-1, keepdims=True).", specific=True),
        Wrong("reverse-order", partial(variant, combine=downwards), "the blocks are multiplied in the wrong order: R = "
              "M @ R. What is in a token after a block is a mix of what was in the tokens before it, so the later "
              "block stands on the left.", specific=True),
        Wrong("heads-summed", partial(variant, fusions=FUSIONS | {"mean": np.sum}), "the heads were summed where "
              "their mean belongs: H heads would weigh H times as much as the residual stream."),
        Wrong("each-head-alone", each_head_alone, "each head was rolled out by itself, and the results were fused: "
              "heads meet after every block, so fuse their maps first, and multiply then.", specific=True),
        Wrong("last-block-alone", partial(variant, combine=lambda M: M[-1]), "this is the last block alone, maps[-1]: "
              "multiply those of all blocks."),
        Wrong("mean-of-blocks", partial(variant, combine=lambda M: M.mean(axis=0)), "the blocks were averaged: what "
              "comes after one another is multiplied, R = M @ R.", specific=True),
        Wrong("always-the-mean", lambda maps, fusion: variant(maps, "mean"), "fusion is not looked at: the mean was "
              "taken for \"max\" and \"min\" too.")),
    correct=(
        partial(variant, combine=from_above), vector_by_vector,
        lambda maps, fusion: rollout(list(maps), fusion)),
    hints=(
        "Do it for one block first. Which axis of (B, H, N, N) are the heads? What must each row of A + I be divided "
        "by, so that it adds up to 1?",
        "For each block: A (B, N, N) by fusing axis 1; A + np.eye(N); divide by its sum along the last axis, with "
        "keepdims=True; then R = M @ R, which NumPy does for each image.",
        "Start with R = np.eye(N); `for block in maps:` has three lines, for A, M and R. A dictionary {\"mean\": "
        "np.mean, ...} picks the fusion."),
    why="With the mean, every row of A + I adds up to 2, so a wrong division passes unseen; with the max it does not. "
        "That is how the bug of a well-known tool stayed: its simplest setting hides it. A test needs an input on "
        "which right and wrong differ. And what rollout leaves out: values, the output projection, the MLPs, and that "
        "a residual stream is not half of everything.")

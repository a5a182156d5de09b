"""Checks of split_heads."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.split_heads import split_heads


def cases(rng):
    return [(f"x {'x'.join(map(str, shape))}, {H} heads", (rng.standard_normal(shape), H))
            for shape, H in (((2, 4, 15), 3), ((3, 2, 6), 2), ((1, 5, 4), 4), ((2, 3, 5), 1), ((2, 1, 6), 3))]


def oracle(x, H):
    """As the definition has it."""
    (B, N), K = x.shape[:2], x.shape[2] // H
    return np.array([[[[x[b, n, h * K + i] for i in range(K)] for n in range(N)] for h in range(H)] for b in range(B)])


def merging_undoes_it(function, rng):
    x = rng.standard_normal((2, 5, 12))
    y = function(x, 3)
    if y.shape != (2, 3, 5, 4) or not np.array_equal(np.concatenate(list(y.swapaxes(0, 1)), axis=-1), x):
        return "the heads put side by side again must be x; yours are something else"


def grouped(order, *sizes):
    """A wrong answer: x in the shape of `sizes` (letters of B, N, H, K), its axes in `order`, as (B, H, N, K)."""
    def function(x, H):
        (B, N), K = x.shape[:2], x.shape[2] // H
        number = {"B": B, "N": N, "H": H, "K": K}
        return x.reshape([number[letter] for letter in sizes]).transpose(order).reshape(B, H, N, K)
    return function


def overlapping(x, H):
    K = x.shape[2] // H
    return np.stack([x[:, :, h:h + K] for h in range(H)], axis=1)


EXERCISE = Exercise(
    slug="split_heads", lesson=5, minutes=10, difficulty=1,
    task="Split tokens into heads.",
    solution=split_heads, oracle=oracle, cases=cases, outputs=("y",),
    properties=(Property("merging undoes it", merging_undoes_it),),
    wrong=(
        Wrong("no-transpose", lambda x, H: x.reshape(len(x), H, x.shape[1], -1), "reshape alone does not exchange "
              "axes: the numbers of one token lie together in x, and come first one token, then the next. Reshape to "
              "(B, N, H, K), then exchange N and H.", specific=True),
        Wrong("heads-innermost", grouped((0, 3, 1, 2), "B", "N", "K", "H"), "the heads take turns, number by number: "
              "those of a head lie side by side, so H comes before K in the reshape.", specific=True),
        Wrong("heads-after-tokens", lambda x, H: x.reshape(*x.shape[:2], H, -1), "the axes are (B, N, H, K): exchange "
              "the tokens and the heads, so that a matrix product sees (N, K).", specific=True),
        Wrong("numbers-before-tokens", lambda x, H: x.reshape(*x.shape[:2], H, -1).transpose(0, 2, 3, 1), "the last "
              "two axes are (K, N): the tokens come before their numbers, (B, H, N, K).", specific=True),
        Wrong("images-and-heads-exchanged", lambda x, H: x.reshape(*x.shape[:2], H, -1).transpose(2, 0, 1, 3), "the "
              "axes are (H, B, N, K): the images stay in front."),
        Wrong("heads-overlap", overlapping, "head h begins at number h: it begins at h * K, where the one before it "
              "has ended.", specific=True),
        Wrong("first-head-everywhere", lambda x, H: np.stack([x[:, :, :x.shape[2] // H]] * H, axis=1), "every head has "
              "the first K numbers: head h has those from h * K to (h + 1) * K.", specific=True),
        Wrong("heads-backwards", lambda x, H: split_heads(x, H)[:, ::-1], "the heads come in reverse: head 0 has the "
              "first K numbers, so y[:, h] = the numbers of head h, with h and not H - 1 - h.")),
    correct=(
        lambda x, H: x.reshape(*x.shape[:2], H, -1).transpose(0, 2, 1, 3),
        lambda x, H: np.stack(np.split(x, H, axis=-1), axis=1),
        lambda x, H: np.einsum("bnhk->bhnk", x.reshape(len(x), -1, H, x.shape[2] // H))),
    hints=(
        "Take a single token of D = 6 numbers and H = 2 heads. Which numbers does head 1 get?",
        "Cut the last axis into two, (B, N, D) -> (B, N, H, K), which moves nothing; then bring the axes into the "
        "order (B, H, N, K). Or fill an empty (B, H, N, K), one head after the other.",
        "One line: x.reshape(four sizes).transpose(four numbers of axes). The reshape moves nothing, so its sizes "
        "follow how the numbers lie in a token."),
    why="reshape cuts or joins neighbouring axes and moves nothing; transpose moves axes and cuts nothing. In the "
        "order (B, N, H, K) the two together need no loop and copy nothing: x.reshape(B, N, H, K).transpose(0, 2, 1, "
        "3) is a view. After it, the last two axes of q, k and v are the matrices of one head, and @ does B * H "
        "products at once.")

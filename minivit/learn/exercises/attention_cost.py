"""Checks of attention_cost."""
import math
from collections import Counter

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.attention_cost import attention_cost


def cases(rng):
    """Fixed shapes, so that no two answers agree by chance; the last ones are drawn."""
    made = [(8, 12, 4, 12, 3), (4, 6, 1, 8, 2), (6, 2, 2, 10, 5), (3, 9, 3, 4, 1), (4, 4, 4, 6, 2)]
    for _ in range(2):
        P, H = (int(number) for number in rng.integers(2, 5, 2))
        Gy, K = (int(number) for number in rng.integers(2, 4, 2))
        made.append((Gy * P, (Gy + 2) * P, P, H * K, H))
    return [(f"image {Sy}x{Sx}, patches of {P}, D = {D}, H = {H}", (Sy, Sx, P, D, H)) for Sy, Sx, P, D, H in made]


class Counted(float):
    """A number that counts what is done with it."""

    done = Counter()

    def __add__(self, other):
        self.done["additions"] += 1
        return Counted(float(self) + other)

    def __mul__(self, other):
        self.done["multiplications"] += 1
        return Counted(float(self) * other)


def inner(a, b):
    total = Counted(0)
    for x, y in zip(a, b):
        total = total + x * y
    return total


def oracle(Sy, Sx, P, D, H):
    """Counted, on numbers that count: the products of one head, H times."""
    tokens = sum(1 for top in range(0, Sy, P) for left in range(0, Sx, P))
    q = [[Counted(0)] * (D // H) for _ in range(tokens)]
    k, v = q, q
    Counted.done.clear()
    scores = [[inner(query, key) for key in k] for query in q]
    for row in scores:
        for column in zip(*v):
            inner(row, column)
    return tokens, H * np.zeros((tokens, tokens), np.float32).nbytes, H * Counted.done.total()


def half_the_side(function, rng):
    """From the formula alone: patches of half the side."""
    coarse, fine = function(32, 48, 8, 24, 3), function(32, 48, 4, 24, 3)
    if tuple(b / a for a, b in zip(coarse, fine)) != (4, 16, 16):
        return ("patches of half the side are four times as many, and every pair of them has a score: 4 times the "
                "tokens, 16 times the memory and the arithmetic; yours grow by other factors")


def by_parts(Sy, Sx, P, D, H):
    """A correct answer, number by number."""
    n = Sy * Sx // P ** 2
    numbers_in_scores = sum(n for _ in range(H * n))
    products = sum(D // H for _ in range(numbers_in_scores))        # of q k^T; as many of weights v
    return n, numbers_in_scores * 32 // 8, 2 * (products + products)


def by_shapes(Sy, Sx, P, D, H):
    """A correct answer that takes everything from shapes of arrays."""
    grid = np.zeros((Sy, Sx))[::P, ::P]
    scores = np.broadcast_to(np.float32(0), (H, grid.size, grid.size))
    return grid.size, math.prod(scores.shape) * scores.itemsize, 4 * math.prod(scores.shape) * (D // H)


def but(tokens=lambda Sy, Sx, P: Sy * Sx // P ** 2, memory=lambda n, D, H: 4 * H * n * n,
        flop=lambda n, D, H: 4 * n * n * D):
    """A wrong answer, in which one of the three is another formula."""
    def function(Sy, Sx, P, D, H):
        n = tokens(Sy, Sx, P)
        return n, memory(n, D, H), flop(n, D, H)
    return function


EXERCISE = Exercise(
    slug="attention_cost", lesson=5, minutes=15, difficulty=1,
    task="Say what attention costs for an image: tokens, bytes of the scores, multiplications and additions.",
    solution=attention_cost, oracle=oracle, cases=cases, outputs=("tokens", "memory", "flop"), float32=False,
    properties=(Property("patches of half the side", half_the_side),),
    wrong=(
        Wrong("one-score-table", but(memory=lambda n, D, H: 4 * n * n), "memory is that of one head: every head has "
              "scores of its own, H tables of N x N numbers: 4 * H * ...", specific=True),
        Wrong("flop-times-heads", but(flop=lambda n, D, H: 4 * n * n * D * H), "flop is H times too large: a head is "
              "K = D // H wide, so H heads do together what one of width D does. Heads cost memory, but no "
              "arithmetic.",
              specific=True),
        Wrong("flop-of-one-head", but(flop=lambda n, D, H: 4 * n * n * (D // H)), "flop is that of one head; there "
              "are H of them: H * (what one head takes).", specific=True),
        Wrong("half-the-flop", but(flop=lambda n, D, H: 2 * n * n * D), "flop is half of what it should be. There "
              "are two products, q k^T (the scores) and weights v (the means), so scores + means; and in each a "
              "multiplication *and* an addition for every pair of numbers that meet.", specific=True),
        Wrong("no-first-addition", but(flop=lambda n, D, H: n * n * (2 * D - H) + n * D * (2 * n - 1)),
              "the first addition of each inner product is left out, n - 1 for n products. It is usual to count n, "
              "since the sum begins at 0: 2 * K for a score, 2 * tokens for a mean.", specific=True),
        Wrong("linear-layers-too", but(flop=lambda n, D, H: 4 * n * n * D + 8 * n * D * D),
              "the linear layers that make q, k, v and merge the heads are counted too, as a term with D * D. They "
              "grow with N, not with N * N, and are not asked for.",
              specific=True),
        Wrong("linear-in-tokens", but(memory=lambda n, D, H: 4 * n * D), "memory is that of the queries, N x D; the "
              "scores are N x N in each head.", specific=True),
        Wrong("double-precision", but(memory=lambda n, D, H: 8 * H * n * n), "memory counts 8 bytes for a number: "
              "that is float64, NumPy's usual type. float32 takes 4: memory = 4 * ..."),
        Wrong("divided-by-P-once", but(tokens=lambda Sy, Sx, P: Sy * Sx // P), "the pixels are divided by P once: a "
              "patch has P * P of them, and the grid is (Sy // P) * (Sx // P).", specific=True),
        Wrong("rows-plus-columns", but(tokens=lambda Sy, Sx, P: Sy // P + Sx // P), "rows and columns of the grid "
              "are added up: there are Gy * Gx patches, (Sy // P) * (Sx // P)."),
        Wrong("square-image", but(tokens=lambda Sy, Sx, P: (Sy // P) ** 2), "the grid is taken for a square: it has "
              "Sy / P rows and Sx / P columns, (Sy // P) * (Sx // P).", specific=True),
        Wrong("class-token", but(tokens=lambda Sy, Sx, P: Sy * Sx // P ** 2 + 1), "there is one token too many, + 1: "
              "no class token is asked for here.")),
    correct=(by_parts, by_shapes),
    hints=(
        "How many patches are there along each side? How many pairs of tokens does that make, and in which of the "
        "three answers do the heads count?",
        "N = (Sy / P) * (Sx / P). Scores: H tables of N * N numbers. q k^T: N * N inner products of K numbers; weights "
        "v: N * K inner products of N numbers. An inner product of n numbers counts 2 n.",
        "tokens with //, so that it stays a whole number; memory is 4 * (how many scores there are in all heads); flop "
        "is H times the sum of two products, each 2 * (three factors out of N, N, K)."),
    why="H * K = D, so flop is 4 N^2 D, whatever the number of heads; memory is 4 H N^2, whatever the width. Both grow "
        "with N^2, and N with the number of pixels: an image of twice the side costs 16 times as much. Patches of side "
        "P divide N by P^2, and so the cost by P^4.")

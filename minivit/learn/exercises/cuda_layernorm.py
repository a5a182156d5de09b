"""Checks of cuda_layernorm."""
import numpy as np

from minivit import ops
from minivit.cuda import checking
from minivit.learn.exercise import Exercise, Wrong
from minivit.learn.kernel import costs, solved
from minivit.modes import using
from minivit.tensor import Tensor

KERNEL = solved("cuda_layernorm")
GUARD = "    if (row >= rows)\n        return;\n"
CENTRED = "squares += (x[j] - mean) * (x[j] - mean)"
SUM = "        sum += __shfl_xor_sync(WARP, sum, distance);\n"
SQUARES = "        squares += __shfl_xor_sync(WARP, squares, distance);\n"
SECOND_LOOP = "squares = 0;\n    for (int j = lane; j < D; j += 32)"
RSTD, Y = "1 / sqrtf(squares / D + eps)", "(x[j] - mean) * rstd * gamma[j] + beta[j]"
EPS = 0.1               # so large that it shows


def launched(kernel, x, gamma, beta):
    """y, after a launch with a warp for each token."""
    y = np.full_like(x, np.nan)
    kernel(((len(x) + 3) // 4,), (128,), (x, gamma, beta, y, *x.shape, EPS))
    return y


def oracle(x, gamma, beta):
    with using("composed"):
        return ops.layernorm(Tensor(x), Tensor(gamma), Tensor(beta), EPS).data


def case(rng, rows, D, offset=0.5):
    x, gamma, beta = (rng.standard_normal(shape, dtype=np.float32) for shape in ((rows, D), D, D))
    return x + np.float32(offset), gamma + 1, beta


def cases(rng):
    return [(f"{rows}x{D}", case(rng, rows, D)) for rows, D in ((5, 70), (3, 20), (2, 64), (6, 1))]


def extreme(rng):
    return [("far from 0", case(rng, 2, 50, 1e4))]


def advice(kernel, rng):
    with checking() as report:
        launched(kernel, *case(rng, 4, 256))
    return costs(kernel, report)


EXERCISE = Exercise(
    slug="cuda_layernorm", lesson=12, minutes=25, difficulty=2,
    task="Write a CUDA kernel for layer norm, with a warp to each token.",
    solution=KERNEL, oracle=oracle, cases=cases, outputs=("y",), probe=launched, float32=False, tolerance=1e-5,
    extreme=extreme, advice=advice,
    wrong=(
        Wrong("no-eps", KERNEL.but(RSTD, "1 / sqrtf(squares / D)"), "eps is missing: it is added to the variance, "
              "under the root. Without it a token of equal numbers is 0 / 0.", specific=True),
        Wrong("eps-outside-the-root", KERNEL.but(RSTD, "1 / (sqrtf(squares / D) + eps)"), "eps was added to the "
              "standard deviation: it belongs under the root, beside the variance, sqrtf(squares / D + eps).",
              specific=True),
        Wrong("divided-by-the-variance", KERNEL.but(RSTD, "1 / (squares / D + eps)"), "the root is missing: x - mean "
              "is divided by the standard deviation, 1 / sqrtf(...), not by the variance.", specific=True),
        Wrong("multiplied-by-the-deviation", KERNEL.but(RSTD, "sqrtf(squares / D + eps)"), "x - mean was multiplied by "
              "the standard deviation: it is divided by it, and the factor is rstd = 1 / sqrt(var + eps).",
              specific=True),
        Wrong("divided-by-D-minus-1", KERNEL.but(RSTD, "1 / sqrtf(squares / max(D - 1, 1) + eps)"), "the variance was "
              "divided by D - 1: in layer norm it is the mean of the squares, by D.", specific=True),
        Wrong("sum-for-mean", KERNEL.but("float mean = sum / D", "float mean = sum"), "the sum was taken where the "
              "mean belongs: mean = sum / D.", specific=True),
        Wrong("not-centred", KERNEL.but(CENTRED, "squares += x[j] * x[j]"), "the squares are of x, not of x - mean: "
              "the variance is measured from the mean.", specific=True),
        Wrong("squares-minus-square", KERNEL.but(CENTRED, "squares += x[j] * x[j]", RSTD,
              "1 / sqrtf(squares / D - mean * mean + eps)"), "the variance was found as the mean of x^2 minus the "
              "square of the mean: two large numbers whose difference, for tokens far from 0, is rounding error. "
              "Square x - mean.", specific=True),
        Wrong("mean-of-a-lane", KERNEL.but(SUM, "", "    for (int distance = 16; distance > 0; distance /= 2)\n    "
              "float mean", "    float mean"), "each lane divides the sum of the numbers that it has seen itself: the "
              "sum of the token is that of 32 lanes, which shuffles bring together, sum += __shfl_xor_sync(WARP, sum, "
              "distance).", specific=True),
        Wrong("result-in-lane-0", KERNEL.but(SUM, SUM.replace("xor", "down"), SQUARES, SQUARES.replace("xor", "down")),
              "with __shfl_down_sync only lane 0 ends with the whole sum, and every lane needs it: take "
              "__shfl_xor_sync, or hand it out with __shfl_sync(WARP, sum, 0).", specific=True),
        Wrong("half-mask", KERNEL.but("sync(WARP, sum", "sync(0x0000ffff, sum"), "the mask of the shuffle names 16 "
              "lanes, and all 32 call it: the mask must be 0xffffffff.", specific=True),
        Wrong("lanes-beyond-the-token", KERNEL.but(SECOND_LOOP + "\n        " + CENTRED + ";\n", """squares = 0;
    for (int j = lane; j < D + lane; j += 32) {
        float centred = (j < D ? x[j] : 0) - mean;
        squares += centred * centred;
    }
"""), "lanes beyond the end of the token add (0 - mean)^2 to the variance: what is not there must add nothing.",
              specific=True),
        Wrong("gamma-of-the-lane", KERNEL.but(Y, "(x[j] - mean) * rstd * gamma[lane] + beta[lane]"),
              "gamma[lane] and beta[lane] are those of the lane's number: they belong to column j, which goes beyond "
              "31: gamma[j], beta[j].", specific=True),
        Wrong("no-gamma", KERNEL.but(" * gamma[j]", ""), "gamma is missing: y = xhat * gamma + beta."),
        Wrong("no-beta", KERNEL.but(" + beta[j]", ""), "beta is missing: y = xhat * gamma + beta."),
        Wrong("no-row-guard", KERNEL.but(GUARD, ""), "there is no guard for the tokens: the last block has four warps, "
              "and perhaps fewer tokens. Warps without one must not touch memory: if (row >= rows) return.",
              specific=True)),
    correct=(
        KERNEL.but(CENTRED, "squares = fmaf(x[j] - mean, x[j] - mean, squares)", RSTD, "rsqrtf(squares / D + eps)"),
        KERNEL.but(SUM, SUM.replace("xor", "down"), "mean = sum / D", "mean = __shfl_sync(WARP, sum, 0) / D"),
        KERNEL.but("    x += row * D;\n    y += row * D;\n", """    x += row * D;
    y += row * D;
    __shared__ float totals[4][32];
    float* total = totals[threadIdx.x / 32];
""", "    for (int distance = 16; distance > 0; distance /= 2)\n" + SUM, """    total[lane] = sum;
    __syncwarp();
    sum = 0;
    for (int other = 0; other < 32; other++)
        sum += total[other];
""")),
    hints=(
        "Every lane needs the mean before any can find the variance: there are two sums over the token, one after the "
        "other, and each must end up in all 32 lanes.",
        "sum over j = lane, lane + 32, ... below D; add __shfl_xor_sync(WARP, sum, distance) for distance 16, 8, 4, 2, "
        "1: then all lanes have it. The same again for (x[j] - mean) * (x[j] - mean), and rstd = 1 / sqrtf(var + eps).",
        "if (row >= rows) return; loop, butterfly, float mean = sum / D; loop, butterfly, rstd from squares / D + eps; "
        "a third loop that writes y[j] from x[j], mean, rstd, gamma[j] and beta[j], with j and not the lane."),
    why="Composed of primitives, layer norm reads and writes the whole array a dozen times; here it comes from memory "
        "once, and is written once, as the second and third reading of a token find it in the cache. The arithmetic is "
        "the same: what a fused kernel saves is moving. The mean costs a reading of its own because a variance that "
        "is a difference of two large numbers has no digits left. (minivit's own is minivit/ops/layernorm.cu.)")

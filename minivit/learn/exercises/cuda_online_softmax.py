"""Checks of cuda_online_softmax."""
import numpy as np

from minivit import ops
from minivit.cuda import checking
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.kernel import costs, solved
from minivit.modes import using
from minivit.tensor import Tensor

KERNEL = solved("cuda_online_softmax")
GUARD = "    if (row >= rows)\n        return;\n"
SEEN = "        s = s * expf(m - larger) + expf(x[j] - larger);\n"
MERGED = "        s = s * expf(m - larger) + other_s * expf(other_m - larger);\n"
LOOP = KERNEL.text[KERNEL.text.index("    float m = LOWEST"):KERNEL.text.index("    for (int distance")]
BUTTERFLY = KERNEL.text[KERNEL.text.index("    for (int distance"):KERNEL.text.rindex("    for (int j")]


def launched(kernel, x):
    """y, after a launch with a warp for each row."""
    y = np.full_like(x, np.nan)
    kernel(((len(x) + 3) // 4,), (128,), (x, y, *x.shape))
    return y


def oracle(x):
    with using("composed"):
        return ops.softmax(Tensor(x)).data


def cases(rng):
    return [("x".join(map(str, shape)), (2 * rng.standard_normal(shape, dtype=np.float32),))
            for shape in ((5, 100), (3, 20), (2, 64), (6, 1))]


def extreme(rng):
    return [("logits of 1,000", (1000 * rng.standard_normal((3, 70), dtype=np.float32),)),
            ("all around -10,000", (rng.standard_normal((2, 40), dtype=np.float32) - np.float32(1e4),)),
            ("all around 10,000", (rng.standard_normal((2, 40), dtype=np.float32) + np.float32(1e4),))]


def two_readings(kernel, rng):
    x = rng.standard_normal((4, 256), dtype=np.float32)
    with checking() as report:
        launched(kernel, x)
    moved = sum(count.ideal_sectors for count in report.lines.values()) * 32 / x.nbytes
    if moved > 3.01:
        return (f"the kernel moves {moved:.1f} times the bytes of x, and three times are enough: x read twice, y "
                "written once. The maximum and the sum can be found in one reading, if the sum shrinks whenever the "
                "maximum grows")


def advice(kernel, rng):
    with checking() as report:
        launched(kernel, rng.standard_normal((4, 256), dtype=np.float32))
    return costs(kernel, report)


EXERCISE = Exercise(
    slug="cuda_online_softmax", lesson=12, minutes=30, difficulty=3,
    task="Write a CUDA kernel for the softmax of every row that finds maximum and sum in one reading.",
    solution=KERNEL, oracle=oracle, cases=cases, outputs=("y",), probe=launched, float32=False, tolerance=1e-5,
    extreme=extreme, properties=(Property("two readings", two_readings),), advice=advice,
    wrong=(
        Wrong("sum-not-rescaled", KERNEL.but(SEEN, "        s = s + expf(x[j] - larger);\n"), "the sum was not "
              "rescaled when the maximum changed: what is in it already are exponentials of x - (the old maximum), so "
              "it must be multiplied by exp(old maximum - new maximum).", specific=True),
        Wrong("rescaled-the-wrong-way", KERNEL.but(SEEN, "        s = s * expf(larger - m) + expf(x[j] - larger);\n"),
              "an exponential overflows. Every exponent is a number, or an older maximum, minus one that is at least "
              "as large, so never above 0; the sum is multiplied by expf(m - larger), not by its inverse expf(larger - "
              "m).",
              specific=True),
        Wrong("merge-not-rescaled", KERNEL.but(MERGED, "        s = s + other_s;\n"), "the sums of two lanes were "
              "added as they are, though each counts from a maximum of its own: both must be rescaled to the larger "
              "one first, s * expf(m - larger) and the other likewise.", specific=True),
        Wrong("merge-half-rescaled", KERNEL.but(MERGED, "        s = s * expf(m - larger) + other_s;\n"),
              "in the merging of two lanes only one of the sums is rescaled; the other one counts from its own maximum "
              "too: other_s * expf(other_m - larger).",
              specific=True),
        Wrong("lanes-not-merged", KERNEL.but(BUTTERFLY, ""), "each lane divides by the sum of the numbers that it has "
              "seen itself: the 32 lanes of a row must merge their m and s, which __shfl_xor_sync(WARP, ...) hands "
              "from lane to lane.", specific=True),
        Wrong("result-in-lane-0", KERNEL.but(BUTTERFLY, BUTTERFLY.replace("_xor_", "_down_")), "with __shfl_down_sync "
              "only lane 0 ends with m and s of the whole row, and every lane needs them: take __shfl_xor_sync, or "
              "hand them out with __shfl_sync(WARP, m, 0).",
              specific=True),
        Wrong("no-maximum", KERNEL.but("fmaxf(m, x[j])", "0", "fmaxf(m, other_m)", "0", "m = LOWEST", "m = 0"),
              "the maximum is not subtracted: exp overflows for numbers above 88, and is 0 for all numbers of a row "
              "far below 0. m begins at LOWEST and becomes fmaxf(m, x[j]).", specific=True),
        Wrong("infinity-minus-infinity", KERNEL.but("m = LOWEST", "m = -1 / 0.0f"), "the maximum of no numbers was "
              "taken as -inf: where two lanes merge that have seen none, exp(-inf - -inf) is nan. A very low number "
              "does the same without that, as LOWEST.", specific=True),
        Wrong("no-row-guard", KERNEL.but(GUARD, ""), "there is no guard for the rows: the last block has four warps, "
              "and perhaps fewer rows. Warps without a row must not touch memory: if (row >= rows) return.",
              specific=True),
        Wrong("past-the-row", KERNEL.but("float m = LOWEST, s = 0;\n    for (int j = lane; j < n", "float m = LOWEST, "
              "s = 0;\n    for (int j = lane; j <= n"), "the first loop goes one number too far: a row has numbers 0 "
              "to n - 1, so j < n."),
        Wrong("shuffle-in-part-of-the-warp", KERNEL.but(BUTTERFLY, "    if (lane < n) {\n" + BUTTERFLY + "    }\n"),
              "the shuffles are called by some lanes only, as under if (lane < n), though their mask names all 32. A "
              "lane that has seen no number takes part too, with the maximum LOWEST and the sum 0.", specific=True),
        Wrong("not-divided", KERNEL.but("expf(x[j] - m) / s", "expf(x[j] - m)"), "the division by the sum is missing: "
              "expf(x[j] - m) / s."),
        Wrong("three-readings", KERNEL.but(LOOP, """    float m = LOWEST, s = 0;
    for (int j = lane; j < n; j += 32)
        m = fmaxf(m, x[j]);
    for (int j = lane; j < n; j += 32)
        s += expf(x[j] - m);
"""), "the row is read once for the maximum and once again for the sum. One loop can do both: where the maximum grows, "
              "s is multiplied by expf(m - larger).", specific=True)),
    correct=(
        KERNEL.but(SEEN, "        if (larger > m)\n            s *= expf(m - larger);\n"
                         "        s += expf(x[j] - larger);\n"),
        KERNEL.but(LOOP + BUTTERFLY, """    float m = LOWEST, s = 0;
    for (int j = lane; j < n; j += 32) {
        if (x[j] <= m)
            s += expf(x[j] - m);
        else {
            s = 1 + s * expf(m - x[j]);
            m = x[j];
        }
    }
    float largest = m;
    for (int distance = 16; distance > 0; distance /= 2)
        largest = fmaxf(largest, __shfl_xor_sync(WARP, largest, distance));
    s *= expf(m - largest);
    m = largest;
    for (int distance = 16; distance > 0; distance /= 2)
        s += __shfl_xor_sync(WARP, s, distance);
"""),
        KERNEL.but(BUTTERFLY, BUTTERFLY.replace("_xor_", "_down_")
                   + "    m = __shfl_sync(WARP, m, 0);\n    s = __shfl_sync(WARP, s, 0);\n")),
    hints=(
        "Suppose you have s = sum of exp(x - m) over the numbers so far, and here comes a number larger than m. By "
        "which factor is every term of s too large now?",
        "With larger = max(m, x): s becomes s * exp(m - larger) + exp(x - larger), and m becomes larger. Two lanes "
        "merge alike: each s is multiplied by exp(its m - larger), then they are added.",
        "if (row >= rows) return; float m = LOWEST, s = 0; a loop over j = lane, lane + 32, ... with the first line of "
        "hint 2; a loop over distances 16, 8, 4, 2, 1 in which both m and s are fetched with __shfl_xor_sync before "
        "either is changed; a loop that writes exp(x[j] - m) / s."),
    why="(m, s) stands for a sum of exponentials whatever the maximum was, and two of them merge into one, in any "
        "order and any grouping. So the work may be cut anywhere: between the steps of a loop, the lanes of a warp, or "
        "the tiles of attention, where the weighted sum of the values shrinks by the same factor. That is all there is "
        "to attention without its matrix of scores.")

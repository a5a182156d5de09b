# %% [markdown]
# # Lesson 12: one op, three ways
#
# Softmax, layer norm, GELU, attention and cross-entropy exist three times in minivit: composed of small operations, by
# hand for NumPy, by hand for a GPU. Here you read the third form, and write it: in CUDA C++, which runs in an emulator
# on the machine before you.
#
# - **Time**: 50 minutes to read, 80 for the exercises. Computing: 3 s, and the same in the fast mode; the first time,
#   when kernels are built, 10 s.
# - **Before**: softmax (lesson 3), attention (5, 7), layer norm (8). Some C: `for`, `if`, pointers as arrays.
# - **You will have written**: a sum over rows, an online softmax and a layer norm in CUDA.

# %%
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minivit import Tensor, learn, ops, using
from minivit.cuda import checking, emulate, why_no_checks
from minivit.gradcheck import compare, select
from minivit.learn.lesson import claim, show

rng = np.random.default_rng(12)
reason = why_no_checks()
print(f"Cells with kernels are skipped: {reason}." if reason else "Kernels run in minivit's emulator.")

# %% [markdown]
# The emulator runs a kernel as a GPU would, thread by thread, on NumPy arrays, and looks at every access to memory. It
# can say whether a kernel is right, and how many bytes it moves. Of time it says nothing, and so there is not one
# second in this lesson that is a GPU's. Without Linux and g++ there is no emulator: cells with kernels then say so and
# go on.
#
# ## One op, three forms
#
# - `composed`: the definition in Tensor arithmetic. Autograd finds the gradient. The other two are measured by it.
# - `array`: forward and backward by hand, on NumPy arrays. One node on the tape; only what backward needs is kept.
# - `cuda`: the same by hand, in a kernel. The Python beside it allocates and launches, nothing else.
#
# `with using("composed")` holds one form for a block. `compare` runs all of them on the same numbers, forward and
# backward, against composed in float64.

# %%
forms = ["composed", "array"] + ["cuda"] * (reason is None)
reports = {}
for op in ("softmax", "layernorm"):
    for report in compare(select(op)[0], (4, 65, 48), forms=forms, repeats=1):
        reports[op, report.form] = report
        print(f"{op:>10} {report.form:>9}: {report.nodes:2} nodes on the tape, {report.saved_bytes / 1e3:4.0f} kB "
              f"kept, largest error {max(report.forward, *report.gradients.values()):.1e}")

claim("all forms agree with float64 to 2e-6 of the largest number, values and gradients",
      all(max(each.forward, *each.gradients.values()) < 2e-6 for each in reports.values()))
claim("by hand there is one node on the tape where composition leaves several, and less is kept for backward",
      all(reports[op, "array"].nodes == 1 < reports[op, "composed"].nodes and
          reports[op, "array"].saved_bytes < reports[op, "composed"].saved_bytes for op in ("softmax", "layernorm")))

# %% [markdown]
# Here are the three forms of softmax side by side, cut out of the real files. Read across: the same three steps,
# maximum, sum of exponentials, quotient.


# %%
def cut_out(file, first, last):
    """The lines of a file of minivit/ops from the one that begins with `first` to the next one that is `last`."""
    lines = (Path(ops.__file__).parent / file).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith(first))
    end = next(number for number in range(start, len(lines)) if lines[number] == last)
    indent = len(lines[start]) - len(lines[start].lstrip())
    return "\n".join(line[indent:] for line in lines[start:end + 1])


panels = {"composed, in softmax.py": cut_out("softmax.py", "def composed", "    return e / e.sum(axis, keepdims=True)"),
          "array, in softmax.py": cut_out("softmax.py", "def forward(", "        return y"),
          "cuda, in softmax.cu": cut_out("softmax.cu", 'extern "C"', "}"),
          "what it calls, in rows.cuh": cut_out("rows.cuh", "__device__ __forceinline__ float2 max_and_sum", "}")}
figure = Figure(figsize=(14, 4.4), layout="constrained")
axes = figure.subplot_mosaic([["composed", "array", "cuda"], ["rows", "rows", "cuda"]], height_ratios=(8, 19))
for axis, (title, text) in zip((axes[name] for name in ("composed", "array", "cuda", "rows")), panels.items()):
    axis.set_title(title, loc="left", fontsize=11)
    axis.text(0, 1, text, family="monospace", fontsize=8, va="top", transform=axis.transAxes)
    axis.set_axis_off()
show(figure, "12-three-forms", alt="The source of softmax three times: composed, two lines of Tensor arithmetic; "
     "array, three lines that work in place; cuda, a loop for each reading of a row, with the function that finds the "
     "row's maximum and its sum.")

# %% [markdown]
# ## Thread, warp, block
#
# A kernel is a function that thousands of threads run at once. Each knows only its place, and works out from it what to
# do.
#
# - A **thread** has registers of its own: its local variables. It is `threadIdx.x` in its block.
# - 32 threads are a **warp**. They load and store together; a thread's place in its warp is its **lane**. By a
#   **shuffle**, lanes read each other's registers.
# - Up to 32 warps are a **block**, number `blockIdx.x`. Its threads share a small and fast **shared memory**, and can
#   wait for each other at a barrier, `__syncthreads()`. Until then no order among warps may be counted on.
# - The blocks of a launch are its **grid**. No block waits for another, and they meet only in **global memory**, where
#   the arrays lie.
#
# `kernel<<<grid, block>>>(arguments)` is how C++ launches one; from Python it is `kernel(grid, block, arguments)`, here
# as in CuPy.

# %%
WHO = """
extern "C" __global__ void who(int* number, int* warp, int* lane)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    number[i] = i;
    warp[i] = threadIdx.x / 32;
    lane[i] = threadIdx.x % 32;
}
"""
if reason is None:
    number, warp, lane = np.zeros((3, 3 * 64), np.int32)
    emulate(code=WHO).get_function("who")((3,), (64,), (number, warp, lane))        # 3 blocks of 64 threads
    for i in (0, 31, 32, 63, 64, 191):
        print(f"thread {number[i]:3} of the grid: block {i // 64}, warp {warp[i]} of it, lane {lane[i]:2}")
    claim("3 blocks of 64 threads are 192 threads, each with a number of its own", (number == np.arange(192)).all())
else:
    print("skipped")

# %% [markdown]
# ## The sum of a row, first try: a thread to each row
#
# Thread i goes along row i and adds up. It is right. Now look at one moment: the 32 lanes of a warp all load their
# number j, so 32 numbers that lie n apart. Global memory is fetched in pieces of 32 bytes, called sectors, eight floats
# each. Every lane needs a sector of its own, and uses one number of eight.


# %%
NAIVE = """
extern "C" __global__ void row_sum(const float* x, float* y, int rows, int n)
{
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    float sum = 0;
    for (int j = 0; j < n; j++)
        sum += x[row * n + j];
    y[row] = sum;
}
"""
# The same with a block to each row: thread i takes numbers i, i + 128 ...; the sums meet in shared memory, where half
# of the threads add the other half's, again and again.
SHARED = """
extern "C" __global__ void row_sum(const float* x, float* y, int rows, int n)
{
    __shared__ float partial[128];
    int i = threadIdx.x;
    partial[i] = 0;
    for (int j = i; j < n; j += 128)
        partial[i] += x[blockIdx.x * n + j];
    for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (i < half)
            partial[i] += partial[i + half];
    }
    if (i == 0)
        y[blockIdx.x] = partial[0];
}
"""
rows, n = 128, 128
x = rng.standard_normal((rows, n)).astype(np.float32)


def row_sum(text, grid):
    """(y, Report) of a launch of blocks of 128 threads."""
    y = np.zeros(rows, np.float32)
    with checking() as report:
        emulate(code=text, checked=True).get_function("row_sum")((grid,), (128,), (x, y, rows, n))
    return y, report


def wrong(report):
    """The findings of a Report but for races that do no harm, in which threads write the same value."""
    return [finding for finding in report.findings if not finding.benign]


def costs(report):
    """[LineCount] of the lines that touch global memory, the dearest first."""
    return sorted((count for count in report.lines.values() if count.sectors), key=lambda count: -count.sectors)


if reason is None:
    found = {"a thread to a row": row_sum(NAIVE, rows // 128), "a block to a row": row_sum(SHARED, rows)}
    for name, (y, report) in found.items():
        loads = costs(report)[0]
        print(f"{name}: {loads.requests} loads by warps, {loads.sectors} sectors: {32 * loads.sectors:,} bytes fetched "
              f"for {x.nbytes:,}, {loads.coalescing:.1f} times the ideal. {report}.")
        claim(f"{name}: the sums are right", np.allclose(y, x.sum(axis=1), atol=1e-4))
    naive, shared = (costs(report)[0] for _, report in found.values())
    claim("a thread to a row fetches eight times what it needs", naive.coalescing == 8)
    claim("a block to a row fetches what it needs: neighbouring threads take neighbouring numbers",
          shared.coalescing == 1)
else:
    print("skipped")

# %% [markdown]
# A cache may save the first kernel: the other seven numbers of a sector are wanted soon. The emulator counts what warps
# ask for, without a cache. But caches are small, thousands of threads share one, and whether it saves you depends on
# what else it holds. The second kernel needs no saving. One says that its loads are **coalesced**.
#
# ## Races
#
# Why the barrier in the loop? In the second step thread 0 reads partial[32], to which thread 32 has added in the first,
# and thread 32 is in another warp, which may be late. To see what happens, move the barrier before the loop: everybody
# waits once, and then no more.

# %%
BARRIER, LOOP = "    __syncthreads();\n", "    for (int half"
RACE = SHARED.replace("    " + BARRIER, "").replace(LOOP, BARRIER + LOOP)
if reason is None:
    y, report = row_sum(RACE, rows)
    print(report)
    print(f"largest error of a sum: {np.abs(y - x.sum(axis=1)).max():.2f}")
    line = report.findings[0].line
    print(f"line {line}: {RACE.splitlines()[line - 1].strip()}")
    claim("without the barrier the emulator reports a race, at the line where partial sums are added",
          all(finding.kind == "racecheck" for finding in report.findings) and
          "partial[i] += partial[i + half]" in RACE.splitlines()[line - 1])
else:
    print("skipped")

# %% [markdown]
# On a GPU this kernel may give the right sums for years, as long as the warps happen to keep in step. That is what
# makes races bad. The emulator does not wait for bad luck: it notes who touched each number and when, and whether a
# barrier lies between that and the next thread that does. It names one pair of threads for each pair of lines, here the
# first that it met: thread 0 was in its last step already, and thread 1 in none.
#
# ## Third try: shuffles
#
# Five of these seven steps happen within one warp, and for that memory is not needed at all.
# `__shfl_xor_sync(mask, sum, d)` gives a lane the `sum` of the lane whose number differs from its own in bit d. Add it,
# for d = 16, 8, 4, 2, 1, and every lane has the sum of all 32: after the first step, of 2 lanes; after the second, of
# 4; and so on. The mask names the lanes that take part, 0xffffffff for all. No memory, no barrier; only where several
# warps share a row do their results meet in shared memory.
#
# Older tutorials leave the barriers of these five steps out instead, "because a warp runs in lockstep". Since Volta
# (2017) that is no longer so: lanes may run apart, and where they meet in memory there has to be a `__syncwarp()`. What
# such a kernel does is the race above.

# %% [markdown]
# **Exercise `cuda_row_sum`** (25 min): a block of 128 threads to each row: a loop, shuffles, shared memory, a barrier.
# Your file is `cuda_row_sum.cu`. `minivit learn check cuda_row_sum`

# %%
cuda_row_sum = learn.use("cuda_row_sum")
if reason is None:
    y = np.zeros(rows, np.float32)
    with checking() as report:
        cuda_row_sum((rows,), (128,), (x, y, n))
    passes = {"in shared memory alone": sum(count.requests for count in found["a block to a row"][1].lines.values()),
              "with shuffles": sum(count.requests for count in report.lines.values())}
    print("loads and stores of warps:", passes)
    claim("the sums are right, and nothing is wrong", np.allclose(y, x.sum(axis=1), atol=1e-4) and not wrong(report))
else:
    print("skipped")

# %% [markdown]
# ## Bank conflicts
#
# Shared memory has 32 banks: number i lies in bank i % 32, and each bank serves one number at a time. If the lanes of a
# warp ask 32 different banks, they are served at once; if all ask one bank for different numbers, one after the other.
# The classic case is a tile of 32 x 32 numbers that is read by columns: a column's numbers lie 32 apart, all in one
# bank. One unused number at the end of each row, and they lie 33 apart, in 32 banks.

# %%
TRANSPOSE = """
extern "C" __global__ void transpose(const float* x, float* y)
{
    __shared__ float tile[32][WIDTH];
    tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];
    __syncthreads();
    y[threadIdx.y * 32 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
"""
if reason is None:
    square, conflicts = rng.standard_normal((32, 32)).astype(np.float32), {}
    for width in (32, 33):
        y = np.zeros_like(square)
        with checking() as report:
            emulate(code=TRANSPOSE, constants={"WIDTH": width}, checked=True).get_function("transpose")(
                (1,), (32, 32), (square, y))
        conflicts[width] = max(count.bank_conflicts for count in report.lines.values())
        print(f"rows of {width}: {conflicts[width]:.0f} times the passes over the banks that are needed")
        claim(f"rows of {width}: it is the transpose", (y == square.T).all() and not report.findings)
    claim("unpadded, a column costs 32 passes; padded by one number, a single one", conflicts == {32: 32, 33: 1})
else:
    print("skipped")

# %% [markdown]
# Four moments in a picture, each of the 32 lanes of a warp: which address does a lane touch? Above in global memory,
# where what counts is how many sectors are touched; below in shared memory, where it is how many lanes share a bank.

# %%
lanes = np.arange(32)
figure = Figure(figsize=(10, 6.4), layout="constrained")
for axis, (title, address) in zip(figure.subplots(2, 2).flat, {
        "a thread to a row: lane i loads x[128 i]": 128 * lanes, "a block to a row: lane i loads x[i]": lanes,
        "column 0 of rows of 32: bank 32 i % 32": 32 * lanes % 32, "column 0 of rows of 33: bank 33 i % 32":
        33 * lanes % 32}.items()):
    banks, spread = "bank" in title, address.max() + 1
    most = np.bincount(address).max() if banks else len(set(address // 8))
    if not banks:
        for sector in set(address // 8):
            axis.axvspan(8 * sector, 8 * sector + 8, facecolor="#f2cf80", edgecolor="#996a00", linewidth=0.7)
    axis.scatter(address + 0.5 * (not banks), lanes, s=14, color="#0072b2", marker="s")
    axis.set(ylabel="lane", xlim=(-1, 32) if banks else (-0.02 * spread, 1.02 * max(spread, 32)),
             xlabel=f"bank: {most} {'passes' if most > 1 else 'pass'}" if banks else
             f"number of x: {most} sectors of 8 numbers (shaded)")
    axis.set_title(title, fontsize=10)
show(figure, "12-access", alt="Four panels, lane against address. A thread to a row: the lanes' addresses lie far "
     "apart, in 32 sectors. A block to a row: side by side, in 4 sectors. A column of an unpadded tile: all lanes in "
     "bank 0. Of a padded one: a diagonal, each lane in a bank of its own.")

# %% [markdown]
# ## Bytes, and why fusing pays
#
# A large GPU (an H100, by its data sheet) computes 67 trillion float32 operations a second, and moves 3.35 trillion
# bytes: 20 operations in the time of one byte, 80 in that of one float32. Softmax does some five operations for each
# number. So what it costs is what it moves, and composed of small operations it moves a lot, since each one reads its
# input from memory and writes its result back:
#
#     m = max(x)   read x               s = sum(e)   read e
#     d = x - m    read x, write d      y = e / s    read e, write y
#     e = exp(d)   read d, write e
#
# That is eight arrays. A kernel that does all of it, with what lies between in registers, needs x in and y out: two.
# Its instructions may read x more often, but the second time a row comes from the cache. And what is said of softmax
# holds for layer norm, for GELU with its bias, for the optimizer: hence one kernel for each.
#
# The emulator counts what instructions ask for. minivit's own softmax reads a row three times, for the maximum, the sum
# and the quotient, and writes it once.

# %%
steps = {"max": (1, 0), "minus": (1, 1), "exp": (1, 1), "sum": (1, 0), "divide": (1, 1)}       # arrays read, written
composed_moves = sum(map(sum, steps.values()))


def moved(report, array):
    """Bytes of global memory that instructions ask for, in units of an array."""
    return 32 * sum(count.ideal_sectors for count in report.lines.values()) / array.nbytes


claim("composed, a softmax moves eight arrays where two would do", composed_moves == 8)
if reason is None:
    with using("cuda"), checking() as report:
        ops.softmax(Tensor(x))
    print(f"minivit's kernel asks for {moved(report, x):.2f} arrays, those of its second and third reading again")
    claim("minivit's kernel asks for four", moved(report, x) == 4)
else:
    print("skipped")

# %% [markdown]
# ## The online softmax
#
# Can maximum and sum be found in one reading? The sum needs the maximum, which is known only at the end:
#
#     s = sum_j exp(x_j - m)        m = max_j x_j
#
# But take the maximum of the numbers so far, m_k = max(x_1 ... x_k), and their sum s_k = sum over j <= k of exp(x_j -
# m_k). When number k comes, the maximum may change, and then every term of the old sum has the wrong one. They are all
# wrong by the same factor, for
#
#     exp(x_j - m_k) = exp(x_j - m_(k-1)) * exp(m_(k-1) - m_k)
#
# So the sum can be mended without looking at the numbers again:
#
#     m_k = max(m_(k-1), x_k)
#     s_k = s_(k-1) * exp(m_(k-1) - m_k) + exp(x_k - m_k)
#
# More generally, a pair (m, s) stands for any set of numbers, and two of them merge into the pair of both sets. Each
# sum shrinks to the larger maximum:
#
#     (m, s) + (m', s') = (M, s exp(m - M) + s' exp(m' - M))        M = max(m, m')
#
# A single number is the pair (x, 1). No exponent is above 0, so nothing overflows. And since m + log s is the log of
# the sum of exponentials of the set, whatever m is, the order of merging does not matter.


# %%
def merge(a, b):
    larger = max(a[0], b[0])
    return larger, a[1] * np.exp(a[0] - larger) + b[1] * np.exp(b[0] - larger)


def in_order(pairs):
    whole, *rest = pairs
    for pair in rest:
        whole = merge(whole, pair)
    return whole


def as_tree(pairs):
    half = len(pairs) // 2
    return merge(as_tree(pairs[:half]), as_tree(pairs[half:])) if half else pairs[0]


numbers = 300 * rng.standard_normal(1000)
pairs = [(number, 1.0) for number in numbers]
m, s = in_order(pairs)
claim("one reading gives the maximum and the sum", m == numbers.max() and np.isclose(s, np.exp(numbers - m).sum()))
claim("and so does merging as a tree, or in another order",
      np.allclose(as_tree(pairs), (m, s)) and np.allclose(in_order([pairs[k] for k in rng.permutation(1000)]), (m, s)))
forgetful, largest = 0.0, -np.inf                       # the sum is not rescaled when the maximum changes
for number in numbers / 300:
    largest = max(largest, number)
    forgetful += np.exp(number - largest)
true = np.exp(numbers / 300 - largest).sum()
print(f"if the sum is not rescaled, it comes to {forgetful:.1f} in place of {true:.1f}")
claim("not to rescale makes the sum too large", forgetful > 1.02 * true)

# %% [markdown]
# **Exercise `cuda_online_softmax`** (30 min): a warp to each row, of which each lane makes a pair; shuffles merge them.
# `minivit learn check cuda_online_softmax`

# %%
cuda_online_softmax = learn.use("cuda_online_softmax")
if reason is None:
    y = np.zeros_like(x)
    with checking() as report:
        cuda_online_softmax(((rows + 3) // 4,), (128,), (x, y, rows, n))
    print(f"arrays that its instructions ask for: {moved(report, x):.2f}")
    claim("your kernel is minivit's softmax", np.abs(y - ops.softmax(Tensor(x)).data).max() < 1e-6)
    claim("and it reads x twice at most, not three times", moved(report, x) < 3.01)
else:
    print("skipped")

# %% [markdown]
# ## Attention in tiles
#
# For softmax alone the cache makes the third reading cheap. The online softmax earns its keep in attention. There what
# is summed are values, weighted by the exponentials, and the table of scores need never be whole: take a tile of keys
# at a time, and keep for each query m, s, and the weighted sum of the values so far, which shrinks by the same factor
# as s.
#
#     S      = q k_tile^T * scale
#     M      = max(m, max of S along the tile)
#     s_new  = s * exp(m - M) + sum of exp(S - M)
#     o_new  = o * exp(m - M) + exp(S - M) v_tile
#
# At the end y = o / s. This is FlashAttention's idea (Dao et al. 2022), and `minivit/ops/attention.cu` does it with
# tiles of 40 queries and 80 keys in shared memory.


# %%
def attention_in_tiles(q, k, v, keys=16):
    """y (N, K) of q, k, v (N, K), `keys` keys at a time."""
    m, s, o = np.full((len(q), 1), -np.inf), np.zeros((len(q), 1)), np.zeros_like(q)
    for start in range(0, len(k), keys):
        S = q @ k[start:start + keys].T / np.sqrt(q.shape[1])
        M = np.maximum(m, S.max(axis=1, keepdims=True))
        shrink, P = np.exp(m - M), np.exp(S - M)
        s, o, m = s * shrink + P.sum(axis=1, keepdims=True), o * shrink + P @ v[start:start + keys], M
    return o / s


N, K = 50, 32
q, k, v = rng.standard_normal((3, N, K))
whole = ops.attention(*(Tensor(array[None, None]) for array in (q, k, v))).data[0, 0]
claim("attention in tiles is attention, whatever the tiles",
      all(np.abs(attention_in_tiles(q, k, v, keys) - whole).max() < 1e-12 for keys in (1, 16, 50)))
if reason is None:
    with using("cuda"):
        y = ops.attention(*(Tensor(array[None, None].astype(np.float32)) for array in (q, k, v))).data[0, 0]
    claim("minivit's kernel, in the emulator, computes the same", np.abs(y - whole).max() < 1e-5)
else:
    print("skipped")

# %% [markdown]
# What it saves is moving, again. Per head, q, k, v and y are 4 N K numbers; the table of scores is N^2, and composed
# attention moves it twelve times: it is written, read and written for the scale, moved eight times by the softmax, and
# read for the product with v.

# %%
for side in (224, 384):
    tokens = (side // 16) ** 2 + 1
    table, inputs = 12 * 4 * tokens ** 2, 12 * 4 * 4 * tokens * 64          # bytes, 12 heads of 64
    print(f"ViT-B/16, {side} pixels, {tokens} tokens: q, k, v, y of a layer {inputs / 1e6:.1f} MB, its table of scores "
          f"{table / 1e6:.1f} MB, moved twelve times {12 * table / 1e6:.0f} MB")
    claim(f"at {side} pixels, moving the table is more than nine times what goes in and out", 12 * table > 9 * inputs)

# %% [markdown]
# ## Layer norm
#
# Two sums over a row, one after the other, and a third reading to write. In the kernel of layer norm nothing is new:
# you have the loop, the butterfly of shuffles, the guard for warps that have no row.

# %% [markdown]
# **Exercise `cuda_layernorm`** (25 min): a warp to each token. `minivit learn check cuda_layernorm`

# %%
cuda_layernorm = learn.use("cuda_layernorm")
gamma, beta = rng.standard_normal((2, n)).astype(np.float32)
if reason is None:
    y = np.zeros_like(x)
    with checking() as report:
        cuda_layernorm(((rows + 3) // 4,), (128,), (x, gamma, beta, y, rows, n, 1e-6))
    expected = ops.layernorm(Tensor(x), Tensor(gamma), Tensor(beta)).data
    print(f"largest error {np.abs(y - expected).max():.1e}; sectors fetched, as a multiple of the ideal: "
          f"{max(count.coalescing for count in report.lines.values()):.1f} at the worst line")
    claim("your kernel is minivit's layer norm, and nothing is wrong", np.abs(y - expected).max() < 1e-5 and
          not wrong(report))
else:
    print("skipped")

# %% [markdown]
# ## What you can do now
#
# Read minivit's kernels; write one that reduces rows, and have it checked without a GPU; count the bytes that an op
# moves, and say what fusing saves; explain how attention does without its table. With any kernel of your own:
# `minivit cuda check FILE.cu` and `minivit cuda profile FILE.cu`.
#
# **Explains** `minivit/ops/softmax.py`, `minivit/ops/layernorm.py` and `minivit/ops/attention.py` with the `.cu` files
# beside them, `minivit/ops/rows.cuh`, and `minivit/cuda/emulator/` from outside; its `__init__.py` says how to read it.
#
# **Sources.** Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", arXiv 1805.02867, algorithm 3.
# Dao et al. 2022, "FlashAttention", arXiv 2205.14135, algorithm 1. NVIDIA, "CUDA C++ Programming Guide" (threads,
# warps, shared memory, shuffles) and the H100 data sheet (SXM: 67 TFLOP/s in float32, 3.35 TB/s).
#
# **Next**: lesson 13, many workers, one gradient.

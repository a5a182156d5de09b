"""Checks of cuda_row_sum."""
import numpy as np

from minivit.cuda import checking
from minivit.learn.exercise import Exercise, Wrong
from minivit.learn.kernel import costs, solved

KERNEL = solved("cuda_row_sum")
LOOP = "for (int j = threadIdx.x; j < n; j += 128)"
SHUFFLES = """    for (int distance = 16; distance > 0; distance /= 2)
        sum += __shfl_xor_sync(WARP, sum, distance);
"""
WRITE = "    if (threadIdx.x % 32 == 0)\n        of_warp[threadIdx.x / 32] = sum;\n"
BARRIER = "    __syncthreads();\n"
LAST = KERNEL.text[KERNEL.text.index("    if (threadIdx.x == 0) {"):].removesuffix("}\n")


def launched(kernel, x):
    """y, after a launch with a block for each row."""
    y = np.full(len(x), np.nan, x.dtype)
    kernel((len(x),), (128,), (x, y, x.shape[1]))
    return y


def cases(rng):
    return [("x".join(map(str, shape)), (rng.standard_normal(shape, dtype=np.float32) + np.float32(0.5),))
            for shape in ((3, 300), (2, 50), (4, 128), (5, 1))]


def advice(kernel, rng):
    with checking() as report:
        launched(kernel, rng.standard_normal((4, 512), dtype=np.float32))
    return costs(kernel, report)


NEIGHBOURS_TOGETHER = KERNEL.but(           # right, and dear: each thread has a run of numbers
    LOOP, "int run = (n + 127) / 128;\n    for (int j = threadIdx.x * run; j < n && j < (threadIdx.x + 1) * run; j++)")

EXERCISE = Exercise(
    slug="cuda_row_sum", lesson=12, minutes=25, difficulty=2,
    task="Write a CUDA kernel that adds up every row, with a block of 128 threads to each.",
    solution=KERNEL, oracle=lambda x: x.sum(axis=1), cases=cases, outputs=("y",), probe=launched, float32=False,
    tolerance=1e-5, advice=advice,
    wrong=(
        Wrong("no-barrier", KERNEL.but(BARRIER, ""), "there is no __syncthreads() between writing to shared memory "
              "and reading what other warps wrote there. Warps run in any order: the reader may come first.",
              specific=True),
        Wrong("barrier-in-the-if", KERNEL.but(WRITE + BARRIER, WRITE.replace("0)\n", "0) {\n") + "    " + BARRIER
              + "    }\n"), "the barrier stands inside the `if`: __syncthreads() waits for all threads of the block, "
              "and only some of them come. Close the `if` before it.", specific=True),
        Wrong("unwritten-shared-memory", KERNEL.but("of_warp[4]", "of_warp[32]", "warp < 4", "warp < 32"),
              "more numbers of shared memory are added up than were written: a block of 128 threads has 4 warps, so "
              "of_warp[4] and warp < 4. The rest of the array holds whatever was there before.", specific=True),
        Wrong("beyond-shared-memory", KERNEL.but(WRITE, "    of_warp[threadIdx.x] = sum;\n"), "each of the 128 "
              "threads writes to shared memory, which has room for the sums of 4 warps: only one lane of each warp "
              "may write, to the place of its warp.", specific=True),
        Wrong("past-the-row", KERNEL.but("j < n", "j <= n"), "the loop goes one number too far: a row has numbers 0 to "
              "n - 1, so j < n. After the last row there is nothing, and after another row is the next one's first "
              "number."),
        Wrong("half-mask", KERNEL.but("sync(WARP", "sync(0x0000ffff"), "the mask of the shuffle names 16 lanes, and "
              "all 32 call it: the mask must be 0xffffffff.", specific=True),
        Wrong("half-butterfly", KERNEL.but("distance = 16", "distance = 8"), "the shuffles begin at a distance of 8: "
              "with 8, 4, 2, 1 each lane has the sum of 16 lanes. A warp has 32, so begin with distance = 16.",
              specific=True),
        Wrong("first-warp-only", KERNEL.but(LAST, "    if (threadIdx.x == 0)\n        y[blockIdx.x] = sum;\n"),
              "y is the sum of the first warp alone: shuffles stay within a warp of 32 threads, and the block has "
              "four. Their sums must meet in shared memory, where one thread adds them up: sum += of_warp[warp].",
              specific=True),
        Wrong("each-thread-one-number", KERNEL.but(LOOP, "int j = threadIdx.x;\n    if (j < n)"),
              "each thread takes one number only, so of a row longer than 128 the rest is missing: let thread i take "
              "numbers i, i + 128, i + 256 ..., in a loop with j += 128.", specific=True),
        Wrong("step-of-a-warp", KERNEL.but("j += 128", "j += 32"), "the threads step by 32, while there are 128: "
              "numbers are added up several times. The step is the number of threads that share the row, j += 128.",
              specific=True),
        Wrong("all-add-to-y", KERNEL.but(LAST, "    y[blockIdx.x] = 0;\n    __syncthreads();\n"
              "    y[blockIdx.x] += of_warp[threadIdx.x / 32] / 32;\n"), "several threads add to the same number with "
              "+=, which reads, adds and writes: what another thread wrote in between is lost. Let one thread add up, "
              "or use atomicAdd.", specific=True)),
    correct=(
        KERNEL.but(SHUFFLES + WRITE + BARRIER + LAST, """    __shared__ float partial[128];
    partial[threadIdx.x] = sum;
    for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            partial[threadIdx.x] += partial[threadIdx.x + half];
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = partial[0];
"""),
        KERNEL.but(SHUFFLES + WRITE + BARRIER + LAST, """    if (threadIdx.x == 0)
        of_warp[0] = 0;
    __syncthreads();
    atomicAdd(&of_warp[0], sum);
    __syncthreads();
    if (threadIdx.x == 127)
        y[blockIdx.x] = of_warp[0];
"""),
        KERNEL.but(SHUFFLES + WRITE, """    for (int distance = 16; distance > 0; distance /= 2)
        sum += __shfl_down_sync(WARP, sum, distance);
""" + WRITE),
        NEIGHBOURS_TOGETHER),
    hints=(
        "No thread sees what another one added up, unless it is handed over: within a warp by a shuffle, between warps "
        "through shared memory. Where must everybody wait for everybody?",
        "In each thread: sum of x[j] for j = threadIdx.x, threadIdx.x + 128, ... below n. In each warp: add "
        "__shfl_xor_sync(WARP, sum, distance) for distance 16, 8, 4, 2, 1. Then 4 sums are left.",
        "After the shuffles every lane has its warp's sum: let lane 0 of each warp write it to "
        "of_warp[threadIdx.x / 32], an array __shared__ float of_warp[4]; __syncthreads(), outside of any `if`; then "
        "let thread 0 add up the four and write y[blockIdx.x]."),
    why="A shuffle hands a number from register to register, so a warp adds up its 32 numbers in five steps without "
        "memory and without a barrier. Only the four results of the warps need shared memory and a barrier. That "
        "neighbouring threads take neighbouring numbers is no matter of taste: the 32 loads of a warp are then four "
        "pieces of 32 bytes, and not 32 of them. (minivit's own is row_sum in minivit/ops/rows.cuh.)")

"""Bugs to plant in six working kernels, one at a time, and what is to be found of each.

The tests ask the emulator to find them, `examples/benchmarks/gpu.py sanitize` asks NVIDIA's compute-sanitizer.
"""
from pathlib import Path

import numpy as np

CUDA = Path(__file__).parent / "cuda"


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def softmax():
    x = numbers(5, 65)
    expected = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    y = np.empty_like(x)
    return "softmax", {"WARPS": 4}, (6,), (128,), (x, y, 5, 65), 0, (y, expected)


def layernorm():
    x, gamma = numbers(7, 40), numbers(40)
    y, mean = np.empty_like(x), np.empty(7, np.float32)
    expected = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) * gamma
    return "layernorm", {"D": 40}, (2,), (32, 4), (x, gamma, y, mean, 7, 1e-6), 0, (y, expected)


def dgamma():
    dy, xhat, total = numbers(20, 40), numbers(20, 40), np.zeros(40, np.float32)
    return "dgamma", {"D": 40}, (2, 2), (32, 8), (dy, xhat, total, 20), 0, (total, (dy * xhat).sum(0))


def matmul():
    a, b, c = numbers(18, 37), numbers(37, 21), np.empty((18, 21), np.float32)
    return "matmul", {"TILE": 16}, (2, 2), (16, 16), (a, b, c, 18, 21, 37), 0, (c, a @ b)


def attention():
    N, K, warps = 35, 24, 2
    q, k, v = numbers(3, N, K)
    weights = np.exp(q @ k.T / np.sqrt(K))
    y, shared = np.empty_like(q), 4 * (32 * (K + 1) + 32 * K + warps * K + warps * 32)
    expected = weights / weights.sum(1, keepdims=True) @ v
    return "attention", {"K": K}, (18,), (32, warps), (q, k, v, y, N), shared, (y, expected)


def transpose():
    x, y = numbers(50, 70), np.empty((70, 50), np.float32)
    return "transpose", {}, (3, 2), (32, 8), (x, y, 50, 70), 0, (y, x.T)


def reduction():
    x, total = numbers(2000), np.zeros(1, np.float32)
    return "reduction", {}, (3,), (256,), (x, total, 2000), 0, (total, x.sum())


LAUNCHES = {make.__name__: make for make in (softmax, layernorm, dgamma, matmul, attention, transpose, reduction)}
FILE = {name: f"{'layernorm' if name == 'dgamma' else name}.cu" for name in LAUNCHES}
SYNC, SYNCWARP = "__syncthreads();", "__syncwarp();"

# kernel, what the bug is, the text it changes, what it becomes, kind of the finding, a part of the line it is found in,
# and of the other line where there is one
BUGS = [
    ("softmax", "no barrier after the maxima", f"partial[warp] = m;\n    {SYNC}", "partial[warp] = m;", "racecheck",
     "m = fmaxf(m, partial[w]);", "partial[warp] = m;"),
    ("softmax", "no barrier before the reuse", f"m = fmaxf(m, partial[w]);\n    {SYNC}", "m = fmaxf(m, partial[w]);",
     "racecheck", "partial[warp] = s;", "m = fmaxf(m, partial[w]);"),
    ("softmax", "no barrier after the sums", f"partial[warp] = s;\n    {SYNC}", "partial[warp] = s;", "racecheck",
     "s += partial[w];", "partial[warp] = s;"),
    ("softmax", "a barrier for the warp only", f"partial[warp] = m;\n    {SYNC}", f"partial[warp] = m;\n    {SYNCWARP}",
     "racecheck", "m = fmaxf(m, partial[w]);", "partial[warp] = m;"),
    ("softmax", "a mask of half the warp", "fmaxf(v, __shfl_xor_sync(0xffffffff", "fmaxf(v, __shfl_xor_sync(0x0000ffff",
     "synccheck", "fmaxf(v, __shfl_xor_sync"),
    ("softmax", "a shuffle in a branch", "    m = warp_max(m);", "    if (lane < 16) m = warp_max(m);", "synccheck",
     "fmaxf(v, __shfl_xor_sync"),
    ("softmax", "threads without a column leave", "if (row >= rows)", "if (row >= rows || threadIdx.x >= cols)",
     "synccheck", "fmaxf(v, __shfl_xor_sync"),
    ("softmax", "a warp leaves before the barrier", "if (row >= rows)", "if (row >= rows || warp == 3)", "synccheck",
     f"partial[warp] = m;\n    {SYNC}"),
    ("softmax", "a barrier in a branch", f"if (lane == 0) partial[warp] = m;\n    {SYNC}",
     f"if (lane == 0) {{ partial[warp] = m; {SYNC} }}", "synccheck", f"m = fmaxf(m, partial[w]);\n    {SYNC}",
     "{ partial[warp] = m;"),
    ("softmax", "a barrier in each branch", f"if (lane == 0) partial[warp] = m;\n    {SYNC}",
     f"if (lane == 0) {{ partial[warp] = m;\n {SYNC} }} else\n    {SYNC}", "synccheck", "\n    " + SYNC, "\n __sync"),
    ("softmax", "one column too many", "j < cols; j += blockDim.x) m", "j <= cols; j += blockDim.x) m", "memcheck",
     "m = fmaxf(m, x[row"),
    ("softmax", "no guard of the rows", "    if (row >= rows) return;\n", "", "memcheck", "m = fmaxf(m, x[row"),
    ("softmax", "one warp's maximum is missing", "if (lane == 0) partial[warp] = m;",
     "if (lane == 0 && warp > 0) partial[warp] = m;", "initcheck", "m = fmaxf(m, partial[w]);"),
    ("softmax", "one partial too many", "w < WARPS; ++w) s", "w <= WARPS; ++w) s", "memcheck", "s += partial[w];"),
    ("softmax", "a write to the input", "m = warp_max(m);", "m = warp_max(m);\n const_cast<float*>(x)[row * cols] = m;",
     "memcheck", "const_cast"),
    ("layernorm", "no guard of the rows", "    if (row >= rows) return;\n", "", "memcheck", "float4 v = in[j];"),
    ("layernorm", "a misaligned float4", "(x + row * D)", "(x + row * D + 1)", "memcheck", "float4 v = in[j];"),
    ("layernorm", "four columns too many", "j < D / 4", "j <= D / 4", "memcheck", "float4 v = in[j];"),
    ("layernorm", "every lane writes the mean", "if (lane == 0) mean[row]", "mean[row]", "racecheck", "mean[row] = mu",
     "mean[row] = mu"),
    ("layernorm", "rows overlap", "y[row * D + j]", "y[row * (D - 1) + j]", "racecheck", "y[row * (D - 1) + j]",
     "y[row * (D - 1) + j]"),
    ("layernorm", "a lane that returned", "    float mu = ", "    if (lane >= D / 4) return;\n    float mu = ",
     "synccheck", "v += __shfl_xor_sync"),
    ("dgamma", "no atomic", "atomicAdd(&dgamma[column], sum);", "dgamma[column] += sum;", "racecheck",
     "dgamma[column] += sum;", "dgamma[column] += sum;"),
    ("dgamma", "no barrier", f"    {SYNC}\n", "", "racecheck",
     "partial[threadIdx.y][threadIdx.x] = sum;", "sum += partial[i]"),
    ("dgamma", "columns without a guard", "if (threadIdx.y > 0 || column >= D)", "if (threadIdx.y > 0)", "memcheck",
     "atomicAdd(&dgamma"),
    ("dgamma", "too few rows of shared memory", "partial[8][32]", "partial[7][32]", "memcheck",
     "partial[threadIdx.y][threadIdx.x] = sum;"),
    ("matmul", "no barrier after loading", f": 0;\n        {SYNC}", ": 0;", "racecheck", "sum += a_tile[y][i]",
     "a_tile[y][x] ="),
    ("matmul", "no barrier after computing", f"* b_tile[i][x];\n        {SYNC}", "* b_tile[i][x];", "racecheck",
     "a_tile[y][x] =", "sum += a_tile[y][i]"),
    ("matmul", "a tile is loaded without its guard", "k + y < K && column < N ? b[(k + y) * N + column] : 0",
     "b[(k + y) * N + column]", "memcheck", "b_tile[y][x] ="),
    ("matmul", "the result is stored without its guard", "if (row < M && column < N) ", "", "memcheck", "c[row * N"),
    ("matmul", "what lies outside is not zeroed", "a_tile[y][x] = row < M && k + x < K ? a[row * K + k + x] : 0;",
     "if (row < M && k + x < K) a_tile[y][x] = a[row * K + k + x];", "initcheck", "sum += a_tile[y][i]"),
    ("attention", "no barrier after loading", f": 0;\n        }}\n        {SYNC}", ": 0;\n        }", "racecheck",
     "score += query[d] * keys", "keys[i / K * (K + 1)"),
    ("attention", "no __syncwarp before the weights are read", f"        {SYNCWARP}\n", "", "racecheck",
     "out[i] += weight[j]", "weight[lane] = p;"),
    ("attention", "no barrier before the next tile", f"        {SYNC}\n    }}\n", "    }\n", "racecheck",
     "keys[i / K * (K + 1)"),
    ("attention", "warps share their weights", "weights + warp * 32", "weights", "racecheck", "weight[lane] = p;",
     "weight[lane] = p;"),
    ("attention", "the last tile has no guard", "key < N ? k[key * K + i % K] : 0", "k[key * K + i % K]", "memcheck",
     "keys[i / K * (K + 1)"),
    ("attention", "queries reach into the weights", "weights = queries + blockDim.y * K",
     "weights = queries + blockDim.y * K + 1", "memcheck", "weight[lane] = p;"),
    ("transpose", "no barrier", f"    {SYNC}\n", "", "racecheck", "y[(blockIdx.x", "tile[i][threadIdx.x] ="),
    ("transpose", "a tile of 31 rows", "tile[32][33]", "tile[31][33]", "memcheck", "tile[i][threadIdx.x] ="),
    ("transpose", "no guard of the rows", "blockIdx.y * 32 + i < rows && ", "", "memcheck", "tile[i][threadIdx.x] ="),
    ("reduction", "no barrier in the tree", f"        {SYNC}\n", "", "racecheck", "partial[threadIdx.x] += partial"),
    ("reduction", "the barrier inside the branch", f"[threadIdx.x + half];\n        {SYNC}",
     f"[threadIdx.x + half];\n        if (threadIdx.x < half) {SYNC}", "synccheck", f"if (threadIdx.x < half) {SYNC}"),
    ("reduction", "no atomic", "atomicAdd(total, partial[0]);", "*total += partial[0];", "racecheck", "*total +=",
     "*total +="),
    ("reduction", "a loop without end", "if (threadIdx.x == 0) atomicAdd",
     "while (threadIdx.x == 0) atomicAdd", "limit", "atomicAdd(total, partial[0]);"),
    ("reduction", "too little shared memory", "partial[256]", "partial[255]", "memcheck",
     "partial[threadIdx.x] = sum;"),
]


def planted(bug):
    """The text with the bug in it."""
    kernel, _, old, new = bug[:4]
    text = (CUDA / FILE[kernel]).read_text()
    assert text.count(old) == 1, bug
    return text.replace(old, new, 1)


def line_of(part, text):
    """The number of the line on which `part` ends; the first where it is there twice."""
    assert part in text
    return text[:text.index(part) + len(part)].count("\n") + 1

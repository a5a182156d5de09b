"""The emulator computes what a GPU would: every word of CUDA that it knows, against NumPy; and it never takes Python
down with it."""
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from math import erf, inf

import numpy as np
import pytest
from emulated import CUDA, c_name, kernel, kernels, run

from minivit.cuda import CompileError, KernelError, checking, emulate, why_no_checks, why_no_emulator
from minivit.cuda.emulator import build

pytestmark = pytest.mark.skipif(why_no_emulator() is not None, reason=str(why_no_emulator()))
LANES = np.arange(32)


@pytest.fixture(scope="module")
def words():
    """A file with one kernel for each group of words."""
    return emulate(CUDA / "words.cu")


# What kernels compute

@pytest.mark.parametrize("rows, cols", [(1, 1), (3, 65), (2, 300)])
def test_a_kernel_runs_on_numpy_arrays(rows, cols):
    x = np.random.default_rng(0).standard_normal((rows, cols), np.float32)
    y = np.empty_like(x)
    emulate(CUDA / "softmax.cu", constants={"WARPS": 4}).get_function("softmax")((rows,), (128,), (x, y, rows, cols))
    expected = np.exp(x.astype(float))
    np.testing.assert_allclose(y, expected / expected.sum(-1, keepdims=True), rtol=1e-6)


FLOATS = np.array([-40.5, -2.5, -1, -0.3, -1e-6, 0, 1e-30, 0.1, 0.5, 1, 1.5, 2.5, 3.7, 33.25, 1e4, inf], np.float32)
MATH = {
    "expf": np.exp, "__expf": np.exp, "exp": np.exp, "exp2f": np.exp2, "exp10f": lambda x: 10.0 ** x,
    "expm1f": np.expm1, "logf": np.log, "__logf": np.log, "log2f": np.log2, "log10f": np.log10,
    "log1pf": np.log1p, "sqrtf": np.sqrt,
    "rsqrtf": lambda x: 1 / np.sqrt(x), "cbrtf": np.cbrt, "sinf": np.sin, "cosf": np.cos, "tanhf": np.tanh,
    "atanf": np.arctan, "erff": np.vectorize(erf), "erfcf": np.vectorize(lambda x: 1 - erf(x)), "fabsf": np.abs,
    "floorf": np.floor, "ceilf": np.ceil, "truncf": np.trunc, "rintf": np.rint, "abs": np.abs,
    "normcdff": np.vectorize(lambda x: (1 + erf(x / 2 ** 0.5)) / 2), "__saturatef": lambda x: np.clip(x, 0, 1),
    "__frcp_rn": lambda x: 1 / x, "__fsqrt_rn": np.sqrt, "roundf": lambda x: np.trunc(x + np.copysign(0.5, x)),
}


@pytest.fixture(scope="module")
def functions():
    """A kernel for every function of MATH, from one compilation."""
    text = "\n".join(f'extern "C" __global__ void call_{name}(float* y, const float* x) '
                     f'{{ y[threadIdx.x] = {name}(x[threadIdx.x]); }}' for name in MATH)
    return emulate(code=text)


@pytest.mark.parametrize("name", MATH)
def test_a_function_of_one_float(functions, name):
    y = run(functions.get_function(f"call_{name}"), np.empty_like(FLOATS), FLOATS, block=(len(FLOATS),))
    with np.errstate(all="ignore"):
        expected = MATH[name](FLOATS.astype(float)).astype(np.float32)
    np.testing.assert_allclose(y, expected, rtol=3e-6, atol=1e-7)


BINARY = {
    "fmaxf(a, b)": np.fmax, "fminf(a, b)": np.fmin, "max(a, b)": np.fmax, "min(a, b)": np.fmin, "powf(a, b)": np.power,
    "fmodf(a, b)": np.fmod, "__fdividef(a, b)": np.divide, "fmaf(a, b, 3.0f)": lambda a, b: a * b + 3,
    "copysignf(a, b)": np.copysign, "hypotf(a, b)": np.hypot, "atan2f(a, b)": np.arctan2,
    "__fmul_rn(a, b)": np.multiply, "__int_as_float(__float_as_int(a) ^ 0x80000000)": lambda a, b: -a,
    "isinf(a) ? 1 : isnan(b) ? 2 : 3": lambda a, b: 3,
    "make_float4(a, b, 1, 2).y": lambda a, b: b, "__float2int_rn(a)": lambda a, b: np.rint(a),
    "__float2int_rz(a)": lambda a, b: np.trunc(a), "(float)__float2int_rd(a)": lambda a, b: np.floor(a),
    "sqrt(a * a + b * b)": np.hypot, "pow(fabs(a), 2.0)": lambda a, b: a * a,
}


def test_functions_of_two_floats():
    a, b = np.random.default_rng(1).uniform(0.5, 4, (2, 32)).astype(np.float32)
    text = "\n".join(f'extern "C" __global__ void call_{i}(float* y, const float* p, const float* q) '
                     f'{{ float a = p[threadIdx.x], b = q[threadIdx.x]; y[threadIdx.x] = {call}; }}'
                     for i, call in enumerate(BINARY))
    built = emulate(code=text)
    for i, (call, function) in enumerate(BINARY.items()):
        y = run(built.get_function(f"call_{i}"), np.empty_like(a), a, b)
        np.testing.assert_allclose(y, function(a.astype(float), b.astype(float)) + 0 * a, rtol=2e-6, err_msg=call)


INTEGERS = {
    "__umul64hi(a, b)": lambda a, b: a * b >> 64, "a * b": lambda a, b: a * b % 2**64,
    "a ^ b >> 3": lambda a, b: a ^ b >> 3,
    "__umulhi((unsigned)a, (unsigned)b)": lambda a, b: (a % 2**32) * (b % 2**32) >> 32,
    "(unsigned long long)__mul64hi(5, -1)": lambda a, b: 2**64 - 1, "__popcll(a)": lambda a, b: a.bit_count(),
    "__popc((unsigned)a)": lambda a, b: (a % 2**32).bit_count(), "__clzll(a)": lambda a, b: 64 - a.bit_length(),
    "__clz((unsigned)a)": lambda a, b: 32 - (a % 2**32).bit_length(), "__clz(0)": lambda a, b: 32,
    "__ffs((unsigned)a)": lambda a, b: (a % 2**32 & -(a % 2**32)).bit_length(),
    "__brev((unsigned)a)": lambda a, b: int(f"{a % 2**32:032b}"[::-1], 2), "max(a, b)": max, "min(a, b)": min,
    "max(3, 4u)": lambda a, b: 4, "__funnelshift_l((unsigned)a, (unsigned)b, 7)":
        lambda a, b: (b % 2**32 << 7 | a % 2**32 >> 25) % 2**32,
    "__funnelshift_r((unsigned)a, (unsigned)b, 7)": lambda a, b: (b % 2**32 << 32 | a % 2**32) >> 7 & 2**32 - 1,
}


def test_functions_of_integers():
    a, b = np.random.default_rng(2).integers(0, 2**64, (2, 32), np.uint64)
    text = "\n".join(f'extern "C" __global__ void call_{i}(unsigned long long* y, const unsigned long long* p, '
                     f'const unsigned long long* q) {{ unsigned long long a = p[threadIdx.x], b = q[threadIdx.x]; '
                     f'y[threadIdx.x] = {call}; }}' for i, call in enumerate(INTEGERS))
    built = emulate(code=text)
    for i, (call, function) in enumerate(INTEGERS.items()):
        y = run(built.get_function(f"call_{i}"), np.empty_like(a), a, b)
        assert y.tolist() == [function(int(p), int(q)) for p, q in zip(a, b)], call


SHUFFLES = {
    "__shfl_sync(0xffffffff, v, 3)": np.full(32, 3), "__shfl_sync(0xffffffff, v, v + 1)": (LANES + 1) % 32,
    "__shfl_sync(0xffffffff, v, 1, 8)": LANES // 8 * 8 + 1,
    "__shfl_up_sync(0xffffffff, v, 2)": np.where(LANES < 2, LANES, LANES - 2),
    "__shfl_up_sync(0xffffffff, v, 3, 16)": np.where(LANES % 16 < 3, LANES, LANES - 3),
    "__shfl_down_sync(0xffffffff, v, 2)": np.where(LANES < 30, LANES + 2, LANES),
    "__shfl_down_sync(0xffffffff, v, 1, 4)": np.where(LANES % 4 < 3, LANES + 1, LANES),
    "__shfl_xor_sync(0xffffffff, v, 5)": LANES ^ 5, "__shfl_xor_sync(0xffffffff, v, 16, 16)": np.where(
        LANES < 16, LANES, LANES - 16),
    "(int)__shfl_sync(0xffffffff, (long long)v << 40, 2) + (int)(__shfl_sync(0xffffffff, (long long)v << 40, 2) >> 40)":
        np.full(32, 2),
    "__ballot_sync(0xffffffff, v % 3 == 0) == 0x49249249": np.ones(32), "__any_sync(0xffffffff, v == 31)": np.ones(32),
    "__all_sync(0xffffffff, v < 31)": np.zeros(32), "__all_sync(0xffffffff, v < 32)": np.ones(32),
    "__activemask() == 0xffffffff": np.ones(32),
    "(v < 5 ? __activemask() : v < 8 ? 7u :\n ~__activemask())": np.where(LANES < 5, 31, np.where(LANES < 8, 7, 255)),
    "__popc(__ballot_sync(0xffffffff, v & 1))": np.full(32, 16),
    "v < 16 ? __shfl_xor_sync(0x0000ffff, v, 8) : __shfl_xor_sync(0xffff0000, v, 1)": np.where(
        LANES < 16, LANES ^ 8, LANES ^ 1), "warpSize": np.full(32, 32),
    "__syncthreads_count(v < 5)": np.full(32, 5), "__syncthreads_or(v == 40)": np.zeros(32),
    "__syncthreads_and(v < 40)": np.ones(32),
}


def test_shuffles_and_votes():
    text = "\n".join(f'extern "C" __global__ void call_{i}(int* y) {{ int v = threadIdx.x; y[v] = {call}; }}'
                     for i, call in enumerate(SHUFFLES))
    built = emulate(code=text)
    for order in ("ascending", "descending", "random"):
        built.order = order
        for i, (call, expected) in enumerate(SHUFFLES.items()):
            np.testing.assert_array_equal(run(built.get_function(f"call_{i}"), np.empty(32, np.int32)), expected, call)


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
def test_atomics(words, order):
    words.order = order
    ints, floats = np.zeros(8, np.int32), np.zeros(2, np.float32)
    unsigned, longs = np.zeros(3, np.uint32), np.full(2, 2**40, np.uint64)
    words.get_function("atomics")((4,), (64,), (ints, floats, unsigned, longs))
    assert ints.tolist() == [256, 255, -255, 256, 0, 1, 255, 0]
    assert floats[0] == 128 and unsigned.tolist() == [256 % 10, 0xff, 256]
    assert longs.tolist() == [2**40 + 256 * 2**33, 2**40]


@pytest.mark.parametrize("grid, block", [((1,), (1,)), ((3,), (33,)), ((2, 3), (5, 7)), ((2, 1, 2), (3, 5, 9)),
                                         ((1,), (1024,)), ((1, 1, 3), (1, 1, 64))])
def test_shapes_of_blocks_and_grids(words, grid, block):
    whole_grid, whole_block = (*grid, 1, 1)[:3], (*block, 1, 1)[:3]
    y = np.full((*whole_grid[::-1], *whole_block[::-1], 6), -1, np.int32)
    words.get_function("indices")(grid, block, (y,))
    bz, by, bx, tz, ty, tx = np.indices(y.shape[:-1])
    np.testing.assert_array_equal(y, np.stack([tx, ty, tz, bx, by, bz], -1))


@pytest.mark.parametrize("threads", [1, 31, 32, 33, 100, 256])
@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
def test_dynamic_shared_memory_reverses_a_block(words, threads, order):
    words.order = order
    x = np.arange(threads, dtype=np.float32)
    y = run(words.get_function("reverse"), np.empty_like(x), x, block=(threads,), shared_mem=4 * threads)
    np.testing.assert_array_equal(y, x[::-1])


def test_vectors_static_memory_and_templates(words):
    x = np.arange(64, dtype=np.float32)
    y = run(words.get_function("vectors"), np.zeros_like(x), x, block=(16,))
    np.testing.assert_array_equal(y, (x.reshape(16, 4) * [1, 2, 3, 4]).ravel())
    assert run(words.get_function("templates"), np.zeros(2, np.float32)).tolist() == [496, 2 * 496]


def test_one_array_may_be_input_and_output(words):
    x = np.arange(64, dtype=np.float32)
    y = x.copy()
    run(words.get_function("vectors"), y, y, block=(16,))
    np.testing.assert_array_equal(y.reshape(16, 4), x.reshape(16, 4) * [1, 2, 3, 4])


def test_views_of_one_array_do_not_see_each_other(words):
    whole = np.arange(160, dtype=np.float32)
    run(words.get_function("vectors"), whole[96:], whole[:64], block=(16,))
    np.testing.assert_array_equal(whole[96:].reshape(16, 4), whole[:64].reshape(16, 4) * [1, 2, 3, 4])
    assert whole[:96].tolist() == list(range(96))


def test_constants_are_lines_before_the_text():
    f = kernel("y[0] = K; y[1] = X; y[2] = B;", "float* y", constants={"K": 3, "X": 0.1, "B": True})
    assert run(f, np.empty(3, np.float32)).tolist() == [3, np.float32(0.1), 1]
    with pytest.raises(TypeError, match="constant K must be an int, a float or a bool, not '3'"):
        kernel("", constants={"K": "3"})


def test_shared_memory_is_not_cleared():
    y = run(kernel("__shared__ float s[1]; y[0] = s[0]; s[0] = 1;", "float* y"), np.zeros(1, np.float32),
            block=(1,))
    assert np.isnan(y[0])


def test_printf(capsys):
    kernel(r'printf("%d of %s: %.1f\n", (int)threadIdx.x, "two", 0.5);')((1,), (2,), ())
    assert capsys.readouterr().out == "0 of two: 0.5\n1 of two: 0.5\n"


# What is refused before it runs

@pytest.mark.parametrize("grid, block, options, error, match", [
    (1, (1,), {}, TypeError, "grid must be a tuple of one to three integers, not 1"),
    ((1,), (0,), {}, ValueError, r"block \(0,\) is empty"),
    ((1,), (1025,), {}, ValueError, r"block \(1025,\) is larger than .* with 1024 threads in all"),
    ((1,), (32, 32, 2), {}, ValueError, r"has 2048 threads; a GPU allows 1024"),
    ((1,), (1,), {"shared_mem": 50000}, ValueError, "max_dynamic_shared_size_bytes = 50000"),
    ((1,), (1,), {"shared_mem": 300000}, ValueError, "no GPU has more than 232448"),
    ((1,), (1,), {"shared_mem": -1}, ValueError, "shared_mem=-1 is not from 0 to 49152 bytes$"),
], ids=["no-tuple", "empty", "long", "many", "shared", "more-shared", "negative"])
def test_launches_that_a_gpu_would_refuse(grid, block, options, error, match):
    with pytest.raises(error, match=match):
        kernel("")(grid, block, (), **options)


def test_large_shared_memory_must_be_asked_for(words):
    f = words.get_function("reverse")
    f.max_dynamic_shared_size_bytes = 200_000
    assert run(f, np.zeros(1, np.float32), np.ones(1, np.float32), block=(1,), shared_mem=200_000) == 1


def test_static_shared_memory_counts_too():
    text = 'extern "C" __global__ void f() {{ __shared__ float s[{}]; s[threadIdx.x] = 0; if (s[0] > 1) __trap(); }}'
    f = emulate(code=text.format(10_000)).get_function("f")
    with pytest.raises(ValueError, match="from 0 to 9152 bytes, beside 40000 bytes of __shared__ variables. For more"):
        f((1,), (1,), (), shared_mem=10_000)
    f.max_dynamic_shared_size_bytes = 10_000
    f((1,), (1,), (), shared_mem=10_000)
    with pytest.raises(ValueError, match="f declares 80000 bytes of __shared__ variables, and 49152 are allowed"):
        emulate(code=text.format(20_000)).get_function("f")


def test_arguments_go_through_the_one_checker(words):
    with pytest.raises(TypeError, match=r"reverse: x is declared float32\*, and the array is float64"):
        words.get_function("reverse")((1,), (1,), (np.zeros(1, np.float32), np.zeros(1)))


def test_unknown_kernels_and_bad_calls():
    built = emulate(code='extern "C" __global__ void softmax() {}\nextern "C" { __global__ void hidden() {} }')
    with pytest.raises(ValueError, match="unknown kernel 'sofmax': did you mean 'softmax'"):
        built.get_function("sofmax")
    with pytest.raises(ValueError, match='has hidden, but without .* is declared `extern "C" __global__ void hidden'):
        built.get_function("hidden")
    with pytest.raises(ValueError, match="^there is no kernel "):
        emulate(code="").get_function("softmax")
    with pytest.raises(TypeError, match="either the path of a .cu file or code=its text"):
        emulate()
    with pytest.raises(ValueError, match="unknown order 'up'"):
        emulate(code="", order="up")
    with pytest.raises(ValueError, match="unknown order 'up'"), checking(order="up"):
        pass


WRONG_TEXTS = {
    "name": ("x[0] = foo(1);", r"kernel.cu:2: error: 'foo' was not declared in this scope\n    x\[0\] = foo\(1\);"),
    "semicolon": ("x[0] = 1", "kernel.cu:3: error: expected ';'|kernel.cu:2: error: expected ';'"),
    "macro": ("x[0] = __shfl_sync(1);", "kernel.cu:2: error: no matching function .*\n    x"),
    "not-in-nvrtc": ("x[0] = INFINITY;", "kernel.cu:2: error: 'INFINITY' was not declared"),
    "typo": ("_syncthreads();", "did you mean '__syncthreads'"),
    "header": ("}\n#include <math.h>\nvoid g() {", "kernel.cu:3: no header is there.*\n    #include <math.h>$"),
    "host": ("}\nvoid g() { f<<<1, 2>>>(0);", "kernel.cu:3: launches are made from Python.*\n    void g"),
    "link": ("float g(float); x[0] = g(1);", "kernel.cu:2: g is declared, but no text of it is here"),
}


@pytest.mark.parametrize("body, match", WRONG_TEXTS.values(), ids=WRONG_TEXTS)
def test_compile_errors_name_the_learners_lines_only(body, match):
    with pytest.raises(CompileError, match=match) as error:
        emulate(code=f'extern "C" __global__ void f(float* x) {{\n{body}\n}}', constants={"K": 1})
    assert str(error.value).startswith("kernel.cu does not compile:\n") and "<cstdint>" not in str(error.value)
    assert "minivit" not in str(error.value).replace("minivit_shfl", "")


# Kernels that go wrong: Python goes on

WRONG = {
    "null": ("y[0] = x[0];", "memcheck", "touches address 0x0"),
    "wild": ("y[1ll << 40] = 1;", "memcheck", "touches address"),
    "misaligned": ("*(float4*)(y + 1) = make_float4(1, 2, 3, 4);", "memcheck", "float4 at an address"),
    "guard": ("y[64 + threadIdx.x] = 1;", "memcheck", "wrote outside y, just after its end"),
    "before": ("y[-1 - (int)threadIdx.x] = 1;", "memcheck", "wrote outside y, 128 bytes before its start"),
    "division": ("y[0] = 7 / (int)y[1];", "division", "divides an integer by 0"),
    "stack": ("float z[20000]; for (int i = 0; i < 20000; ++i) z[i] = y[i % 64]; y[0] = z[(int)y[1]];", "memcheck",
              "used up its stack of 64 kB"),
    "assert": ("assert(threadIdx.x < 5);", "assert", r"thread \(5,0,0\) of block \(0,0,0\): assert\(threadIdx.x < 5\)"),
    "trap": ("if (threadIdx.x == 7) __trap();", "trap", r"thread \(7,0,0\)"),
    "loop": ("while (y[0] == 0) { }", "limit", "has run for 0.2 seconds"),
    "waiting": ("while (atomicAdd(y, 0.0f) == 0) { __syncwarp(); }", "limit", "needs a barrier"),
    "stuck": ("if (threadIdx.x < 4) __syncthreads(); else __syncwarp();", "synccheck", "waits at __syncthreads"),
    "mask": ("y[threadIdx.x] = __shfl_sync(0xff, threadIdx.x, 0);", "synccheck", "does not name that lane"),
    "absent": ("if (threadIdx.x > 3) y[0] = __shfl_sync(0xfffffff0, 1, 2);", "synccheck", "reads from lane 2 of its"),
    "differ": ("if (threadIdx.x > 3) __syncwarp(); else\n __ballot_sync(0xffffffff, 1);", "synccheck",
               "of one warp meet at different calls"),
}


@pytest.fixture(scope="module")
def wrong():
    return kernels({name: body for name, (body, _, _) in WRONG.items()}, "float* y, const float* x")


@pytest.mark.parametrize("name", WRONG)
def test_what_goes_wrong_in_value_mode_is_an_error(name, wrong, words):
    _, kind, match = WRONG[name]
    with pytest.raises(KernelError, match=match) as error:
        wrong.get_function(c_name(name))((1,), (32,), (np.zeros(64, np.float32), None))
    found = error.value.findings[0]
    assert (found.kind, found.file, found.kernel) == (kind, "kernel.cu", c_name(name)) and found.line <= 2
    assert run(words.get_function("early"), np.zeros(1, np.float32), 1, block=(1,)) == 1        # and all is well


@pytest.mark.parametrize("in_a_thread", [False, True])
def test_a_kernel_without_end_can_be_interrupted(in_a_thread):
    script = ("from minivit.cuda import emulate\nimport numpy as np, threading\n"
              'text = \'extern "C" __global__ void f(float* y) { while (y[0] == 0) { } }\'\n'
              'f = emulate(code=text).get_function("f")\n'
              "print('ready', flush=True)\n"
              "try:\n    f((1,), (32,), (np.zeros(1, np.float32),))\nexcept KeyboardInterrupt:\n    print('stopped')\n"
              'f = emulate(code=\'extern "C" __global__ void f(float* y) { y[0] = 7; }\').get_function("f")\n'
              "y = np.zeros(1, np.float32)\nf((1,), (32,), (y,))\nprint(y[0])")
    if in_a_thread:
        script = (f"import threading\nt = threading.Thread(target=exec, args=({script!r},), daemon=True)\n"
                  "t.start()\nt.join()")
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, complaint = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in complaint if in_a_thread else out == "stopped\n7.0\n"


def test_an_interrupt_that_python_handles_lets_the_kernel_go_on():
    long = kernel("float v = 0; for (int i = 0; i < n; ++i) { v += sinf(v + i); if (i % 64 == 0) __syncwarp(); } "
                  "y[threadIdx.x] = v;", "float* y, int n")
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        alone = run(long, np.zeros(32, np.float32), 100_000)
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        interrupted = run(long, np.zeros(32, np.float32), 100_000)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]
    np.testing.assert_array_equal(alone, interrupted)


def test_worker_threads_may_launch(words):
    f = words.get_function("reverse")

    def one(seed):
        x = np.random.default_rng(seed).standard_normal(100, np.float32)
        return (run(f, np.empty_like(x), x, block=(100,), shared_mem=400) == x[::-1]).all()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(200)))


# Compilers and caches

def test_clang_runs_kernels_and_says_why_it_does_not_check():
    if not build.shutil.which("clang++"):
        pytest.skip("no clang++ on this machine")
    x = np.random.default_rng(0).standard_normal((3, 65), np.float32)
    y = np.empty_like(x)
    built = emulate(CUDA / "softmax.cu", constants={"WARPS": 4}, compiler="clang++")
    built.get_function("softmax")((3,), (128,), (x, y, 3, 65))
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-6)
    with checking(), pytest.raises(RuntimeError, match="checked mode needs g\\+\\+"):
        built.get_function("softmax")((3,), (128,), (x, y, 3, 65))


def test_where_there_is_no_emulator_a_sentence_says_why(monkeypatch):
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert "install g++" in why_no_emulator() and "install g++" in why_no_checks()
    monkeypatch.setattr(build.platform, "system", lambda: "Darwin")
    assert why_no_emulator().startswith("the CUDA emulator runs on Linux x86-64, and this machine is Darwin")
    with pytest.raises(RuntimeError, match="Darwin"):
        emulate(code="")


SCRIPT = ("from minivit.cuda import emulate\nimport numpy as np, sys\ny = np.zeros(1, np.float32)\n"
          'emulate(code=\'extern "C" __global__ void f(float* y) { y[0] = 3; }\').get_function("f")((1,), (1,), (y,))\n'
          "from minivit.cuda.emulator.build import cache_folder\nprint(y[0], cache_folder())")


def test_two_processes_may_build_at_once(tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    processes = [subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env=environment)
                 for _ in range(2)]
    for process in processes:
        assert process.communicate(timeout=100)[0].split() == ["3.0", str(tmp_path / "minivit" / "emulator")]
    assert sorted(path.suffix for path in (tmp_path / "minivit" / "emulator").iterdir()) == [".o", ".so", ".so"]


def test_where_the_cache_cannot_be_written_a_temporary_folder_serves(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    folder = build.cache_folder.__wrapped__()
    assert folder.is_dir() and folder.name.startswith("minivit-emulator-")

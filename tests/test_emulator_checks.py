"""Checked mode: what each finding says, what is no finding, and how lines are counted."""
import re

import numpy as np
import pytest
from emulated import CUDA, c_name, kernel, kernels, run

from minivit.cuda import CompileError, KernelError, checking, emulate, why_no_checks

pytestmark = pytest.mark.skipif(why_no_checks() is not None, reason=str(why_no_checks()))


@pytest.fixture(scope="module")
def words():
    """A file with one kernel for each group of words."""
    return emulate(CUDA / "words.cu")


def find(body, parameters="float* y", args=None, block=(64,), grid=(1,), order=None, **options):
    """The findings of one launch of a kernel with this body."""
    f = kernel(body, parameters)
    args = (np.zeros(64, np.float32),) if args is None else args
    with checking(order=order) as report:
        f(grid, block, args, **options)
    return report


MESSAGES = {
    "race": ("__shared__ float s[64]; s[threadIdx.x] = 1;\ny[threadIdx.x] = s[63 - threadIdx.x];",
             r"racecheck: kernel.cu:\d: thread \(\d+,0,0\) of block \(0,0,0\) \w+ s\[\d+\], which thread "
             r"\(\d+,0,0\) \w+ at line \d, with no __syncthreads\(\) between them"),
    "race-in-a-warp": ("__shared__ float t[2][32]; t[0][threadIdx.x % 32] = 1;\n__syncthreads(); if (threadIdx.x < 32) "
                       "{ t[1][threadIdx.x] = 1; y[threadIdx.x] = t[1][threadIdx.x ^ 1]; }",
                       r"t\[1\]\[\d+\], which thread \(\d+,0,0\) \w+ at line 2, with no __syncwarp\(\)"),
    "same-value": ("y[0] = 1;", "writes y.0., which thread .* Both wrote the same value, so the result is right"),
    "shuffles-order-no-memory": ("__shared__ float s[64]; s[threadIdx.x] = 1; __shfl_xor_sync(0xffffffff, 1, 1); "
                                 "y[threadIdx.x] = s[threadIdx.x ^ 1];", "racecheck"),
    "uninitialised": ("__shared__ float s[64]; if (threadIdx.x < 60) s[threadIdx.x] = 1; __syncthreads(); "
                      "y[threadIdx.x] = s[threadIdx.x];",
                      r"initcheck: .* thread \(60,0,0\) .* reads s\[60\] in shared memory"),
    "bounds": ("y[threadIdx.x + 1] = 1;", r"writes 4 bytes at y\[64\], just after its end: y has 64 elements"),
    "before": ("y[(int)threadIdx.x - 1] = 1;", r"at y\[-1\], 4 bytes before its start"),
    "shared-bounds": ("__shared__ float s[64]; s[threadIdx.x + 1] = 1; y[0] = s[0];",
                      r"4 bytes at s\[64\], outside that variable"),
    "misaligned": ("*(float4*)(y + 1 + threadIdx.x % 4) = make_float4(1, 2, 3, 4);",
                   r"writes 16 bytes at once at y\[1\]"),
    "wild": ("*(float*)(0x10000ull) = 1;", "no array of this launch lies"),
    "return": ("if (threadIdx.x == 5) return; __syncthreads();",
               r"which thread \(5,0,0\) never reaches: it has ended"),
    "no-such-lane": ("if (threadIdx.x > 60) y[0] = __shfl_sync(0xf0000000, 1, 3);",
                     "reads from lane 3 of its warp, which takes no part: the mask 0xf0000000 does not name it"),
    "ended-lane": ("if (threadIdx.x > 3) y[0] = __shfl_sync(0xffffffff, 1, 3);",
                   "reads from lane 3 of its warp, which takes no part: it has ended, and did not come here"),
    "before-shared": ("__shared__ float u[2][32]; u[0][(int)threadIdx.x - 1] = 1; y[0] = u[0][0];",
                      r"writes 4 bytes at u\[-1\]\[31\], outside that variable"),
    "set": ("if (threadIdx.x == 3) memset(y + 60, 0, 20);",
            r"thread \(3,0,0\) of block \(0,0,0\) writes 4 bytes at y\[64\], just after its end"),
    "no-atomic": ("y[0] += 1;", "Where several threads change one element, use an atomic"),
    "before-an-atomic": ("__shared__ int sum; if (threadIdx.x == 0) sum = 0; atomicAdd(&sum, 1); y[threadIdx.x] = sum;",
                         "racecheck: .* writes sum, which thread .* wrote"),
    "fence-too-early": ("if (threadIdx.x == 0) { __threadfence(); y[0] = 1; atomicAdd((int*)y + 9, 1); }"
                        "if (threadIdx.x == 32) { atomicAdd((int*)y + 9, 1); y[1] = y[0]; }",
                        "reads y.0., which thread"),
}


@pytest.fixture(scope="module")
def to_be_found():
    return kernels({name: body for name, (body, _) in MESSAGES.items()}, "float* y")


@pytest.mark.parametrize("name", MESSAGES)
def test_a_finding_says_what_happened(name, to_be_found):
    with checking() as report:
        run(to_be_found.get_function(c_name(name)), np.zeros(64, np.float32), block=(64,))
    assert any(re.search(MESSAGES[name][1], finding.message) for finding in report.findings), report


CLEAN = {
    "atomics": "atomicAdd(y, 1.0f);", "own-element": "y[threadIdx.x] += 1;",
    "warp": "__shared__ float s[64]; s[threadIdx.x] = 1; __syncwarp(); y[threadIdx.x] = s[threadIdx.x ^ 1];",
    "half-warps": "__shared__ float s[64]; s[threadIdx.x] = 1; "
                  "unsigned m = threadIdx.x & 16 ? 0xffff0000 : 0x0000ffff; __syncwarp(m); "
                  "y[threadIdx.x] = s[threadIdx.x ^ 1];",
    "barrier": "__shared__ float s[64]; s[threadIdx.x] = 1; __syncthreads(); y[threadIdx.x] = s[63 - threadIdx.x];",
    "vote-barrier": "__shared__ float s[64]; s[threadIdx.x] = 1; "
                    "if (__syncthreads_or(1)) y[threadIdx.x] = s[63 - threadIdx.x];",
    "bytes": "__shared__ char s[64]; s[threadIdx.x] = 1; y[threadIdx.x] = s[threadIdx.x];",
    "local": "float z[8]; for (int i = 0; i < 8; ++i) z[(i * 3 + (int)y[threadIdx.x]) % 8] = i; y[threadIdx.x] = z[5];",
    "own-warp-leaves": "if (threadIdx.x >= 32) return; y[threadIdx.x] = __shfl_xor_sync(0xffffffff, 1.0f, 4);",
    "struct": "struct P { float v; int i; }; __shared__ P s[64]; P p = {1, 2}; s[threadIdx.x] = p; __syncthreads(); "
              "P q = s[63 - threadIdx.x]; y[threadIdx.x] = q.v;",
    "long-struct": "struct P { float v[48]; }; __shared__ P s[64]; P p; p.v[3] = 1; s[threadIdx.x] = p; "
                   "__syncthreads(); P q = s[63 - threadIdx.x]; y[threadIdx.x] = q.v[3];",
    "set-and-copied": "__shared__ float s[64], t[64]; if (threadIdx.x == 0) { memset(s, 0, 256); memcpy(t, s, 256); } "
                      "__syncthreads(); y[threadIdx.x] = s[threadIdx.x] + t[threadIdx.x];",
    "ticket": "int* n = (int*)y + 40; if (threadIdx.x % 32 == 0) { y[threadIdx.x] = 1; __threadfence(); "
              "if (atomicAdd(n, 1) == 1) { __threadfence(); y[1] = y[0] + y[32]; } }",
    "lock": "int* n = (int*)y + 40; if (threadIdx.x % 32 == 0) { while (atomicCAS(n, 0, 1)) { } __threadfence(); "
            "y[0] += 1; __threadfence(); atomicExch(n, 0); }",
    "masks-that-overlap": "int i = threadIdx.x; if (i < 3) { if (i < 2) __syncwarp(3);\n if (i > 0) __syncwarp(6);\n"
                          " if (i != 1) __syncwarp(5); }",
    "device-variable": "static int calls; atomicAdd(&calls, 1); y[threadIdx.x] = 1;",
}


@pytest.fixture(scope="module")
def clean():
    return kernels(CLEAN, "float* y")


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
@pytest.mark.parametrize("name", CLEAN)
def test_what_is_right_is_not_reported(name, order, clean):
    with checking(order=order) as report:
        run(clean.get_function(c_name(name)), np.zeros(64, np.float32), block=(64,))
    assert report.findings == []


def test_half_warps_that_synchronise_apart_are_not_ordered():
    body = ("__shared__ float s[32]; s[threadIdx.x] = 1; unsigned m = threadIdx.x & 16 ? 0xffff0000 : 0x0000ffff; "
            "__syncwarp(m); y[threadIdx.x] = s[threadIdx.x ^ 16];")
    assert "racecheck" in {finding.kind for finding in find(body, block=(32,)).findings}


def test_blocks_are_not_ordered_but_by_fences_and_atomics(words):
    found, = find("if (threadIdx.x == 0) y[0] = blockIdx.x;", grid=(3,)).findings
    assert found.kind == "racecheck" and found.count == 2 and "nothing orders two blocks" in found.message
    assert not found.benign and not found.message.count("same value")
    assert find("y[0] = 1;").findings[0].benign
    x, total = np.arange(1024, dtype=np.float32), np.zeros(1, np.float32)
    with checking() as report:
        words.get_function("last_block")((4,), (256,), (x, np.zeros(4, np.float32), total, np.zeros(1, np.uint32)))
    assert report.findings == [] and total == x.sum()


# A block's last act, and whether what it wrote is ordered before what the last block reads
LAST = """__shared__ bool last; int i = threadIdx.x, n = gridDim.x; unsigned* c = (unsigned*)y + 63;
{}
__syncthreads(); if (last) y[40 + i] = y[i];"""
TICKETS = {
    "one-thread": ("if (i == 0) { y[blockIdx.x] = 1; __threadfence(); last = atomicInc(c, n - 1) == n - 1; }", True),
    "fences-barrier": ("if (i < 4) y[blockIdx.x * 4 + i] = 1; __threadfence(); __syncthreads(); "
                       "if (i == 0) last = atomicInc(c, n - 1) == n - 1;", True),
    "barrier-fence": ("if (i < 4) y[blockIdx.x * 4 + i] = 1; __syncthreads(); "
                      "if (i == 0) { __threadfence(); last = atomicInc(c, n - 1) == n - 1; }", True),
    "no-fence": ("if (i == 0) { y[blockIdx.x] = 1; last = atomicInc(c, n - 1) == n - 1; }", False),
    "fence-of-the-block": ("if (i == 0) { y[blockIdx.x] = 1; __threadfence_block(); "
                           "last = atomicInc(c, n - 1) == n - 1; }", False),
    "fence-first": ("if (i == 0) { __threadfence(); y[blockIdx.x] = 1; last = atomicInc(c, n - 1) == n - 1; }", False),
    "fence-last": ("if (i == 0) { y[blockIdx.x] = 1; last = atomicInc(c, n - 1) == n - 1; __threadfence(); }", False),
    "no-barrier": ("if (i / 4 == 8) y[blockIdx.x * 4 + i % 4] = 1; __threadfence(); "
                   "if (i == 0) last = atomicInc(c, n - 1) == n - 1;", False),
}


@pytest.mark.parametrize("name", TICKETS)
def test_what_a_ticket_orders(name):
    body, right = TICKETS[name]
    report = find(LAST.replace("{}", body), grid=(3,), block=(40,), args=(np.zeros(80, np.float32),))
    assert {finding.kind for finding in report.findings} == (set() if right else {"racecheck"}), report


HEADER = """
__device__ void beyond(float* y) { y[threadIdx.x + 1] = 1; }
__device__ void unwritten(float* y) { __shared__ float s[64];
    y[threadIdx.x] = s[threadIdx.x]; }
__device__ void racing(float* y) { __shared__ float s[64]; s[threadIdx.x] = 1;
    y[threadIdx.x] = s[63 - threadIdx.x]; }
__device__ void waiting(float* y) { if (threadIdx.x < 3)
    __syncthreads(); }
"""


@pytest.mark.parametrize("name, kind, line", [("beyond", "memcheck", 2), ("unwritten", "initcheck", 4),
                                              ("racing", "racecheck", 6), ("waiting", "synccheck", 8)])
def test_findings_in_a_header_name_its_own_lines(name, kind, line, tmp_path):
    (tmp_path / "parts.cuh").write_text(HEADER)
    (tmp_path / "two.cuh").write_text('#include "parts.cuh"\n')
    (tmp_path / "own.cu").write_text('// twice\n#include "parts.cuh"\n  # include "two.cuh"   // and again\n' + "".join(
        f'extern "C" __global__ void k_{part}(float* y) {{ {part}(y); }}\n'
        for part in ("beyond", "unwritten", "racing", "waiting")))
    with checking() as report:
        emulate(tmp_path / "own.cu").get_function(f"k_{name}")((1,), (64,), (np.zeros(64, np.float32),))
    assert {found.file for found in report.findings} == {"parts.cuh"}
    assert (kind, line) in {(found.kind, found.line) for found in report.findings}


def test_errors_in_a_header_quote_its_own_lines(tmp_path):
    (tmp_path / "wrong.cuh").write_text("// nothing\nfloat half = halve;\n")
    (tmp_path / "own.cu").write_text('#include "wrong.cuh"\nfloat x;\n')
    with pytest.raises(CompileError, match=r"^own.cu does not compile:\nwrong.cuh:2: error.*\n    float half = halve;"):
        emulate(tmp_path / "own.cu")
    (tmp_path / "own.cu").write_text('float x;\n#include "missing.cuh"\n')
    with pytest.raises(FileNotFoundError, match='own.cu:2: includes "missing.cuh", and there is no file'):
        emulate(tmp_path / "own.cu")


def test_dynamic_shared_memory_ends_where_the_launch_said(words):
    x = np.ones(64, np.float32)
    with checking() as report:
        run(words.get_function("reverse"), x.copy(), x, block=(64,), shared_mem=252)
    assert [(found.kind, found.count) for found in report.findings][0] == ("memcheck", 1)
    assert "writes memory[63], beyond the 252 bytes of dynamic shared memory" in report.findings[0].message


def test_a_pointer_that_was_kept_leads_nowhere_in_the_next_launch():
    built = emulate(code='__device__ float* kept;\n'
                         'extern "C" __global__ void keep(float* y) { kept = y; }\n'
                         'extern "C" __global__ void use(float* y) { y[0] = kept[0]; }')
    with checking() as report:
        for name in ("keep", "use"):
            built.get_function(name)((1,), (1,), (np.zeros(4, np.float32),))
    found, = report.findings
    assert (found.kind, found.kernel, found.line) == ("memcheck", "use", 3)
    assert "an array that was freed" in found.message


def test_const_arrays_are_only_read():
    report = find("const_cast<float*>(y)[threadIdx.x] = 1;", "const float* y")
    assert "writes y[0], which the kernel declares const" in report.findings[0].message


def test_a_view_keeps_its_alignment():
    f = kernel("*(float4*)y = make_float4(1, 2, 3, 4);", "float* y", checked=True)
    whole = np.zeros(64, np.float32)
    f((1,), (1,), (whole[4:],))
    with pytest.raises(KernelError, match=r"writes 16 bytes at once at y\[0\], whose address is no multiple of 16"):
        f((1,), (1,), (whole[1:],))


def test_coalescing_and_bank_conflicts_are_counted_per_line():
    read = find("y[threadIdx.x] = 1;\ny[threadIdx.x * 8 % 64 + threadIdx.x / 8] = 2;")
    counts = {line: (n.requests, n.sectors, n.ideal_sectors) for (_, line), n in read.lines.items()}
    assert counts == {1: (2, 8, 8), 2: (2, 16, 8)}
    body = "__shared__ float s[32][WIDTH]; s[0][threadIdx.x] = 1;\ny[0] = s[threadIdx.x][0];\ny[1] = s[0][0];".replace
    for width, passes in (("32", 32), ("33", 1), ("34", 2)):
        lines = find(body("WIDTH", width), block=(32,)).lines
        assert lines["kernel.cu", 2].bank_conflicts == passes and lines["kernel.cu", 1].bank_conflicts == 1
        assert lines["kernel.cu", 3].passes == 1
    wide = find("float4 v = ((float4*)y)[threadIdx.x]; y[threadIdx.x] = v.x + v.w;", block=(16,)).lines
    assert wide["kernel.cu", 1].coalescing == 1


def test_outside_a_block_findings_are_errors_and_counts_add_up():
    f = kernel("y[0] = threadIdx.x;", "float* y", checked=True)
    with pytest.raises(KernelError, match="racecheck: kernel.cu:1: thread") as error:
        f((1,), (32,), (np.zeros(1, np.float32),))
    assert error.value.findings[0].count == 31
    with checking() as report:
        for _ in range(3):
            f((1,), (32,), (np.zeros(1, np.float32),))
    assert report.launches == 3 and [found.count for found in report.findings] == [93]
    assert str(report).endswith("(93 times)")


def test_threads_may_return_early_where_no_barrier_follows(words):
    with checking() as report:
        y = run(words.get_function("early"), np.zeros(70, np.float32), 50, block=(70,))
    assert y.tolist() == [1] * 50 + [0] * 20 and report.findings == []

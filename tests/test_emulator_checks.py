"""Checked mode: what each finding says, what is no finding, and how lines are counted."""
import re

import numpy as np
import pytest
from emulated import CUDA, c_name, kernel, kernels, run

from minivit.cuda import KernelError, checking, emulate, why_no_checks

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
               r"which thread \(5,0,0\) never reaches: it has returned"),
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

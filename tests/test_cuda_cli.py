"""`minivit cuda`: a learner's file checked and profiled, minivit's own kernels, and what the compiler says of them."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minivit.cli import cuda
from minivit.cuda import why_no_checks
from minivit.cuda.compile import why_no_compiler
from minivit.cuda.kernels import FILES
from minivit.cuda.signature import kernels_of
from minivit.cuda.source import source
from minivit.cuda.trial import described, evaluate, made_up, numbers_of
from minivit.function import FUNCTIONS

checked = pytest.mark.skipif(why_no_checks() is not None, reason=str(why_no_checks()))
compiled = pytest.mark.skipif(why_no_compiler() is not None, reason=str(why_no_compiler()))
PACKAGE = Path(cuda.__file__).parent.parent

SCALE = '''
// y = factor * x
extern "C" __global__ void scale(const float* x, float* y, int n, float factor)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = factor * x[i];
}
'''
REVERSE = '''
extern "C" __global__ void reverse(const float* x, float* y)
{
    __shared__ float held[64];
    held[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = held[63 - threadIdx.x];
}
'''
COLUMN = '''
extern "C" __global__ void column(float* y)
{
    __shared__ float tile[32 * 32];
    tile[threadIdx.x * 32] = threadIdx.x;
    __syncthreads();
    y[threadIdx.x * 8] = tile[threadIdx.x * 32];
}
'''


@pytest.fixture
def cu(tmp_path):
    """A function that writes a .cu file and returns its path."""
    def write(text, name="mine.cu"):
        (tmp_path / name).write_text(text)
        return tmp_path / name
    return write


# Arguments that are made up

def kernel(parameters):
    found, = kernels_of(f'extern "C" __global__ void k({parameters}) {{}}').values()
    return found


@pytest.mark.parametrize("text, number", [
    ("4", 4), (" 0x10 ", 16), ("1e-6", 1e-6), ("-3", -3), ("rows", 5), ("rows * n", 35), ("(rows+1)*n-2", 40),
    ("n // 2", 3), ("2*-rows", -10)])
def test_a_number_is_spelled_with_the_kernels_own(text, number):
    assert evaluate(text, {"rows": 5, "n": 7}) == number


@pytest.mark.parametrize("text", ["", "rows +", "columns", "rows**n", "rows/2", "f(2)", "'a'", "[1]", "rows.real",
                                  "1 if 1 else 2"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="is no number"):
        evaluate(text, {"rows": 5, "n": 7})


def test_arguments_follow_the_signature():
    k = kernel("const float* x, float* y, const int* labels, const bool* mask, double* z, int rows, unsigned n, "
               "float eps, bool causal")
    words = {"rows": "4", "z": "n", "mask": "None"}
    numbers = numbers_of(k, words, {})
    assert numbers == {"rows": 4, "n": 33, "eps": 0.5, "causal": True}
    x, y, labels, mask, z, *rest = made_up(k, numbers, words, {})
    assert (x.dtype, x.size, y.dtype, y.size) == (np.float32, 132, np.float32, 132) and rest == [4, 33, 0.5, True]
    assert 0.8 < x.std() < 1.2 and not y.any() and z.dtype == np.float64 and z.size == 33 and mask is None
    assert labels.dtype == np.int32 and set(labels.tolist()) == {0, 1, 2, 3}        # below rows, the smallest
    assert np.array_equal(x, made_up(k, numbers, words, {})[0])
    assert not np.array_equal(x, made_up(k, numbers, words, {}, seed=1)[0])
    assert [described(p, v) for p, v in zip(k.parameters, (x, None))] == ["x: 132 float32", "y: null"]
    assert described(k.parameters[5], 4) == "rows = 4"


def test_arguments_that_are_given_are_taken_as_they_are():
    k, own = kernel("const float* x, float* y, int n"), np.ones(3, np.float32)
    given = {"x": own, "n": np.int32(3)}
    numbers = numbers_of(k, {}, given)
    x, y, n = made_up(k, numbers, {}, given)
    assert x is own and y.size == 3 and n is given["n"]


@pytest.mark.parametrize("size", ["-1", "2.5", "rows"])
def test_a_size_that_is_none_is_refused(size):
    k = kernel("float* x")
    with pytest.raises(ValueError):
        made_up(k, {}, {"x": size}, {})


# check

@checked
def test_a_clean_kernel_passes(minivit, cu):
    status, printed, complaint = minivit("cuda", "check", cu(SCALE), "--set", "n=100")
    assert (status, complaint) == (0, "") and printed.splitlines() == [
        "scale: grid (2,), block (64,); x: 100 float32, y: 100 float32, n = 100, factor = 0.5", "nothing found"]


@checked
def test_a_race_is_found_with_its_line_and_ends_with_1(minivit, cu):
    status, printed, _ = minivit("cuda", "check", cu(REVERSE), "--grid", "1", "--set", "x=64", "--set", "y=64")
    lines = printed.splitlines()
    race = next(line for line in lines if line.startswith("racecheck: mine.cu:6: thread ("))
    assert "which thread (" in race and "no __syncthreads() between them" in race
    assert lines[lines.index(race) + 1] == "    y[threadIdx.x] = held[63 - threadIdx.x];"
    assert status == 1 and lines[-1] == f"{(len(lines) - 2) // 2} found"


@checked
def test_the_true_sizes_show_an_access_behind_the_end(minivit, cu):
    path, flags = cu(SCALE.replace("    if (i < n)\n", "")), ("--set", "n=100", "--grid", "2")
    status, printed, _ = minivit("cuda", "check", path, *flags)
    assert status == 1 and "memcheck: mine.cu:6: thread (" in printed and "x has 100 elements" in printed
    assert minivit("cuda", "check", path, *flags, "--set", "x=128", "--set", "y=n+28")[0] == 0


@checked
def test_arguments_from_a_file(minivit, cu, tmp_path):
    path, args = cu(SCALE), tmp_path / "args.npz"
    np.savez(args, x=np.ones(70, np.float32), n=np.int32(70))
    status, printed, _ = minivit("cuda", "check", path, "--args", args, "--grid", "n-68", "--block", "7*10,1")
    assert status == 0 and printed.startswith("scale: grid (2,), block (70, 1); x: 70 float32, y: 70 float32, n = 70")
    np.savez(args, x=np.ones(70), n=np.int32(70))
    status, _, complaint = minivit("cuda", "check", path, "--args", args)
    assert status == 2 and "x is declared float32*, and the array is float64" in complaint
    np.save(tmp_path / "x.npy", np.ones(70, np.float32))
    status, _, complaint = minivit("cuda", "check", path, "--args", tmp_path / "x.npy")
    assert status == 2 and "x.npy holds one array without a name" in complaint


@checked
def test_shared_memory_and_constants(minivit, cu):
    path = cu('extern "C" __global__ void k(float* y)\n{\n    extern __shared__ float s[];\n'
              '    for (int i = threadIdx.x; i < TILE; i += blockDim.x)\n        s[i] = y[threadIdx.x] = i;\n}\n')
    flags = ("--constant", "TILE=128", "--set", "y=64", "--grid", "1")
    status, printed, _ = minivit("cuda", "check", path, *flags)
    assert status == 1 and "beyond the 0 bytes of dynamic shared memory" in printed
    status, printed, _ = minivit("cuda", "check", path, *flags, "--shared", "4*128")
    assert status == 0 and "block (64,), 512 bytes of shared memory; y: 64 float32" in printed
    assert minivit("cuda", "check", path, "--constant", "TILE=16384", *flags[2:], "--shared", "65536")[0] == 0


@checked
def test_a_header_beside_the_file(minivit, cu):
    cu("__device__ float twice(float x) { return 2 * x; }\n", "twice.cuh")
    path = cu('#include "twice.cuh"\nextern "C" __global__ void k(float* x, int n)\n{\n'
              '    x[threadIdx.x] = twice(x[threadIdx.x]);\n}\n')
    status, printed, _ = minivit("cuda", "check", path, "--set", "n=63")
    assert status == 1 and "memcheck: mine.cu:4: thread (63,0,0)" in printed
    assert "\n    x[threadIdx.x] = twice(x[threadIdx.x]);\n" in printed


@checked
def test_every_kernel_of_a_file_or_one(minivit, cu):
    path = cu(SCALE + REVERSE)
    status, printed, _ = minivit("cuda", "check", path, "--set", "x=128", "--set", "y=128")
    assert status == 1 and [line.partition(":")[0] for line in printed.splitlines()[:2]] == ["scale", "reverse"]
    assert minivit("cuda", "check", path, "--kernel", "scale")[0] == 0


@checked
@pytest.mark.parametrize("flags, words", [
    (["--kernel", "scal"], ["unknown kernel 'scal': did you mean 'scale'?"]),
    (["--set", "nn=4"], ["unknown parameter 'nn'"]),
    (["--set", "n"], ["'n' is not NAME=VALUE"]),
    (["--set", "n=four"], ["'four' is no number"]),
    (["--set", "x=cols"], ["'cols' is no number", "(n, factor)"]),
    (["--shape", "2"], ["unknown argument '--shape'"]),
    (["--json", "x.json"], ["--json goes with --all"]),
    (["--all"], ["name a .cu file, or check --all"]),
    (["--args", "missing.npz"], ["missing.npz"]),
])
def test_what_cannot_be_is_refused(refuses, cu, flags, words):
    refuses("cuda", "check", cu(SCALE), *flags, words=words)


@checked
@pytest.mark.parametrize("flag, value, words", [
    ("--grid", "0", "grid (0,) is empty"),
    ("--block", "32,64", "a GPU allows 1024"),
    ("--block", "1.5", "block must be a tuple of one to three integers, not (1.5,)"),
    ("--shared", "-4", "shared_mem=-4"),
    ("--shared", "2.5", "shared memory is a whole number of bytes, not 2.5"),
])
def test_a_launch_that_cannot_be_is_refused(minivit, cu, flag, value, words):
    status, _, complaint = minivit("cuda", "check", cu(SCALE), f"{flag}={value}")
    assert status == 2 and complaint.startswith("minivit cuda: error: ") and words in complaint


@checked
def test_files_that_cannot_be_are_refused(minivit, refuses, cu, tmp_path):
    refuses("cuda", "check", words=["name a .cu file"])
    refuses("cuda", "check", tmp_path / "none.cu", words=["none.cu"])
    refuses("cuda", "check", cu("int x;\n"), words=["holds no kernel", 'extern "C" __global__ void'])
    status, _, complaint = minivit("cuda", "check", cu(SCALE.replace("factor *", "facto *")))
    assert status == 2 and "mine.cu does not compile" in complaint and "mine.cu:7" in complaint


@checked
def test_a_file_that_is_not_there_or_lacks_its_constants_is_told_so(minivit, tmp_path):
    status, _, complaint = minivit("cuda", "check", "softmax")
    assert status == 2 and "there is no file softmax" in complaint and "--all" in complaint
    (tmp_path / "mine.cu").write_text('extern "C" __global__ void f(float* x) { x[0] = GROUP; }\n')
    status, _, complaint = minivit("cuda", "check", tmp_path / "mine.cu")
    assert status == 2 and complaint.rstrip().endswith("--constant GROUP=32, say")
    mended = minivit("cuda", "check", tmp_path / "mine.cu", "--constant", "GROUP=32", "--block", "1", "--grid", "1")
    assert mended[0] == 0


def test_without_a_compiler_the_reason_is_given(refuses, cu, monkeypatch):
    monkeypatch.setattr(cuda, "why_no_checks", lambda: "there is no g++")
    for line in (["check", cu(SCALE)], ["check", "--all"], ["profile", "softmax"]):
        refuses("cuda", *line, words=["there is no g++. `minivit doctor` says what this machine has"])


# check --all

@checked
def test_all_writes_its_figures(minivit, monkeypatch, tmp_path):
    names = ("softmax-17", "gelu-tanh", "layernorm-1")
    monkeypatch.setattr(cuda, "KERNEL_CASES", {name: cuda.KERNEL_CASES[name] for name in names})
    monkeypatch.setattr(cuda, "_declared", lambda: {"softmax_forward"})
    status, printed, _ = minivit("cuda", "check", "--all", "--json", tmp_path / "all.json")
    assert status == 0 and "ok    softmax-17 " in printed and "ok    adamw " in printed
    figures = json.loads((tmp_path / "all.json").read_text())
    assert figures.keys() == {"kernels", "runs", "findings", "max_relative_error"}
    assert figures["runs"] == 5 and figures["findings"] == 0 and 0 < figures["max_relative_error"] < 1e-5
    assert figures["kernels"] >= 7 and f"{figures['kernels']} kernels in 5 runs: 0 found" in printed


@checked
def test_all_ends_with_1_where_a_kernel_is_wrong(minivit, monkeypatch, tmp_path):
    monkeypatch.setattr(cuda, "KERNEL_CASES", ["softmax-1"])
    monkeypatch.setattr(cuda, "_declared", set)
    for error in (1e-3, float("nan")):
        monkeypatch.setattr(cuda, "kernel_error", lambda name: error)
        status, printed, _ = minivit("cuda", "check", "--all")
        assert status == 1 and printed.startswith("WRONG softmax-1 ") and printed.endswith("; 1 wrong\n")
        assert f"largest relative error {error:.1e}" in printed


@checked
def test_all_ends_with_1_where_a_kernel_is_never_launched(minivit, monkeypatch):
    monkeypatch.setattr(cuda, "KERNEL_CASES", [])
    monkeypatch.setattr(cuda, "_declared", lambda: {"adam_step", "softmax_sideways"})
    status, printed, _ = minivit("cuda", "check", "--all")
    assert status == 1 and "\nWRONG no run launches softmax_sideways\n" in printed and "adam_step" not in printed


@checked
@pytest.mark.parametrize("command", [("check", "--all"), ("profile", "softmax")])
def test_flags_of_a_launch_go_with_a_file(minivit, command):
    status, _, complaint = minivit("cuda", *command, "--set", "x=3")
    assert status == 2 and "--set goes with a CUDA file of your own" in complaint


@checked
def test_arrays_of_a_kernel_without_integers_have_an_element_for_each_thread(minivit, cu):
    status, printed, _ = minivit("cuda", "check", cu("""extern "C" __global__ void twice(const float* x, float* y) {
        int i = blockIdx.x * blockDim.x + threadIdx.x; y[i] = 2 * x[i]; }"""), "--grid=3", "--block=32")
    assert status == 0 and "x: 96 float32, y: 96 float32" in printed


@checked
def test_a_wrong_adamw_is_seen(monkeypatch):
    assert cuda._adamw_error() < 1e-6
    monkeypatch.setattr(cuda._AdamWByKernel, "decoupled", False)
    assert cuda._adamw_error() > 1e-4


def test_the_table_of_cases_holds_every_operation_that_has_a_kernel():
    with_kernel = {name for name, function in FUNCTIONS.items() if "cuda" in function.forms}
    assert len(with_kernel) >= 7 and with_kernel <= {name.partition("-")[0] for name in cuda.KERNEL_CASES}


# profile and report

@checked
def test_profile_shows_bank_conflicts_and_scattered_writes_beside_the_line(minivit, cu):
    status, printed, _ = minivit("cuda", "profile", cu(COLUMN), "--set", "y=256", "--grid", "1", "--block", "32")
    lines = {line.split()[0]: line.split() for line in printed.splitlines() if line[:6].strip().isdigit()}
    assert status == 0 and lines["5"][1:4] == ["1", "32", "32.00"]
    assert lines["7"][1:6] == ["2", "32", "8.00", "32", "32.00"]
    assert " ".join(lines["7"][6:]) == "y[threadIdx.x * 8] = tile[threadIdx.x * 32];"


@checked
def test_profile_of_an_operation(minivit, refuses):
    assert minivit("cuda", "profile", "gelu")[1].startswith("gelu-65x64 (x 2x65x64), forward and backward\n")
    status, printed, _ = minivit("cuda", "profile", "softmax", "--shape", "1,2,40")
    lines = printed.splitlines()
    assert status == 0 and lines[0] == "softmax at 1x2x40, forward and backward"
    assert lines[1].split() == ["line", "requests", "sectors", "x", "ideal", "passes", "x", "ideal"]
    assert any(line.endswith(".cuh") or line.endswith(".cu") for line in lines) and "1.00" in printed
    refuses("cuda", "profile", "relu", words=["relu has no kernel; there are kernels of ", "layernorm"])
    refuses("cuda", "profile", "softmax", "--shape", "2,3", words=["softmax takes a shape of 3 numbers, such as 2,3,5"])
    refuses("cuda", "profile", "softmx", words=["did you mean 'softmax'?"])
    refuses("cuda", "profile", "mine.cu", "--shape", "2,3", words=["--shape goes with an operation"])


@compiled
def test_report_is_a_table_of_every_kernel(minivit, monkeypatch):
    monkeypatch.setattr(cuda, "FILES", {"dropout.cu": FILES["dropout.cu"]})
    status, printed, _ = minivit("cuda", "report")
    lines = printed.splitlines()
    assert status == 0 and lines[0] == "for sm_75 / sm_80 / sm_90"
    declared = kernels_of(source(PACKAGE / "ops" / "dropout.cu"))
    rows = [[cell.strip() for cell in line.split("|")] for line in lines[3:]]
    assert {(file, kernel) for _, file, kernel, *_ in rows} == {("dropout.cu", name) for name in declared}


def test_report_says_why_it_cannot(refuses, monkeypatch):
    monkeypatch.setattr(cuda, "why_no_compiler", lambda: "NVRTC is not there")
    refuses("cuda", "report", words=["NVRTC is not there. `minivit doctor`"])


def test_the_help_of_every_action_has_an_example_where_one_is_needed(minivit):
    assert minivit("cuda")[1].startswith("usage: minivit cuda ")
    for action in ("check", "profile", "report"):
        status, printed, complaint = minivit("cuda", action, "--help")
        assert (status, complaint) == (0, "") and printed.startswith(f"usage: minivit cuda {action} ")
        assert ("minivit cuda check softmax.cu --grid rows" in printed) == (action != "report")


def test_the_help_of_an_action_loads_numpy_and_the_standard_library_only():
    code = ("import contextlib, sys\nfrom minivit.cli import main\n"
            "with contextlib.suppress(SystemExit): main(['cuda', 'check', '--help'])\n"
            "print('loaded', *{'cupy', 'matplotlib', 'PIL', 'safetensors'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded"

"""The benchmarks for a GPU, run without one: each command goes through on the stand-in, at tiny sizes."""
import json
import runpy
import sys
from importlib import import_module
from pathlib import Path

import pytest

from minivit.backend import why_no_cuda
from minivit.cuda import why_no_emulator

BENCHMARKS = Path(__file__).parent.parent / "examples" / "benchmarks"


@pytest.fixture
def gpu(tmp_path, monkeypatch, capsys):
    """Run gpu.py: (exit status, what it printed, its results)."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run(command, *options):
        monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / "gpu.py"), command, "--out", str(tmp_path), *options])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(BENCHMARKS / "gpu.py"), run_name="__main__")
        file = tmp_path / f"stand-in_{command}.json"
        return end.value.code, "".join(capsys.readouterr()), json.loads(file.read_text()) if file.exists() else None
    return run


needs_emulator = pytest.mark.skipif(why_no_emulator() is not None, reason=str(why_no_emulator()))


@needs_emulator
def test_parity_of_kernels_and_of_steps(gpu):
    cases = ["softmax-17", "attention-17", "AdamW", "Adam", "to_bf16", "6-steps", "6-steps-4-by-a-graph"]
    status, printed, results = gpu("parity", "--dry-run", "--cases", ",".join(cases))
    assert status == 0 and [row["case"] for row in results["rows"]] == cases
    assert all(0 <= row["forward"] <= 1e-5 and 0 <= row["gradient"] <= 1e-4 for row in results["rows"])
    assert results["rows"][1]["files"] == ["attention.cu"] and results["versions"]["numpy"]
    assert "7 rows, 0 wrong" in printed.splitlines()[0] and "WRONG" not in printed


@needs_emulator
def test_parity_says_what_is_wrong(gpu, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(import_module("on_gpu.parity"), "FORWARD", 1e-12)
    status, printed, results = gpu("parity", "--dry-run", "--cases", "softmax-17")
    assert status == 1 and results["rows"][0]["wrong"] and printed.splitlines()[-1].endswith("WRONG")


def torn(*_):
    raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY")


@needs_emulator
def test_what_fails_is_a_row_and_costs_no_other(gpu, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    parity, kernels, steps = (import_module(f"on_gpu.{name}") for name in ("parity", "kernels", "steps"))
    monkeypatch.setitem(parity.OTHERS, "AdamW", (torn, ["adamw.cu"]))
    monkeypatch.setattr(kernels, "_rows", torn)
    monkeypatch.setattr(steps, "sides", lambda options: {"minivit": torn, "launch by launch": lambda *of: steps.Ours(
        *of, "fp32", graph=False)})
    status, printed, results = gpu("parity", "--dry-run", "--cases", "AdamW,to_bf16")
    assert status == 1 and [row["wrong"] for row in results["rows"]] == [True, False]
    assert "RuntimeError: CUDA_ERROR_OUT_OF_MEMORY   WRONG" in printed
    status, printed, results = gpu("kernels", "--dry-run", "--count", "1")
    assert status == 1 and [row["wrong"] for row in results["rows"]] == [True] * 7 + [False]
    assert "layernorm         WRONG: RuntimeError: CUDA_ERROR_OUT_OF_MEMORY" in printed
    status, printed, results = gpu("steps", "--dry-run", "--batch", "ti4:2", "--rounds", "1", "--count", "1")
    assert status == 1 and [row["wrong"] for row in results["rows"]] == [True, False]
    assert results["rows"][1]["ms"] > 0 and results["rows"][1]["speed"] is None and "OUT_OF_MEMORY" in printed


def test_what_is_not_begun_in_time_is_said(gpu):
    status, printed, results = gpu("parity", "--dry-run", "--cases", "softmax-17", "--minutes", "0")
    assert status == 1 and results["rows"][0]["said"] == "TimeoutError: not begun, the time is over"


@needs_emulator
def test_kernels_are_timed_with_their_share_of_a_copy(gpu):
    status, printed, results = gpu("kernels", "--dry-run", "--images", "1", "--count", "1")
    assert status == 0 and len(results["rows"]) == 2 * 7 + 1
    assert all(row["us"] > 0 and row["of_copy"] > 0 for row in results["rows"])
    assert "TFLOP/s" in results["rows"][10] and results["rows"][10]["case"] == "attention N=65"


@needs_emulator
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_steps_are_timed_with_and_without_a_graph(gpu, precision):
    status, printed, results = gpu("steps", "--dry-run", "--batch", "ti4:2", "--rounds", "1", "--count", "1",
                                   "--precision", precision)
    assert status == 0, printed
    assert [row["side"] for row in results["rows"]] == ["minivit, launch by launch", "minivit"]
    assert all(row["loss_off"] == 0 and row["ms"] > 0 for row in results["rows"])
    assert f"matrix products in {precision} on every side" in printed


def test_the_sanitizers_findings_are_compared_with_the_emulators(gpu):
    status, printed, results = gpu("sanitize", "--dry-run")
    assert status == 0 and all(row["found"] == (row["bug"] is not None) for row in results["rows"])
    assert all(row.get("same_line", True) for row in results["rows"])
    assert printed.splitlines()[-1] == "without bugs: 28 of 28 runs clean"


SAID = """========= COMPUTE-SANITIZER
========= Invalid __global__ write of size 4 bytes
=========     at transpose+0x230 in /home/me/transpose.cu:31
=========     by thread (0,0,0) in block (0,0,0)
=========     Saved host backtrace up to driver entry point at kernel launch time
=========         Host Frame: launch in driver.cu:99
=========
========= Error: Race reported between Write access at softmax+0x170 in softmax.cu:17
=========     and Read access at softmax+0x1c0 in softmax.cu:27 [96 hazards]
=========
========= ERROR SUMMARY: 2 errors
"""


def test_what_a_sanitizer_prints_is_understood(gpu, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sanitize = import_module("on_gpu.sanitize")
    assert sanitize.findings(SAID) == [[("transpose.cu", 31)], [("softmax.cu", 17), ("softmax.cu", 27)]]
    missed = sanitize._row("softmax", 0, "racecheck", "========= ERROR SUMMARY: 0 errors")
    elsewhere = sanitize._row("softmax", 0, "racecheck", SAID.replace("softmax.cu:", "softmax.cu:9"))
    alarm, died = sanitize._row("softmax", None, "memcheck", SAID), sanitize._row("softmax", None, "memcheck", "died")
    assert (missed["found"], elsewhere["found"], elsewhere["same_line"]) == (False, True, False)
    assert alarm["wrong"] and died["wrong"] and died["found"] is None and died["said"] == "died"
    lines = sanitize.table({"rows": [missed, elsewhere, alarm, died]})
    assert lines[2].split() == ["racecheck", "2", "1", "0"] and lines[-1] == "without bugs: 0 of 2 runs clean"
    assert "racecheck: not found: softmax, no barrier after the maxima" in lines


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU here")
def test_without_a_gpu_the_reason_is_named(gpu):
    status, printed, results = gpu("steps")
    assert status == 2 and results is None and why_no_cuda() in printed and "--dry-run goes through it" in printed

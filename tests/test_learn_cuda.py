"""Exercises in CUDA: a learner's `.cu` file from its stub to a pass, and what is said of it on the way.

That every wrong answer is caught and named is in test_learn_audit.py, as for all exercises.
"""
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minivit import learn
from minivit.cuda import CompileError, checking, why_no_checks
from minivit.cuda.compile import compiled, why_no_compiler
from minivit.learn import own
from minivit.learn.catalogue import exercise, solution_file, why_not_here
from minivit.learn.check import check
from minivit.learn.examination import Examination
from minivit.learn.exercises import cuda_row_sum
from minivit.learn.kernel import Kernel, costs, solved
from minivit.learn.mutate_cuda import cuda_mutants
from minivit.learn.progress import Lab
from minivit.learn.sandbox import check_file
from minivit.learn.stub import cuda_stub

SLUGS = [path.stem for path in solution_file("cuda_row_sum").parent.glob("*.cu")]
SLUG = "cuda_row_sum"
SOLUTION = solution_file(SLUG).read_text()
LESSON = Path(__file__).parent.parent / "lessons" / "12_one_op_three_ways.py"
needs_emulator = pytest.mark.skipif(why_no_checks() is not None, reason=str(why_no_checks()))


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIVIT_LAB", str(tmp_path / "lab"))
    return Lab(tmp_path / "lab")


@pytest.fixture
def verdict_on(tmp_path):
    """verdict_on(text): that on a file with this text, through the process that learners' files are checked in."""
    def judged(text):
        file = tmp_path / f"{SLUG}.cu"
        file.write_text(text)
        return check_file(SLUG, file)
    return judged


def said(verdict):
    return " ".join(verdict.sentences)


def line_of(part, text=SOLUTION):
    return text[:text.index(part)].count("\n") + 1


# A file and its verdict

@needs_emulator
@pytest.mark.parametrize("change, status, message, words", [
    (("n)\n{", "n)\n{\n"), "pass", "", ""),
    (("sum += x[j];", "sum += x[j]"), "error", "syntax",
     f"{SLUG}.cu:21: error: expected ';' before 'for', `sum += x[j]`. "),
    (("void cuda_row_sum(", "void cuda_row_summ("), "error", "name", "did you mean 'cuda_row_summ'?"),
    (("const float* x, float* y, int n", "const float* x, float* y, int rows, int n"), "fail", "signature",
     "cuda_row_sum must take (x, y, n), and yours takes (x, y, rows, n)"),
    (("distance /= 2", "distance -= 0"), "fail", "limit", "the kernel has run for 0.25 seconds and was stopped here"),
    (("    y[blockIdx.x] = sum", "    *(y + 1000000000) = sum"), "fail", "memcheck", "no array of this launch"),
])
def test_a_file_has_its_verdict(verdict_on, change, status, message, words):
    assert SOLUTION.count(change[0]) == 1
    verdict = verdict_on(SOLUTION.replace(*change))
    assert (verdict.status, verdict.message) == (status, message), str(verdict)
    assert words in said(verdict)


@needs_emulator
def test_the_message_for_a_missing_barrier_is_the_race_on_the_learners_own_line(verdict_on):
    text = SOLUTION.replace("    __syncthreads();\n", "    // no barrier\n")
    verdict = verdict_on(text)
    written, read = line_of("of_warp[threadIdx.x / 32] = sum", text), line_of("sum += of_warp[warp]", text)
    assert (verdict.status, verdict.message) == ("fail", "no-barrier")
    assert verdict.sentences[0].startswith(f"racecheck: {SLUG}.cu:{written}: thread (32,0,0) of block (0,0,0) writes ")
    assert f"read at line {read}, with no __syncthreads() between them" in verdict.sentences[0]
    assert (f"Here line {written} is `of_warp[threadIdx.x / 32] = sum;`; line {read} is `sum += of_warp[warp];`"
            in verdict.sentences[0])
    assert "Warps run in any order" in verdict.sentences[1]


@needs_emulator
def test_a_race_of_another_kind_gets_no_wrong_name():
    verdict = check(exercise(SLUG), solved(SLUG).but("of_warp[threadIdx.x / 32]", "of_warp[threadIdx.x / 64]"))
    assert (verdict.status, verdict.message) == ("fail", "racecheck")
    assert "writes of_warp[0], which thread (0,0,0) wrote" in verdict.sentences[0]
    assert any(sentence.startswith("initcheck") for sentence in verdict.sentences[1:])


def test_without_a_compiler_that_is_what_is_said(tmp_path, monkeypatch, lab):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert why_not_here(SLUG) and why_not_here("softmax_backward") is None
    verdict = check_file(SLUG, solution_file(SLUG))
    assert (verdict.status, verdict.message) == ("error", "no-compiler")
    assert "this exercise cannot be checked here" in said(verdict) and "install g++" in said(verdict)
    assert isinstance(own.use(SLUG), Kernel)                            # lessons ask for it, and then do not launch it


def test_the_lesson_runs_without_a_compiler_and_says_what_it_skips(tmp_path):
    environment = os.environ | {"PATH": str(tmp_path), "MINIVIT_LAB": str(tmp_path), "MINIVIT_LESSON": "fast"}
    done = subprocess.run([sys.executable, LESSON], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Cells with kernels are skipped: the CUDA emulator builds kernels with a C++ compiler" in done.stdout
    assert done.stdout.splitlines().count("skipped") == 9 and done.stdout.count("\N{CHECK MARK} ") >= 5


# Advice to right answers

@needs_emulator
def test_memory_used_badly_is_no_failure_but_advice():
    verdict = check(exercise(SLUG), cuda_row_sum.NEIGHBOURS_TOGETHER)
    assert verdict.status == "pass" and len(verdict.sentences) == 1
    assert "could cost less: line 22, `sum += x[j];`, has a GPU fetch 4.0 times the memory" in said(verdict)
    assert check(exercise(SLUG), solved(SLUG)).sentences == ()


@needs_emulator
def test_bank_conflicts_and_races_without_effect_are_told():
    kernel = Kernel("f", """extern "C" __global__ void f(float* y)
{
    __shared__ float tile[1024];
    tile[threadIdx.x * 32] = 1;
    y[0] = tile[threadIdx.x * 32];
}
""")
    with checking() as report:
        kernel((1,), (32,), (np.zeros(1, np.float32),))
    told = costs(kernel, report)
    assert any("line 4, `tile[threadIdx.x * 32] = 1;`, goes to shared memory 32 times where once would do" in sentence
               for sentence in told)
    assert any(sentence.startswith("racecheck") and "Both wrote the same value" in sentence for sentence in told)


# A kernel as a function

def test_a_kernel_says_what_it_takes_and_what_it_is_about():
    assert str(inspect.signature(solved(SLUG))) == "(x, y, n)"
    assert str(inspect.signature(Kernel("f", 'extern "C" __global__ void f(const float* in, int n) {}'))) == "(in_, n)"
    assert solved(SLUG).__doc__.startswith("The sum of every row, in CUDA")
    assert solved(SLUG).__doc__.endswith("\nIt is launched as cuda_row_sum<<<rows, 128>>>(x, y, n); until then y holds "
                                         "nan.")


def test_a_part_to_be_changed_must_be_there_once():
    with pytest.raises(ValueError, match="'sum' is 14 times in the text, not once"):
        solved(SLUG).but("sum", "total")


@needs_emulator
def test_arguments_of_another_type_are_named():
    verdict = check(exercise(SLUG), solved(SLUG).but("float* y", "double* y"))
    assert verdict.status == "error" and "y is declared float64*, and the array is float32" in said(verdict)


@needs_emulator
def test_a_notebook_checks_a_text(capsys):
    assert learn.check(SLUG, SOLUTION)
    assert learn.check(SLUG, SOLUTION.replace("j += 128", "j += 32")).message == "step-of-a-warp"
    with pytest.raises(CompileError, match="cuda_row_sum.cu:21: error"):
        learn.check(SLUG, SOLUTION.replace("sum += x[j];", "sum += x[j]"))
    with pytest.raises(ValueError, match="did you mean 'row_sum'"):
        learn.check(SLUG, SOLUTION.replace("void cuda_row_sum", "void row_sum"))


# Stubs and mutants

def test_a_stub_keeps_what_is_given():
    source = """// The task { with a bracket.
constexpr int N = 3;

__device__ float given(float x) { return x; }

extern "C" __global__ void f(float* y)
{
    // } a bracket
    if (y) { y[0] = given(N); }
}

extern "C" __global__ void g() { }
"""
    stub = cuda_stub(source)
    assert "#error TODO: write f\n" in stub and "#error TODO: write g\n" in stub and "given(N)" not in stub
    assert stub.startswith(source[:source.index("    // } a")]) and "{ return x; }" in stub


def test_mutants_change_one_thing_each_in_the_body_of_a_kernel():
    made = cuda_mutants(SOLUTION)
    assert len({mutant.source for mutant in made}) == len(made) >= 40
    head = SOLUTION[:SOLUTION.index("{")]
    assert all(mutant.source.startswith(head) for mutant in made)
    assert {mutant.rule for mutant in made} >= {"operator", "comparison", "constant", "drop barrier", "mask", "index"}
    barrier = next(mutant for mutant in made if mutant.rule == "drop barrier")
    assert barrier.text == f"line {barrier.line}: __syncthreads(); -> nothing"
    assert barrier.line == line_of("__syncthreads") and "__syncthreads" not in barrier.source


@needs_emulator
def test_kernels_in_any_order_of_threads_give_the_same():
    for slug in SLUGS:
        checked = exercise(slug)
        for kernel in (checked.solution, *checked.correct):
            for trial in Examination(checked).cases[:2]:
                results = []
                for order in ("ascending", "descending", "random"):
                    with checking(order) as report:
                        results.append(checked.run(kernel, trial.arguments)[0])
                    assert not report.findings
                np.testing.assert_allclose(results[1:], [results[0]] * 2, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(why_no_compiler() is not None, reason=str(why_no_compiler()))
@pytest.mark.parametrize("slug", SLUGS)
def test_nvidias_compiler_takes_the_solutions_too(slug):
    listing = compiled(solution_file(slug))[slug]
    assert listing.spills == 0 and listing.registers <= 40


# The command

@needs_emulator
def test_a_learner_goes_from_the_stub_to_the_solution(minivit, lab):
    status, printed, _ = minivit("learn", "check", SLUG)
    file = lab.path / f"{SLUG}.cu"
    assert status == 1 and "to do" in printed and f"your file: {file}" in printed
    assert "#error TODO: write cuda_row_sum" in file.read_text() and lab.standing(SLUG).state == "todo"
    file.write_text(SOLUTION.replace("    __syncthreads();\n", ""))
    status, printed, _ = minivit("learn", "check", SLUG)
    assert status == 1 and "L2 form" in printed and f"racecheck: {SLUG}.cu:" in printed
    assert "hint 1 of 3" in minivit("learn", "hint", SLUG)[1]
    file.write_text(SOLUTION.replace("sum += x[j]", "sum = sum + x[j]"))
    status, printed, _ = minivit("learn", "check", SLUG)
    assert status == 0 and "minivit learn solution cuda_row_sum" in printed
    status, printed, _ = minivit("learn", "solution", SLUG)
    assert status == 0 and "-        sum = sum + x[j];\n+        sum += x[j];" in printed
    assert "A shuffle hands" in printed
    mine = own.use(SLUG)
    assert mine.text == file.read_text()
    x, y = np.ones((3, 200), np.float32), np.zeros(3, np.float32)
    mine((3,), (128,), (x, y, 200))
    assert (y == 200).all()
    assert minivit("learn", "reset", SLUG)[0] == 0
    assert (lab.path / f"{SLUG}.cu.bak").exists() and "TODO" in file.read_text()

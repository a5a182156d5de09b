"""Every kernel through NVIDIA's compiler, for three architectures, with CuPy's options: no GPU is needed for that."""
from pathlib import Path

import pytest

from minivit import cuda, ops, optim
from minivit.cuda import compile as ring
from minivit.cuda.kernels import FILES
from minivit.cuda.source import source

README = Path(ops.__file__).with_name("README.md")
KERNELS = [FILES[path.name] for room in (cuda, ops, optim) for path in sorted(Path(room.__file__).parent.glob("*.cu"))]
REGISTERS = {"attention": 200, "": 64}          # ceilings; attention's tiles live in registers
SHARED = 64 << 10                               # bytes that a block can have on sm_75

needs_nvrtc = pytest.mark.skipif(ring.why_no_compiler() is not None, reason=str(ring.why_no_compiler()))


@pytest.fixture(scope="module")
def rows():
    return ring.report(KERNELS)


@needs_nvrtc
def test_every_kernel_compiles_without_spills_and_fits(rows):
    assert {(row.file, row.kernel) for row in rows} == {(file.path.name, name) for file in KERNELS
                                                        for name in file.declared}
    for row in rows:
        ceiling = next(most for start, most in REGISTERS.items() if row.kernel.startswith(start))
        assert row.spills == 0 and row.registers <= ceiling and row.shared <= SHARED, row


@needs_nvrtc
def test_the_readme_shows_the_figures(rows):
    text, version = README.read_text(encoding="utf-8"), ring.compiler_version()
    if version not in text:
        pytest.skip(f"the README has the figures of another compiler than {version}")
    missing = [line for line in ring.table(rows) if line not in text]
    assert not missing, "put this table into minivit/ops/README.md:\n" + "\n".join(ring.table(rows))


@needs_nvrtc
def test_what_the_compiler_said_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "own.cu"
    path.write_text('extern "C" __global__ void f(float* x) { x[threadIdx.x] = N; }\n')
    monkeypatch.setattr(ring, "cache_folder", lambda: tmp_path)
    first = ring.compiled(path, {"N": 3}, "sm_80")
    kept, = tmp_path.glob("own-sm_80-*.log")
    kept.write_text(kept.read_text().replace(f"Used {first['f'].registers} registers", "Used 99 registers"))
    assert ring.compiled(path, {"N": 3}, "sm_80")["f"].registers == 99
    assert ring.compiled(path, {"N": 4}, "sm_80") == first and len(list(tmp_path.glob("*.log"))) == 2


@needs_nvrtc
def test_errors_of_a_kernel_name_its_own_line(tmp_path):
    (tmp_path / "half.cuh").write_text("constexpr float HALF = 0.5f;\n")
    path = tmp_path / "wrong.cu"
    path.write_text('#include "half.cuh"\n\nextern "C" __global__ void f(float* x)\n{\n    x[0] = HALVE;\n}\n')
    with pytest.raises(ValueError, match=r'wrong.cu does not compile for sm_80:\nwrong.cu\(5\): error.*"HALVE"'):
        ring.compiled(path, {"N": 3}, "sm_80")


def test_constants_come_first_and_headers_stand_where_they_are_included(tmp_path):
    (tmp_path / "a.cuh").write_text("int a;\n")
    (tmp_path / "b.cu").write_text('// b\n#include "a.cuh"\nint b = N;\n')
    assert source(tmp_path / "b.cu", {"N": 3}) == (
        'constexpr int N = 3;\n#line 1 "b.cu"\n// b\n#line 1 "a.cuh"\nint a;\n\n#line 3 "b.cu"\nint b = N;\n')


@pytest.mark.parametrize("arch, threads, registers, shared, share", [
    ("sm_90", 128, 32, 0, 1.0),                 # 65,536 registers for 2,048 threads
    ("sm_90", 128, 64, 0, 0.5),
    ("sm_90", 128, 33, 0, 0.75),                # 40, since registers are given out eight a thread
    ("sm_75", 128, 32, 0, 1.0),
    ("sm_75", 128, 32, 40_000, 0.125),          # one block of 4 warps among 32
    ("sm_80", 128, 32, 40_000, 0.25),           # four blocks of 4 warps among 64
    ("sm_80", 32, 16, 0, 0.5),                  # no more than 32 blocks
], ids=lambda value: str(value))
def test_occupancy(arch, threads, registers, shared, share):
    assert ring.occupancy(arch, threads, registers, shared) == share

"""What NVIDIA's compiler says of a kernel, without a GPU: it need not have one to compile for one.

- `compiled(path, constants, arch)`: {kernel: Listing} of a `.cu` file for one architecture; what the compiler said is
  kept in the user's cache
- `report(files)`: registers, shared memory, spills and occupancy of every kernel; `table(rows)` prints it
- `why_no_compiler()`: None where NVRTC is there, else the reason and what to install

The text goes through NVRTC to machine code with CuPy's own options, so that what passes here is what a GPU runs.
"""
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from minivit.atomic import write_atomic
from minivit.cuda.emulator.build import cache_folder
from minivit.cuda.source import source

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")         # Turing (T4), Ampere (A100), Hopper (H100)
OPTIONS = ("-std=c++17", "-ftz=true", "--device-as-default-execution-space", "-Xptxas=-v")     # CuPy's, and the listing

# Per multiprocessor: warps, blocks, shared memory in KB; registers are 65,536 on all. Source: CUDA C++ Programming
# Guide, table "Technical specifications per compute capability".
LIMITS = {"sm_75": (32, 16, 64), "sm_80": (64, 32, 164), "sm_90": (64, 32, 228)}
RESERVED = {"sm_75": 0, "sm_80": 1024, "sm_90": 1024}       # bytes of shared memory that the system takes of each block

ENTRY = re.compile(r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
                   r"(\d+) bytes spill loads.*?Used (\d+) registers([^\n]*)", re.DOTALL)
BOUNDS = re.compile(r"__launch_bounds__\((\d+)[^)]*\) (\w+)\(")       # threads of a block, and the kernel


@dataclass(frozen=True)
class Listing:
    """What the assembler used for one kernel: registers of a thread, bytes of static shared memory, and spills.

    spills: bytes that a thread keeps in memory, because it ran out of registers or indexes an array that could have
    lived in them: a loop over it was not unrolled.
    """

    registers: int
    shared: int
    spills: int


def why_no_compiler():
    """None where NVRTC can compile, else the reason in a sentence."""
    try:
        from cupy.cuda import nvrtc
    except ImportError as error:
        return f"CuPy is not installed ({error}): pip install \"cupy-cuda13x[ctk]\""
    try:
        nvrtc.getVersion()
    except Exception as error:                      # CuPy's own type, which only CuPy has
        return f"NVRTC is not there ({type(error).__name__}): pip install nvidia-cuda-nvrtc"
    return None


def compiler_version():
    """The compiler by name and version, such as NVRTC 13.5."""
    from cupy.cuda import nvrtc
    return "NVRTC {}.{}".format(*nvrtc.getVersion())


def compiled(path, constants=None, arch="sm_90"):
    """{kernel: Listing} of the `.cu` file at `path`. Raises ValueError with the compiler's words if it has errors."""
    text, found = source(path, constants), {}
    for name, *local, registers, rest in ENTRY.findall(_log(text, Path(path).name, arch)):
        shared = re.search(r"(\d+) bytes smem", rest)
        found[name] = Listing(int(registers), int(shared[1]) if shared else 0, max(map(int, local)))
    return found


def _log(text, name, arch):
    """What the compiler says of a text that it accepts."""
    from cupy.cuda import nvrtc
    options = OPTIONS + (f"-arch={arch}",)
    digest = hashlib.sha256(f"{compiler_version()} {options} {text}".encode()).hexdigest()[:24]
    kept = cache_folder() / f"{Path(name).stem}-{arch}-{digest}.log"
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    program = nvrtc.createProgram(text, name, (), ())
    try:
        nvrtc.compileProgram(program, options)
        log = nvrtc.getProgramLog(program)
    except nvrtc.NVRTCError as error:
        raise ValueError(f"{name} does not compile for {arch}:\n{nvrtc.getProgramLog(program)}") from error
    finally:
        nvrtc.destroyProgram(program)
    write_atomic(kept, log.encode())
    return log


@dataclass(frozen=True)
class Row:
    """One kernel, with one set of constants, on one architecture.

    shared: bytes a block, static and, where it follows from the constants, dynamic. spills: see Listing.
    """

    file: str
    kernel: str
    constants: dict
    arch: str
    registers: int
    shared: int
    spills: int
    occupancy: float


def report(files):
    """Rows for every kernel, every set of constants in use and every architecture; files: Kernels, such as FILES."""
    tasks = [(file, constants, arch) for file in sorted(files, key=lambda file: file.path.name)
             for constants in file.variants for arch in ARCHITECTURES]
    with ThreadPoolExecutor() as pool:
        return [row for rows in pool.map(lambda task: _rows(*task), tasks) for row in rows]


def _rows(file, constants, arch):
    threads = {name: int(n) for n, name in BOUNDS.findall(source(file.path, constants))}
    for name, listing in sorted(compiled(file.path, constants, arch).items()):
        shared = listing.shared + (file.shared[name](**constants) if name in file.shared else 0)
        yield Row(file.path.name, name, constants, arch, listing.registers, shared, listing.spills,
                  occupancy(arch, threads[name], listing.registers, shared))


def table(rows):
    """The lines of a Markdown table: one for each kernel and set of constants, the architectures side by side."""
    lines = ["| file | kernel | constants | registers | shared, bytes | spills | occupancy |", "|" + "---|" * 7]
    together = {}
    for row in rows:
        together.setdefault((row.file, row.kernel, *row.constants.items()), []).append(row)
    for (file, kernel, *constants), archs in together.items():
        registers, occupied = (" / ".join(parts) for parts in ((str(row.registers) for row in archs),
                                                               (f"{row.occupancy:.0%}" for row in archs)))
        named = " ".join(f"{name}={value}" for name, value in constants)
        lines.append(f"| {file} | {kernel} | {named} | {registers} | {max(row.shared for row in archs):,} | "
                     f"{max(row.spills for row in archs)} | {occupied} |")
    return lines


def occupancy(arch, threads, registers, shared):
    """The share of a multiprocessor's warps that can be at work at once; shared: bytes a block, static and dynamic."""
    warps, blocks, kilobytes = LIMITS[arch]
    per_block = -(-threads // 32)
    of_a_warp = -(-registers * 32 // 256) * 256                             # registers are given out 256 at a time
    by_registers = 65536 // of_a_warp // per_block
    by_shared = kilobytes * 1024 // (shared + RESERVED[arch]) if shared + RESERVED[arch] else blocks
    return min(warps // per_block, blocks, by_registers, by_shared) * per_block / warps

"""From a `.cu` text to a loaded library: the system's C++ compiler, and a cache of what it made.

- `why_no_emulator()`: None where the emulator can run, else the reason in a sentence
- `why_no_checks(compiler)`: the same for checked mode
- `runtime(compiler)`: the emulator's own library, loaded
- `build(text, ...)`: the library of one `.cu` text

A library is built once and kept in the user's cache directory under a hash of everything that went into it.
"""
import ctypes
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
OURS = {path.name for path in HERE.iterdir()} | {"source.cpp", "minivit", "??"}
RUNTIME = ("findings", "fiber", "block", "meeting", "memory", "checks", "order", "races", "profile", "signals",
           "launch")
GAP = 1024                      # bytes between the variables in shared memory, in checked mode
COMPILERS = ("g++", "clang++")
FLAGS = ("-std=c++17", "-fPIC", "-w", "-fno-strict-aliasing", "-fwrapv", "-ffp-contract=off", "-fno-math-errno",
         "-fno-exceptions", "-fno-stack-protector", "-fstack-clash-protection", "-fno-finite-loops", "-g1", "-gdwarf-4",
         "-U_FORTIFY_SOURCE", "-fdiagnostics-color=never")
VALUES = ("-O2", "-fvisibility=hidden")
# One call for every access, in the line and the width that were written: g++ may neither take a float4 apart, nor join
# two floats, nor two statements that do the same.
CHECKED = ("-O1", "-fvisibility=hidden", "-fsanitize=thread", "-DMINIVIT_CHECKED", "-fno-tree-sra",
           "-fno-tree-vectorize", "-fno-store-merging", "-fno-tree-loop-distribute-patterns", "-fno-crossjumping",
           "-fno-tree-tail-merge", "-fno-tree-cselim", "-fno-tree-sink", "-fno-tree-dse")


class CompileError(ValueError):
    """A `.cu` text that the compiler refused; the message is the compiler's, about the lines of that text."""


def why_no_emulator():
    """None where CUDA kernels can be emulated on this machine, else a sentence that says what is missing."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return (f"the CUDA emulator runs on Linux x86-64, and this machine is {platform.system()} "
                f"{platform.machine()}")
    if not any(map(shutil.which, COMPILERS)):
        return ("the CUDA emulator builds kernels with a C++ compiler, and there is none: install g++ "
                "(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)")
    return None


def why_no_checks(compiler=None):
    """None where checked mode can run, else a sentence that says what is missing."""
    if why_no_emulator() is None and not _is_gcc(compiler or default_compiler()):
        return ("checked mode needs g++, whose option -fsanitize=thread shows every access to the emulator; "
                f"{compiler or default_compiler()} runs kernels in value mode only: install g++")
    return why_no_emulator()


def default_compiler():
    """The first of g++ and clang++ that is there."""
    return next(filter(shutil.which, COMPILERS))


def _is_gcc(compiler):
    return "clang" not in Path(shutil.which(compiler) or compiler).resolve().name


@functools.cache
def cache_folder():
    """The folder of built libraries; where the user's cache cannot be written, one that is gone after this process."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache) / "minivit" / "emulator"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        _temporary.append(tempfile.TemporaryDirectory(prefix="minivit-emulator-"))
        return Path(_temporary[-1].name)


_temporary = []             # kept until the process ends, which removes it


@functools.cache
def _identity(compiler):
    """What changes when the compiler or the emulator's own sources do."""
    path = os.path.realpath(shutil.which(compiler))
    status = os.stat(path)
    digest = hashlib.sha256(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
    for file in [Path(__file__), *sorted(HERE.glob("*.h")), *sorted(HERE.glob("*.cpp"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _cached(name, text, compiler, compile_flags, link=None):
    """The path of `name` made from a C++ text: a library where link(compiled, linked) gives the linker's command.

    It is built where it is not in the cache yet, in a folder of its own, and then takes its name at once: another
    process sees the whole file or none.
    """
    digest = hashlib.sha256(f"{_identity(compiler)} {compile_flags} {text}".encode()).hexdigest()[:24]
    path = cache_folder() / f"{Path(name).stem}-{digest}{Path(name).suffix}"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="building-") as folder:
        source, made = Path(folder, "source.cpp"), Path(folder, path.name)
        assembly, compiled = Path(folder, "source.s"), Path(folder, "compiled.o") if link else made
        source.write_text(text, encoding="utf-8")
        _run(folder, [compiler, *FLAGS, *compile_flags, f"-I{HERE}", "-S", str(source), "-o", str(assembly)])
        if "-DMINIVIT_CHECKED" in compile_flags:
            assembly.write_text(_with_gaps(assembly.read_text()))
        _run(folder, [compiler, "-c", str(assembly), "-o", str(compiled)])
        if link:
            _run(folder, [compiler, "-shared", f"-Wl,-soname,{path.name}", "-Wl,-rpath,$ORIGIN", "-Wl,-z,defs",
                          *link(str(compiled)), "-o", str(made)])
        os.replace(made, path)
    return path


def _with_gaps(assembly):
    """Assembly with room after every variable in shared memory, so that what runs over one does not meet the next."""
    lines, shared = [], False
    for line in assembly.splitlines(keepends=True):
        if line.startswith("\t.section") or line.startswith(("\t.text", "\t.data", "\t.bss")):
            shared = line.startswith("\t.section\t.tbss")
        lines.append(line)
        if shared and line.startswith("\t.zero"):
            lines.append(f"\t.zero\t{GAP}\n")
    return "".join(lines)


def _run(folder, command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})
    if done.returncode:
        raise CompileError(done.stdout + done.stderr)


@functools.cache
def _runtime_path(compiler):
    return _cached("runtime.so", "".join(f'#include "{name}.cpp"\n' for name in RUNTIME), compiler, ("-O2",),
                   lambda compiled: ["-Wl,-Bsymbolic", compiled, "-lm", "-lpthread", "-lrt"])


@functools.cache
def _guard_path(compiler):
    return _cached("guard.o", '#include "guard.cpp"\n', compiler, ())


@functools.cache
def runtime(compiler):
    """The emulator's library, loaded, built with `compiler`. Raises RuntimeError where there is no emulator."""
    reason = why_no_emulator()
    if reason:
        raise RuntimeError(reason)
    return ctypes.CDLL(_runtime_path(compiler))


def build(text, compiler, checked):
    """The path of the library of a translation unit (source.translation_unit). Raises CompileError, RuntimeError."""
    reason = why_no_checks(compiler) if checked else why_no_emulator()
    if reason:
        raise RuntimeError(reason)
    runtime(compiler)
    flags = CHECKED if checked else VALUES
    if _is_gcc(compiler):
        # no-gnu-unique: else all modules would share the __shared__ arrays of templates. no-ipa-reference-addressable:
        # else a __shared__ array that nobody writes would be all zeros
        flags += ("-fno-gnu-unique", "-fno-ipa-reference-addressable", "-fno-diagnostics-show-caret")
    guard = str(_guard_path(compiler))
    return _cached("kernels.so", text, compiler, flags,
                   lambda compiled: [guard, compiled, guard, str(_runtime_path(compiler)), "-lm"])


def is_ours(file):
    """Whether a file is the emulator's own, and not a learner's."""
    return Path(file).name in OURS


def learners_part(log, lines):
    """The compiler's words about the learner's `lines` ({(file, number): line}), each with its line; all its words
    where it has none.

    A mistake in the use of `__shfl_sync` and its like is found inside our macro: it belongs to the line that used it.
    """
    said, inside = [], None
    for file, number, message in re.findall(r"^(.+?):(\d+):(?:\d+:)? (.*)$", log, re.MULTILINE):
        if is_ours(file):
            inside = message if "error:" in message else inside
            continue
        if "in expansion of macro" in message:
            if inside is None:
                continue
            message, inside = inside, None
        if "is defined in header" in message:               # and there are no headers
            continue
        message = re.sub("undefined reference to `(.*)'", r"\1 is declared, but no text of it is here", message)
        message = message.replace("'minivit_", "'__")
        said.append(f"{Path(file).name}:{number}: {message}")
        if (Path(file).name, int(number)) in lines:
            said.append(f"    {lines[Path(file).name, int(number)]}")
    return "\n".join(said) or log.strip()

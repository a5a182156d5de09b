"""The emulator's C++ as Python sees it: its structures, and one loaded library of kernels."""
import ctypes

from minivit.cuda.emulator.build import runtime
from minivit.cuda.emulator.places import Places
from minivit.cuda.emulator.source import MOST_DYNAMIC

FINISHED, PAUSED, ENDED, NO_MEMORY = range(4)                   # launch.cpp: Result


def _fields(kind, *names):
    return [(name, kind) for name in names]


class ModulePlace(ctypes.Structure):
    """checks.h: Module."""

    _fields_ = [*_fields(ctypes.c_void_p, "low", "high", "load_address", "shared"),
                *_fields(ctypes.c_long, "shared_bytes", "dynamic_offset", "dynamic_bytes"),
                ("variables", ctypes.c_void_p), ("variable_count", ctypes.c_long)]


class Launch(ctypes.Structure):
    """launch.cpp: Launch."""

    _fields_ = [("kernel", ctypes.c_void_p), ("module", ctypes.POINTER(ModulePlace)), ("marker", ctypes.c_void_p),
                ("arguments", ctypes.c_void_p), ("argument_count", ctypes.c_int), ("checked", ctypes.c_int),
                ("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared_bytes", ctypes.c_long),
                ("order", ctypes.c_int), ("seed", ctypes.c_uint), ("seconds", ctypes.c_double)]


class RawFinding(ctypes.Structure):
    """findings.h: Finding."""

    _fields_ = [*_fields(ctypes.c_int, "kind", "count", "thread", "other_thread"),
                *_fields(ctypes.c_long, "block", "other_block"), *_fields(ctypes.c_int, "line", "other_line"),
                *_fields(ctypes.c_void_p, "pc", "other_pc"), *_fields(ctypes.c_int, "array", "bytes"),
                ("offset", ctypes.c_long), *_fields(ctypes.c_int, "write", "same_value"), ("mask", ctypes.c_uint),
                ("lane", ctypes.c_int), ("text", ctypes.c_char_p)]


class RawCount(ctypes.Structure):
    """profile.h: Count."""

    _fields_ = [("pc", ctypes.c_void_p),
                *_fields(ctypes.c_long, "requests", "sectors", "ideal_sectors", "passes", "ideal_passes")]


class Library:
    """The built and loaded library of one `.cu` text, for values or for checks."""

    def __init__(self, path, compiler, file, dynamic, checked):
        self.runtime, self.library, self.places = runtime(compiler), ctypes.CDLL(str(path)), Places(path, file)
        for function in (self.library.minivit_shared_marker, self.library.minivit_dynamic):
            function.restype = ctypes.c_void_p
        self.place = ModulePlace()
        if not self.runtime.minivit_find_module(
                ctypes.cast(self.library.minivit_dynamic, ctypes.c_void_p), ctypes.c_void_p(self.marker()),
                ctypes.c_void_p(self.library.minivit_dynamic()), ctypes.byref(self.place)):
            raise RuntimeError(f"the shared memory of {path} was not found")
        self.place.dynamic_bytes = MOST_DYNAMIC if dynamic else 0
        if checked:
            ranges = [bound for start, end, _ in self.places.shared for bound in (start, end)]
            self.variables = (ctypes.c_long * len(ranges))(*ranges)
            self.place.variables, self.place.variable_count = ctypes.addressof(self.variables), len(ranges) // 2

    def marker(self):
        """An address in the shared memory of this thread: each thread of Python has its own."""
        return self.library.minivit_shared_marker()

    def kernel(self, name):
        """The address at which a kernel starts."""
        return ctypes.cast(getattr(self.library, f"minivit_run_{name}"), ctypes.c_void_p)

    def run(self, launch):
        """Run a launch to its end; its Result."""
        result = self.runtime.minivit_launch(ctypes.byref(launch))
        try:
            while result == PAUSED:                 # by Ctrl-C: between these two calls Python runs its own handlers
                result = self.runtime.minivit_resume()
        except BaseException:
            self.runtime.minivit_abandon()
            raise
        return result

    def findings(self):
        """The RawFindings of the last launch."""
        found = ctypes.POINTER(RawFinding)()
        return found[:self.runtime.minivit_findings(ctypes.byref(found))]

    def counts(self):
        """The RawCounts of the last launch, one for each instruction."""
        counts = (RawCount * 4096)()
        return counts[:self.runtime.minivit_counts(counts, len(counts))]

    def printed(self):
        """What the last launch printed."""
        text = ctypes.c_char_p()
        return ctypes.string_at(text, self.runtime.minivit_printed(ctypes.byref(text))).decode(errors="replace")

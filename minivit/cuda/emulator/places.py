"""Where an instruction of a built kernel stands in its `.cu` text, and what lies where in shared memory.

Both are read from the library's own tables with the tools that come with the compiler (addr2line, readelf).
"""
import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from minivit.cuda.emulator.build import is_ours


@dataclass(frozen=True)
class Place:
    """A line of a `.cu` file; line 0 where it is not known."""

    file: str
    line: int

    def __str__(self):
        return f"{self.file}:{self.line}" if self.line else self.file


class Places:
    """The places of one library's instructions, and the names in its shared memory."""

    def __init__(self, path, file):
        self.path, self.file, self._known = path, file, {}

    def find(self, offsets):
        """{offset: Place} of instructions, given as the addresses that a call would return to."""
        missing = sorted(set(offsets) - set(self._known))
        if missing:
            listing = _output("addr2line", "-a", "-i", "-e", str(self.path), *(hex(offset - 1) for offset in missing))
            frames = re.split(r"^0x[0-9a-f]+\n", listing, flags=re.MULTILINE)[1:]
            for offset, text in zip(missing, frames):
                self._known[offset] = self._learners(text.splitlines())
        return {offset: self._known.get(offset, Place(self.file, 0)) for offset in offsets}

    def _learners(self, frames):
        """The innermost frame in the learner's text: what it called may have been inlined from ours."""
        for frame in frames:
            file, _, line = frame.partition(" ")[0].rpartition(":")
            if not is_ours(file) and line.isdigit() and int(line):
                return Place(Path(file).name, int(line))
        return Place(self.file, 0)

    @functools.cached_property
    def shared(self):
        """(start, end, symbol) of every variable in shared memory, sorted."""
        table = re.findall(r"^\s*\d+: ([0-9a-f]+)\s+(\d+|0x[0-9a-f]+) TLS\s.*?(\S+)$",
                           _output("readelf", "-sW", str(self.path)), re.MULTILINE)
        return sorted({(int(start, 16), int(start, 16) + int(size, 0), symbol) for start, size, symbol in table
                       if "minivit_" not in symbol})

    def variable(self, offset):
        """(name, offset within it) of what lies at an offset in shared memory, or nearest to it; None: nothing."""
        if not self.shared:
            return None
        start, _, symbol = min(self.shared, key=lambda it: max(it[0] - offset, offset - it[1] + 1, 0))
        return _plain(symbol), offset - start

    def static_bytes(self, kernel):
        """How much shared memory a kernel's own variables take."""
        return sum(end - start for start, end, symbol in self.shared
                   if symbol.startswith(f"_ZZ{len(kernel)}{kernel}E"))


def _plain(symbol):
    """A variable's name as it was written: `partial` of _ZZ7softmaxE7partial, a static inside a function."""
    found = re.search(r"E(\d+)(\w+)$", symbol) if symbol.startswith("_Z") else None
    return found[2][:int(found[1])] if found else symbol


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:                     # no binutils: findings are then without their lines
        return ""

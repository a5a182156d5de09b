"""What checked mode found: findings, and how well each line uses memory.

- `checking()`: a block in which every emulated launch runs in checked mode, and what it finds is collected
- `Finding`, `LineCount`, `Report`
- `KernelError`: raised outside such a block
"""
import contextlib
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

ORDERS = ("ascending", "descending", "random")
checked_launches = ContextVar("minivit_checked_launches", default=None)      # the Checking of this context


@dataclass(frozen=True)
class Finding:
    """One mistake in a kernel, once per pair of lines however often it happened."""

    kind: str               # memcheck, synccheck, initcheck, racecheck, assert, trap, limit or division
    text: str               # what happened, where, and the likely fix
    kernel: str
    file: str
    line: int               # 0 where it is not known
    thread: tuple           # threadIdx (x, y, z); None where it is not known
    block: tuple            # blockIdx (x, y, z)
    other_line: int = 0     # of a race or a divergent barrier: the other side
    count: int = 1
    benign: bool = False    # a race in which both wrote the same value

    @property
    def message(self):
        """The whole sentence: kind, place, text, and how often."""
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.kind}: {self.file}{f':{self.line}' * bool(self.line)}: {self.text}{times}"

    def __str__(self):
        return self.message


@dataclass(frozen=True)
class LineCount:
    """How one line of a kernel uses memory, summed over all warps."""

    file: str
    line: int
    requests: int = 0           # loads and stores, each by up to 32 threads together
    sectors: int = 0            # of global memory, 32 bytes each
    ideal_sectors: int = 0      # had the same bytes lain side by side
    passes: int = 0             # over the banks of shared memory
    ideal_passes: int = 0       # without bank conflicts

    @property
    def coalescing(self):
        """Sectors against the ideal: 1 is best, 8 is worst for floats."""
        return self.sectors / self.ideal_sectors if self.ideal_sectors else 1.0

    @property
    def bank_conflicts(self):
        """Passes against the ideal: 1 is best, 32 is worst."""
        return self.passes / self.ideal_passes if self.ideal_passes else 1.0

    def __add__(self, other):
        return replace(self, **{name: getattr(self, name) + getattr(other, name)
                                for name in ("requests", "sectors", "ideal_sectors", "passes", "ideal_passes")})


@dataclass
class Report:
    """What the launches of a block showed."""

    findings: list = field(default_factory=list)
    lines: dict = field(default_factory=dict)           # {(file, line): LineCount}
    launches: int = 0

    def add(self, findings, lines):
        """Add what one launch showed; a finding that is already there counts up."""
        self.launches += 1
        for new in findings:
            for at, old in enumerate(self.findings):
                if (old.kind, old.kernel, old.file, old.line, old.other_line, old.benign) == (
                        new.kind, new.kernel, new.file, new.line, new.other_line, new.benign):
                    self.findings[at] = replace(old, count=old.count + new.count)
                    break
            else:
                self.findings.append(new)
        for place, count in lines.items():
            self.lines[place] = self.lines[place] + count if place in self.lines else count

    def __str__(self):
        return "\n".join(map(str, self.findings)) or f"nothing found in {self.launches} launches"


class KernelError(RuntimeError):
    """A kernel did something that it must not do; `findings` says what."""

    def __init__(self, findings):
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


@dataclass(frozen=True)
class Checking:
    """How the launches of a block are checked."""

    report: Report
    order: str
    seed: int


@contextlib.contextmanager
def checking(order=None, seed=0):
    """A block in which every emulated launch is checked: `with checking() as report:`, then `report.findings`.

    order: in which threads run, "ascending", "descending" or "random" by `seed`; default: each module's own.
    """
    if order not in (None, *ORDERS):
        raise ValueError(f"unknown order {order!r}: the orders are {', '.join(ORDERS)}")
    report = Report()
    token = checked_launches.set(Checking(report, order, seed))
    try:
        yield report
    finally:
        checked_launches.reset(token)

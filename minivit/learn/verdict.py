"""What the checker says of an attempt, and how it is printed and kept.

- `Verdict`: the status, how far up the ladder of checks it came, and what is wrong
- `Place`: where a result is furthest from the expected one
"""
import json
import textwrap
from dataclasses import asdict, dataclass, replace

LEVELS = ("import", "signature", "form", "values", "properties", "finite differences", "extreme values", "training")
IMPORT, SIGNATURE, FORM, VALUES, PROPERTIES, DIFFERENCES, EXTREME, TRAINING = range(len(LEVELS))
WIDTH = 100             # columns of what is printed
TICKS = {"pass": "\N{CHECK MARK}", "todo": "\N{WHITE CIRCLE}", "fail": "\N{BALLOT X}", "error": "\N{BALLOT X}"}


@dataclass(frozen=True)
class Place:
    """The worst place of one output in one case; window: the numbers around it, as lines of text."""

    case: str
    output: str
    index: tuple
    yours: float
    expected: float
    window: tuple = ()

    def __str__(self):
        at = f" at {_where(self.index)}" if self.index else ""
        return f"{self.output}{at}: yours {self.yours:+.6g}, expected {self.expected:+.6g} (case {self.case})"


@dataclass(frozen=True)
class Verdict:
    """What came of checking one function.

    status: "pass", "todo" (not written yet), "fail" (it runs, and is wrong) or "error" (it does not run).
    level: of LEVELS, where it failed. message: a name for what is wrong, the same for the same mistake.
    sentences: what is said to the learner, the most specific first. place and picture: of the largest error.
    seconds: how long the check took. seed: of its random numbers. printed: what the learner's code printed.
    """

    slug: str
    status: str
    level: int = TRAINING
    message: str = ""
    sentences: tuple = ()
    place: Place | None = None
    picture: str = ""
    seconds: float = 0.0
    seed: int = 0
    printed: str = ""

    def __bool__(self):
        return self.status == "pass"

    def but(self, **changes):
        """This verdict with other values for some of its fields."""
        return replace(self, **changes)

    def to_json(self):
        """A line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text):
        """The inverse of `to_json`."""
        fields = json.loads(text)
        place = fields["place"]
        if place is not None:
            place = Place(**place | {"index": tuple(place["index"]), "window": tuple(place["window"])})
        return cls(**fields | {"place": place, "sentences": tuple(fields["sentences"])})

    def __str__(self):
        where = {"pass": "", "todo": "to do"}.get(self.status, f"L{self.level} {LEVELS[self.level]}")
        first = f"{TICKS[self.status]} {self.slug}  {where}"
        lines = [f"{first:<70} ({self.seconds:.1f} s, seed {self.seed})"]
        lines += [textwrap.fill(sentence, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
                  for sentence in self.sentences]
        if self.place is not None:
            lines += [f"  {self.place}", *(f"    {row}" for row in self.place.window)]
        lines += [f"  {row}" for row in self.picture.splitlines()]
        if self.printed:
            lines += ["  it printed:", *(f"  | {line}" for line in self.printed.splitlines())]
        return "\n".join(lines)


def ended(text):
    """A sentence with its full stop."""
    return text if text.endswith((".", "?", "!", ".)")) else f"{text}."


def _where(index):
    return f"row {index[0]}, column {index[1]}" if len(index) == 2 else f"index {list(index)}"

"""When does a message name the line, or the term, in which a file is wrong?

- `Comparison(yours, right)`: the places in which two texts differ; `.named(said)`: those that a message names
- `sentences(printed)`: what the checker has printed in words

A place is a run of lines in which file and solution differ. A message names it if it

- says `line N` (a compiler: `file.cu:N`), and N is one of those lines in the learner's file, or
- quotes code that is there, in the file or in the solution, and holds something in which the two differ there:
  at least two symbols with an operator among them (`p - rows`), three of a call, an index or a return (`sum(dy`,
  `[:n]`, `return da`), five with brackets (`(B, N, H`), or a single name, or an operator such as `+=`, that differs and
  is at most on two other lines.

np. and math. do not count, nor do spaces; ^ is **. What is printed of cases and numbers, and the names of results, name
nothing.
"""
import difflib
import keyword
import re
from collections import Counter
from typing import NamedTuple

NEAR = 2                    # lines that are alike between two places which are one: the braces of a block, say
MOST_ELSEWHERE = 2          # other lines that a single name may be on
SYMBOL = re.compile(r"[A-Za-z_]\w*(?:-[A-Za-z]\w*)*|\d+(?:\.\d+)?(?:e-?\d+)?|\*\*|//|[-+*/<>=!]=|\S")
OPERATORS = set("+ - * / // ** @ % < > = == += -= *= /= <= >= !=".split())
BRACKETS = set("()[]")
LONG = 5                    # symbols that count where there are brackets only


class Place(NamedTuple):
    """A run of lines: yours[start:stop] should be right[first:last]."""

    start: int
    stop: int
    first: int
    last: int


def symbols(text):
    """The symbols of a text, as (symbol, line), lines from 0. Sentences end with a symbol of their own, "."."""
    found = []
    for number, line in enumerate(text.splitlines()):
        line = re.sub(r"\b(?:np|math)\.(?=\w)|`", "", line).replace("^", "**")
        for match in SYMBOL.finditer(line):
            symbol = match[0]
            if re.fullmatch(r"\d.*", symbol):
                symbol = f"{float(symbol):g}"
            elif symbol in ("expf", "sqrtf", "fmaxf"):
                symbol = symbol[:-1]
            found.append((symbol, number))
    return found


def without_comments(text):
    """Code alone, line by line: comments and docstrings are blank."""
    if "__global__" in text:
        return re.sub("//.*", "", text)
    text = re.sub(r'""".*?"""', lambda match: "\n" * match[0].count("\n"), text, flags=re.S)
    return re.sub(r"(?:^|(?<=\s))#.*", "", text, flags=re.M)


def places(yours, right):
    """The Places in which two texts differ."""
    matcher = difflib.SequenceMatcher(None, yours.splitlines(), right.splitlines(), autojunk=False)
    found = []
    for tag, *where in matcher.get_opcodes():
        if tag != "equal":
            near = found and where[0] - found[-1].stop <= NEAR and found.pop()
            found.append(Place(near.start, where[1], near.first, where[3]) if near else Place(*where))
    return found


def sentences(printed):
    """What the checker says in words, without cases and numbers."""
    words = [line.strip() for line in printed.splitlines()[1:]
             if not re.fullmatch(r"[-+\s|\d.einfa\u2588\u2591-\u2593]*|\s*yours +\| +expected", line)
             and not re.search(r": yours [-+].*, expected ", line)]
    return re.sub(r"\(case .*?\)\.", ".", " ".join(words))


class Comparison:
    """A novice's text beside the right one: which Places of the two a message names."""

    def __init__(self, yours, right, results=()):
        self.places, self.results = places(yours, right), set(results)
        self.texts = [symbols(without_comments(text)) for text in (yours, right)]
        self.sides = [list(self._sides(place)) for place in self.places]

    def _sides(self, place):
        """For either text: its symbols there, which of them differ, where the other has more, and where each begins."""
        ranges = range(place.start, place.stop), range(place.first, place.last)
        here = [[symbol for symbol, line in text if line in lines] for text, lines in zip(self.texts, ranges)]
        apart, seams = (set(), set()), (set(), set())
        for tag, *where in difflib.SequenceMatcher(None, *here, autojunk=False).get_opcodes():
            for side, (start, stop) in enumerate((where[:2], where[2:]) if tag != "equal" else ()):
                apart[side].update(range(start, stop))
                seams[side].update([start] * (start == stop))
        for own, text, lines, *found in zip(here, self.texts, ranges, apart, seams):
            elsewhere = Counter(name for name, line in set(text) if line not in lines)
            starts = {name: [k for k, symbol in enumerate(own) if symbol == name] for name in own}
            yield own, *found, starts, elsewhere

    def named(self, said):
        """The Places that a message names; those of brackets alone go with any other."""
        lines = {int(number) - 1 for number in re.findall(r"(?:\bline |\.cu:)(\d+)\b", said)}
        message = [symbol for symbol, _ in symbols(said)]
        found = [place for place, sides in zip(self.places, self.sides)
                 if lines & set(range(place.start, max(place.stop, place.start + 1)))
                 or any(self._quoted(message, *side) for side in sides)]
        return found and [place for place, sides in zip(self.places, self.sides) if place in found or _braces(sides)]

    def _quoted(self, message, own, apart, seams, starts, elsewhere):
        """Whether a message holds code of a text at a place, with something in which the two differ there."""
        for at, symbol in enumerate(message):
            for start in starts.get(symbol, ()):
                n = 1
                while at + n < len(message) and start + n < len(own) and message[at + n] == own[start + n]:
                    n += 1
                names = {own[k] for k in range(start, start + n) if k in apart}
                if (names or any(k in seams for k in range(start + 1, start + n))) and _code(own[start:start + n]):
                    return True
                if any(_telling(name) and elsewhere[name] <= MOST_ELSEWHERE for name in names - self.results):
                    return True
        return False


def _braces(sides):
    """Whether a place holds nothing but brackets: whoever changes a block's beginning changes its end."""
    return not any(re.match(r"\w", symbol) for own, *_ in sides for symbol in own)


def _code(quoted):
    """Whether symbols that stand side by side can only be code."""
    if not any(re.match(r"\w", symbol) for symbol in quoted):
        return False
    call = quoted[0] == "return" or "[" in quoted and ":" in quoted or any(
        re.match(r"[A-Za-z_]", one) and two in "([" for one, two in zip(quoted, quoted[1:]))
    return (len(quoted) >= 2 and not OPERATORS.isdisjoint(quoted) or len(quoted) >= 3 and call
            or len(quoted) >= LONG and not BRACKETS.isdisjoint(quoted))


def _telling(symbol):
    """Whether a single symbol can be looked for: a name that is no article, or an operator of two characters."""
    if symbol in OPERATORS:
        return len(symbol) > 1
    return bool(re.match("[A-Za-z_]", symbol)) and not keyword.iskeyword(symbol) and (
        len(symbol) > 1 or symbol.isupper() and symbol not in "AI")

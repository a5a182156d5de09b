"""Mistakes made by a machine, in CUDA: a kernel's text with one thing changed (`mutate` does it for Python).

- `cuda_mutants(source)`: [Mutant], every single change that the rules below allow, in the order of the text

The rules know no C++, only words and signs: an operator for another, a number one larger, a barrier gone, a shuffle of
the other kind. What does not compile is for whoever uses them to leave out.
"""
import re

from minivit.cuda.signature import KERNEL, without_comments
from minivit.learn.mutate import Mutant

RULES = tuple((rule, re.compile(pattern), replacement) for rule, pattern, replacement in (
    ("operator", r" \+ ", " - "), ("operator", r" - ", " + "), ("operator", r" \* ", " / "),
    ("operator", r" / ", " * "), ("operator", r" % ", " / "), ("operator", r" \+= ", " -= "),
    ("operator", r" /= ", " -= "), ("assign for add", r" \+= ", " = "),
    ("comparison", r" < ", " <= "), ("comparison", r" >= ", " > "), ("comparison", r" == ", " != "),
    ("constant", r"(?<=[ \[])(\d+)(?=[;,\])\s])", lambda found: str(int(found[1]) + 1)),
    ("constant", r"(?<=[ \[])([1-9]\d*)(?=[;,\])\s])", lambda found: str(2 * int(found[1]))),
    ("function", r"\bfmaxf\b", "fminf"), ("function", r"\bexpf\b", "expm1f"), ("function", r"\bsqrtf\b", ""),
    ("function", r"_xor_sync\b", "_down_sync"), ("function", r"_down_sync\b", "_up_sync"),
    ("mask", r"\bWARP\b", "0x0000ffff"), ("index", r"\bthreadIdx\.x\b", "0"), ("index", r"\bblockIdx\.x\b", "0"),
    ("index", r"\[j\]", "[j + 1]"), ("drop barrier", r"__sync(?:threads|warp)\(\);", ""),
    ("drop return", r"\breturn;", ";")))


def cuda_mutants(source):
    """All Mutants of a solution's text, each with one change in the body of a kernel."""
    code, found = without_comments(source), []
    body = code.index("{", next(KERNEL.finditer(code)).end())
    for rule, pattern, replacement in RULES:
        for match in pattern.finditer(code, body):
            now = replacement(match) if callable(replacement) else replacement
            line = source.count("\n", 0, match.start()) + 1
            text = f"line {line}: {match[0].strip()} -> {now.strip() or 'nothing'}"
            found.append(Mutant(rule, text, line, source[:match.start()] + now + source[match.end():]))
    return sorted(found, key=lambda mutant: mutant.line)

"""Findings that compare a wrong result with what it is made of: arguments, and expressions of the solution.

V and W stand for such terms, whose text is shown between backquotes.
"""
import itertools
import operator

from minivit.learn.findings.results import added, constant, ratio, same

MOST = 16                   # terms of which pairs are made
OPERATIONS = {"*": operator.mul, "+": operator.add, "-": operator.sub, "/": operator.truediv}
FACTORS = (
    (1, "There is a factor too many: yours is the right {} times `{}`."),
    (-1, "A factor is missing: yours is the right {} divided by `{}`."),
    (2, "There are two factors too many: yours is the right {} times the square of `{}`."),
    (-2, "Yours is the right {} divided by the square of `{}`: was it divided by, where a factor belongs?"),
    (0.5, "A power is wrong: yours is the right {} times the root of `{}`."),
    (-0.5, "A power is wrong: yours is the right {} divided by the root of `{}`."))


def returned(result):
    """yours = c V, or V * W, V + W, V - W, V / W."""
    terms = list(result.stretched())
    for text, arrays in terms:
        what = _explained(result, result.yours, arrays)
        if what is not None:
            return f"{result.name} is `{text}`{'' if what == '1' else f', times {what}'}, and nothing else."
    for (a, left), (b, right) in itertools.permutations(terms[:MOST], 2):
        for sign, operation in OPERATIONS.items():
            if sign in "*+" and a > b or sign == "/" and not all(array.all() for array in right):
                continue
            if all(same(yours, operation(x, y)) for yours, x, y in zip(result.yours, left, right)):
                return f"{result.name} is `{_bracketed(a)} {sign} {_bracketed(b)}`, and nothing else."


def term(result):
    """yours = expected + c V, or c V W."""
    terms = list(result.stretched())
    products = [(f"{_bracketed(a)} * {_bracketed(b)}", [x * y for x, y in zip(left, right)])
                for (a, left), (b, right) in itertools.combinations(terms[:MOST], 2)]
    numbers = all(yours.size == 1 for yours in result.yours)            # single ones, which much would fit by chance
    for kind, most in ((terms, 1 if numbers else 2), (products, 0 if numbers else 2)):
        for text, arrays in kind:
            what = _explained(result, result.differences, arrays, most)
            if what in ("1", "-1"):
                return (f"A term is missing: yours is the right {result.name} less `{text}`." if what == "-1" else
                        f"There is a term too many: yours is the right {result.name} plus `{text}`.")
            if what in ("2", "-2"):
                return f"A term has the wrong sign: yours is the right {result.name} {added(what)} times `{text}`."
            if what is not None:
                return f"{result.name} is wrong by a term: yours is the right one {added(what)} times `{text}`."


def _explained(result, arrays, terms, most=2):
    """What c is in array = c term, if it is the same kind of number in every case; else None."""
    numbers = [ratio(array, its) for array, its in zip(arrays, terms)]
    return None if None in numbers or 0.0 in numbers else result.explain(numbers, most)


def factor_term(result):
    """yours = expected * V ** power."""
    for text, arrays in result.stretched():
        if all(map(constant, arrays)):
            continue
        for power, sentence in FACTORS:
            allowed = power in (1, 2) or all(array.all() if power < -0.5 else array.min() > 0 for array in arrays)
            if allowed and all(same(yours, expected * array ** power, of=yours)
                               for yours, expected, array in zip(result.yours, result.expected, arrays)):
                return sentence.format(result.name, text)


def pattern(result):
    """yours = expected + V times something that is constant along an axis along which V is not."""
    result = result.only(result.wrong)
    for text, arrays in result.stretched():
        if not all(array.all() for array in arrays):
            continue
        quotients = [difference / array for difference, array in zip(result.differences, arrays)]
        for axis, name in result.axes:
            if all(constant(quotient, axis) for quotient in quotients) and not all(
                    constant(array, axis) for array in arrays):
                return f"{result.name} is wrong by `{text}` times something that is the same all along {name}."


def _bracketed(text):
    return text if " " not in text or text.endswith(")") and " " not in text.partition("(")[0] else f"({text})"


COMPARISONS = {"returned": returned, "term": term, "factor-term": factor_term}

"""Arguments for a kernel that is to be tried out, made up from its signature and a few words.

    words = {"rows": "4", "x": "rows*n"}
    numbers = numbers_of(kernel, words, given={})           {"rows": 4, "n": 33}
    args = made_up(kernel, numbers, words, given={})

- a number: what the words say, or 33 for an integer (no multiple of a warp, which finds guards that are missing), 0.5
  for a float, true for a bool
- an array: as many elements as the words say, by default the product of all integers, or one for each thread where
  there is no integer; random numbers (integers from 0 to below the smallest integer argument) where the kernel only
  reads it, zeros where it writes; or "none", a null pointer
"""
import ast
import math
import operator

import numpy as np

from minivit.errors import unknown

DEFAULTS = {"i": 33, "u": 33, "f": 0.5, "b": True}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv}
MOST = 2**20            # elements of an array whose size nobody gave


def evaluate(text, numbers):
    """The number that `text` spells: numbers, the names in `numbers`, + - * // and brackets.

    Raises ValueError for anything else.
    """
    def value(node):
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        if isinstance(node, ast.Name) and node.id in numbers:
            return np.asarray(numbers[node.id]).item()
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        raise ValueError(f"{text!r} is no number: write numbers, + - * // and the kernel's own numbers"
                         + (f" ({', '.join(numbers)})" if numbers else ""))
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        raise ValueError(f"{text!r} is no number") from None
    return value(tree.body)


def numbers_of(kernel, words, given):
    """{name: number} of the parameters that are numbers; given: {name: array or number} to be taken as they are.

    Raises ValueError for words that are no number.
    """
    numbers = {}
    for p in kernel.parameters:
        if p.pointer:
            continue
        if p.name in given:
            numbers[p.name] = given[p.name]
        elif p.name in words:
            numbers[p.name] = evaluate(words[p.name], {"true": True, "false": False})
        else:
            numbers[p.name] = DEFAULTS[p.dtype.kind]
    return numbers


def made_up(kernel, numbers, words, given, seed=0, threads=1):
    """The arguments of `kernel`, in order; threads: of the whole launch.

    Raises ValueError for words that are no size of an array.
    """
    rng = np.random.default_rng(seed)
    return [numbers[p.name] if not p.pointer else given[p.name] if p.name in given
            else _array(p, words.get(p.name), numbers, threads, rng) for p in kernel.parameters]


def _array(parameter, text, numbers, threads, rng):
    if text is not None and text.strip().lower() in ("none", "null"):
        return None
    integers = [int(n) for n in numbers.values() if isinstance(n, (int, np.integer)) and type(n) is not bool and n > 0]
    size = min(math.prod(integers) if integers else threads, MOST) if text is None else evaluate(text, numbers)
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{parameter.name} has {text} = {size} elements, which is no size of an array")
    if not parameter.const:
        return np.zeros(size, parameter.dtype)
    if parameter.dtype.kind == "f":
        return rng.standard_normal(size).astype(parameter.dtype)
    return rng.integers(0, 2 if parameter.dtype.kind == "b" else min([*integers, 100]), size).astype(parameter.dtype)


def check_names(kernels, names):
    """Raise ValueError for a name that is no parameter of any of the kernels."""
    known = {p.name for kernel in kernels for p in kernel.parameters}
    for name in names:
        if name not in known:
            raise ValueError(unknown("parameter", name, known))


def described(parameter, value):
    """How an argument is told: `x: 132 float32`, `rows = 4`."""
    if parameter.pointer:
        return f"{parameter.name}: " + ("null" if value is None else f"{value.size} {value.dtype}")
    return f"{parameter.name} = {value}"

"""Exceptions of a learner's code, told so that they can be acted on: where, and with which arrays.

- `told(error, function)`: ``line 7, `dy @ b`: ValueError: ...``, the expression that failed, and why
- `shapes_there(error, function)`: `Here dy is (2, 3, 5), and b is (2, 4, 5).`, and what would fit
"""
import ast
import errno
import inspect
import linecache
import re

import numpy as np


def told(error, function, where=""):
    """The line of the function's own file that an exception came through last, the expression, and what was wrong.

    where: what is added before the end of the sentence.
    """
    line, text, _ = _failure(error, function)
    place = f"line {line}{f', `{text}`' if text else ''}: " if line else ""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"{place}it prints, or writes to a file, more than a check allows{where}"
    return f"{place}{type(error).__name__}{f': {error}' if str(error) else ''}{where}"


def shapes_there(error, function):
    """A sentence with the shapes of the arrays that meet where an exception was raised; None where there are none."""
    _, text, values = _failure(error, function)
    arrays = {name: values[name] for name in _names(text) if isinstance(values.get(name), np.ndarray)}
    if not isinstance(error, (ValueError, IndexError)) or not arrays:
        return None
    sentence = f"Here {', '.join(f'{name} is {array.shape}' for name, array in arrays.items())}."
    return f"{sentence} {_remedy(error, text, arrays)}".rstrip()


def _failure(error, function):
    """(line, text, local variables) of the innermost frame in the function's own file; (0, "", {}) without one."""
    homes, found = _homes(function), (0, "", {})
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename in homes:
            found = trace.tb_lineno or 0, _expression(code, trace.tb_lasti), trace.tb_frame.f_locals
        trace = trace.tb_next
    return found


def _homes(function):
    """The files that a function, the methods of a class, or a module comes from."""
    if inspect.ismodule(function):
        return {function.__file__}
    parts = (inspect.unwrap(function), *getattr(function, "__dict__", {}).values())
    return {part.__code__.co_filename for part in parts if hasattr(part, "__code__")}


def _expression(code, instruction):
    """The text of what an instruction computes; its whole line where that is not known."""
    line, last, start, end = list(code.co_positions())[instruction // 2]
    text = linecache.getline(code.co_filename, line or 0)
    if line == last and start is not None:
        text = text.encode()[start:end].decode()
    return text.strip()


def _names(text):
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    return list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


def _remedy(error, text, arrays):
    """What would fit, if that is plain to see."""
    shapes = [tuple(int(n) for n in re.findall(r"\d+", shape)) for shape in re.findall(r"\(([\d, ]+)\)", str(error))]
    if "broadcast" in str(error) and len(shapes) == 2:
        long, short = sorted(shapes, key=len, reverse=True)
        if len(long) == len(short) + 1 and short == long[:-1]:
            return f"An axis was lost: with keepdims=True, or [..., None], {short} would be {(*short, 1)} and fit."
        if short == long[::-1] or len(short) > 1 and short == long[:-2] + long[:-3:-1]:
            return "One would fit if it were transposed."
    if re.fullmatch(r"\w+ @ \w+", text) and len(arrays) == 2:
        (a, left), (b, right) = arrays.items()
        if min(left.ndim, right.ndim) >= 2:
            for one, other, phrase in ((left.mT, right, f"{a} transposed"), (left, right.mT, f"{b} transposed"),
                                       (left.mT, right.mT, "both transposed")):
                if one.shape[-1] == other.shape[-2]:
                    return f"With {phrase} (.swapaxes(-1, -2)) they would fit."
    return ""

"""What a result may be made of: the arguments of a case, and what the solution computes on its way.

- `terms(exercise, trial)`: {text: array}, the arguments by name and every expression of the solution by its source
- `changed(exercise, trial, text, change)`: what the solution returns if one of these is changed
- `sizes(exercise, trial)`: {symbol: (meaning, number)}, the lengths of axes, and arguments that are numbers

So that a diagnosis can say "the term `np.sum(dy * y, axis=-1, keepdims=True)` is missing", the solution is run with
each of its expressions wrapped in a call that notes the value. Those that a run evaluates several times are left out.
"""
import ast
import functools
import math
import re

import numpy as np

from minivit.learn.catalogue import solution_file
from minivit.learn.trials import attempt, numeric

LONGEST = 70            # characters of an expression that is shown
NOTE = "note_term"


class _Wrap(ast.NodeTransformer):
    """Every expression e of a function as note_term("e", e)."""

    def __init__(self):
        self.inside = False

    def visit_FunctionDef(self, node):
        outer, self.inside = self.inside, True
        node.body = [self.visit(statement) for statement in node.body]
        self.inside = outer
        return node

    def visit_Lambda(self, node):
        return node

    visit_ListComp = visit_GeneratorExp = visit_DictComp = visit_SetComp = visit_Lambda

    def visit_Call(self, node):
        text = ast.unparse(node)
        if isinstance(node.func, ast.Attribute):                    # of x.sum(): x, but not x.sum
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(argument) for argument in node.args]
        node.keywords = [self.visit(keyword) for keyword in node.keywords]
        return self._noted(node, text)

    def visit_BinOp(self, node):
        text = ast.unparse(node)
        return self._noted(self.generic_visit(node), text)

    visit_UnaryOp = visit_BinOp

    def visit_Subscript(self, node):
        return self.visit_BinOp(node) if isinstance(node.ctx, ast.Load) else node

    visit_Attribute = visit_Subscript

    def _noted(self, node, text):
        if not self.inside or len(text) > LONGEST:
            return node
        return ast.copy_location(ast.Call(ast.Name(NOTE, ast.Load()), [ast.Constant(text), node], []), node)


@functools.cache
def _noting(slug, name):
    """The solution with its expressions wrapped; the values noted of them; the changes that are made to them."""
    tree, notes, changes = ast.parse(solution_file(slug).read_text(encoding="utf-8")), {}, {}

    def note(text, value):
        if text in changes:
            value = changes[text](value)
        if numeric(value) and not isinstance(value, bool):
            notes.setdefault(text, []).append(np.array(value))
        return value

    space = {"__name__": f"minivit.learn.solutions.{slug}", NOTE: note}
    exec(compile(ast.fix_missing_locations(_Wrap().visit(tree)), slug, "exec"), space)
    return space[name], notes, changes


def terms(exercise, trial):
    """{text: float64 array} of the arguments that are numbers, and of what the solution makes of them."""
    found = {name: np.asarray(value) for name, value in zip(trial.names, trial.arguments) if numeric(value)}
    file = solution_file(exercise.slug)
    if file.exists() and file.suffix == ".py":
        function, notes, _ = _noting(exercise.slug, exercise.function)
        notes.clear()
        attempt(exercise, function, trial.arguments)
        found |= {text: values[0] for text, values in notes.items() if len(values) == 1 and text not in found}
    return {text: array.astype(np.float64) for text, array in found.items() if array.dtype.kind in "fiu"}


def changed(exercise, trial, text, change):
    """The Outcome of the solution where change(value) stands in for one of its terms; None where that cannot be."""
    arguments = list(trial.arguments)
    if text in trial.names:
        k = trial.names.index(text)
        if np.asarray(arguments[k]).dtype.kind != "f":
            return None
        with np.errstate(all="ignore"):
            arguments[k] = change(np.asarray(arguments[k]))
        return attempt(exercise, exercise.solution, tuple(arguments))
    function, _, changes = _noting(exercise.slug, exercise.function)
    changes[text] = change
    try:
        return attempt(exercise, function, trial.arguments)
    finally:
        changes.clear()


def sizes(exercise, trial):
    """{symbol: (meaning, number > 0)}: what a factor may be. An axis goes by its letter in the solution's docstring."""
    letters, found = _docstring_letters(exercise.solution.__doc__ or ""), {}
    for name, value in zip(trial.names, trial.arguments):
        if isinstance(value, np.ndarray):
            for axis in range(-value.ndim, 0):
                letter, code = letters.get((name, axis)), f"{name}.shape[{axis}]"
                known = letter and found.get(letter, ("", value.shape[axis]))[1] == value.shape[axis]
                found.setdefault(letter if known else code, (code if known else "", value.shape[axis]))
            if value.ndim > 1:
                found[f"{name}.size"] = "", value.size
        elif numeric(value):
            found[name] = "", float(value)
    return {symbol: (meaning, float(number)) for symbol, (meaning, number) in found.items()
            if number > 0 and math.isfinite(number)}


@functools.cache
def _docstring_letters(text):
    """{(argument, axis from the end): letter} for every `name (B, N, D)` in a docstring."""
    return {(name, axis - len(parts)): part.strip()
            for name, shape in re.findall(r"\b(\w+) \(([^()]+)\)", text) for parts in [shape.split(",")]
            for axis, part in enumerate(parts) if re.fullmatch(r" *\w+ *", part)}

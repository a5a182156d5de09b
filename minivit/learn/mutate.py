"""Mistakes made by a machine: a solution's syntax tree with one thing changed.

- `mutants(source)`: [Mutant], every single change that the rules below allow, in the order of the text

A list of wrong answers that the author of the checks knew proves little about the checks; these come from elsewhere.
Some change nothing that matters (`axis=-1` for `axis=1` of a matrix): whoever uses them compares results.
"""
import ast
import copy
import itertools
from dataclasses import dataclass

SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
           ast.MatMult: ast.Mult, ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv}
FLIPPED = {ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
           ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
           ast.In: (ast.NotIn,), ast.NotIn: (ast.In,)}
RENAMED = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum",
           "argmax": "argmin", "argmin": "argmax", "zeros": "ones", "ones": "zeros", "zeros_like": "ones_like",
           "sin": "cos", "cos": "sin", "exp": "expm1", "var": "std", "append": "remove", "all": "any", "any": "all",
           "concatenate": "stack", "stack": "concatenate", "add": "subtract", "floor": "ceil", "ceil": "floor"}
DROPPED = ("exp", "log", "sqrt", "abs", "tanh", "square", "copy", "transpose", "swapaxes", "reversed", "sorted", "set",
           "maximum", "minimum", "cumsum", "flip", "moveaxis", "sum", "mean", "max")
COMMUTES = (ast.Add, ast.Mult)


@dataclass(frozen=True)
class Mutant:
    """A changed source. rule: the kind of change; text: what stood there, and stands now; line: of the new source."""

    rule: str
    text: str
    line: int
    source: str


def mutants(source):
    """All Mutants of a solution, each with one change inside a function."""
    tree, found = ast.parse(source), []
    plain = ast.unparse(tree)
    seen = {plain}
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        arguments = [argument.arg for argument in function.args.args if argument.arg != "self"]
        for parent, field, index, node in _places(function):
            for rule, replacement in _changes(node, arguments):
                text = _changed(tree, parent, field, index, replacement)
                if text is not None and text not in seen:
                    seen.add(text)
                    change = f"line {node.lineno}: {_text(node)} -> {_text(replacement)}"
                    found.append(Mutant(rule, change, _first_difference(plain, text), text))
    return found


def _first_difference(a, b):
    lines = itertools.zip_longest(a.splitlines(), b.splitlines())
    return next(number for number, (one, other) in enumerate(lines, 1) if one != other)


def _places(function):
    """(parent, field, index in the field or None, node) of every statement and expression in the function's body."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    stack = [(function, "body", k, node) for k, node in enumerate(function.body) if node is not docstring]
    while stack:
        parent, field, index, node = stack.pop(0)
        if hasattr(node, "lineno"):
            yield parent, field, index, node
        inner = []
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                inner += [(node, name, k, item) for k, item in enumerate(value) if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                inner.append((node, name, None, value))
        stack = inner + stack


def _changed(tree, parent, field, index, replacement):
    """The source with one node replaced (a statement by None: left out), or None where that is no Python."""
    before = after = getattr(parent, field)
    if index is None:
        after = replacement
    else:
        after = before[:index] + [replacement][:replacement is not None] + before[index + 1:]
    vars(parent)[field] = after or [ast.Pass()]
    try:
        text = ast.unparse(ast.fix_missing_locations(tree))
        ast.parse(text)
        return text
    except (SyntaxError, ValueError):
        return None
    finally:
        vars(parent)[field] = before


def _text(node):
    return "nothing" if node is None else " ".join(ast.unparse(node).split())


def _changes(node, arguments):
    """(rule, replacement) of everything that may be done to a node."""
    for kind, rule in RULES:
        if isinstance(node, kind):
            yield from rule(node, arguments)


def _binary(node, arguments):
    if type(node.op) in SWAPPED:
        yield "operator", ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)
    what = "term" if isinstance(node.op, (ast.Add, ast.Sub)) else "factor"
    yield f"drop {what}", node.left
    yield f"drop {what}", node.right
    if not isinstance(node.op, COMMUTES):
        yield "swap operands", ast.BinOp(node.right, node.op, node.left)


def _unary(node, arguments):
    if isinstance(node.op, (ast.USub, ast.Not)):
        yield "sign" if isinstance(node.op, ast.USub) else "condition", node.operand


def _constant(node, arguments):
    if type(node.value) in (int, float):
        yield "constant", ast.Constant(node.value + 1)
        if node.value:
            yield "constant", ast.Constant(2 * node.value)
            yield "constant", ast.Constant(-node.value)
            yield "constant", ast.Constant(type(node.value)(0))
    elif node.value is True or node.value is False:
        yield "constant", ast.Constant(not node.value)


def _call(node, arguments):
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name in RENAMED:
        func = copy.copy(node.func)
        vars(func)["attr" if isinstance(func, ast.Attribute) else "id"] = RENAMED[name]
        yield "function", ast.Call(func, node.args, node.keywords)
    module = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in ("np", "math")
    if name in DROPPED:
        if isinstance(node.func, ast.Attribute) and not module:
            yield "drop call", node.func.value
        elif node.args:
            yield "drop call", node.args[0]
            if len(node.args) == 2:
                yield "drop call", node.args[1]
    for k, keyword in enumerate(node.keywords):
        rest = node.keywords[:k] + node.keywords[k + 1:]
        yield f"drop {keyword.arg}", ast.Call(node.func, node.args, rest)
        if keyword.arg == "axis":
            for axis in (0, -1, -2, None):
                yield "axis", ast.Call(node.func, node.args, [*rest, ast.keyword("axis", ast.Constant(axis))])
    if len(node.args) >= 2:
        for k in range(len(node.args) - 1):
            args = [*node.args[:k], node.args[k + 1], node.args[k], *node.args[k + 2:]]
            yield "swap arguments", ast.Call(node.func, args, node.keywords)


def _attribute(node, arguments):
    if node.attr in ("T", "mT"):
        yield "drop transpose", node.value


def _compare(node, arguments):
    for other in FLIPPED.get(type(node.ops[0]), ()):
        yield "comparison", ast.Compare(node.left, [other(), *node.ops[1:]], node.comparators)


def _boolean(node, arguments):
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield "condition", ast.BoolOp(other, node.values)
    for k in range(len(node.values)):
        yield "condition", node.values[k]


def _augmented(node, arguments):
    yield "assign for add", ast.Assign([node.target], node.value)
    if type(node.op) in SWAPPED:
        yield "operator", ast.AugAssign(node.target, SWAPPED[type(node.op)](), node.value)


def _statement(node, arguments):
    if not isinstance(node, ast.Return):
        yield "drop statement", None


def _name(node, arguments):
    if isinstance(node.ctx, ast.Load) and node.id in arguments:
        for other in arguments:
            if other != node.id:
                yield "variable", ast.Name(other, ast.Load())


def _tuple(node, arguments):
    if isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        for k in range(len(node.elts) - 1):
            yield "order", ast.Tuple([*node.elts[:k], node.elts[k + 1], node.elts[k], *node.elts[k + 2:]], ast.Load())


def _slice(node, arguments):
    for part in ("lower", "upper", "step"):
        if getattr(node, part) is not None:
            yield "slice", ast.Slice(**{name: None if name == part else getattr(node, name)
                                        for name in ("lower", "upper", "step")})


def _either(node, arguments):
    yield "condition", ast.IfExp(node.test, node.orelse, node.body)


def _loop(node, arguments):
    if isinstance(node, ast.If):
        yield "condition", ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


RULES = ((ast.BinOp, _binary), (ast.UnaryOp, _unary), (ast.Constant, _constant), (ast.Call, _call),
         (ast.Attribute, _attribute), (ast.Compare, _compare), (ast.BoolOp, _boolean), (ast.AugAssign, _augmented),
         ((ast.Assign, ast.AugAssign, ast.Expr, ast.For), _statement), (ast.Name, _name), (ast.Tuple, _tuple),
         (ast.Slice, _slice), (ast.IfExp, _either), (ast.If, _loop))

"""What a learner starts from: the file of a solution without what has to be found.

Every function and method that has a docstring keeps it and loses its body; one without a docstring is given, and stays.
The text is cut, not printed again from the syntax tree, so that comments and layout stay as they were written.

- `stub_of(file)`: the stub of a solution's file
- `stub(source)`, `cuda_stub(source)`: that of its text, in Python and in CUDA
"""
import ast

from minivit.cuda.signature import KERNEL, without_comments

TODO = 'raise NotImplementedError("TODO: write {name}")'


def stub_of(file):
    """The stub of the solution in `file`."""
    source = file.read_text(encoding="utf-8")
    return cuda_stub(source) if file.suffix == ".cu" else stub(source)


def cuda_stub(source):
    """The stub of a solution in CUDA: every kernel loses its body; functions beside it are given, and stay."""
    code = without_comments(source)                     # as long as the source
    for kernel in reversed(list(KERNEL.finditer(code))):
        start = code.index("{", kernel.end()) + 1
        depth, end = 1, start
        while depth:
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        source = f"{source[:start]}\n#error TODO: write {kernel['name']}\n{source[end - 1:]}"
    return source


def stub(source):
    """The stub of a solution's `source`."""
    lines = source.splitlines(keepends=True)
    for function, name in sorted(_to_write(ast.parse(source)), key=lambda found: -found[0].lineno):
        docstring = function.body[0]
        indent = " " * docstring.col_offset
        lines[docstring.end_lineno:function.end_lineno] = [indent + TODO.format(name=name) + "\n"]
    return "".join(lines)


def _to_write(tree, inside=""):
    """(node, dotted name) of every function to write; functions within functions go with their body."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from _to_write(node, f"{inside}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            yield node, inside + node.name

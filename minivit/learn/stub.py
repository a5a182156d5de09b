"""What a learner starts from: the file of a solution without what has to be found.

Every function and method that has a docstring keeps it and loses its body; one without a docstring is given, and stays.
The text is cut, not printed again from the syntax tree, so that comments and layout stay as they were written.
"""
import ast

TODO = 'raise NotImplementedError("TODO: write {name}")'


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

"""The ladder: a module imports from any lower rung, never from its own or a higher one. Read from the sources by `ast`.

A new room in minivit/ is a new line in the table below.
"""
import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUNG = {
    "atomic": 0, "backend": 0, "errors": 0, "streams": 0,
    "pickles": 0.5,                     # its errors show values as errors.py does
    "data": 1, "cuda": 1,
    "function": 2,
    "primitives": 3, "modes": 3, "tape": 3,
    "call": 3.5,                        # one call of a Function: needs modes and tape
    "tensor": 4,
    "ops": 5,
    "gradcheck": 6, "nn": 6,
    "optim": 7, "models": 7,
    "weights": 8,
    "train": 9,
    "inspect": 10,
    "learn": 11,
    "cli": 12,
    "__main__": 12.5,                   # two lines that start cli
}
ONLY_IN = {"cupy": ("backend", "cuda"), "matplotlib": ("inspect",), "pickle": ()}


def room(module):
    """minivit.ops.gelu -> ops; "" for minivit itself, which only gathers names for users."""
    return (module.split(".") + [""])[1]


def imports(tree, modules):
    """(imported module, node, inside a function) of every import in a file; also import_module("literal").

    modules: the files of minivit: `from minivit import tape` names one of them, `from minivit import Tensor` does not.
    """
    local = {child for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
             for child in ast.walk(node)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names]
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            names = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)][:1]
        for name in names:
            yield str(name), node, node in local


def called(call):
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def broken_rules(sources):
    """A sentence for every rule that a file breaks; sources: {module name: text}."""
    broken, edges = [], {}
    for module, text in sources.items():
        tree, here = ast.parse(text), room(module)
        if here and here not in RUNG:
            broken.append(f"{module}: {here} has no rung in the table of this test")
            continue
        edges[module] = set()
        for name, node, local in imports(tree, sources):
            where, top, there = f"{module}:{node.lineno}", name.partition(".")[0], room(name)
            if top in ONLY_IN and here not in ONLY_IN[top]:
                broken.append(f"{where} imports {top}, which is for {' and '.join(ONLY_IN[top]) or 'nobody'}")
            if name.startswith("."):
                broken.append(f"{where} is a relative import")
            if top != "minivit":
                continue
            if local and here != "cli":
                broken.append(f"{where} imports {name} inside a function")
            if not here or here == there:
                edges[module].add(name)
            elif not there and RUNG[here] < RUNG["cli"]:
                broken.append(f"{where} imports from minivit itself, not from the module that the name lives in")
            elif there and there not in RUNG:
                broken.append(f"{where} imports {name}, which is not in the table of this test")
            elif there and RUNG[there] >= RUNG[here]:
                broken.append(f"{where} (rung {RUNG[here]}) imports {name} (rung {RUNG[there]})")
        broken += [f"{module}:{node.lineno} {what}" for node, what in forbidden(tree)]
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        broken.append("a cycle: " + " <- ".join(error.args[1]))
    return broken


def forbidden(tree):
    """(node, what it does) for star imports, setattr, and attributes set on an imported name or on a class."""
    foreign = {alias.asname or alias.name.partition(".")[0] for node in ast.walk(tree)
               if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}
    foreign |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield node, "is a star import"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            yield node, "calls setattr"
        if isinstance(node, ast.Attribute) and node.attr == "__setattr__" and getattr(node.value, "id", "") == "type":
            yield node, "calls type.__setattr__"
        if (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name) and node.value.id in foreign):
            yield node, f"sets {node.value.id}.{node.attr}"


def test_minivit_keeps_the_rules():
    sources = {}
    for path in (ROOT / "minivit").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    assert len(sources) > 30
    assert broken_rules(sources) == []


def test_minivit_itself_only_gathers_names():
    tree = ast.parse((ROOT / "minivit" / "__init__.py").read_text(encoding="utf-8"))
    assert {type(node) for node in tree.body} <= {ast.Expr, ast.ImportFrom, ast.Assign}


BROKEN = {
    "upward": ("minivit.ops.gelu", "from minivit.nn import Linear", r"rung 5\) imports minivit.nn \(rung 6"),
    "same-rung": ("minivit.tape", "from minivit import modes", r"rung 3\) imports minivit.modes \(rung 3"),
    "plain-import": ("minivit.tape", "import minivit.tensor", "imports minivit.tensor"),
    "one-of-two": ("minivit.function", "from minivit import backend, tensor", "imports minivit.tensor"),
    "the-top": ("minivit.ops.gelu", "from minivit import Tensor", "imports from minivit itself"),
    "unknown-import": ("minivit.ops.gelu", "from minivit.secret import x", "not in the table"),
    "unknown-room": ("minivit.utils", "", "utils has no rung"),
    "relative": ("minivit.nn.layers", "from .module import Module", "relative"),
    "star": ("minivit.nn.layers", "from minivit.tensor import *", "star import"),
    "in-function": ("minivit.train.loop", "def f():\n    from minivit.nn import Linear", "inside a function"),
    "in-lambda": ("minivit.train.loop", "f = lambda: __import__('minivit.nn')", "inside a function"),
    "by-name": ("minivit.train.loop", "def f(name):\n    import_module(f'minivit.nn.{name}')", "inside a function"),
    "setattr": ("minivit.nn.layers", "setattr(x, 'y', 1)", "calls setattr"),
    "type-setattr": ("minivit.nn.layers", "type.__setattr__(x, 'y', 1)", "calls type.__setattr__"),
    "patched-import": ("minivit.ops.gelu", "from minivit.tensor import Tensor\nTensor.gelu = 1", "sets Tensor.gelu"),
    "patched-class": ("minivit.ops.gelu", "class GELU:\n    pass\nGELU.forms = {}", "sets GELU.forms"),
    "cupy": ("minivit.tensor", "import cupy as cp", "imports cupy, which is for backend and cuda"),
    "cupy-in-function": ("minivit.tensor", "def f():\n    from cupy.cuda import Device", "imports cupy"),
    "cupy-by-name": ("minivit.tensor", "import importlib\ncp = importlib.import_module('cupy')", "imports cupy"),
    "matplotlib": ("minivit.train.loop", "import matplotlib.pyplot as plt", "imports matplotlib, which is for inspect"),
    "pickle": ("minivit.data.mnist", "import pickle", "imports pickle, which is for nobody"),
}
ALLOWED = {
    "downward": ("minivit.ops.gelu", "from minivit import tensor\nfrom minivit.primitives.erf import erf"),
    "attributes-of-objects": ("minivit.ops.gelu", "def f(ctx, y):\n    ctx.axis, y.grad = 1, 2"),
    "cli": ("minivit.cli.train", "from minivit import __version__\ndef run():\n    from minivit.train import Trainer"),
    "cupy-in-cuda": ("minivit.cuda.launch", "import cupy"),
    "cupy-in-backend": ("minivit.backend", "import importlib\ncupy = importlib.import_module('cupy')"),
    "matplotlib-in-inspect": ("minivit.inspect.curves", "def draw():\n    from matplotlib.figure import Figure"),
    "frozen-dataclass": ("minivit.nn.layers", "object.__setattr__(x, 'y', 1)"),
}


@pytest.mark.parametrize("module, source, rule", BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_found(module, source, rule):
    others = {name: "" for name in ("minivit.backend", "minivit.modes", "minivit.tensor", "minivit.nn")}
    found, = broken_rules(others | {module: source})
    assert re.search(rule, found)


@pytest.mark.parametrize("module, source", ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed_is_not_found(module, source):
    assert broken_rules({"minivit.tensor": "", module: source}) == []


def test_a_cycle_inside_a_folder_is_found():
    found = broken_rules({"minivit.nn": "", "minivit.nn.a": "from minivit.nn import b",
                          "minivit.nn.b": "from minivit.nn.c import x", "minivit.nn.c": "from minivit.nn.a import y"})
    assert len(found) == 1 and "cycle" in found[0]


def loaded_by(statement):
    """Top-level modules that `statement` loads in a new process, beyond Python's own and NumPy's."""
    script = ("import numpy, numpy.random, sys\nbefore = set(sys.modules)\n" + statement
              + "\nprint('LOADED', *{name.partition('.')[0] for name in set(sys.modules) - before})")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "LOADED"
    return set(last[1:]) - set(sys.stdlib_module_names)


def test_import_minivit_loads_numpy_and_the_standard_library_only():
    assert loaded_by("import minivit") == {"minivit"}


def test_the_help_loads_numpy_and_the_standard_library_only():
    if not (ROOT / "minivit" / "__main__.py").exists():
        pytest.skip("minivit/__main__.py is not there yet")
    helped = ("import runpy\nsys.argv[1:] = ['--help']\n"
              "try:\n    runpy.run_module('minivit', run_name='__main__', alter_sys=False)\n"
              "except SystemExit as end:\n    assert not end.code, end.code")
    assert loaded_by(helped) == {"minivit"}


def test_what_a_statement_loads_is_seen():
    assert "PIL" in loaded_by("import PIL.Image")

"""What minivit asks of an array module, asked of the real CuPy: it imports without a driver, and knows its own names.

Every row of the table of cases runs on NumPy as it would on a GPU, in the forms that a GPU gets. What is asked there of
`xp`, and which methods of arrays are called, is written down and bound to CuPy's signatures: a name that CuPy lacks, or
a keyword that it refuses, fails here and not on somebody's GPU. Code that no row runs is read: every `xp.name` in it.
"""
import ast
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from minivit import Tensor, backend, randomness, using
from minivit.function import FUNCTIONS
from minivit.gradcheck import CASES
from minivit.streams import stream

cupy = pytest.importorskip("cupy", reason="CuPy is not installed, whose signatures are asked here: "
                                          "pip install cupy-cuda13x==14.2.* (no GPU is needed)")
ROOT = Path(__file__).parent.parent


class Asked:
    """NumPy, or something in it, that writes every call into `calls`: (name, arguments without their values)."""

    def __init__(self, it, name, calls):
        self._it, self._name, self._calls = it, name, calls

    def __getattr__(self, name):
        found, path = getattr(self._it, name), f"{self._name}.{name}"
        if isinstance(found, type) or not (callable(found) or inspect.ismodule(found)):
            self._calls.add((path, None, None))         # a type or a constant: its name is all there is
            return found
        return Asked(found, path, self._calls)

    def __call__(self, *args, **options):
        if not sys._getframe(1).f_globals["__name__"].startswith("numpy."):     # np.sum(x) calls x.sum: its own affair
            self._calls.add((self._name, len(args), tuple(sorted(options))))
        return self._it(*args, **options)


class Watched(np.ndarray):
    """An array that writes down which of its methods are called, and refuses `@` from anywhere but `matmul`."""

    calls = None

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found
        return Asked(found, f"ndarray.{name}", Watched.calls)

    def __matmul__(self, other):
        where = sys._getframe(1).f_code
        assert where.co_name == "matmul", (f"{where.co_filename}: @ in {where.co_name} would be CuPy's own product, "
                                           f"which no CUDA graph can hold: use minivit.function.matmul")
        return super().__matmul__(other)


def asked_by(run, monkeypatch):
    """What `run(xp)` asks of its array module and of its arrays."""
    calls = set()
    monkeypatch.setattr(Watched, "calls", calls)
    xp = Asked(np, "xp", calls)
    monkeypatch.setattr(backend, "np", xp)              # where xp_of finds it
    run(xp)
    return calls


def signature(function):
    """CuPy's signature of a function; of what is compiled, the first line of its documentation."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        line = function.__doc__.lstrip().splitlines()[0].replace("\\*", "*")
        parameters = re.sub(r"\b(Py_ssize_t|bint|int) (?=\w)", "", re.search(r"\((.*?)\)(?: ->.*)?$", line)[1])
        scope = {}
        exec(f"def asked({parameters}): pass", scope)
        return inspect.signature(scope["asked"])


def answer(name, positional, keywords):
    """None where CuPy takes the call, else a sentence."""
    found = {"xp": cupy, "ndarray": cupy.ndarray}[name.partition(".")[0]]
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            return f"{name}: CuPy has no {part}"
        found = getattr(found, part)
    if positional is None:
        return None
    positional += "self" in signature(found).parameters         # of what is compiled
    try:
        signature(found).bind(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError as error:
        return f"{name}{signature(found)}: {error}"


def complaints(calls):
    return sorted(filter(None, (answer(*call) for call in calls)))


def run(case, form):
    """Forward and backward of a row, on arrays that are watched."""
    function, inputs = case.make(stream(0, place=case.name), case.shapes[0])
    tensors = [Tensor(x.view(Watched), requires_grad=True) for x in inputs.values()]
    with using(form) if form else randomness(seed=0), randomness(seed=0):
        outputs = function(*tensors)
        sum(output.sum() for output in (outputs if isinstance(outputs, tuple) else (outputs,))).backward()


@pytest.mark.parametrize("form", [None, "composed"], ids=["default", "composed"])
def test_cupy_takes_every_call_of_the_table(form, monkeypatch):
    """By default float64 runs in the portable array forms, and composed where there is none."""
    rows = [case for case in CASES.values() if form is None or form in FUNCTIONS[case.covers[0]].forms]
    calls = asked_by(lambda xp: [run(case, form) for case in rows], monkeypatch)
    assert len(calls) > 20 and {name.partition(".")[0] for name, *_ in calls} == {"xp", "ndarray"}
    assert complaints(calls) == []


def test_cupy_has_every_name_in_the_sources():
    """`xp.name` and `xp_of(...).name`, in all of minivit."""
    names = {}
    for path in (ROOT / "minivit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = attribute_of_xp(node)
            if name:
                names.setdefault(f"xp.{name}", f"{path.relative_to(ROOT)}:{node.lineno}")
    assert len(names) > 25
    assert [f"{where}: {answer(name, None, None)}" for name, where in names.items() if answer(name, None, None)] == []


def attribute_of_xp(node):
    """`lib.stride_tricks` of `xp.lib.stride_tricks` or `xp_of(x).lib.stride_tricks`, None for anything else."""
    path = []
    while isinstance(node, ast.Attribute):
        path.insert(0, node.attr)
        node = node.value
    here = getattr(node, "id", "") == "xp" or isinstance(node, ast.Call) and getattr(node.func, "id", "") == "xp_of"
    return ".".join(path) if here else None


REFUSED = {             # what NumPy does and CuPy does not, seen by this test
    "a-name": (lambda xp, x: xp.vecdot(x, x), r"xp.vecdot: CuPy has no vecdot"),
    "a-block": (lambda xp, x: xp.errstate(all="ignore"), "xp.errstate: CuPy has no errstate"),
    "a-keyword": (lambda xp, x: xp.sum(x, initial=0), r"xp.sum\(a, axis=None, .*\): got an unexpected keyword"),
    "a-keyword-of-a-ufunc": (lambda xp, x: xp.add(x, x, order="C"), "unexpected keyword argument 'order'"),
    "a-keyword-of-a-method": (lambda xp, x: x.max(initial=0), r"ndarray.max\(self, .*'initial'"),
    "the-mean-of-var": (lambda xp, x: x.var(mean=x.mean(keepdims=True)), r"ndarray.var\(self, .*'mean'"),
    "a-method": (lambda xp, x: x.resize(6), "ndarray.resize: CuPy has no resize"),
    "too-many": (lambda xp, x: xp.broadcast_to(x, (2, 3), True), "too many positional arguments"),
    "deeper": (lambda xp, x: xp.lib.stride_tricks.as_strided(x, writeable=False), "'writeable'"),
    "nothing": (lambda xp, x: xp.add.at(x, 0, xp.sum(x, axis=0, keepdims=True).swapaxes(0, 1)[0]), None),
}


@pytest.mark.parametrize("ask, words", REFUSED.values(), ids=REFUSED)
def test_what_cupy_refuses_is_seen(ask, words, monkeypatch):
    found = complaints(asked_by(lambda xp: ask(xp, np.ones((2, 3)).view(Watched)), monkeypatch))
    assert found == [] if words is None else len(found) == 1 and re.search(words, found[0]), found


def test_a_product_by_the_operator_is_seen(monkeypatch):
    x = np.ones((2, 2)).view(Watched)
    with pytest.raises(AssertionError, match="use minivit.function.matmul"):
        x @ x

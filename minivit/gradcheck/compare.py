"""The forms of one operation side by side: how exact each is, what it leaves on the tape, how long it takes."""
import time
from dataclasses import dataclass

import numpy as np

from minivit import tape
from minivit.cuda import why_no_emulator
from minivit.function import FORMS, FUNCTIONS
from minivit.modes import using
from minivit.streams import randomness, stream
from minivit.tensor import Tensor


@dataclass(frozen=True)
class FormReport:
    """One form of one case, in float32: errors are relative to the largest value, against composed in float64."""

    form: str
    forward: float
    gradients: dict         # input name -> error
    nodes: int              # on the tape
    saved_bytes: int        # kept for backward
    milliseconds: float     # forward and backward, median; None where the emulator ran it, whose time says nothing


def forms_of(case, dtype=np.float32):
    """The forms of the operation of `case` that run on NumPy arrays of `dtype`: cuda is float32, and emulated there."""
    forms = [form for form in FORMS if form in FUNCTIONS[case.covers[0]].forms]
    if dtype != np.float32 or why_no_emulator():
        return [form for form in forms if form != "cuda"]
    return forms


def compare(case, shape=None, seed=0, repeats=5, forms=None):
    """A FormReport for every form of `case` (or those of `forms`) at `shape` (default: the case's first)."""
    rng = stream(seed, place="compare")
    function, inputs = case.make(rng, shape or case.shapes[0])
    inputs = {name: x.astype(np.float32).astype(np.float64) for name, x in inputs.items()}     # the same for all forms
    truth, dys, gradients, *_ = _run(function, inputs, "composed", np.float64, rng)
    largest = max(float(np.max(np.abs(array), initial=1e-30)) for array in (*truth, *gradients.values()))
    reports = []
    for form in forms or forms_of(case):
        times, emulated = [], form == "cuda"
        for _ in range(1 if emulated else repeats):
            values, _, found, nodes, saved, seconds = _run(function, inputs, form, np.float32, rng, dys)
            times.append(seconds)
        forward = float(np.max([_error(value, true, largest) for value, true in zip(values, truth)]))
        errors = {name: _error(gradient, gradients[name], largest) for name, gradient in found.items()}
        milliseconds = None if emulated else 1000 * float(np.median(times))
        reports.append(FormReport(form, forward, errors, nodes, saved, milliseconds))
    return reports


def _run(function, inputs, form, dtype, rng, dys=None):
    tensors = {name: Tensor(array.astype(dtype), requires_grad=True) for name, array in inputs.items()}
    with using(form), randomness(seed=0):
        start = time.perf_counter()
        result = function(*tensors.values())
        forward_seconds = time.perf_counter() - start
        outputs = result if isinstance(result, tuple) else (result,)
        nodes, saved = _tape(outputs)
        dys = dys or [rng.standard_normal(output.shape) for output in outputs]
        sources = [(output.edge, dy.astype(dtype)) for output, dy in zip(outputs, dys)]
        start = time.perf_counter()
        tape.backward(sources)
        seconds = forward_seconds + time.perf_counter() - start
    gradients = {name: tensor.grad for name, tensor in tensors.items()}
    return [output.data for output in outputs], dys, gradients, nodes, saved, seconds


def _tape(outputs):
    """Nodes that `outputs` were computed by, and the bytes of the distinct arrays that they keep."""
    nodes = {node.order: node for output in outputs for node in tape.walk(output.edge)}.values()
    kept = {}
    for node in nodes:
        for array in node.ctx.saved:
            if hasattr(array, "nbytes"):
                base = array if array.base is None else array.base
                kept[id(base)] = base.nbytes
    return len(nodes), sum(kept.values())


def _error(value, truth, largest):
    """Relative to the largest number of `truth`; where all of them are 0, to the largest of the case."""
    if value is None:
        value = np.zeros_like(truth)
    size = float(np.max(np.abs(truth), initial=0.0))
    return float(np.max(np.abs(value - truth), initial=0.0)) / (size if size > 1e-12 * largest else largest)

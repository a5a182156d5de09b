"""The forms of one operation side by side: how exact each is, what it leaves on the tape, how long it takes."""
import time
from dataclasses import dataclass

import numpy as np

from minivit import tape
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
    milliseconds: float     # forward and backward, median


def forms_of(case):
    """The forms that the operation of `case` has."""
    return [form for form in FORMS if form in FUNCTIONS[case.covers[0]].forms]


def compare(case, shape=None, seed=0, repeats=5):
    """A FormReport for every form of `case` at `shape` (default: the case's first)."""
    rng = stream(seed, place="compare")
    function, inputs = case.make(rng, shape or case.shapes[0])
    inputs = {name: x.astype(np.float32).astype(np.float64) for name, x in inputs.items()}     # the same for all forms
    truth, dys, gradients, *_ = _run(function, inputs, "composed", np.float64, rng)
    reports = []
    for form in forms_of(case):
        times = []
        for _ in range(repeats):
            values, _, found, nodes, saved, seconds = _run(function, inputs, form, np.float32, rng, dys)
            times.append(seconds)
        forward = max(_error(value, true) for value, true in zip(values, truth))
        errors = {name: _error(gradient, gradients[name]) for name, gradient in found.items()}
        reports.append(FormReport(form, forward, errors, nodes, saved, 1000 * float(np.median(times))))
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


def _error(value, truth):
    if value is None:
        value = np.zeros_like(truth)
    return float(np.max(np.abs(value - truth), initial=0.0) / max(np.max(np.abs(truth), initial=0.0), 1e-30))

"""What holds for a block of code: whether a tape is kept, which form of each operation runs, and how precisely.

- `no_grad()`: compute without a tape
- `using(form, own)`: hold one form (composed, array or cuda), optionally with functions of your own
- `choose(function, arrays)`: the form that runs, and its functions
- `precision(name)`: how a GPU multiplies matrices
- `holding(variable, value)`: how such a block is made

All are context variables: a new thread starts with the defaults, and a task given to a worker thread takes them along
by running in `contextvars.copy_context()`.
"""
import contextlib
from contextvars import ContextVar

import numpy as np

from minivit.backend import on, xp_of
from minivit.cuda.cublas import COMPUTE
from minivit.cuda.matmul import PRECISION
from minivit.errors import unknown
from minivit.function import FORMS, FUNCTIONS

_grad = ContextVar("minivit_grad", default=True)
_form = ContextVar("minivit_form", default=None)        # None: each operation's default for its arrays
_own = ContextVar("minivit_own", default={})            # (form, operation name) -> functions laid over the table


@contextlib.contextmanager
def holding(variable, value):
    """A block in which a context variable has `value`."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def grad_enabled():
    """Whether operations are recorded here."""
    return _grad.get()


def no_grad():
    """A block (or, as a decorator, a function) whose operations are not recorded and save nothing for backward."""
    return holding(_grad, False)


@contextlib.contextmanager
def using(form, own=None):
    """A block in which every operation runs in `form`: "composed", "array" or "cuda".

    own: {operation name: functions} replaces that form of an operation for the block: a (forward, backward) pair for
    array and cuda, one function on Tensors for composed. Under "composed" everything is primitives all the way down.
    Primitives have one form and run in it. Raises ValueError for an unknown form or operation.
    """
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r}: the forms are {', '.join(FORMS)}")
    for name, functions in (own or {}).items():
        if name not in FUNCTIONS:
            raise ValueError(unknown("operation", name, FUNCTIONS))
        if form == "composed" and not callable(functions):
            raise TypeError(f"the composed form of {name} is one function on Tensors, not {functions!r}")
        if form != "composed" and not (isinstance(functions, tuple) and len(functions) == 2):
            raise TypeError(f"the {form} form of {name} is a pair (forward, backward), not {functions!r}")
    laid_over = _own.get() | {(form, name): functions for name, functions in (own or {}).items()}
    with holding(_form, form), holding(_own, laid_over):
        yield


def precision(name):
    """A block in which a GPU multiplies float32 matrices in "fp32", "tf32" or "bf16": see cuda/matmul.py.

    Sums, weights and all that is not a matrix product stay float32. Raises ValueError for another name.
    """
    if name not in COMPUTE:
        raise ValueError(unknown("precision", name, COMPUTE))
    return holding(PRECISION, name)


def form_held():
    """Whether a `using` block holds a form here."""
    return _form.get() is not None


def choose(function, arrays):
    """(form, functions) that run `function` on `arrays`, by the block's `using` or by default.

    Default: array for NumPy, cuda for float32 on a GPU, composed for everything else.
    Raises ValueError where the form held by `using` cannot run, TypeError for arrays on several devices.
    """
    form = _form.get()
    own = _own.get().get((form, function.name))
    if own is not None:
        return form, own
    try:
        on_gpu = xp_of(*arrays) is not np
    except TypeError as error:
        raise TypeError(f"{function.name}: {error}") from None
    if form is None or (form not in function.forms and function.portable):
        form = _default(function, arrays, on_gpu)
    elif form not in function.forms:
        raise ValueError(f"{function.name} has no {form} form: it has {', '.join(function.forms)}")
    elif form == "array" and on_gpu and not function.portable:
        raise ValueError(f"the array form of {function.name} is NumPy's, and it was given CuPy arrays: "
                         f"use the composed or the cuda form")
    elif form == "cuda" and not _all_float32(arrays):
        dtypes = ", ".join(str(array.dtype) for array in arrays if hasattr(array, "dtype"))
        raise ValueError(f"the cuda form of {function.name} is float32, and it was given {dtypes}: "
                         f"convert with .astype(np.float32), or use the composed form")
    functions = function.forms[form]
    return form, tuple(map(_where_they_lie, functions)) if on_gpu and form != "composed" else functions


def _where_they_lie(function):
    """A forward or backward that runs on the GPU that its arrays are on: CUDA computes on the current one."""
    def placed(ctx, *arrays, **options):
        with on(*arrays):
            return function(ctx, *arrays, **options)
    return placed


def _default(function, arrays, on_gpu):
    if not on_gpu or function.portable:
        return "array"
    return "cuda" if "cuda" in function.forms and _all_float32(arrays) else "composed"


def _all_float32(arrays):
    return all(array.dtype == np.float32 for array in arrays if hasattr(array, "dtype") and array.dtype.kind == "f")

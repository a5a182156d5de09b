"""The stand-in for CuPy: it refuses what CuPy refuses, counts what a GPU would be asked to do, and has no name more."""
import inspect

import numpy as np
import pytest

from minivit import backend
from minivit.cuda.standin.array import ndarray
from minivit.cuda.standin.functions import FUNCTIONS, UFUNCS
from minivit.cuda.standin.module import MODULE, RawKernel, RawModule

X = np.arange(6, dtype=np.float32).reshape(2, 3)
SCALE = """
extern "C" __global__ void scale(const float* x, float* y, float factor, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = factor * x[i];
}
"""


@pytest.fixture
def x(standin):
    return MODULE.array(X)


# What CuPy is

OWN = {"gemm"}                                              # what cuda/matmul.py asks a stand-in for
HIDDEN = {"_inner", "_gpu", "__slots__", "__module__", "__array_ufunc__", "__qualname__", "__firstlineno__",
          "__static_attributes__"}


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip("cupy", reason="CuPy, whose names these are compared with, is not installed")


@pytest.mark.parametrize("name", sorted({f.__name__ for f in FUNCTIONS} | set(UFUNCS) | {"RawModule"}))
def test_a_function_is_one_of_cupys_with_its_keywords(cupy, name):
    if name in OWN:
        assert not hasattr(cupy, name)
        return
    theirs, ours = getattr(cupy, name), getattr(MODULE, name)
    if name in UFUNCS:
        assert isinstance(theirs, cupy.ufunc) and hasattr(theirs, "at")
    elif inspect.isfunction(ours):
        known = inspect.signature(theirs).parameters
        unknown = [p for p, kind in inspect.signature(ours).parameters.items()
                   if p not in known and kind.kind is not kind.VAR_KEYWORD]
        assert not unknown


def test_an_array_has_no_attribute_that_cupys_has_not(cupy):
    assert {name for name in vars(ndarray) if not hasattr(cupy.ndarray, name)} - HIDDEN == set()


def test_what_lies_deeper_is_in_cupy_too(cupy):
    for module, path in ((MODULE.lib.stride_tricks, "lib.stride_tricks"), (MODULE.cuda, "cuda"),
                         (MODULE.cuda.runtime, "cuda.runtime")):
        theirs = cupy
        for name in path.split("."):
            theirs = getattr(theirs, name)
        assert all(hasattr(theirs, name) for name in vars(module))
    assert {name for name in vars(RawModule) if not name.startswith("__")} <= set(dir(cupy.RawModule))
    assert {name for name in vars(RawKernel) if not name.startswith("__")} <= set(dir(cupy.RawKernel))


def test_what_cupy_lacks_is_not_there(standin):
    for name in ("errstate", "vecdot", "seterr", "testing"):
        assert not hasattr(MODULE, name)
    assert not hasattr(MODULE.zeros(2).flags, "writeable")


# What CuPy refuses

@pytest.mark.parametrize("mix", [
    lambda x: x + X, lambda x: X * x, lambda x: x @ X.T, lambda x: x < X, lambda x: MODULE.exp(X),
    lambda x: MODULE.maximum(x, [1, 2, 3]), lambda x: MODULE.where(x > 0, x, X), lambda x: MODULE.concatenate([x, X]),
    lambda x: x.__setitem__(0, X[0]), lambda x: x.__setitem__(slice(None), [1, 2, 3]), lambda x: x.__iadd__(X),
    lambda x: MODULE.exp(x, out=X.copy()), lambda x: MODULE.add.at(x, 0, X[0]), lambda x: x + np.asarray(1.0)],
    ids=["+", "reversed", "@", "<", "ufunc", "list", "where", "concatenate", "setitem", "setitem-list", "in-place",
         "out", "at", "0-d"])
def test_host_arrays_are_refused(x, mix):
    with pytest.raises(TypeError):
        mix(x)
    np.testing.assert_array_equal(x.get(), X)


@pytest.mark.parametrize("use", [
    np.asarray, np.array, np.exp, np.sum, np.concatenate, lambda x: np.add(X, x), lambda x: np.matmul(X, x),
    lambda x: X.__iadd__(x), lambda x: X.__setitem__(0, x[0])],
    ids=["asarray", "array", "exp", "sum", "concatenate", "add", "matmul", "in-place", "setitem"])
def test_numpy_does_not_take_device_arrays(x, use):
    before = X.copy()
    with pytest.raises(TypeError):
        use(x)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("call", [
    lambda x: x.sum(initial=0), lambda x: x.max(initial=0), lambda x: x.sum(where=x > 0),
    lambda x: MODULE.exp(x, where=x > 0), lambda x: MODULE.zeros(2, like=x)],
    ids=["sum-initial", "max-initial", "sum-where", "ufunc-where", "like"])
def test_keywords_that_cupy_lacks_are_refused(x, call):
    with pytest.raises(TypeError, match="unexpected keyword"):
        call(x)


def test_what_a_gpu_leaves_to_chance_is_refused(x):
    twice = MODULE.array([0, 1, 0])
    with pytest.raises(ValueError, match="assigned to twice by one index"):
        x[0, twice] = 1
    with pytest.raises(IndexError):
        x[MODULE.array([2])]                                                # CuPy wraps around
    MODULE.add.at(x, (0, twice), 1)
    assert x.get().tolist() == [[2, 2, 2], [3, 4, 5]]
    x[0, MODULE.array([2, 0])] = 7
    assert x.get().tolist() == [[7, 2, 7], [3, 4, 5]]


def test_arrays_of_another_gpu_are_refused(standin):
    with MODULE.cuda.Device(1):
        there = MODULE.array(X)
        assert there.device.id == 1 and (there + there).get().sum() == 30
    with pytest.raises(ValueError, match="array device = 1 while current = 0"):
        there + there
    assert MODULE.array(there).device.id == 0 and standin.current == 0


# What an array is

def test_reductions_and_elements_are_arrays_of_no_axes(x):
    for number in (x.sum(), x.max(), x[1, 2], x.sum() * 2, MODULE.sqrt(x.sum())):
        assert isinstance(number, ndarray) and number.shape == () and number.dtype == np.float32


def test_slices_are_views_and_picked_elements_are_not(x):
    x[1, 2][...] = 9
    x[:, 0][0] = 8
    picked = x[:, MODULE.array([0, 1])]
    picked[...] = 0
    assert x.get().tolist() == [[8, 1, 2], [3, 4, 9]]


def test_what_is_computed_lies_in_c_order(x):
    assert not x.T.flags.c_contiguous
    for y in (x.T + 1, MODULE.exp(x.T), x.T.copy(), x.T.astype(np.float64), x.T.sum(axis=0, keepdims=True)):
        assert y.flags.c_contiguous


def test_numbers_do_not_widen(x):
    assert (x * 2.0 + 1).dtype == (2 / (x + 1)).dtype == np.float32 and (x > 1).dtype == bool


# What is counted

@pytest.mark.parametrize("read", [float, int, bool, repr, lambda s: s.item(), lambda s: s.get(), MODULE.asnumpy,
                                  lambda s: s.tolist()],
                         ids=["float", "int", "bool", "repr", "item", "get", "asnumpy", "tolist"])
def test_reading_makes_the_host_wait(x, standin, read):
    total = x.sum()
    before = standin.synchronisations
    read(total)
    assert standin.synchronisations == before + 1


def test_a_mask_as_an_index_makes_the_host_wait(x, standin):
    mask = x > 2
    x[mask]
    assert standin.synchronisations == 1
    x[mask] = 0                                                             # how many there are need not be known
    assert standin.synchronisations == 1 and x.get().sum() == 3


def test_computing_does_not(x, standin):
    y = MODULE.where(x > 1, x, 0).reshape(3, 2).T
    y += 1
    y[MODULE.array([0, 1])].sum()
    assert standin.synchronisations == 0 and standin.copies_to_device == 2


def test_memory_and_launches_are_counted(x, standin):
    def asked(what):
        before = standin.allocations, standin.launches
        what()
        return standin.allocations - before[0], standin.launches - before[1]
    assert asked(lambda: x + 1) == (1, 1)
    assert asked(lambda: MODULE.add(x, 1, out=x)) == (0, 1)
    assert asked(lambda: x.__iadd__(1)) == (0, 1)
    assert asked(lambda: x.T[0].reshape(1, 2)) == (0, 0)
    assert asked(lambda: x.T.reshape(-1)) == (1, 1)                         # cannot be a view
    assert asked(lambda: MODULE.empty((2, 2))) == (1, 0)
    assert asked(lambda: x.set(X)) == (0, 0)


def test_copies_to_the_device_are_counted(x, standin):
    before = standin.copies_to_device
    MODULE.asarray(X), x.set(X), x[[0, 1]], x[:, np.array([0])]
    assert standin.copies_to_device == before + 4
    MODULE.asarray(x), x[0], x[..., None]
    assert standin.copies_to_device == before + 4


def test_set_takes_what_lies_as_it_does(x):
    with pytest.raises(TypeError, match=r"needs a NumPy array float32 \(2, 3\)"):
        x.set(X.astype(np.float64))
    with pytest.raises(RuntimeError, match="non-contiguous"):
        x.T.set(X.T)


# Kernels

def test_kernels_run_in_the_emulator(x, standin):
    kernel = MODULE.RawModule(code=SCALE).get_function("scale")
    y, before = MODULE.empty((2, 3), np.float32), standin.launches
    kernel((1,), (32,), (x, y, np.float32(2), np.int32(6)))
    np.testing.assert_array_equal(y.get(), 2 * X)
    assert standin.launches == before + 1
    with pytest.raises(TypeError, match="Unsupported type"):
        kernel((1,), (32,), (X, y, np.float32(2), np.int32(6)))


def test_it_stands_in_for_the_block_only(standin):
    assert backend.xp_of(MODULE.zeros(2)) is MODULE and backend.why_no_cuda() is None
    x = MODULE.zeros(2)
    with backend.in_place_of_cupy(None):
        assert backend.device_of(x) == "cpu"

"""What a kernel declares is read from its text, and arguments that it would misread are refused."""
import math
from types import SimpleNamespace

import numpy as np
import pytest

from minivit.cuda.signature import arguments, kernels_of

TEXT = """
constexpr int K = 64;   // extern "C" __global__ void in_a_comment(int x) {}
__device__ float twice(float x) { return 2 * x; }

extern "C" __global__ void rows(const float* __restrict__ x, float* y,
                                int n /* rows, (B * N) */, float eps, unsigned long long seed)
{ }
extern "C" __global__ void __launch_bounds__(256, 2) bounded(const float4 *x, unsigned char* const mask) { }
extern "C"
__global__ __launch_bounds__(K) void split(float * __restrict__ y, const long long y_stride, bool causal, double s) { }
extern "C" __global__ void nothing() { }
extern "C" __global__ void nothing_in_c(void) { }
__global__ void mangled(float* x) { }
"""
KERNELS = kernels_of(TEXT)
X, Y = np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)


def parameters(name):
    return [(p.name, str(p.dtype), p.pointer, p.const) for p in KERNELS[name].parameters]


def test_kernels_and_parameters_are_read_from_the_text():
    assert list(KERNELS) == ["rows", "bounded", "split", "nothing", "nothing_in_c"]
    assert parameters("rows") == [("x", "float32", True, True), ("y", "float32", True, False),
                                  ("n", "int32", False, False), ("eps", "float32", False, False),
                                  ("seed", "uint64", False, False)]
    assert parameters("bounded") == [("x", "float32", True, True), ("mask", "uint8", True, True)]
    assert parameters("split") == [("y", "float32", True, False), ("y_stride", "int64", False, True),
                                   ("causal", "bool", False, False), ("s", "float64", False, False)]
    assert parameters("nothing") == parameters("nothing_in_c") == []


def test_a_type_without_a_counterpart_is_refused():
    with pytest.raises(ValueError, match="f: parameter `half x` has a type .* there are: float, double"):
        kernels_of('extern "C" __global__ void f(half x) { }')


def test_python_numbers_become_the_declared_type():
    x, y, n, eps, seed = arguments(KERNELS["rows"], (X, Y, 3, 1, 2**63))
    assert x is X and y is Y
    assert [(type(v), v) for v in (n, eps, seed)] == [(np.int32, 3), (np.float32, 1), (np.uint64, 2**63)]
    causal, s = arguments(KERNELS["split"], (Y, 4, True, 0.1))[2:]
    assert (type(causal), type(s), s) == (np.bool_, np.float64, 0.1)
    assert arguments(KERNELS["rows"], (X, Y, 3, math.inf, 0))[3] == np.inf


def test_none_is_a_null_pointer_in_eight_bytes():
    null = arguments(KERNELS["rows"], (None, Y, 3, 1, 0))[0]
    assert null == 0 and null.nbytes == 8


def test_a_kernel_that_is_told_strides_takes_views_with_gaps():
    view = Y[:, :2]
    assert arguments(KERNELS["split"], (view, 4, False, 0.1))[0] is view
    with pytest.raises(ValueError, match="split: y is a view with gaps"):
        arguments(KERNELS["split"], (Y.T, 4, False, 0.1))


def test_arrays_of_a_device_are_known_by_dtype_and_flags():
    device = SimpleNamespace(dtype=np.dtype("f4"), flags=SimpleNamespace(c_contiguous=True), shape=(3,), ndim=1)
    assert arguments(KERNELS["rows"], (device, device, 3, 1, 0))[:2] == [device, device]


READ_ONLY = Y.copy()
READ_ONLY.flags.writeable = False
REFUSED = {
    "count": ((X, Y), TypeError, r"rows takes 5 arguments \(const float32\* x, float32\* y, int32 n.*was given 2"),
    "dtype": ((X, Y.astype(float), 3, 1, 0), TypeError, r"rows: y is declared float32\*.*float64.*astype\(np.float32"),
    "byte-order": ((X.astype(">f4"), Y, 3, 1, 0), TypeError, "rows: x is declared"),
    "gaps": ((X[:, ::2], Y, 3, 1, 0), ValueError, r"rows: x is a view with gaps.*np.ascontiguousarray\(x\)"),
    "rows-apart": ((X[:, :2], Y, 3, 1, 0), ValueError, "view with gaps"),
    "read-only": ((X, READ_ONLY, 3, 1, 0), ValueError, "rows: y is written .* read-only"),
    "a-number-for-an-array": ((1.0, Y, 3, 1, 0), TypeError, "rows: x must be an array of float32 or None, not 1.0"),
    "a-scalar-for-an-array": ((np.float32(1), Y, 3, 1, 0), TypeError, "rows: x must be an array"),
    "a-list": (([1.0], Y, 3, 1, 0), TypeError, "rows: x must be an array"),
    "float-for-int": ((X, Y, 3.0, 1, 0), TypeError, "rows: n is one int32, not 3.0"),
    "numpy-scalar": ((X, Y, 3, np.float64(1), 0), TypeError, r"rows: eps is declared float32.*np.float64.*np.float32"),
    "numpy-int": ((X, Y, np.int64(3), 1, 0), TypeError, "rows: n is declared int32"),
    "an-array-for-a-number": ((X, Y, np.array(3), 1, 0), TypeError, "rows: n is one int32"),
    "too-large": ((X, Y, 2**31, 1, 0), OverflowError, "rows: n is one int32, which cannot hold 2147483648"),
    "negative": ((X, Y, 3, 1, -1), OverflowError, "rows: seed"),
    "float-overflow": ((X, Y, 3, 1e39, 0), OverflowError, "rows: eps"),
}


@pytest.mark.parametrize("args, error, match", REFUSED.values(), ids=REFUSED)
def test_what_a_kernel_would_misread_is_refused(args, error, match):
    with pytest.raises(error, match=match):
        arguments(KERNELS["rows"], args)


def test_a_read_only_array_may_be_read():
    assert arguments(KERNELS["rows"], (READ_ONLY, Y, 3, 1, 0))[0] is READ_ONLY


def test_brackets_are_pointers_and_every_parameter_has_a_name():
    kernel = kernels_of('extern "C" __global__ void f(const float x[], int y[4]) {}')["f"]
    assert [(p.name, p.pointer, p.const) for p in kernel.parameters] == [("x", True, True), ("y", True, False)]
    for nameless in ("float*", "const float* __restrict__", "unsigned int"):
        with pytest.raises(ValueError, match="has no name"):
            kernels_of(f'extern "C" __global__ void f({nameless}) {{}}')


def test_an_array_for_a_number_is_told_by_its_shape():
    kernel = kernels_of('extern "C" __global__ void f(int n) {}')["f"]
    with pytest.raises(TypeError, match=r"^f: n is one int32, not an array of shape \(1000,\)$"):
        arguments(kernel, [np.zeros(1000)])

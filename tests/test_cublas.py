"""The matrix product of device arrays: how it is planned, and our call of cuBLAS, against a stand-in in C.

The stand-in, cublas_stub.c, computes in the memory of the host and is as strict as cuBLAS about what it is given.
"""
import contextlib
import ctypes
import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minivit.cuda import cublas, gemm
from minivit.cuda import matmul as products
from minivit.cuda.matmul import matmul

STUB = Path(__file__).parent / "cublas_stub.c"


def normal(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def packed(place):
    """q, k or v (B, H, N, K) as a view of one projection (B, N, 3, H, K)."""
    return normal(2, 5, 3, 4, 7)[:, :, place].swapaxes(1, 2)


def heads(x):
    """(B, H, N, K) as a view of heads side by side, (B, N, H, K)."""
    return np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)


# name: (a, b, calls, copies)
LAYOUTS = {
    "plain": (normal(3, 4), normal(4, 5), 1, 0),
    "left-transposed": (normal(4, 3).T, normal(4, 5), 1, 0),
    "right-transposed": (normal(3, 4), normal(5, 4).T, 1, 0),
    "both-transposed": (normal(4, 3).T, normal(5, 4).T, 1, 0),
    "one-by-one": (normal(1, 1), normal(1, 1), 1, 0),
    "one-row": (normal(1, 4), normal(4, 5), 1, 0),
    "one-column": (normal(3, 4), normal(4, 1), 1, 0),
    "outer": (normal(3, 1), normal(1, 5), 1, 0),
    "row-with-gaps": (normal(1, 8)[:, ::2], normal(4, 5), 1, 0),
    "column-with-gaps": (normal(3, 4), normal(4, 5)[:, 2:3], 1, 0),
    "part-of-the-columns": (normal(3, 9)[:, 2:6], normal(4, 9)[:, :5], 1, 0),
    "every-other-row": (normal(6, 4)[::2], normal(4, 5), 1, 0),
    "vector-on-the-left": (normal(4), normal(4, 5), 1, 0),
    "vector-on-the-right": (normal(2, 3, 4), normal(4), 1, 0),
    "two-vectors": (normal(4), normal(4), 1, 0),
    "vector-of-each": (normal(4), normal(2, 4, 5), 1, 0),
    "batch": (normal(2, 3, 4), normal(2, 4, 5), 1, 0),
    "two-batch-axes": (normal(2, 6, 3, 4), normal(2, 6, 4, 5), 1, 0),
    "scores": (normal(2, 6, 3, 4), normal(2, 6, 5, 4).swapaxes(-1, -2), 1, 0),
    "rows-of-a-batch": (normal(2, 6, 3, 4), normal(5, 4).T, 1, 0),
    "rows-of-one-token": (normal(6, 1, 4), normal(5, 4).T, 1, 0),
    "first-token": (normal(6, 3, 4)[:, :1], normal(5, 4).T, 1, 0),
    "same-left": (normal(3, 4), normal(6, 4, 5), 1, 0),
    "same-right-for-inner": (normal(2, 6, 3, 4), normal(2, 1, 4, 5), 1, 0),
    "same-left-for-inner": (normal(2, 1, 3, 4), normal(2, 6, 4, 5), 2, 0),
    "crossed": (normal(2, 1, 3, 4), normal(6, 4, 5), 2, 0),
    "batch-axis-of-one": (normal(1, 1, 3, 4), normal(6, 1, 4, 5), 1, 0),
    "axis-of-one-between": (normal(2, 1, 6, 3, 4), normal(2, 1, 6, 4, 5), 1, 0),
    "backwards": (normal(6, 3, 4)[::-1], normal(6, 4, 5), 1, 0),
    "backwards-in-loops": (normal(2, 3, 3, 4)[::-1], normal(2, 3, 4, 5), 2, 0),
    "packed-scores": (packed(0), packed(1).swapaxes(-1, -2), 2, 0),
    "packed-values": (normal(2, 4, 5, 5), packed(2), 2, 0),
    "packed-gradients": (normal(2, 4, 5, 5).swapaxes(-1, -2), packed(0), 2, 0),
    "heads-side-by-side": (heads(normal(2, 4, 5, 7)), heads(normal(2, 4, 5, 7)).swapaxes(-1, -2), 2, 0),
    "gaps-both-ways": (normal(6, 8)[::2, ::2], normal(4, 5), 1, 1),
    "columns-backwards": (normal(3, 4)[:, ::-1], normal(4, 5), 1, 1),
    "rows-backwards": (normal(3, 4)[::-1], normal(4, 5), 1, 1),
    "repeated-rows": (np.broadcast_to(normal(4), (3, 4)), normal(4, 5), 1, 1),
    "rows-a-half-apart": (normal(3, 5, dtype=np.float32)[:, :4].view(np.float64), normal(2, 5), 1, 1),
    "overlapping-rows": (np.lib.stride_tricks.sliding_window_view(normal(6), 4), normal(4, 5), 1, 1),
}


@pytest.fixture
def counted(monkeypatch):
    """What products did: `calls` of gemm, each a plan, and how many `copies`."""
    count = SimpleNamespace(calls=[], copies=0)

    def on_host(calls, *rest):
        count.calls.append(calls)
        gemm.on_host(calls, *rest)

    def ascontiguousarray(x, copy=np.ascontiguousarray):
        count.copies += 1
        return copy(x)
    monkeypatch.setattr(products, "on_host", on_host)
    monkeypatch.setattr(np, "ascontiguousarray", ascontiguousarray)
    return count


# The plan, carried out by NumPy

@pytest.mark.parametrize("a, b, calls, copies", LAYOUTS.values(), ids=LAYOUTS)
def test_a_product_of_any_layout(a, b, calls, copies, counted):
    np.testing.assert_allclose(matmul(a, b), a @ b, rtol=1e-13, atol=1e-14)
    assert ([len(plan) for plan in counted.calls], counted.copies) == ([calls], copies)


OUTPUTS = {             # of (2, 4, 5, 7): (array to write into, calls); 0 calls: by way of a copy
    "plain": (normal(2, 4, 5, 7), 1),
    "transposed": (normal(2, 4, 7, 5).swapaxes(-1, -2), 1),
    "heads-side-by-side": (heads(normal(2, 4, 5, 7)), 2),
    "packed": (packed(1), 2),
    "gaps": (normal(2, 4, 5, 14)[..., ::2], 1),
}


@pytest.mark.parametrize("beta", [0.0, 1.0, -0.5])
@pytest.mark.parametrize("out, calls", OUTPUTS.values(), ids=OUTPUTS)
def test_a_product_into_an_array_of_any_layout(out, calls, beta, counted):
    a, b = normal(2, 4, 5, 3), normal(2, 4, 3, 7)
    around, before = out.base.copy() if out.base is not None else None, out.copy()
    assert matmul(a, b, out=out, alpha=0.25, beta=beta) is out
    np.testing.assert_allclose(out, 0.25 * a @ b + beta * before, rtol=1e-13, atol=1e-14)
    assert [len(plan) for plan in counted.calls] == [calls]
    if around is not None:                              # nothing beside `out` has changed
        out[...] = before
        np.testing.assert_array_equal(out.base, around)


@pytest.mark.parametrize("library", ["numpy", "cublas"])
def test_layouts_at_random(library, request):
    """Views of every kind against each other: axes permuted, cut, turned round and broadcast."""
    rng = np.random.default_rng(1)
    asarray = np.asarray if library == "numpy" else request.getfixturevalue("device").asarray

    def view(shape):
        """An array of `shape` that lies anyhow in memory."""
        order = rng.permutation(len(shape))
        gaps = [int(rng.integers(1, 3)) if rng.random() < 0.2 else 1 for _ in shape]
        base = rng.standard_normal([shape[axis] * gap + 2 for axis, gap in zip(order, gaps)])
        base = base[tuple(slice(start := int(rng.integers(0, 3)), start + shape[axis] * gap, gap)
                          for axis, gap in zip(order, gaps))].transpose(np.argsort(order))
        return asarray(base[tuple(slice(None, None, -1 if rng.random() < 0.1 else 1) for _ in shape)])

    for _ in range(1000):
        batch = rng.integers(1, 4, rng.integers(0, 4))
        n, k, m = rng.integers(1, 5, 3)
        left, right = ([int(size) if rng.random() < 0.8 else 1 for size in batch] for _ in range(2))
        a, b = view(left[int(rng.integers(0, 2)) * len(left):] + [n, k]), view(right + [k, m])
        expected = np.asarray(a) @ np.asarray(b)
        out, beta = view(expected.shape), float(rng.integers(0, 2))
        expected = expected + beta * np.asarray(out)
        np.testing.assert_allclose(matmul(a, b, out=out, beta=beta), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n, k, m", [(0, 4, 5), (3, 4, 0), (3, 0, 5), (0, 0, 0)])
def test_products_of_nothing(n, k, m, counted):
    out = np.full((2, n, m), 3.0)
    a, b = np.zeros((2, n, k)), np.zeros((2, k, m))
    assert np.array_equal(matmul(a, b), a @ b)
    assert np.array_equal(matmul(a, b, out=out.copy(), beta=2.0), 2 * out) and counted.calls == []
    assert matmul(np.zeros((0, n, k)), b[:1]).shape == (0, n, m)


def test_what_out_held_does_not_matter_where_beta_is_0():
    for beta, out in ((0.0, np.full((3, 5), np.nan)), (0, np.full((3, 10), np.inf)[:, ::2])):
        assert np.isfinite(matmul(normal(3, 4), normal(4, 5), out=out, beta=beta)).all()
    assert np.array_equal(matmul(np.zeros((3, 0)), np.zeros((0, 5)), out=np.full((3, 5), np.nan)), np.zeros((3, 5)))


def test_float32_stays_float32():
    assert matmul(normal(3, 4, dtype=np.float32), normal(4, dtype=np.float32)).dtype == np.float32


@pytest.mark.parametrize("a, b, options, error, words", [
    ((3, 4), (5, 4), {}, ValueError, r"\(3, 4\) @ \(5, 4\): the last axis of the left must be as long as"),
    ((2, 3, 4), (3, 4, 5), {}, ValueError, "broadcast"),
    ((3, 4), (4, 5), dict(out=np.zeros((5, 3))), ValueError, r"has the shape \(3, 5\), and out has \(5, 3\)"),
    ((3, 4), (4, 5), dict(out=np.zeros((3, 5), np.float32)), TypeError, "into float32: all must be float32"),
    ((3, 4), (4, 5), dict(compute="fp16"), ValueError, "'fp16': a product is computed in fp32, tf32, bf16"),
    ((3, 4), (4, 5), dict(beta=1.0), ValueError, "beta = 1.0 times which array"),
])
def test_what_does_not_fit_is_refused(a, b, options, error, words):
    with pytest.raises(error, match=words):
        matmul(np.zeros(a), np.zeros(b), **options)


def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="float16 and float16 into float16"):
        matmul(np.zeros((3, 4), np.float16), np.zeros((4, 5), np.float16))


def test_sizes_that_a_c_int_cannot_hold_are_refused():
    large = 2**31
    with pytest.raises(ValueError, match="beyond what BLAS counts"):
        gemm.plan(gemm.View((large, 2), (2, 1)), gemm.View((2, 2), (2, 1)), gemm.View((large, 2), (2, 1)))


# Our call, answered by the stand-in

def _compiler():
    found = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if found is None:
        pytest.skip("no C compiler (cc, gcc, clang) to build the stand-in for cuBLAS with")
    return found


def _compile(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """The stand-in, loaded by our binding; `.counts` is what it counts."""
    path = tmp_path_factory.mktemp("cublas") / "libcublas_stub.so"
    _compile(_compiler(), "-shared", "-fPIC", "-O1", "-Wall", "-Werror", STUB, "-o", path)

    class Counts(ctypes.Structure):
        _fields_ = [(name, ctypes.c_int) for name in ("status_of_create", "creates", "gemms", "compute")] + [
            ("stream", ctypes.c_void_p), ("workspace", ctypes.c_void_p), ("workspace_bytes", ctypes.c_size_t)]
    library = cublas.Library(path)
    library.counts = Counts.in_dll(ctypes.CDLL(str(path)), "stub")
    return library


class DeviceArray(np.ndarray):
    """A NumPy array that says where it lies in CuPy's words."""

    device = SimpleNamespace(id=0)
    data = property(lambda self: SimpleNamespace(ptr=self.ctypes.data))


@pytest.fixture
def device(stub, monkeypatch):
    """As much of CuPy as a product needs, on the memory of the host, with the stand-in as its cuBLAS."""
    module = SimpleNamespace(stream=0, allocated=[])

    def empty(shape, dtype):
        module.allocated.append(shape)
        return np.empty(shape, dtype).view(DeviceArray)
    module.empty = empty
    module.ascontiguousarray = lambda x: np.ascontiguousarray(x).view(DeviceArray)
    module.array = lambda x, order: np.array(x, order=order).view(DeviceArray)
    module.asarray = lambda x: x.view(DeviceArray)
    module.cuda = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(ptr=module.stream))
    for place in (cublas, products):
        monkeypatch.setattr(place, "xp_of", lambda *_: module)
        monkeypatch.setattr(place, "on", lambda array: contextlib.nullcontext())
    monkeypatch.setattr(cublas, "library", lambda: stub)
    monkeypatch.setattr(cublas, "_handles", {})
    ctypes.memset(ctypes.byref(stub.counts), 0, ctypes.sizeof(stub.counts))
    return module


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)], ids=["float32", "float64"])
@pytest.mark.parametrize("a, b, calls, copies", LAYOUTS.values(), ids=LAYOUTS)
def test_cublas_is_given_every_layout_rightly(a, b, calls, copies, dtype, tolerance, device, stub):
    a, b = (device.asarray(x if dtype == np.float64 else _as_float32(x)) for x in (a, b))
    found, expected = matmul(a, b), np.asarray(a) @ np.asarray(b)
    assert found.dtype == dtype and stub.counts.gemms == calls
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=3 * tolerance)


def _as_float32(x):
    """The same layout in float32: strides half as long."""
    narrow = np.empty(0, np.float32)
    low = sum(min(0, step * (size - 1)) for size, step in zip(x.shape, x.strides))
    high = sum(max(0, step * (size - 1)) for size, step in zip(x.shape, x.strides))
    narrow = np.empty((high - low) // x.itemsize + 1, np.float32)
    view = np.ndarray(x.shape, np.float32, narrow, -low // 2, [step // 2 for step in x.strides])
    view[...] = x
    return view


def test_gradients_are_added_up_in_place(device):
    a, b, out = (device.asarray(normal(*shape)) for shape in ((5, 3, 4), (5, 4, 6), (5, 3, 6)))
    expected = np.asarray(out) + 0.5 * np.asarray(a) @ np.asarray(b)
    np.testing.assert_allclose(matmul(a, b, out=out, alpha=0.5, beta=1.0), expected, rtol=1e-13)


def test_the_way_of_computing_is_passed_on(device, stub):
    for dtype, compute, expected in ((np.float32, "fp32", 68), (np.float32, "tf32", 77), (np.float64, "tf32", 70),
                                     (np.float64, "bf16", 70)):
        a = device.asarray(normal(3, 3, dtype=dtype))
        matmul(a, a, compute=compute)
        assert stub.counts.compute == expected


@pytest.mark.parametrize("a, b, calls, copies", LAYOUTS.values(), ids=LAYOUTS)
def test_products_of_bf16_are_those_of_rounded_factors(a, b, calls, copies, device, stub, monkeypatch):
    """The bits are rounded by NumPy here; the kernel that does it has a test of its own."""
    monkeypatch.setattr(products, "to_bf16", lambda x: device.asarray(rounded(np.asarray(x))[1]))
    a, b = (device.asarray(_as_float32(x)) for x in (a, b))
    found = matmul(a, b, compute="bf16")
    expected = rounded(np.asarray(a))[0].astype(np.float64) @ rounded(np.asarray(b))[0].astype(np.float64)
    assert found.dtype == np.float32 and stub.counts.compute == 68
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def rounded(x):
    """(float32 numbers with 8 bits of mantissa, these bits as uint16) by adding and taking away a multiple."""
    scale = np.exp2(np.floor(np.log2(np.abs(x) + (x == 0))) - 7)                # between neighbours of bf16
    near = (np.round(x.astype(np.float64) / scale) * scale).astype(np.float32)  # halves to even
    return near, (near.view(np.uint32) >> 16).astype(np.uint16)


def test_a_stream_has_one_handle_with_its_own_workspace(device, stub):
    a = device.asarray(normal(3, 3))
    for stream, creates in ((0, 1), (0, 1), (64, 2), (0, 2), (64, 2)):
        device.stream = stream
        matmul(a, a)
        assert stub.counts.creates == creates
    assert stub.counts.stream == 64 and stub.counts.workspace_bytes == 32 * 2**20
    assert stub.counts.workspace == cublas._handles[0, 64]._workspace.data.ptr


def test_after_the_first_a_call_allocates_nothing_and_sets_nothing(device, stub):
    """What a call inside a CUDA graph may do."""
    a, out = device.asarray(normal(3, 3)), device.asarray(normal(3, 3))
    matmul(a, a, out=out)
    device.allocated.clear()
    stub.counts.stream = stub.counts.workspace_bytes = 12345
    for b in (a, a.T):
        matmul(b, a, out=out, beta=1.0)
    assert device.allocated == [] and stub.counts.stream == stub.counts.workspace_bytes == 12345
    assert stub.counts.gemms == 3


def test_the_array_modules_own_product_goes_first(device):
    given = []
    device.gemm = lambda *arguments: given.append(arguments)
    a = device.asarray(normal(3, 3))
    out = matmul(a, a, alpha=2.0)
    (calls, *arrays, alpha, beta, compute), = given
    assert len(calls) == 1 and [array is x for array, x in zip(arrays, (a, a, out))] == [True] * 3
    assert (alpha, beta, compute) == (2.0, 0.0, "fp32")


def test_statuses_become_errors_with_names_and_causes(device, stub):
    stub.counts.status_of_create = 1
    a = device.asarray(normal(3, 3))
    with pytest.raises(cublas.CublasError, match="cublasCreate returned CUBLAS_STATUS_NOT_INITIALIZED: the driver is"):
        matmul(a, a)
    assert cublas._handles == {}                        # the next call tries again
    stub.counts.status_of_create = 0
    matmul(a, a)
    wrong = gemm.Gemm(3, 3, 3, 1, *[gemm.Operand(0, 2, 0)] * 3, swapped=False)
    with pytest.raises(cublas.CublasError, match="BatchedEx returned CUBLAS_STATUS_INVALID_VALUE: a size or"):
        cublas.gemm([wrong], a, a, a)
    stub.counts.status_of_create = 99
    with pytest.raises(cublas.CublasError, match="STATUS_99: see cublasStatus_t"):
        stub.call("cublasCreate_v2", ctypes.byref(ctypes.c_void_p()))


def test_the_library_says_its_version(stub):
    assert stub.version() == "13.1.2"


def test_a_missing_library_is_named_with_what_brings_it(monkeypatch):
    monkeypatch.setattr(cublas.importlib, "import_module", lambda name: 1 / 0)
    with pytest.raises(OSError, match=r"cuBLAS was not found .*pip install 'cupy-cuda13x"):
        cublas.Library()


# Our prototypes against those of the stand-in, and these against NVIDIA's

PROTOTYPES = r"""
#include "cublas_stub.c"
#include <type_traits>
#include <utility>
template <class T> constexpr int kind() { return std::is_pointer<T>::value ? 0 : sizeof(T); }
template <class F> struct Taken;
template <class... A> struct Taken<cublasStatus_t(A...)> {
    template <int... kinds> static constexpr bool as() {
        return std::is_same<std::integer_sequence<int, kind<A>()...>, std::integer_sequence<int, kinds...>>::value;
    }
};
"""


def test_our_prototypes_are_those_of_the_stand_in(tmp_path):
    """A C++ compiler takes the declarations apart: of each parameter, whether it is a pointer, else its bytes."""
    if not shutil.which("c++"):
        pytest.skip("no C++ compiler (c++) to take the prototypes apart with")
    lines = [PROTOTYPES]
    for name, types in cublas.PROTOTYPES.items():
        kinds = ", ".join("0" if t is ctypes.c_void_p or hasattr(t, "contents") else str(ctypes.sizeof(t))
                          for t in types)
        lines.append(f'static_assert(Taken<decltype({name})>::as<{kinds}>(), "{name}");')
    source = tmp_path / "prototypes.cpp"
    source.write_text("\n".join(lines) + "\n")
    _compile("c++", "-std=c++17", "-fsyntax-only", f"-I{STUB.parent}", source)


def test_the_stand_ins_prototypes_and_our_numbers_are_nvidias(tmp_path):
    compiler = _compiler()
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.pathfinder") is None:
        pytest.skip("no cuda-pathfinder to find cublas_v2.h with: pip install cuda-pathfinder")
    folder = importlib.import_module("cuda.pathfinder").find_nvidia_header_directory("cublas")
    if folder is None:
        pytest.skip("no cublas_v2.h: pip install 'cuda-toolkit[cublas]==13.*' brings it, or CUDA_PATH names a toolkit")
    if not (Path(folder) / "crt").exists():             # the wheels leave out words that mean nothing to a C compiler
        (tmp_path / "crt").mkdir()
        words = ("CUDARTAPI", "__device_builtin__", "__cudart_builtin__", "__host__", "__device__", "__align__(n)",
                 "__builtin_align__(n)")
        (tmp_path / "crt" / "host_defines.h").write_text("".join(f"#define {word}\n" for word in words))
    numbers = {"CUBLAS_COMPUTE_32F": cublas.COMPUTE["fp32"], "CUBLAS_COMPUTE_32F_FAST_TF32": cublas.COMPUTE["tf32"],
               "CUBLAS_COMPUTE_64F": cublas.COMPUTE_64F, "CUBLAS_GEMM_DEFAULT": cublas.DEFAULT_ALGORITHM,
               "CUDA_R_32F": cublas.TYPES["float32"][0], "CUDA_R_64F": cublas.TYPES["float64"][0],
               "CUBLAS_OP_N": int(False), "CUBLAS_OP_T": int(True), "MAJOR_VERSION": 0, "PATCH_LEVEL": 2}
    numbers |= {f"CUBLAS_STATUS_{word}": status for status, (word, _) in cublas.STATUS.items()}
    source = tmp_path / "numbers.c"
    source.write_text('#include "cublas_stub.c"\n' + "".join(
        f'_Static_assert({name} == {value}, "{name}");\n' for name, value in numbers.items()))
    _compile(compiler, "-DNVIDIA_HEADER", f"-I{folder}", f"-I{tmp_path}", f"-I{STUB.parent}", "-c", source, "-o",
             tmp_path / "numbers.o")

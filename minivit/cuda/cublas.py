"""NVIDIA's cuBLAS through ctypes: the one routine that multiplies matrices, and what has to be done before.

- `gemm(calls, ...)`: carry out a plan (gemm.py) on device arrays, on the current stream
- `Library`: the shared library; it is the one that CuPy would load
- `Handle`: a connection to a device and a stream, with a workspace of its own

The routine is cublasGemmStridedBatchedEx: C = alpha op(A) op(B) + beta C for a batch of matrices a fixed step apart,
of any type. Once the stream has its handle, a call allocates nothing and changes no setting, so it can be recorded into
a CUDA graph. Two habits of cuBLAS would break that. It allocates workspace by itself unless it is given some. And
cublasSetStream takes the given workspace away: hence a handle for each stream, set up once.

Source: NVIDIA, "cuBLAS library": cublasSetStream, cublasSetWorkspace, cublasGemmStridedBatchedEx; cublas_api.h.
"""
import ctypes
import functools
import importlib
import threading

from minivit.backend import on, xp_of

WORKSPACE = 32 * 2**20                              # bytes; what NVIDIA recommends for its newer GPUs
COMPUTE = {"fp32": 68, "tf32": 77, "bf16": 68}      # cublasComputeType_t: CUBLAS_COMPUTE_32F, ..._32F_FAST_TF32
TYPES = {"float32": (0, ctypes.c_float),            # cudaDataType: CUDA_R_32F, CUDA_R_64F; the type of alpha and beta
         "float64": (1, ctypes.c_double)}
FACTORS = {name: kind for name, (kind, _) in TYPES.items()} | {"uint16": 14}        # bf16's bits: CUDA_R_16BF
COMPUTE_64F = 70
DEFAULT_ALGORITHM = -1                              # CUBLAS_GEMM_DEFAULT

STATUS = {              # cublasStatus_t: its name, and what mostly lies behind it
    1: ("NOT_INITIALIZED", "the driver is missing, older than this cuBLAS, or the GPU has no memory left for a handle"),
    3: ("ALLOC_FAILED", "the GPU's memory is full: take smaller batches"),
    7: ("INVALID_VALUE", "a size or a leading dimension that cuBLAS refuses: please report the shapes and strides"),
    8: ("ARCH_MISMATCH", "the GPU is too old for this type or way of computing"),
    11: ("MAPPING_ERROR", "the GPU's memory could not be reached"),
    13: ("EXECUTION_FAILED", "the kernel could not be started, or an earlier one on this GPU failed: compute-sanitizer "
                             "finds which"),
    14: ("INTERNAL_ERROR", "an operation inside cuBLAS failed; often an earlier kernel wrote out of bounds"),
    15: ("NOT_SUPPORTED", "cuBLAS has no routine for these types"),
    16: ("LICENSE_ERROR", "the library's licence was not found"),
}

_pointer, _int, _long = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
PROTOTYPES = {          # cublas_api.h; handle, stream and device addresses are pointers, enumerations are ints
    "cublasCreate_v2": (ctypes.POINTER(_pointer),),
    "cublasSetStream_v2": (_pointer, _pointer),
    "cublasSetWorkspace_v2": (_pointer, _pointer, ctypes.c_size_t),
    "cublasGetProperty": (_int, ctypes.POINTER(_int)),
    "cublasGemmStridedBatchedEx": (
        _pointer, _int, _int,                       # handle, transpose A, transpose B
        _int, _int, _int,                           # rows of C, columns of C, the inner axis
        _pointer,                                   # alpha
        _pointer, _int, _int, _long,                # A, its type, leading dimension, step to the next matrix
        _pointer, _int, _int, _long,                # B
        _pointer,                                   # beta
        _pointer, _int, _int, _long,                # C
        _int, _int, _int),                          # how many matrices, how to compute, by which algorithm
}


class CublasError(RuntimeError):
    """A call of cuBLAS that did not succeed."""


class Library:
    """cuBLAS, loaded from `path`, or from where CuPy finds it: NVIDIA's wheels, a toolkit, the system.

    Raises OSError where there is none.
    """

    def __init__(self, path=None):
        self.path = path or find()
        self._functions = {}
        library = ctypes.CDLL(str(self.path))
        for name, types in PROTOTYPES.items():
            function = self._functions[name] = getattr(library, name)
            function.argtypes, function.restype = types, _int

    def call(self, name, *arguments):
        """Call a routine. Raises CublasError with the status's name and its likely cause."""
        status = self._functions[name](*arguments)
        if status:
            word, cause = STATUS.get(status, (str(status), "see cublasStatus_t in NVIDIA's manual"))
            raise CublasError(f"{name.removesuffix('_v2')} returned CUBLAS_STATUS_{word}: {cause}")

    def version(self):
        """Such as "13.2.0"; needs neither driver nor GPU."""
        parts = [ctypes.c_int() for _ in range(3)]
        for which, part in enumerate(parts):
            self.call("cublasGetProperty", which, ctypes.byref(part))
        return ".".join(str(part.value) for part in parts)


def find():
    """The path of cuBLAS. Raises OSError where there is none."""
    try:
        return importlib.import_module("cuda.pathfinder").load_nvidia_dynamic_lib("cublas").abs_path
    except Exception as error:                      # each of the places searched has its own way to fail
        raise OSError(f"cuBLAS was not found ({type(error).__name__}): "
                      f"pip install 'cupy-cuda13x[ctk]' brings it") from error


class Handle:
    """A connection to the current device and one of its streams; `workspace` is an array of bytes there."""

    def __init__(self, library, stream, workspace):
        self._library, self._workspace = library, workspace
        self._handle = _pointer()
        library.call("cublasCreate_v2", ctypes.byref(self._handle))
        library.call("cublasSetStream_v2", self._handle, stream)
        library.call("cublasSetWorkspace_v2", self._handle, workspace.data.ptr, workspace.nbytes)

    def gemm(self, calls, a, b, out, factors, dtype, alpha, beta, compute):
        """Carry out a plan on the arrays at the addresses a and b, of type `factors`, and out, of `dtype`."""
        factor, (kind, number) = FACTORS[factors.name], TYPES[dtype.name]
        how = COMPUTE_64F if dtype.name == "float64" else COMPUTE[compute]
        alpha, beta = number(alpha), number(beta)
        for call in calls:
            A, B = (a, b) if call.swapped else (b, a)
            self._library.call(
                "cublasGemmStridedBatchedEx", self._handle, call.a.transposed, call.b.transposed,
                call.rows, call.columns, call.inner, ctypes.byref(alpha),
                A + call.a.offset * factors.itemsize, factor, call.a.leading, call.a.step,
                B + call.b.offset * factors.itemsize, factor, call.b.leading, call.b.step, ctypes.byref(beta),
                out + call.c.offset * dtype.itemsize, kind, call.c.leading, call.c.step,
                call.batch, how, DEFAULT_ALGORITHM)


_handles = {}           # (device, stream) -> Handle
_making = threading.Lock()


@functools.cache
def library():
    """The Library of this process."""
    return Library()


def gemm(calls, a, b, out, alpha=1.0, beta=0.0, compute="fp32"):
    """Carry out a plan on CuPy arrays, on the current stream of their device. a and b may be bf16, as uint16."""
    xp = xp_of(a, b, out)
    with on(out):
        stream = xp.cuda.get_current_stream().ptr
        handle = _handles.get((out.device.id, stream)) or _make_handle(xp, out.device.id, stream)
        handle.gemm(calls, a.data.ptr, b.data.ptr, out.data.ptr, a.dtype, out.dtype, alpha, beta, compute)


def _make_handle(xp, device, stream):
    with _making:
        if (device, stream) not in _handles:
            _handles[device, stream] = Handle(library(), stream, xp.empty(WORKSPACE, "uint8"))
        return _handles[device, stream]

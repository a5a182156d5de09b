"""Every CUDA kernel: its numbers against the definition in float64, what checked mode finds, how it uses memory.

On a machine without a GPU the kernels run in the emulator, on NumPy arrays; with one, the same tests run there too.
`pytest tests/test_kernels.py --record-gpu` enters that they passed into examples/benchmarks/results/gpu_verified.json.
"""
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minivit import Tensor, ops, randomness, using
from minivit.backend import device_of, to_device, to_host, why_no_cuda
from minivit.cuda import checking, emulate, verified, why_no_checks, why_no_emulator
from minivit.cuda.kernels import FILES
from minivit.function import Context
from minivit.gradcheck.kernel_cases import KERNEL_CASES, arrays_of, error, run
from minivit.nn import Parameter
from minivit.ops.attention import Attention
from minivit.ops.dropout import Dropout
from minivit.optim import Adam, AdamW
from minivit.optim.flat import adam_numbers, adam_step
from minivit.streams import Draw, stream

CLOSE = 1e-5            # of an array's largest number, against the definition in float64
WASTEFUL = 1.5          # times the ideal: sectors of global memory, or passes over the banks of shared memory


def _skip(reason):
    return pytest.mark.skipif(reason is not None, reason=str(reason))


devices = pytest.mark.parametrize("device", [
    pytest.param("cpu", id="emulator", marks=_skip(why_no_emulator())),
    pytest.param("cuda", id="gpu", marks=_skip(why_no_cuda()))])


@pytest.fixture(scope="module")
def verdict(request):
    """A function (kernel, error, seconds) for what passes on a GPU; with --record-gpu it is entered if all tests do."""
    failed, seen = request.session.testsfailed, {}

    def passed(kernel, off, seconds):
        file = next(file for file in FILES.values() if any(name.startswith(kernel) for name in file.declared))
        worst, total = seen.get(file, (0.0, 0.0))
        seen[file] = max(worst, off), total + seconds

    yield passed
    if request.config.getoption("--record-gpu") and request.session.testsfailed == failed:
        for file, (worst, total) in seen.items():
            for constants in file.launched_on_gpu():
                verified.record(verified.FILE, file.path, constants, max_error=worst, seconds=total,
                                **verified.this_gpu())


@devices
@pytest.mark.parametrize("name", KERNEL_CASES)
def test_values_and_gradients_are_those_of_the_definition_in_float64(name, device, verdict):
    arrays = arrays_of(name)
    truth = run(name, {key: array.astype(np.float64) for key, array in arrays.items()}, "composed")
    start = time.perf_counter()
    found = run(name, {key: to_device(array, device) for key, array in arrays.items()}, "cuda")
    off = error(found, truth)
    assert off <= CLOSE
    if device != "cpu":
        verdict(name.partition("-")[0], off, time.perf_counter() - start)


def noncontiguous(array, how):
    """The same numbers, laid out otherwise in memory."""
    if how == "gaps":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if how == "offset":                                 # begins 4 bytes after a multiple of 16: no float4
        shifted = np.empty(array.size + 1, array.dtype)[1:].reshape(array.shape)
        shifted[...] = array
        return shifted
    return np.asfortranarray(array)


@pytest.mark.parametrize("how", ["gaps", "offset", "transposed"])
@pytest.mark.parametrize("name", ["softmax-65", "gelu-65x64", "bias_gelu-64", "layernorm-33", "dropout",
                                  "cross_entropy-10", "attention-17"])
@_skip(why_no_emulator())
def test_the_layout_in_memory_does_not_matter(name, how):
    arrays = arrays_of(name)
    expected = run(name, arrays, "cuda")
    found = run(name, {key: noncontiguous(array, how) for key, array in arrays.items()}, "cuda")
    assert error(found, expected) <= 1e-6               # the order of a sum may differ


# Checked mode

WITH_REASON = ("strided:", "conflict:")                 # a line's comment says why it cannot use memory better


@_skip(why_no_checks())
@pytest.mark.parametrize("name", KERNEL_CASES)
def test_checked_mode_finds_nothing(name):
    with checking() as report:
        run(name, arrays_of(name), "cuda")
    assert not report.findings, report
    wasteful = [f"{count.file}:{count.line} takes {count.coalescing:.2f} x the ideal sectors of global memory, "
                f"{count.bank_conflicts:.2f} x the ideal passes over shared memory"
                for count in report.lines.values()
                if max(count.coalescing, count.bank_conflicts) > WASTEFUL and not explained(count)]
    assert not wasteful, "\n".join(wasteful)


def explained(count):
    """Whether a comment on that line says why."""
    text = (Path(ops.__file__).parent / count.file).read_text(encoding="utf-8").splitlines()[count.line - 1]
    return any(word in text.partition("//")[2] for word in WITH_REASON)


# Random masks: the same bits as NumPy's

SEEDS = [Draw(0, 0, "mask 1"), Draw(2**64 - 1, 2**40, "mask 7", first_image=2**40)]


@devices
@pytest.mark.parametrize("draw", SEEDS, ids=["first", "far"])
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 1030), (4, 8), (1, 1)], ids=str)
def test_dropout_keeps_what_numpy_keeps(draw, shape, device):
    numbers = draw.uniform(shape)
    p = float(numbers.flat[numbers.size // 2])                      # one number is exactly p, and kept
    ones = to_device(np.ones(shape, np.float32), device)
    with using("cuda"):
        y = to_host(Dropout.forms["cuda"][0](Context((False,), False), ones, p, draw, shape))
    assert np.array_equal(y, (numbers >= p) * np.float32(1 / (1 - p)))


@devices
@pytest.mark.parametrize("draw", SEEDS, ids=["first", "far"])
def test_attention_drops_what_numpy_drops(draw, device):
    """Equal scores and values that are unit vectors show every weight, which is 0 or 1 / M / (1 - p)."""
    B, H, N, M = 2, 3, 50, 93
    q, k = np.zeros((B, H, N, M), np.float32), np.zeros((B, H, M, M), np.float32)
    v = np.broadcast_to(np.eye(M, dtype=np.float32), (B, H, M, M))
    arrays = [to_device(array, device) for array in (q, k, v)]
    y = to_host(Attention.forms["cuda"][0](Context((False,), False), *arrays, dropout=0.3, draw=draw))
    assert np.array_equal(y != 0, draw.uniform((B, H, N, M)) >= 0.3)
    assert y[y != 0] == pytest.approx(1 / M / 0.7, rel=1e-6)


# One step of Adam for a whole group

def step(p, g, m, v, factor, t, weight_decay, decoupled):
    numbers = to_device(np.array(adam_numbers(t, 0.1, (0.9, 0.999), weight_decay, decoupled)), device_of(p))
    adam_step(p, g, m, v, factor, numbers, (0.9, 0.999), 1e-8, weight_decay, decoupled)


@devices
@pytest.mark.parametrize("decoupled", [True, False], ids=["AdamW", "Adam"])
def test_a_step_of_adam_is_the_optimizers(decoupled, device, verdict):
    p, g, m = stream(0, place="adam").standard_normal((3, 1000)).astype(np.float32)
    v = m * m
    factor = np.full((), 0.5, np.float32)
    optimizer = (AdamW if decoupled else Adam)([("p", Parameter(p.astype(np.float64)))])
    optimizer.steps = 3
    truth = [array.astype(np.float64) for array in (p, g * factor, m, v)]
    optimizer.update(*truth, 0.1, {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.05})
    start = time.perf_counter()
    p, g, m, v, factor = on = [to_device(array, device) for array in (p, g, m, v, factor)]
    step(*on, 3, 0.05, decoupled)
    found = {"p": to_host(p), "m": to_host(m), "v": to_host(v)}
    off = error(found, {"p": truth[0], "m": truth[2], "v": truth[3]})
    assert off <= CLOSE
    if device != "cpu":
        verdict("adam_step", off, time.perf_counter() - start)


@devices
@pytest.mark.parametrize("factor", [np.nan, np.inf, -np.inf])
def test_a_step_with_a_factor_that_is_not_finite_changes_nothing(factor, device):
    before = stream(0, place="adam").random((4, 300)).astype(np.float32)
    on = [to_device(array.copy(), device) for array in before]
    step(*on, to_device(np.float32([factor]), device), 1, 0.0, True)
    assert all(np.array_equal(to_host(found), array) for found, array in zip(on, before))


@_skip(why_no_checks())
def test_checked_mode_finds_nothing_in_a_step_of_adam():
    arrays = list(np.ones((4, 300), np.float32))
    with checking() as report:
        step(*arrays, np.ones(1, np.float32), 1, 0.0, True)
    assert not report.findings and all(count.coalescing <= WASTEFUL for count in report.lines.values()), report


# The extremes that a softmax meets

@_skip(why_no_emulator())
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("operation", [ops.softmax, ops.log_softmax], ids=["softmax", "log_softmax"])
def test_infinite_logits_are_treated_as_the_definition_treats_them(operation):
    inf = np.inf
    x = np.array([[1, -inf, 2], [1e3, -1e3, 1e3], [-inf, -inf, -inf], [inf, 0, 1], [np.nan, 0, 1]], np.float32)
    found, truth = [], []
    for form, values in (("cuda", found), ("composed", truth)):
        with using(form), np.errstate(divide="ignore"):
            values.append(operation(Tensor(x)).data)
    assert found[0] == pytest.approx(truth[0], rel=1e-5, nan_ok=True)


# The launcher

@_skip(why_no_emulator())
def test_a_file_with_headers_is_emulated_by_its_path():
    softmax = emulate(FILES["softmax.cu"].path, constants={"GROUP": 32}).get_function("softmax_forward")
    x, y = np.zeros((3, 4), np.float32), np.empty((3, 4), np.float32)
    softmax((1,), (128,), (x, y, 3, 4))
    assert np.array_equal(y, np.full((3, 4), 0.25))


def test_every_constant_that_runs_is_declared():
    with pytest.raises(ValueError, match=r"softmax.cu is checked with the constants .*, not with {'GROUP': 64}: add"):
        FILES["softmax.cu"].launch("softmax_forward", 1, 128, (), constants={"GROUP": 64})


@_skip(why_no_emulator())
def test_a_head_wider_than_128_is_refused():
    q = Tensor(np.zeros((1, 1, 2, 130), np.float32))
    with using("cuda"), pytest.raises(ValueError, match="attention.*heads up to 128 wide, not K = 130: use more heads"):
        ops.attention(q, q, q)


@_skip(why_no_emulator())
@pytest.mark.parametrize("operation", [ops.softmax, ops.gelu, lambda x: ops.dropout(x, 0.5),
                                       lambda x: ops.layernorm(x, x.sum(axis=(0, 1)), x.sum(axis=(0, 1)))],
                         ids=["softmax", "gelu", "dropout", "layernorm"])
def test_no_images_are_no_launch(operation):
    x = Tensor(np.zeros((0, 3, 8), np.float32), requires_grad=True)
    with using("cuda"), randomness(seed=0):
        y = operation(x)
        y.backward(y.data)
    assert y.shape == x.shape and x.grad.shape == x.shape


# What is known of real GPUs

def test_the_record_of_gpu_runs_holds_for_one_text(tmp_path):
    file, header, path = tmp_path / "verified.json", tmp_path / "a.cuh", tmp_path / "a.cu"
    header.write_text("// one\n"), path.write_text('#include "a.cuh"\n')
    kernels = SimpleNamespace(path=path, variants=[{"N": 1}, {"N": 2}])
    gpu = {"device": "NVIDIA H100", "driver": "CUDA 13.2", "max_error": 1e-7, "seconds": 2.0}
    assert verified.unverified(file, [kernels]) == ["never ran on a GPU: a.cu"]
    verified.record(file, path, {"N": 1}, date="2026-11-01", **gpu)
    assert verified.unverified(file, [kernels]) == ["changed since it ran on a GPU (2026-11-01) with {'N': 2}: a.cu"]
    verified.record(file, path, {"N": 2}, date="2026-11-02", **gpu)
    assert verified.unverified(file, [kernels]) == []
    assert {entry["device"] for entry in verified.read(file).values()} == {"NVIDIA H100"}
    header.write_text("// two\n")
    assert verified.unverified(file, [kernels]) == ["changed since it ran on a GPU (2026-11-02): a.cu"]

"""In which precision a GPU multiplies matrices: the rounding of factors to bfloat16, and who chooses it."""
import numpy as np
import pytest
from runs import NOISY

from minivit import Tensor, ops
from minivit.backend import to_device, to_host
from minivit.cuda import checking, why_no_checks, why_no_emulator
from minivit.cuda.bf16 import from_bf16, to_bf16
from minivit.cuda.kernels import FILES
from minivit.modes import precision
from minivit.train import TrainConfig, trainer_from

needs_emulator = pytest.mark.skipif(why_no_emulator() is not None, reason=str(why_no_emulator()))
BITS = {            # float32 -> bf16, by hand: 0x3f80 is 1, a unit of its last place 2**-7
    1.0: 0x3f80, -1.0: 0xbf80, 0.0: 0x0000, 1 + 2**-7: 0x3f81, 1 + 2**-8: 0x3f80, 1 + 3 * 2**-8: 0x3f82,
    1 + 2**-8 + 2**-20: 0x3f81, 1 + 2**-8 - 2**-20: 0x3f80, 2 - 2**-20: 0x4000, 3.4028e38: 0x7f80, 2.0**-149: 0x0000,
    np.inf: 0x7f80, -np.inf: 0xff80}


@needs_emulator
def test_numbers_are_rounded_to_the_nearest_and_halves_to_even():
    assert to_bf16(np.float32(list(BITS))).tolist() == list(BITS.values())
    quiet, tricky = to_bf16(np.array([0x7fc00000, 0x7f800001], np.uint32).view(np.float32))
    assert np.isnan(from_bf16(np.uint16([quiet, tricky]))).all()
    x = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    found = from_bf16(to_bf16(x)).astype(np.float64)
    assert (np.abs(found - x) <= np.exp2(np.floor(np.log2(np.abs(x))) - 8)).all() and (found != x).any()


@needs_emulator
def test_a_transposed_array_stays_transposed():
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    for array, strides in ((x, (40, 10, 2)), (x.swapaxes(-1, -2), (40, 2, 10)), (x[:, ::2], (20, 10, 2))):
        y = to_bf16(array)
        assert y.shape == array.shape and y.strides == strides
        np.testing.assert_allclose(from_bf16(y), array, rtol=2**-8)


@pytest.mark.skipif(why_no_checks() is not None, reason=str(why_no_checks()))
def test_checked_mode_finds_nothing_in_the_rounding():
    with checking() as report:
        to_bf16(np.ones(300, np.float32))
    assert not report.findings and all(count.coalescing <= 1.5 for count in report.lines.values()), report


@pytest.mark.parametrize("name, error", [("fp32", 1e-6), ("tf32", 2**-10), ("bf16", 2**-7)])
def test_products_and_their_gradients_are_of_the_precision_of_the_block(cuda, name, error):
    rng = np.random.default_rng(0)
    a, b, dy = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 5, 64), (64, 7), (2, 5, 7)))
    x, y = (Tensor(to_device(array, "cuda"), requires_grad=True) for array in (a, b))
    with precision(name):
        product = x @ y
        product.backward(to_device(dy, "cuda"))
    for found, truth in ((product.data, a.astype(float) @ b), (x.grad, dy.astype(float) @ b.T),
                         (y.grad, np.einsum("nij,nik->jk", a.astype(float), dy))):
        found = to_host(found)
        worst = np.abs(found - truth).max() / np.abs(truth).max()
        assert found.dtype == np.float32 and worst <= error
        assert name != "bf16" or worst > 1e-4


def test_sums_stay_float32_in_such_a_block(cuda):
    rng = np.random.default_rng(0)
    x, dy, gamma, beta, weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in
                                        ((3, 4, 5, 6), (3, 4, 5, 6), 4, 4, (6, 6), 6))
    found = []
    for device, name in (("cpu", "fp32"), ("cuda", "bf16")):
        images, scale, shift, W, b = (Tensor(to_device(array, device), requires_grad=array is not weight)
                                      for array in (x, gamma, beta, weight, bias))
        with precision(name):
            normed = ops.groupnorm(images, 2, scale, shift)
            normed.backward(to_device(dy, device))
            ops.linear(images.detach(), W, b).backward(to_device(dy, device))
        found.append([to_host(array) for array in (normed.data, images.grad, scale.grad, shift.grad, b.grad)])
    for here, there in zip(*found):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5 * np.abs(here).max())


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="unknown precision 'fp16': did you mean 'bf16'"):
        with precision("fp16"):
            pass


def test_on_the_cpu_there_is_one_precision(digits):
    config = TrainConfig(data=str(digits), precision="bf16", epochs=1)
    with pytest.raises(ValueError, match="precision bf16 is for GPUs, and this run is on the CPU.*leave it out"):
        trainer_from(config, NOISY, quiet=True)


def test_a_run_in_bf16_learns_like_one_in_float32_and_is_another_run(cuda, digits):
    losses, identities = [], []
    for name in ("fp32", "bf16"):
        config = TrainConfig(data=str(digits), batch_size=20, epochs=2, device="cuda", precision=name)
        trainer = trainer_from(config, NOISY, quiet=True)
        trainer.run()
        losses.append([row["train_loss"] for row in trainer.rows])
        identities.append(trainer.identity.get("precision"))
        assert {p.dtype.name for p in trainer.model.parameters()} == {"float32"}
    assert losses[0] != losses[1] and identities == [None, "bf16"]
    np.testing.assert_allclose(*losses, rtol=0.05)


def test_the_kernel_is_among_those_that_are_checked():
    assert "bf16.cu" in FILES

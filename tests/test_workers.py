"""Worker threads: the same bits for any number of them, the caller's context in each, errors that arrive."""
import threading

import numpy as np
import pytest

from minivit import Tensor, no_grad
from minivit.data import Batch
from minivit.models import create
from minivit.modes import grad_enabled
from minivit.optim import AdamW
from minivit.train import Classification, Workers, logits_of
from minivit.train.gradients import OrderedSum, gradients
from minivit.train.loop import train_epoch
from minivit.train.workers import parts

SMALL = dict(embed_dim=16, num_heads=2, depth=2, drop_rate=0.1, attn_drop_rate=0.1, drop_path_rate=0.2, zero_head=False)
LOSS = Classification(label_smoothing=0.1)


def batch_of(images, seed=0):
    rng = np.random.default_rng(seed)
    return Batch(rng.standard_normal((images, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, images),
                 np.arange(images))


def weights_after(threads, steps=10):
    model = create("vit_nano_patch7_28", **SMALL)
    optimizer = AdamW(model, lr=1e-3)
    with Workers(threads) as workers:
        batches = (batch_of(100, seed) for seed in range(steps))
        for _ in train_epoch(model, batches, LOSS, optimizer, lambda step: 1e-3, 1.0, workers=workers):
            pass
    return b"".join(parameter.data.tobytes() for parameter in model.parameters())


def test_any_number_of_threads_gives_the_same_bits():
    one = weights_after(1)
    for threads in (2, 3, 4):
        assert weights_after(threads) == one, f"{threads} threads"


def test_parts_add_up_to_the_gradient_of_the_whole_batch():
    batch = batch_of(90)
    model = create("vit_nano_patch7_28", **SMALL | dict(drop_rate=0.0, attn_drop_rate=0.0, drop_path_rate=0.0))
    model.astype(np.float64)
    batch = Batch(batch.images.astype(np.float64), batch.labels, batch.index)
    assert len(parts(90, model.token_shape)) == 2
    result = gradients(model, LOSS, batch, seed=0, step=0)
    found = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    logits = model(Tensor(batch.images))
    loss = LOSS(logits, batch)
    loss.backward()
    assert result.loss == pytest.approx(loss.item(), rel=1e-12)
    assert result.correct == (logits.data.argmax(axis=1) == batch.labels).sum()
    for gradient, parameter in zip(found, model.parameters()):
        np.testing.assert_allclose(gradient, parameter.grad, rtol=1e-9, atol=1e-14)


def test_a_hook_on_a_parameter_fires_once_on_the_reduced_gradient():
    model, seen = create("vit_nano_patch7_28", **SMALL), []
    model.head.bias.register_hook(lambda gradient: seen.append(gradient.copy()))
    with Workers(2) as workers:
        gradients(model, LOSS, batch_of(90), 0, 0, workers)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], model.head.bias.grad)


@pytest.mark.parametrize("images, shape, count", [
    (1, (17, 64), 1), (10, (17, 64), 1), (64, (17, 64), 2), (50, (65, 64), 2), (64, (65, 192), 6), (128, (65, 128), 8),
    (16, (197, 768), 6), (1, (5000, 64), 1), (3, (5000, 1024), 3), (1000, (1, 8), 2)])
def test_parts_cover_the_batch_once_in_near_equal_sizes(images, shape, count):
    cuts = parts(images, shape)
    assert len(cuts) == count
    assert [k for cut in cuts for k in range(cut.start, cut.stop)] == list(range(images))
    sizes = {cut.stop - cut.start for cut in cuts}
    assert max(sizes) - min(sizes) <= 1


def test_the_order_of_the_sum_does_not_depend_on_who_is_ready_first():
    numbers = np.float32([1e8, 1, -1e8, 1])             # whose float32 sum depends on the order
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        total = OrderedSum()
        for part in order:
            total.add(part, {"leaf": numbers[part:part + 1].copy()})
        assert total.sums["leaf"].total == ((numbers[0] + numbers[1]) + numbers[2]) + numbers[3]


def test_inference_in_parts_equals_inference_at_once():
    model = create("vit_nano_patch7_28", **SMALL)
    images = np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1)).astype(np.uint8)
    with Workers(2) as workers:
        found = logits_of(model, images, (0.5,), (0.5,), workers)
    np.testing.assert_array_equal(found, logits_of(model, images, (0.5,), (0.5,)))
    assert model.training


def test_workers_see_the_context_of_the_caller():
    meeting = threading.Barrier(2, timeout=10)          # both items are in work at once: there are two threads

    def look(_):
        meeting.wait()
        return grad_enabled(), threading.current_thread()

    with Workers(2) as workers, no_grad():
        (first, one), (second, other) = workers.map(look, [0, 1])
    assert (first, second) == (False, False)
    assert one is not other


def test_an_error_in_a_worker_arrives():
    def fail(item):
        raise ValueError(f"item {item}")

    with Workers(2) as workers, pytest.raises(ValueError, match="item 0"):
        workers.map(fail, range(10))


def test_blas_keeps_to_one_thread_in_the_block_only():
    from threadpoolctl import threadpool_info

    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    with Workers(2):
        assert set(threads()) == {1}
    assert threads() == before


def test_no_workers_are_refused():
    with pytest.raises(ValueError, match="at least 1 worker, not 0"):
        Workers(0)


def test_one_image_leaves_all_threads_to_blas_where_nothing_is_recorded():
    from threadpoolctl import threadpool_info

    def threads(_):
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with Workers(2) as workers:
        assert workers.map(threads, [0]) == [{1}]
        with no_grad():
            assert workers.map(threads, [0]) == [{2}]
        assert workers.map(threads, [0]) == [{1}]


@pytest.mark.parametrize("images", [1, 3])
def test_a_small_batch_has_the_same_logits_for_any_number_of_threads(images):
    model = create("vit_nano_patch7_28", **SMALL)
    pixels = np.random.default_rng(0).integers(0, 256, (images, 28, 28, 1)).astype(np.uint8)
    with Workers(2) as workers:
        found = logits_of(model, pixels, (0.5,), (0.5,), workers)
    np.testing.assert_array_equal(found, logits_of(model, pixels, (0.5,), (0.5,)))

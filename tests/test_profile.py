"""The profile of a training step: what it counts, that it changes nothing, and the table that the command prints."""
import re

import numpy as np
import pytest

from minivit import Tensor, ops
from minivit.cuda import why_no_emulator
from minivit.data import Batch
from minivit.models import create
from minivit.optim import AdamW
from minivit.train import Classification, Workers, train_epoch
from minivit.train.device import Conveyor
from minivit.train.gradients import gradients
from minivit.train.profile import Profile, launches
from minivit.train.replay import Replay
from minivit.train.workers import parts

SMALL = dict(embed_dim=16, num_heads=2, depth=2, drop_rate=0.1, attn_drop_rate=0.1, drop_path_rate=0.2, zero_head=False)
IMAGES = 70


def normal(*shape, grad=True):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32), requires_grad=grad)


def step(threads=1):
    """The loss and all gradients of one batch."""
    model, rng = create("vit_nano_patch7_28", **SMALL), np.random.default_rng(0)
    batch = Batch(rng.standard_normal((IMAGES, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, IMAGES),
                  np.arange(IMAGES))
    with Workers(threads) as workers:
        result = gradients(model, Classification(), batch, seed=0, step=0, workers=workers)
    return result, {name: parameter.grad.tobytes() for name, parameter in model.named_parameters()}


def recorded(run):
    """The timings of what `run` does."""
    profile = Profile()
    with profile.recording():
        run()
    return profile.timings


def test_linear_is_a_product_forward_and_two_backward():
    x, weight, bias = normal(3, 5, 4), normal(7, 4), normal(7)
    timings = recorded(lambda: ops.linear(x, weight, bias).sum().backward())
    product = 2 * 15 * 4 * 7 / 1e9                              # 15 rows, a multiplication and an addition each
    assert timings["linear", "forward"].gflop == pytest.approx(product)
    assert timings["linear", "backward"].gflop == pytest.approx(2 * product)
    assert timings["linear", "forward"].gigabytes == pytest.approx(4 * (60 + 28 + 7 + 105) / 1e9)
    assert timings["sum", "forward"].gflop == 0


def test_linear_of_images_needs_one_product_backward():
    timings = recorded(lambda: ops.linear(normal(15, 4, grad=False), normal(7, 4), normal(7)).sum().backward())
    assert timings["linear", "backward"].gflop == pytest.approx(2 * 15 * 4 * 7 / 1e9)


def test_attention_is_two_products_forward_and_four_backward():
    B, H, N, M, K = 2, 3, 5, 7, 4
    q, k, v = normal(B, H, N, K), normal(B, H, M, K), normal(B, H, M, K)
    timings = recorded(lambda: ops.attention(q, k, v).sum().backward())
    product = 2 * B * H * N * M * K / 1e9                       # q k^T, P v; P^T dy, dy v^T, dS k, dS^T q
    assert timings["attention", "forward"].gflop == pytest.approx(2 * product)
    assert timings["attention", "backward"].gflop == pytest.approx(4 * product)


def test_every_call_is_counted_and_timed():
    x = normal(2, 3)
    timings = recorded(lambda: (ops.gelu(ops.gelu(x)) + ops.softmax(x)).sum().backward())
    assert {key: timing.calls for key, timing in timings.items()} == {
        (name, direction): calls for name, calls in (("gelu", 2), ("softmax", 1), ("add", 1), ("sum", 1))
        for direction in ("forward", "backward")}
    assert all(timing.seconds > 0 for timing in timings.values())


@pytest.mark.parametrize("threads", [1, 2])
def test_recording_changes_no_result_and_sees_all_workers(threads):
    plain, profile = step(threads), Profile()
    with profile.recording():
        assert step(threads) == plain
    pieces = len(parts(IMAGES, (17, SMALL["embed_dim"])))
    assert pieces > 1
    layers = {"linear": 1 + 4 * 2 + 1, "attention": 2, "layernorm": 2 * 2 + 1, "cross_entropy": 1}
    for name, calls in layers.items():
        for direction in ("forward", "backward"):
            assert profile.timings[name, direction].calls == pieces * calls, (name, direction)


def test_after_the_block_nothing_is_recorded():
    profile, x = Profile(), normal(2, 3)
    with profile.recording():
        ops.gelu(x)
    ops.gelu(x).sum().backward()
    assert profile.timings.keys() == {("gelu", "forward")} and profile.timings["gelu", "forward"].calls == 1


def test_the_command_prints_a_table(minivit):
    status, printed, complaint = minivit("profile", "vit_nano_patch7_28", "--batch-size", "4", "--steps", "1",
                                         "--threads", "2")
    first, heads, *lines = printed.splitlines()
    assert (status, complaint) == (0, "") and re.fullmatch(
        r"vit_nano_patch7_28, batch 4, 2 threads: [\d.]+ ms a step, \d+ images/s", first)
    assert heads.split() == ["per", "step", "calls", "ms", "share", "GFLOP/s", "GB/s"]
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    for name, calls in (("linear", "18"), ("attention", "4"), ("layernorm", "9"), ("cross_entropy", "1")):
        for direction in ("forward", "backward"):
            assert rows[name, direction][0] == calls
    assert len(rows["linear", "forward"]) == 5 and len(rows["gelu", "forward"]) == 4        # GELU has no products
    shares = [float(re.search(r"(-?[\d.]+)%", line).group(1)) for line in lines]
    assert lines[-1].startswith("all else") and sum(shares) == pytest.approx(100, abs=0.05 * len(shares) + 0.1)
    assert shares[:-1] == sorted(shares[:-1], reverse=True)


# Launches on a GPU

needs_emulator = pytest.mark.skipif(why_no_emulator() is not None, reason=str(why_no_emulator()))


@needs_emulator
def test_launches_are_counted_without_a_gpu(minivit):
    status, printed, complaint = minivit("profile", "vit_nano_patch7_28", "--launches")
    first, heads, *lines = printed.splitlines()
    total = int(re.fullmatch(r"vit_nano_patch7_28: (\d+) launches a step on a GPU; as a CUDA graph, one", first)[1])
    assert (status, complaint) == (0, "") and heads.split() == ["per", "step", "calls", "launches"]
    rows = {tuple(line.split()[:2]): [int(word) for word in line.split()[2:4] if word.isdigit()] for line in lines}
    assert rows["attention", "forward"] == [4, 4] and rows["attention", "backward"] == [4, 8]
    assert rows["layernorm", "backward"] == [9, 18] and rows["linear", "forward"] == [18, 36]
    assert total == sum(row[-1] for row in rows.values())


@needs_emulator
def test_a_recorded_step_is_as_many_launches_as_are_counted(standin):
    """The graph holds what `launches` counts, no more and no less."""
    batch = Batch(np.zeros((2, 1, 28, 28), np.float32), np.zeros(2, np.int64), np.arange(2))
    _, _, total = launches(create("vit_nano_patch7_28", **SMALL), batch)
    model = create("vit_nano_patch7_28", **SMALL).to("cuda")
    optimizer = AdamW(model)
    replay = Replay(model, optimizer, print)
    list(train_epoch(model, Conveyor("cuda")([batch] * 3), Classification(), optimizer, lambda step: 1e-4, 1.0,
                     run=replay))
    (graph, _), = replay.graphs.recorded.values()
    assert len(graph.actions) == total


def test_on_a_gpu_times_and_launches_stand_side_by_side(cuda, minivit):
    status, printed, complaint = minivit("profile", "vit_nano_patch7_28", "--device", "cuda", "--batch-size", "2",
                                         "--steps", "1")
    one, graph, total, heads, *lines = printed.splitlines()
    assert (status, complaint) == (0, "")
    assert re.fullmatch(r"vit_nano_patch7_28, batch 2, launch by launch: [\d.]+ ms a step, \d+ images/s", one)
    assert "as a CUDA graph: " in graph and "launches a step" in total and heads.split()[-1] == "ms"
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    assert rows["attention", "forward"][:2] == ["4", "4"] and float(rows["attention", "forward"][2]) > 0

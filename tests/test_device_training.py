"""Training on a device, on a strict stand-in for CuPy everywhere and on a GPU where there is one.

The truth is the array form on NumPy, step by step; then the trainer and the commands, saving and going on.
"""
import math
import threading
import time
from dataclasses import replace
from importlib import import_module
from functools import partial

import numpy as np
import pytest
from runs import NOISY as NOISY_RUN, StopAfter, outcome

from minivit import Tensor, using
from minivit.backend import to_device, to_host, why_no_cuda
from minivit.cli import main
from minivit.data import Batch, Split
from minivit.models import create
from minivit.nn import Parameter
from minivit.optim import EMA, SGD, Adam, AdamW, clip_grad_norm
from minivit.train import Classification, Distillation, RunFolder, TrainConfig, evaluate, logits_of, trainer_from
from minivit.train.device import Conveyor
from minivit.train.loop import train_epoch

TINY = dict(embed_dim=16, num_heads=2, depth=1, zero_head=False)
NOISY = TINY | dict(depth=2, drop_rate=0.1, attn_drop_rate=0.1, drop_path_rate=0.2)


def batches_of(count, images=6, shape=(1, 28, 28)):
    """Batches on the host; the last is shorter."""
    rng = np.random.default_rng(0)
    for k in range(count):
        n = images - (k == count - 1)
        yield Batch(rng.standard_normal((n, *shape), dtype=np.float32), rng.integers(0, 10, n), np.arange(n))


# With its usual epsilon, Adam makes a whole step of a gradient that is rounding alone: no two forms would agree.
calm = partial(AdamW, eps=1e-2)


def trained(model, loss, steps, device, machine=None, optimizer=calm, clip_norm=0.5):
    """(parameters, results) after some steps on a device. On a stand-in, `machine`, no step may wait twice."""
    optimizer = optimizer(model.to(device), lr=1e-2)
    before = replace(machine) if machine else None
    batches = Conveyor(device)(batches_of(steps))
    results = list(train_epoch(model, batches, loss, optimizer, lambda step: 1e-2, clip_norm))
    assert machine is None or machine.synchronisations - before.synchronisations == steps
    return {name: to_host(p.data) for name, p in model.named_parameters()}, results


def assert_same_training(machine, make, loss, steps, **options):
    truth, expected = trained(make(), loss("cpu"), steps, "cpu", **options)
    found, results = trained(make(), loss("cuda"), steps, "cuda", machine, **options)
    for name, parameter in truth.items():
        np.testing.assert_allclose(found[name], parameter, rtol=1e-5, atol=1e-5 * np.abs(parameter).max(), err_msg=name)
    for one, other in zip(results, expected):
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        assert (one.correct, one.images) == (other.correct, other.images)
        assert type(one.loss) is float and type(one.correct) is int


def smooth(device):
    return Classification(label_smoothing=0.1)


@pytest.mark.parametrize("optimizer", [calm, partial(Adam, eps=1e-2, weight_decay=0.1), partial(SGD, momentum=0.9)],
                         ids=["adamw", "adam", "sgd"])
@pytest.mark.parametrize("clip_norm", [0.5, 0.0], ids=["clipped", "unclipped"])
def test_training_steps_are_those_of_the_cpu(cuda, optimizer, clip_norm):
    assert_same_training(cuda, partial(create, "vit_nano_patch7_28", **NOISY), smooth, 3, optimizer=optimizer,
                         clip_norm=clip_norm)


def test_a_step_of_primitives_alone_is_that_of_the_cpu(cuda):
    with using("composed"):
        assert_same_training(cuda, partial(create, "vit_nano_patch7_28", **NOISY), smooth, 1)


def distilled(kind):
    def loss(device):
        teacher = create("vit_nano_patch7_28", seed=1, embed_dim=8, depth=1, num_heads=1, zero_head=False).to(device)
        return Distillation(lambda images: teacher(Tensor(images)).data, kind, tau=2.0, label_smoothing=0.1)
    return loss


@pytest.mark.parametrize("name, changes, loss", [
    ("deit_nano_distilled_patch7_28", NOISY, distilled("hard")),
    ("deit_nano_distilled_patch7_28", NOISY, distilled("soft")),
    ("vit_nano_r_28", TINY, smooth),
    ("cnn_micro_28", dict(channels=(8, 16), groups=4, zero_head=False), smooth),
    ("vit_nano_patch7_28", TINY | dict(pos_embed="sincos-2d", class_token=False, pool="mean", registers=1,
                                       layer_scale=0.1, representation_size=8), smooth),
    ("vit_nano_patch7_28", TINY | dict(pos_embed="learned-2d", gelu="tanh"), smooth),
], ids=["deit-hard", "deit-soft", "hybrid", "cnn", "sincos", "learned-2d"])
def test_a_step_of_every_kind_of_model_is_that_of_the_cpu(cuda, name, changes, loss):
    assert_same_training(cuda, partial(create, name, **changes), loss, 1)


def test_a_step_makes_the_host_wait_once(standin):
    """Once, to read loss, correct and norm together; only a batch's images and labels, and the step's own numbers, are
    copied to the device."""
    model = create("vit_nano_patch7_28", **NOISY).to("cuda")
    steps = train_epoch(model, Conveyor("cuda")(batches_of(4)), smooth("cuda"), AdamW(model), lambda step: 1e-3, 0.5)
    next(steps)                                                             # which makes the buffers
    before = replace(standin)
    for number, _ in enumerate(steps, 1):
        assert standin.synchronisations - before.synchronisations == number
        assert standin.copies_to_device - before.copies_to_device == 3 * number


def test_a_look_in_between_is_counted(standin):
    model = create("vit_nano_patch7_28", **NOISY).to("cuda")

    def curious(outputs, batch, images):
        loss = smooth("cuda")(outputs, batch, images)
        float(loss)
        return loss
    before = standin.synchronisations
    list(train_epoch(model, Conveyor("cuda")(batches_of(1)), curious, AdamW(model), lambda step: 1e-3))
    assert standin.synchronisations - before == 2


@pytest.mark.parametrize("clip_norm", [1.0, 0.0], ids=["clipped", "unclipped"])
@pytest.mark.parametrize("optimizer", [AdamW, partial(SGD, momentum=0.9)], ids=["adamw", "sgd"])
@pytest.mark.parametrize("bad, message", [("loss", "the loss is inf at step 0"),
                                          ("norm", "the norm of the gradient is")], ids=["loss", "norm"])
def test_what_is_not_finite_changes_nothing(cuda, bad, message, optimizer, clip_norm):
    model = create("vit_nano_patch7_28", **NOISY).to("cuda")
    optimizer = optimizer(model, lr=1e-2)
    before = {name: to_host(array) for name, array in (model.state_dict() | optimizer.state_dict()).items()}

    def loss(outputs, batch, images):
        value = smooth("cuda")(outputs, batch, images)
        if bad == "loss":
            return value + math.inf
        value.register_hook(lambda gradient: gradient * math.nan)
        return value
    with pytest.raises(FloatingPointError, match=message):
        list(train_epoch(model, Conveyor("cuda")(batches_of(1)), loss, optimizer, lambda step: 1e-2, clip_norm))
    after = model.state_dict() | optimizer.state_dict()
    for name, array in before.items():
        if name != "steps":
            np.testing.assert_array_equal(to_host(after[name]), array)


# Clipping, averages, buffers

def test_clipping_in_place_is_that_of_the_cpu(cuda):
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3), (4,), ())]
    for max_norm in (0.5, 100.0):
        norms, clipped = [], []
        for device in ("cpu", "cuda"):
            parameters = [Parameter(to_device(np.zeros_like(g), device)) for g in gradients] + [Parameter(np.zeros(2))]
            for p, g in zip(parameters, gradients):
                p.grad = to_device(g.copy(), device)
            norms.append(float(clip_grad_norm(parameters, max_norm)))
            clipped.append([to_host(p.grad) for p in parameters[:-1]])
        assert norms[0] == pytest.approx(norms[1], rel=1e-6)
        for one, other in zip(*clipped):
            np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_clipping_on_a_device_spreads_what_is_not_finite(cuda, bad):
    parameters = [Parameter(to_device(np.zeros(3, np.float32), "cuda")) for _ in range(2)]
    parameters[0].grad = to_device(np.float32([1, bad, 2]), "cuda")
    parameters[1].grad = to_device(np.float32([1, 2, 3]), "cuda")
    clip_grad_norm(parameters, 1.0)
    assert all(np.isnan(to_host(p.grad)).all() for p in parameters)


def test_averages_are_those_of_the_cpu(cuda):
    found = []
    for device in ("cpu", "cuda"):
        model = create("vit_nano_patch7_28", **NOISY | {"depth": 1}).to(device)
        optimizer = AdamW(model, lr=1e-2, eps=1e-2)
        ema = EMA(optimizer, 0.5)
        list(train_epoch(model, Conveyor(device)(batches_of(2)), smooth(device), optimizer, lambda step: 1e-2, ema=ema))
        ema.load_state_dict({name: to_host(array) for name, array in ema.state_dict().items()})
        with ema.applied():
            found.append(to_host(model.head.weight.data).copy())
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-7)


def test_batches_come_through_the_same_memory(cuda):
    conveyor, places = Conveyor("cuda"), set()
    for _ in range(2):                                                      # epochs
        for moved, batch in zip(conveyor(batches_of(3)), batches_of(3)):
            places.add((moved.images.data.ptr, moved.labels.data.ptr))
            assert moved.targets is moved.labels and isinstance(moved.index, np.ndarray)
            np.testing.assert_array_equal(to_host(moved.images), batch.images)
            np.testing.assert_array_equal(to_host(moved.labels), batch.labels)
    assert len(places) == 1
    larger, = conveyor(batches_of(1, images=20))
    assert len(larger) == 19 and larger.images.data.ptr not in {images for images, _ in places}


def test_the_next_batch_is_loaded_while_this_one_is_used(cuda):
    taken = [threading.Event() for _ in range(3)]

    def batches():
        for batch, event in zip(batches_of(3), taken):
            event.set()
            yield batch
    conveyor = Conveyor("cuda")(batches())
    moved = next(conveyor)
    assert taken[1].wait(10)
    time.sleep(0.05)                                                        # long enough to write it somewhere
    assert not taken[2].is_set()
    np.testing.assert_array_equal(to_host(moved.images), next(batches_of(3)).images)
    assert len(list(conveyor)) == 2


def test_a_batch_that_cannot_be_made_is_missed_when_it_is_asked_for(cuda):
    def batches():
        yield from batches_of(1)
        raise ValueError("image 7 is torn")
    conveyor = Conveyor("cuda")(batches())
    next(conveyor)
    with pytest.raises(ValueError, match="image 7 is torn"):
        next(conveyor)
    assert [thread.name for thread in threading.enumerate() if "conveyor" in thread.name] == []


def test_soft_targets_are_moved_too(cuda):
    batch, = batches_of(1)
    soft = np.random.default_rng(1).dirichlet(np.ones(10), len(batch)).astype(np.float32)
    moved, = Conveyor("cuda")([Batch(batch.images, batch.labels, batch.index, soft)])
    np.testing.assert_array_equal(to_host(moved.targets), soft)
    assert to_host(moved.labels).dtype == np.int64


def test_on_the_cpu_nothing_is_moved():
    batch, = batches_of(1)
    same, = Conveyor("cpu")([batch])
    assert same is batch


# Evaluation

def test_logits_and_accuracy_are_those_of_the_cpu(cuda, monkeypatch):
    monkeypatch.setattr(import_module("minivit.train.evaluate"), "IMAGES", 4)      # a function has that name too
    model = create("vit_nano_patch7_28", **NOISY)
    split = Split(np.random.default_rng(0).integers(0, 256, (10, 28, 28, 1)).astype(np.uint8), np.arange(10))
    expected, figures = logits_of(model, split.images, (0.5,), (0.5,)), evaluate(model, split, (0.5,), (0.5,))
    model.to("cuda")
    found = logits_of(model, split.images, (0.5,), (0.5,))
    assert isinstance(found, np.ndarray) and model.training
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    on_device = evaluate(model, split, (0.5,), (0.5,))
    assert on_device["loss"] == pytest.approx(figures["loss"], rel=1e-5)
    assert on_device["accuracy"] == figures["accuracy"]


# The trainer and the commands

FLAGS = ["--embed-dim", "8", "--depth", "1", "--num-heads", "2", "--batch-size", "16", "--epochs", "1", "--augment", ""]


def test_the_command_trains_evaluates_and_predicts_on_a_device(cuda, digits, digit, tmp_path, minivit):
    accuracies = []
    for device in ("cpu", "cuda"):
        run = tmp_path / device
        status, _, said = minivit("train", "--data", digits, "--out", run, "--device", device, *FLAGS)
        assert status == 0, said
        accuracies.append([row["train_loss"] for row in RunFolder(run).read_metrics()])
        status, printed, said = minivit("eval", run, "--device", device)
        assert status == 0 and "20 images" in printed, said
        status, printed, said = minivit("predict", run, digit, "--device", device)
        assert status == 0 and "%" in printed, said
    np.testing.assert_allclose(*accuracies, rtol=1e-3)


def test_a_second_gpu_trains(standin, digits, tmp_path):
    assert not run_of(tmp_path, digits, "cuda:1", stop_after=1)
    assert run_of(tmp_path, digits, "cuda:1", resume=True)


def test_auto_says_what_it_is(cuda, digits, tmp_path, minivit, run_folder):
    status, _, said = minivit("train", "--data", digits, "--out", tmp_path / "run", "--device", "auto", *FLAGS)
    assert status == 0 and said.splitlines()[0] == "device auto: cuda"
    status, _, said = minivit("eval", run_folder, "--device", "auto")
    assert status == 0 and said == "device auto: cuda\n"


def test_without_cuda_auto_is_the_cpu_and_says_why(run_folder, minivit):
    if why_no_cuda() is None:
        pytest.skip("there is a GPU here")
    status, _, said = minivit("eval", run_folder, "--device", "auto")
    assert status == 0 and said.startswith("device auto: cpu, since ") and why_no_cuda() in said


def test_without_cuda_asking_for_it_is_refused(digits, tmp_path, run_folder, digit, refuses):
    if why_no_cuda() is None:
        pytest.skip("there is a GPU here")
    words = ["device cuda cannot be used", why_no_cuda(), "minivit doctor"]
    refuses("train", "--data", digits, "--out", tmp_path / "run", "--device", "cuda", words=words)
    refuses("eval", run_folder, "--device", "cuda", words=words)
    refuses("predict", run_folder, digit, "--device", "cuda", words=words)


def test_functions_written_for_numpy_are_refused_on_a_device(cuda, digits, tmp_path, refuses, monkeypatch):
    own = tmp_path / "own.py"
    own.write_text("")
    monkeypatch.setattr("minivit.cli.kernels.begin", lambda choice: {"layernorm_forward": own})
    refuses("train", "--data", digits, "--out", tmp_path / "run", "--device", "cuda", *FLAGS,
            words=["--kernels yours on cuda", "NumPy", "leave --device out"])


def run_of(folder, digits, device, stop_after=None, resume=False):
    config = TrainConfig(data=str(digits), batch_size=16, epochs=1, ema_decay=0.9, device=device)
    model = NOISY_RUN | {"depth": 1}
    made = trainer_from(config, model, folder=RunFolder(folder), quiet=True)
    if resume:
        made.resume()
    else:
        made.folder.create(config, model)
    if stop_after:
        made.progress = StopAfter(stop_after)
    return made.run()


def test_a_run_that_was_stopped_goes_on_bit_for_bit(cuda, digits, tmp_path):
    assert run_of(tmp_path / "whole", digits, "cuda")
    assert not run_of(tmp_path / "parts", digits, "cuda", stop_after=2)
    assert run_of(tmp_path / "parts", digits, "cuda", resume=True)
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_a_run_does_not_go_on_with_another_device(cuda, digits, tmp_path):
    assert not run_of(tmp_path, digits, "cuda", stop_after=1)
    with pytest.raises(ValueError, match="was begun with device = 'cuda', and now it is None"):
        run_of(tmp_path, digits, "cpu", resume=True)


def test_distillation_trains_on_a_device(cuda, digits, run_folder, tmp_path):
    status = main(["train", "--data", str(digits), "--out", str(tmp_path / "run"), "--device", "cuda", "--teacher",
                   str(run_folder), "--distillation", "soft", "--quiet", *FLAGS])
    assert status == 0

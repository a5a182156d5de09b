"""CUDA graphs: a training step that is recorded once and replayed is, bit for bit, the step that it was recorded from.

On the strict stand-in for CuPy, whose captures compute nothing and refuse what CuPy's refuse; and on a GPU where there
is one.
"""
import math
from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np
import pytest

from minivit import Tensor, using
from minivit.backend import to_host
from minivit.cuda.graph import Graphs, NotRecorded
from minivit.cuda.standin.module import MODULE
from minivit.data import Batch, Split
from minivit.models import create
from minivit.nn.module import watching
from minivit.optim import EMA, SGD, Adam, AdamW
from minivit.train import Classification, Distillation, RunFolder, TrainConfig, logits_of, trainer_from
from minivit.train.device import Conveyor
from minivit.train.loop import train_epoch
from minivit.train.replay import Replay

TINY = dict(embed_dim=16, num_heads=2, depth=1, zero_head=False)
NOISY = TINY | dict(drop_rate=0.1, attn_drop_rate=0.1, drop_path_rate=0.2)


def batches_of(count, images=4):
    """Batches of which every third is shorter."""
    rng = np.random.default_rng(0)
    for k in range(count):
        n = images - (k % 3 == 2)
        yield Batch(rng.standard_normal((n, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, n), np.arange(n))


class Run:
    """Training of a small model on a device. graph: whether its steps are replayed."""

    def __init__(self, graph, optimizer=AdamW, changes=NOISY, ema=None, loss=Classification(0.1),
                 preset="vit_nano_patch7_28"):
        self.model = create(preset, **changes).to("cuda")
        self.optimizer, self.said, self.loss = optimizer(self.model), [], loss
        self.ema = EMA(self.optimizer, ema) if ema else None
        self.replay = Replay(self.model, self.optimizer, self.said.append) if graph else None
        self.conveyor = Conveyor("cuda")

    def steps(self, batches, clip_norm=0.5):
        return train_epoch(self.model, self.conveyor(batches), self.loss, self.optimizer,
                           lambda step: 1e-2 / (1 + step), clip_norm, seed=3, ema=self.ema, run=self.replay)

    def state(self):
        """All that a step changes."""
        state = self.model.state_dict() | self.optimizer.state_dict() | (self.ema.state_dict() if self.ema else {})
        return {name: to_host(array).tobytes() for name, array in state.items()}


@pytest.mark.parametrize("options", [
    dict(ema=0.9), dict(optimizer=partial(Adam, weight_decay=0.1)), dict(optimizer=partial(SGD, lr=0.1, momentum=0.9)),
    dict(changes=TINY | dict(depth=2, layer_scale=0.1, registers=1))], ids=["adamw", "adam", "sgd", "other-model"])
@pytest.mark.parametrize("clip_norm", [0.5, 0.0], ids=["clipped", "unclipped"])
def test_replayed_steps_are_those_launched_one_by_one(cuda, options, clip_norm):
    runs = [Run(graph, **options) for graph in (False, True)]
    results = [list(run.steps(batches_of(10), clip_norm)) for run in runs]
    assert results[0] == results[1] and [result.step for result in results[1]] == list(range(10))
    assert runs[0].state() == runs[1].state()
    assert runs[1].said == [] and len(runs[1].replay.graphs.recorded) == 2


def learned_of(kind):
    """The loss of a distillation."""
    teacher = create("vit_nano_patch7_28", seed=1, embed_dim=8, depth=1, num_heads=1, zero_head=False).to("cuda")
    return Distillation(lambda images: teacher(Tensor(images)).data, kind, tau=2.0)


@pytest.mark.parametrize("preset, changes, kind", [
    ("deit_nano_distilled_patch7_28", NOISY, "hard"), ("deit_nano_distilled_patch7_28", NOISY, "soft"),
    ("vit_nano_r_28", TINY, None), ("cnn_micro_28", dict(channels=(8, 16), groups=4, zero_head=False), None),
    ("vit_nano_patch7_28", TINY | dict(pos_embed="sincos-2d", class_token=False, pool="mean", gelu="tanh"), None)],
    ids=["deit-hard", "deit-soft", "hybrid", "cnn", "sincos"])
def test_steps_of_every_kind_of_model_are_replayed(cuda, preset, changes, kind):
    runs = [Run(graph, changes=changes, preset=preset, loss=learned_of(kind) if kind else Classification())
            for graph in (False, True)]
    batches = [batch for batch in batches_of(6) if len(batch) == 4]
    assert list(runs[0].steps(batches)) == list(runs[1].steps(batches)) and runs[0].state() == runs[1].state()
    assert runs[1].said == [] and len(runs[1].replay.graphs.recorded) == 1


def test_a_replayed_step_is_one_launch_one_look_and_three_copies(standin):
    """The copies are a batch's images and labels, and the numbers of the step."""
    run, counted = Run(graph=True), []
    for _ in run.steps(batch for k, batch in enumerate(batches_of(12)) if k % 3 < 2):
        counted.append(replace(standin))
    for before, after in zip(counted[2:], counted[3:]):
        assert after.launches == before.launches and after.allocations == before.allocations
        assert after.graphs == before.graphs + 1 and after.synchronisations == before.synchronisations + 1
        assert after.copies_to_device == before.copies_to_device + 3
    assert counted[1].graphs == 0 and counted[2].graphs == 1                # after two steps as a warm-up


def test_what_is_not_finite_is_found_in_a_replay_too(cuda):
    run = Run(graph=True)
    batches = [batch for batch in batches_of(9) if len(batch) == 4]
    batches[4] = replace(batches[4], images=batches[4].images * np.float32(math.nan))
    steps = run.steps(batches)
    for _ in range(4):
        next(steps)
    before = run.state()
    with pytest.raises(FloatingPointError, match="the loss is nan at step 4"):
        next(steps)
    after = run.state()
    assert {name for name in before if before[name] != after[name]} == {"steps"}


# What is not recorded, and what is said of it

def curious(outputs, batch, images):
    loss = Classification()(outputs, batch, images)
    float(loss)
    return loss


def moving(outputs, batch, images):
    return Classification()(outputs, batch, images) + MODULE.array(np.float32(0.0))


@pytest.mark.parametrize("loss, reason", [(curious, "a number is read, or waited for, while a graph is captured"),
                                          (moving, "numbers of the host are copied to the device while")],
                         ids=["read", "copied"])
def test_a_step_that_cannot_be_recorded_goes_on_without_a_graph(standin, loss, reason):
    runs = [Run(graph, loss=loss) for graph in (False, True)]
    assert list(runs[0].steps(batches_of(6))) == list(runs[1].steps(batches_of(6)))
    assert runs[0].state() == runs[1].state() and standin.graphs == 0
    said, = runs[1].said
    assert said.startswith("note: a step is launched kernel by kernel, not as a CUDA graph: RuntimeError") \
        and reason in said


def test_as_long_as_someone_looks_nothing_is_replayed(standin):
    def seen(run, batches):
        before = standin.graphs
        list(run.steps(batches))
        return standin.graphs - before
    run, few = Run(graph=True), [batch for batch in batches_of(7) if len(batch) == 4]
    assert seen(run, few) == 3
    with using("cuda"):
        assert seen(run, few) == 0
    with watching(lambda module, call: call()):
        assert seen(run, few) == 0
    assert seen(run, few) == 5
    run.model.head.bias.register_hook(lambda gradient: None)
    assert seen(run, few) == 0
    assert [sentence.rpartition(": ")[2] for sentence in run.said] == [
        "a block `using` holds a form of operations", "the model is being watched", "a parameter has a hook"]


def test_float64_is_launched_step_by_step(standin):
    run = Run(graph=False)
    run.model.to("cpu").astype(np.float64).to("cuda")
    replay = Replay(run.model, AdamW(run.model), run.said.append)
    assert replay.why_not() == "the model is not float32, for which the kernels are made"


@pytest.mark.parametrize("use, complaint", [
    (lambda x: x.sum().item(), "a number is read"), (lambda x: x[x > 0], "a number is read"),
    (lambda x: x.set(np.zeros(3, np.float32)), "numbers of the host are copied"),
    (lambda x: x[[0, 1]], "numbers of the host are copied"),
    (lambda x: MODULE.concatenate([x] * 9), "numbers of the host are copied")],
    ids=["item", "mask", "set", "list", "concatenate"])
def test_a_capture_refuses_what_a_gpu_refuses(standin, use, complaint):
    x = MODULE.array(np.float32([1, 2, 3]))
    graphs, asked = Graphs(x), []

    def function():
        asked.append(0)
        return use(x) if len(asked) == 3 else x
    for _ in range(2):
        graphs.run("f", function)
    with pytest.raises(NotRecorded, match=complaint):
        graphs.run("f", function)
    assert standin.captured is None and (x + 1).get().tolist() == [2, 3, 4]


def test_a_capture_takes_no_memory_from_the_usual_pool(standin):
    stream = MODULE.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="memory is taken from the usual pool while a graph is captured"):
            MODULE.empty(3)
        stream.end_capture()
    with pytest.raises(RuntimeError, match="not on the default stream"):
        MODULE.cuda.get_current_stream().begin_capture()


def test_a_graph_computes_only_when_it_is_launched(standin):
    x = MODULE.array(np.float32([1, 2, 3]))
    graphs = Graphs(x)

    def function():
        x.__iadd__(1)
        return x * 2
    for k in range(5):
        result, replayed = graphs.run("f", function)
        assert replayed == (k > 2) and x.get().tolist() == [2 + k, 3 + k, 4 + k]
        assert result.get().tolist() == (2 * x).get().tolist()


# Evaluation and the trainer

def test_logits_of_a_replay_are_those_launched_one_by_one(cuda, monkeypatch):
    monkeypatch.setattr(import_module("minivit.train.evaluate"), "IMAGES", 4)      # a function has that name too
    run = Run(graph=True)
    images = np.random.default_rng(0).integers(0, 256, (18, 28, 28, 1)).astype(np.uint8)
    split = Split(images, np.zeros(18, np.int64))
    expected = logits_of(run.model, split.images, (0.5,), (0.5,))
    for _ in range(2):
        found = logits_of(run.model, split.images, (0.5,), (0.5,), replay=run.replay)
        np.testing.assert_array_equal(found, expected)
    assert run.said == [] and len(run.replay.graphs.recorded) == 1         # four times 4 a call, and a rest


def test_the_trainer_replays_and_can_be_told_not_to(cuda, digits, tmp_path):
    found = []
    for graph in (True, False):
        config = TrainConfig(data=str(digits), batch_size=8, epochs=2, ema_decay=0.9, device="cuda", graph=graph)
        trainer = trainer_from(config, NOISY, folder=RunFolder(tmp_path / str(graph)), quiet=True)
        trainer.folder.create(config, NOISY)
        assert trainer.run()
        assert (trainer.replay is not None) == graph
        if graph:
            assert len(trainer.replay.graphs.recorded) >= 1
        found.append({name: to_host(array).tobytes() for name, array in trainer.model.state_dict().items()})
    assert found[0] == found[1]

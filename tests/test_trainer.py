"""What a run can do besides steps: averages of weights, large steps of small batches, layers that learn at their own
rate or not at all, tests only now and then, an early end."""
import csv
from dataclasses import replace

import numpy as np
import pytest
from runs import TINY, outcome, trainer

from minivit import nn
from minivit.data import Batch, Loader, mnist5k
from minivit.inspect import draw_curves, draw_runs
from minivit.models import create
from minivit.optim import EMA, SGD, freeze, layer_groups, layer_numbers
from minivit.train import RunFolder, TrainConfig
from minivit.train.loop import accumulated
from minivit.weights import load, load_arrays


# Averages

def moved_by(*steps):
    """(EMA of decay 0.9, Parameter) after steps of -1 each from 0, by an optimizer that counts them."""
    p = nn.Parameter(np.zeros(40_000, np.float32))                      # more than a block
    optimizer = SGD([("p", p)], 1.0)
    ema = EMA(optimizer, 0.9)
    for step in steps:
        p.grad = np.full(p.shape, -step, np.float32)
        optimizer.step()
        ema.update()
    return ema, p


def test_an_average_is_that_of_its_formula():
    ema, _ = moved_by(1, 2, 3)
    expected, weight = 0.0, 0.0
    for t, step in enumerate((1, 2, 3), start=1):
        weight += step
        d = min(0.9, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * weight
    np.testing.assert_allclose(ema.state_dict()["p"], expected, rtol=1e-6)


def test_late_in_a_run_the_average_forgets_as_slowly_as_asked():
    ema, p = moved_by(*[0.0] * 100, 1.0)
    np.testing.assert_allclose(ema.state_dict()["p"], 0.1, rtol=1e-5)


def test_applied_averages_are_put_back_bit_for_bit():
    ema, p = moved_by(0.1, 0.7, 1.3)
    before, average = p.data.copy(), ema.state_dict()["p"].copy()
    with pytest.raises(KeyError), ema.applied():
        np.testing.assert_array_equal(p.data, average)
        np.testing.assert_array_equal(ema.state_dict()["p"], before)
        raise KeyError
    np.testing.assert_array_equal(p.data, before)
    np.testing.assert_array_equal(ema.state_dict()["p"], average)


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, float("nan")])
def test_a_decay_that_makes_no_average_is_refused(decay):
    with pytest.raises(ValueError, match="between 0 and 1"):
        EMA(SGD([("p", nn.Parameter(np.zeros(2, np.float32)))], 0.1), decay)


@pytest.fixture(scope="module")
def averaged(digits, tmp_path_factory):
    config = TrainConfig(data=str(digits), epochs=3, batch_size=16, lr=0.02, ema_decay=0.5, best_of="ema")
    run = trainer(tmp_path_factory.mktemp("averaged") / "run", config, TINY)
    run.run()
    return run


def test_weights_and_averages_are_both_tested_and_saved(averaged):
    folder, state = averaged.folder, load_arrays(averaged.folder.state)[0]
    rows = list(csv.DictReader(folder.metrics.read_text().splitlines()))
    assert all(row["ema_loss"] and row["ema_accuracy"] and row["ema_loss"] != row["test_loss"] for row in rows)
    last, average = (load(file)[0] for file in (folder.last, folder.ema))
    np.testing.assert_array_equal(last.head.weight.data, state["model/head.weight"])
    np.testing.assert_array_equal(average.head.weight.data, state["ema/head.weight"])
    assert np.abs(last.head.weight.data - average.head.weight.data).max() > 1e-4
    assert average.card.about["test_accuracy"] == averaged.rows[-1]["ema_accuracy"]


def test_the_best_is_of_what_it_was_asked_to_be(averaged, digits, tmp_path, monkeypatch):
    results = iter([0.9, 0.1, 0.1, 0.5, 0.8, 0.3])                      # weights, average, weights, average, ...
    monkeypatch.setattr("minivit.train.trainer.evaluate", lambda *_: {"loss": 2.0, "accuracy": next(results)})
    config = TrainConfig(data=str(digits), epochs=3, batch_size=16, ema_decay=0.5, best_of="ema")
    run = trainer(tmp_path / "run", config, TINY)
    kept = {}
    run.on_epoch = lambda row: kept.update({row["epoch"]: run.ema.state_dict()["head.weight"].copy()})
    run.run()
    best, _ = load(run.folder.best)
    assert (best.card.about["epochs"], best.card.about["test_accuracy"]) == (2, 0.5)
    np.testing.assert_array_equal(best.head.weight.data, kept[2])


def test_the_best_of_averages_needs_averages():
    with pytest.raises(ValueError, match="best_of ema needs an average of the weights: set ema_decay"):
        TrainConfig(best_of="ema")


# Large steps of small batches

def test_accumulated_batches_are_a_large_one_bit_for_bit(digits, tmp_path):
    common = TrainConfig(data=str(digits), model="vit_nano_patch4_28", epochs=2)
    changes = TINY | {"drop_path_rate": 0.2, "drop_rate": 0.1}
    for name, sizes in (("large", {"batch_size": 32}), ("small", {"batch_size": 8, "accumulate": 4})):
        trainer(tmp_path / name, replace(common, **sizes), changes).run()
    assert outcome(tmp_path / "large") == outcome(tmp_path / "small")


def test_a_group_of_batches_at_the_end_may_be_smaller():
    data = mnist5k()
    batches = list(accumulated(Loader(data.train, 700, data.mean, data.std).epoch(0), 4))
    assert [len(batch) for batch in batches] == [2800, 1200] and type(batches[0]) is Batch
    np.testing.assert_array_equal(np.sort(np.concatenate([batch.index for batch in batches])), np.arange(4000))


# Layers

def test_layers_are_counted_from_the_patches_to_the_head():
    with nn.no_init():
        numbers = layer_numbers(create("deit_tiny_distilled_patch16_224", depth=3))
    assert {numbers[name] for name in ("cls_token", "dist_token", "pos_embed", "patch_embed.proj.weight")} == {0}
    assert [numbers[f"blocks.{k}.mlp.fc1.bias"] for k in range(3)] == [1, 2, 3]
    assert {numbers[name] for name in ("norm.weight", "head.weight", "head_dist.bias")} == {4}


@pytest.mark.parametrize("name, parts", [
    ("vit_nano_r_32", {"patch_embed.backbone.stages.1.blocks.0.conv1.weight": 0, "blocks.3.norm1.weight": 4}),
    ("resnet14_gn_32", {"stem.conv.weight": 0, "stages.0.blocks.0.conv1.weight": 1, "stages.2.blocks.1.conv1.weight": 6,
                        "norm.weight": 7, "head.fc.weight": 7}),
    ("cnn_micro_32", {"stages.0.conv.weight": 1, "stages.2.norm.bias": 3, "head.weight": 4})])
def test_layers_of_other_networks_are_their_blocks(name, parts):
    with nn.no_init():
        numbers = layer_numbers(create(name))
    assert {part: numbers[part] for part in parts} == parts


def test_learning_rates_fall_from_the_head_to_the_patches():
    """The factors of timm 1.0.31's param_groups_layer_decay(vit_tiny_patch16_224, depth 3), 0.5: 1 for the head, then
    0.5, 0.25, 0.125 and 0.0625."""
    with nn.no_init():
        groups = layer_groups(create("vit_tiny_patch16_224", depth=3), 0.05, 0.5)
    scales = {name: group["lr_scale"] for group in groups for name, _ in group["params"]}
    assert [scales[name] for name in ("head.weight", "blocks.2.norm1.bias", "blocks.1.attn.qkv.weight",
                                      "blocks.0.mlp.fc2.weight", "pos_embed")] == [1, 0.5, 0.25, 0.125, 0.0625]
    decays = {name: group["weight_decay"] for group in groups for name, _ in group["params"]}
    assert (decays["head.weight"], decays["head.bias"], decays["pos_embed"]) == (0.05, 0, 0)


def test_a_factor_of_one_leaves_two_groups():
    with nn.no_init():
        assert [group["lr_scale"] for group in layer_groups(create("vit_nano_patch7_28"), 0.05)] == [1, 1]
    with pytest.raises(ValueError, match="above 0 and at most 1, not 1.5"):
        layer_groups(create("vit_nano_patch7_28"), 0.05, 1.5)


def test_frozen_parameters_stay_and_the_others_move(digits, tmp_path):
    config = TrainConfig(data=str(digits), epochs=2, batch_size=16, lr=0.01, freeze="patch_embed.*, blocks.0.attn.*")
    run = trainer(tmp_path / "run", config, TINY | {"zero_head": False})
    before = {name: array.copy() for name, array in run.model.state_dict().items()}
    run.run()
    same = {name for name, array in run.model.state_dict().items() if np.array_equal(array, before[name])}
    assert same == {name for name in before if name.startswith(("patch_embed.", "blocks.0.attn."))} == set(run.frozen)


@pytest.mark.parametrize("patterns, message", [
    (["blocks.9.*"], "unknown parameter to freeze 'blocks.9.*'"), (["head.wieght"], "did you mean 'head.weight'"),
    (["*"], "every parameter is frozen: there is nothing to train")])
def test_freezing_nothing_or_everything_is_refused(patterns, message):
    model = create("vit_nano_patch7_28", **TINY)
    with pytest.raises(ValueError, match=message.replace("*", r"\*").replace("?", r"\?")):
        freeze(model, patterns)
        layer_groups(model, 0.0)


# Tests between epochs, and an early end

def test_so_many_epochs_lie_between_two_tests_and_the_last_is_tested(digits, tmp_path, monkeypatch):
    results = {2: 0.4, 4: 0.2, 5: 0.3}
    monkeypatch.setattr("minivit.train.trainer.evaluate",
                        lambda *_: {"loss": 2.0, "accuracy": results.pop(len(run.rows) + 1)})
    config = TrainConfig(data=str(digits), epochs=5, batch_size=40, test_every=2)
    run = trainer(tmp_path / "run", config, TINY)
    run.run()
    assert results == {}
    assert [row["test_accuracy"] for row in run.rows] == [None, 0.4, None, 0.2, 0.3]
    assert [row["test_accuracy"] for row in run.folder.read_metrics()] == [None, 0.4, None, 0.2, 0.3]
    assert load(run.folder.best)[0].card.about["epochs"] == 2
    assert draw_curves(run.rows, tmp_path / "curves.png").endswith("test accuracy 30.0%")
    assert draw_runs({"run": run.rows}, tmp_path / "runs.png").endswith("best: run 40.0%")


def test_there_is_no_best_before_the_first_test(digits, tmp_path):
    run = trainer(tmp_path / "run", TrainConfig(data=str(digits), epochs=3, batch_size=40, test_every=3), TINY)
    there = []
    run.on_epoch = lambda row: there.append(run.folder.best.exists())
    run.run()
    assert there == [False, False, True]


def test_patience_waits_for_a_test(digits, tmp_path, monkeypatch):
    results = {2: 0.4, 4: 0.5, 6: 0.3, 8: 0.2}
    monkeypatch.setattr("minivit.train.trainer.evaluate",
                        lambda *_: {"loss": 2.0, "accuracy": results[len(run.rows) + 1]})
    config = TrainConfig(data=str(digits), epochs=9, batch_size=40, test_every=2, patience=3)
    run = trainer(tmp_path / "run", config, TINY)
    run.run()
    assert len(run.rows) == 8                   # 7 is 3 epochs after the best, but only the test after 8 could know


@pytest.mark.parametrize("patience, epochs", [(0, 6), (1, 4), (2, 5), (5, 6)])
def test_a_run_ends_when_there_was_no_better_epoch_for_too_long(digits, tmp_path, monkeypatch, patience, epochs):
    results = [0.1, 0.2, 0.3, 0.3, 0.2, 0.1]

    def evaluate(*_):
        return {"loss": 2.0, "accuracy": results[len(run.rows)]}
    monkeypatch.setattr("minivit.train.trainer.evaluate", evaluate)
    config = TrainConfig(data=str(digits), epochs=6, batch_size=40, patience=patience)
    run = trainer(tmp_path / "run", config, TINY)
    assert run.run() is True and len(run.rows) == epochs
    resumed = trainer(tmp_path / "run", config, TINY, resume=True)
    assert resumed.finished and resumed.run() is True and len(resumed.rows) == epochs
    assert load(RunFolder(tmp_path / "run").best)[0].card.about["epochs"] == 3

"""Recipes, and the commands that train: pretrain, finetune, distill, probe, plot."""
import tomllib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import TINY, outcome

from minivit.data import mnist5k
from minivit.models import ViTConfig, create, preset, resize_pos_embed
from minivit.tensor import Tensor
from minivit.train import (RECIPES, RunFolder, TrainConfig, read_recipe, recipe, recipe_text, trainer_of,
                           without_head)
from minivit.train.fit import at_size, balanced
from minivit.train.probe import Ridge, nearest
from minivit.weights import load, save

SMALL = ["--embed-dim", "8", "--depth", "1", "--num-heads", "2", "--mlp-ratio", "2"]
SHORT = ["--epochs", "1", "--batch-size", "20", "--quiet"]


# Recipes

@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_run_with_its_source_and_what_it_reaches(name):
    found = read_recipe(name)
    config = TrainConfig(**found.train)
    assert preset(config.model, **found.model) and found.about and found.reaches
    comment = "".join(line for line in recipe_text(name).splitlines() if line.startswith("#"))
    assert "arXiv" in comment and len(comment) > 200 and recipe_text(name).isascii()


def test_every_file_of_the_folder_is_a_recipe_with_a_name():
    folder = Path(recipe.__file__).parent / "recipes"
    assert {path.stem for path in folder.iterdir()} == set(RECIPES)


def test_minivit_recipes_lists_them_all_and_prints_one(minivit):
    status, printed, _ = minivit("recipes")
    assert status == 0 and all(f"\n{name} " in f"\n{printed}" for name in RECIPES)
    assert minivit("recipes", "mnist") == (0, recipe_text("mnist"), "")


@pytest.mark.parametrize("line", [["recipes", "mnits"], ["train", "--recipe", "mnits"]], ids=" ".join)
def test_an_unknown_recipe_is_answered_with_the_nearest(refuses, line):
    refuses(*line, words=["unknown recipe 'mnits': did you mean 'mnist'?"])


def test_settings_go_from_defaults_over_recipe_and_file_to_flags(minivit, digits, tmp_path):
    (tmp_path / "my.toml").write_text("[train]\nlr = 0.25\nweight_decay = 0.5\n[model]\nembed_dim = 8\ndepth = 2\n")
    assert minivit("train", "--recipe", "mnist", "--config", tmp_path / "my.toml", "--data", digits, "--out",
                   tmp_path / "run", "--lr", "0.125", "--depth", "1", "--num-heads", "2", *SHORT)[0] == 0
    settings = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    train = settings["train"]
    assert (train["lr"], train["weight_decay"], train["epochs"]) == (0.125, 0.5, 1)
    assert train["ema_decay"] == read_recipe("mnist").train["ema_decay"] != TrainConfig().ema_decay
    assert train["seed"] == TrainConfig().seed
    assert settings["model"] == read_recipe("mnist").model | {"embed_dim": 8, "depth": 1, "num_heads": 2}


def test_another_model_does_not_take_over_what_the_recipe_says_of_its_own(minivit, digits, tmp_path):
    assert read_recipe("cifar10-small").model
    line = ["train", "--recipe", "cifar10-small", "--data", digits, "--model", "cnn_nano_28", "--train-images", "20"]
    assert minivit(*line, "--out", tmp_path / "run", *SHORT)[0] == 0
    assert tomllib.loads((tmp_path / "run" / "config.toml").read_text())["model"] == {}
    assert type(trainer_of("cifar10-small", data=str(digits), model="cnn_nano_28").model).__name__ == "CNN"


# Pretrain, finetune, distill

@pytest.fixture(scope="module")
def pretrained(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained") / "run"
    run = trainer_of("vit-pretrain", model="vit_nano_patch7_28", data=str(digits), epochs=2, batch_size=10,
                     augment="", model_changes=TINY | {"zero_head": False}, folder=RunFolder(folder), quiet=True)
    run.folder.create(TrainConfig(), {})
    run.run()
    return folder


def test_pretrain_begins_from_its_recipe(minivit, digits, tmp_path):
    status = minivit("pretrain", "--data", digits, "--model", "vit_nano_patch7_28", "--out", tmp_path / "run", *SMALL,
                     *SHORT)[0]
    train = tomllib.loads((tmp_path / "run" / "config.toml").read_text())["train"]
    assert status == 0 and (train["weight_decay"], train["accumulate"]) == (0.3, 4)


def test_finetune_starts_from_zeros_in_the_head_and_positions_in_two_dimensions(pretrained, digits):
    old, _ = load(RunFolder(pretrained).last)
    run = trainer_of("vit-finetune", data=str(digits), start=str(pretrained), image_size=(42, 28), quiet=True)
    state = run.model.state_dict()
    assert np.abs(old.head.weight.data).max() > 0 and not state["head.weight"].any() and not state["head.bias"].any()
    assert run.model.patch_embed.grid == (6, 4) and run.loader.split.images.shape == (40, 42, 28, 1)
    positions = resize_pos_embed(old.pos_embed.data, (4, 4), (6, 4), 1, "bicubic")
    np.testing.assert_array_equal(state["pos_embed"], positions)
    np.testing.assert_array_equal(state["blocks.0.attn.qkv.weight"], old.blocks[0].attn.qkv.weight.data)
    assert run.data.mean == old.card.mean and run.loader.std == old.card.std


def test_finetune_is_resumed_from_its_folder_alone(minivit, pretrained, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(pretrained.parent)
    line = ["finetune", "run", "--data", digits, "--image-size", "42", "--epochs", "2", "--batch-size", "20",
            "--layer-decay", "0.5", "--freeze", "patch_embed.*", "--out", tmp_path / "run"]
    status, printed, said = minivit(*line)
    assert status == 0 and "vit of run, " in said and printed.startswith("test accuracy ")
    before = outcome(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert minivit("finetune", "--resume", tmp_path / "run", "--quiet") == (0, "", "")
    assert minivit("train", "--resume", tmp_path / "run", "--quiet")[0] == 0
    assert outcome(tmp_path / "run") == before
    assert minivit("eval", tmp_path / "run")[0] == 0


def test_distill_learns_from_a_teacher(minivit, pretrained, digits, tmp_path):
    assert minivit("distill", "--teacher", pretrained, "--data", digits, "--model", "deit_nano_distilled_patch7_28",
                   "--out", tmp_path / "run", "--augment", "shift_rotate:2:5", *SMALL, *SHORT)[0] == 0
    train = tomllib.loads((tmp_path / "run" / "config.toml").read_text())["train"]
    assert train["teacher"] == str(pretrained) and train["distillation"] == "hard"


@pytest.mark.parametrize("line, words", [
    (["finetune"], ["finetune needs the weights to start from: minivit finetune CKPT"]),
    (["finetune", "nowhere", "--data", "mnist5k"], ["nowhere"]), (["finetune", "x"], ["finetune needs a data set"]),
    (["finetune", "--model", "x"], ["unknown argument '--model'"]),
    (["distill"], ["distill needs a teacher: minivit distill --teacher CKPT"]),
    (["probe"], ["probe needs a trained model: minivit probe CKPT"]),
    (["plot", "nowhere"], ["nowhere is not the folder"]),
    (["train", "--start", "x", "--model", "vit_nano_patch7_28"], ["contradicts x, whose architecture the run has"]),
    (["pretrain", "--resume", "nowhere", "--recipe", "deit"], ["leave out the other settings"]),
    (["train", "--freeze", "blocks.9.*"], ["unknown parameter to freeze 'blocks.9.*'", "minivit summary"]),
    (["train", "--augment", "crp:4"], ["unknown augmentation 'crp': did you mean 'crop'?"]),
    (["train", "--train-images", "5000"], ["5000 training images were asked for, and there are 4000"]),
    (["finetun"], ["unknown command 'finetun': did you mean 'finetune'?"])], ids=lambda value: " ".join(value))
def test_what_cannot_be_used_is_answered_in_a_sentence(refuses, tmp_path, monkeypatch, line, words):
    monkeypatch.chdir(tmp_path)
    by = "minivit" if any(word.startswith("unknown ") and "argument" in word or "command" in word for word in words) \
        else None
    refuses(*line, words=words, by=by)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_weights_for_images_of_other_channels_are_refused(refuses, pretrained, tmp_path):
    refuses("finetune", pretrained, "--data", "shapes:train=20,test=10", "--image-size", "28", "--out",
            tmp_path / "run", words=["takes images of 1 channel(s)", "has 3"])


# Images of a run

def test_images_of_a_class_are_as_many_as_of_another():
    labels = mnist5k().train.labels
    chosen = balanced(labels, 250)
    assert len(set(chosen)) == 250 and (np.bincount(labels[chosen]) == 25).all()
    assert set(balanced(labels, 100)) < set(chosen)
    np.testing.assert_array_equal(chosen, balanced(labels, 250))


def test_images_are_scaled_as_pillow_scales_them():
    split = mnist5k().test
    scaled = at_size(split, (20, 36)).images[3, :, :, 0]
    expected = Image.fromarray(split.images[3, :, :, 0]).resize((36, 20), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(scaled, np.asarray(expected))


# Probe

@pytest.mark.parametrize("n", [50, 5])
def test_ridge_is_the_solution_of_its_normal_equations(n):
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((n, 7)) * 3 + 1, rng.integers(0, 4, n)
    ridge, l2 = Ridge(x, labels, 4), 2.5
    z = (x - x.mean(0)) / (x.std(0) + 1e-6)
    T = np.where(np.eye(4)[labels] == 1, 1.0, -1.0)
    W = np.linalg.solve(z.T @ z + l2 * np.eye(7), z.T @ (T - T.mean(0)))
    np.testing.assert_allclose(ridge.V @ (ridge.VXT / (ridge.values + l2)[:, None]), W, rtol=1e-9)
    np.testing.assert_array_equal(ridge.predict(x, l2), (z @ W + T.mean(0)).argmax(1))


def test_neighbours_vote_by_direction_and_not_by_length():
    x = np.array([[1.0, 0], [10, 1], [0, 1], [1, 10], [-1, 0]])
    np.testing.assert_array_equal(nearest(x, np.array([0, 0, 1, 1, 2]), 3, np.array([[5.0, 1], [0.1, 2], [-9, 1]]), 2),
                                  [0, 1, 2])


def test_probe_reads_what_features_know_even_those_of_first_weights(minivit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(create("cnn_nano_28", channels=(8, 16)), "first.safetensors")
    status, printed, _ = minivit("probe", "first.safetensors", "--data", "mnist5k", "--shots", "1,10", "--out",
                                 "probe")
    assert status == 0 and printed.splitlines()[0].split()[:4] == ["shots", "images", "linear", "kNN"]
    rows = RunFolder("probe").read_metrics()
    assert [row["images"] for row in rows] == [10, 100, 4000] and [row["shots"] for row in rows] == [1, 10, None]
    assert rows[-1]["linear"] > 0.9 and rows[-1]["knn"] > 0.85 and rows[-1]["linear"] > rows[0]["linear"]
    before = (tmp_path / "probe" / "metrics.csv").read_bytes()
    monkeypatch.setattr("minivit.cli.probe.logits_of", lambda *_: pytest.fail("features are computed again"))
    assert minivit("probe", "--resume", "probe")[0] == 0
    assert (tmp_path / "probe" / "metrics.csv").read_bytes() == before
    with Image.open(tmp_path / "probe" / "curves.png") as picture:
        assert picture.text["Description"].startswith("Accuracy over training images, up to 4,000: linear 9")


def test_features_are_what_the_head_reads():
    images = np.random.default_rng(0).standard_normal((3, 1, 28, 28), dtype=np.float32)
    for name in ("vit_nano_patch7_28", "cnn_nano_28", "resnet8_gn_28"):
        model = create(name, zero_head=False).eval()
        features = without_head(model)(Tensor(images)).data
        head = model.head.fc if hasattr(model.head, "fc") else model.head
        W = head.weight.data.reshape(10, -1)
        np.testing.assert_allclose(features @ W.T + head.bias.data, model(Tensor(images)).data, atol=1e-5)


# Plot

def test_plot_compares_runs_in_one_picture(minivit, run_folder, pretrained, tmp_path):
    out = tmp_path / "both.png"
    status, printed, _ = minivit("plot", run_folder, f"{run_folder}/", pretrained, "--out", out)
    assert status == 0
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.text["Description"] in printed
        assert printed.count("%") == 2


def test_every_setting_of_a_run_has_words_of_help():
    assert all(len(f.metadata["help"]) > 5 for config in (TrainConfig, ViTConfig) for f in fields(config))

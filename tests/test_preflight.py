"""Preflight: it finds every mistake that is planted, finds nothing where all is right, and changes nothing.

All mistakes in all runs, with three seeds, and CIFAR-10 itself: python tests/plants.py CIFAR.
"""
import sys

import pytest
from plants import PLANTS, by_recipe, findings, write_images
from runs import TINY

from minivit import ops
from minivit.inspect import preflight
from minivit.inspect.preflight import GROUPS
from minivit.nn.module import Module
from minivit.train import RunFolder

WIDE = TINY | {"embed_dim": 16, "depth": 2}
SMALL = dict(WIDE, small_stem=False, layers=(), stem_width=16, patch_size=2)
FEW = {"train_images": 400, "batch_size": 64}


def digits_run(seed=0, **settings):
    return by_recipe("mnist", seed, WIDE, **({"model": "vit_nano_patch7_28"} | FEW | settings))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "photos")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    run = digits_run(epochs=1)
    run.folder = RunFolder(tmp_path_factory.mktemp("start"))
    run.run()
    return run.folder.path


@pytest.mark.parametrize("check", PLANTS)
def test_a_planted_mistake_is_found(check):
    run = digits_run()
    PLANTS[check](run)
    assert check in findings(run)


@pytest.mark.parametrize("check", PLANTS)
def test_a_planted_mistake_is_found_in_a_network_of_convolutions(check):
    run = by_recipe("mnist", 0, {"channels": (8, 16)}, model="cnn_nano_28", **FEW)
    PLANTS[check](run)
    assert check in findings(run)


@pytest.mark.parametrize("name", ["mnist", "cifar", "folder", "finetune", "distill"])
def test_nothing_is_found_where_all_is_right(name, images, start):
    run = {"mnist": lambda: digits_run(1),
           "cifar": lambda: by_recipe("cifar10-small", 1, SMALL, data="shapes:train=400,test=50", batch_size=64),
           "folder": lambda: by_recipe("deit", 1, TINY, data=f"{images}:size=32", model="vit_nano_patch4_32",
                                       batch_size=32),
           "finetune": lambda: by_recipe("vit-finetune", 1, start=str(start), image_size=(42, 42), layer_decay=0.7,
                                         freeze="patch_embed.*", data="mnist5k", **FEW),
           "distill": lambda: by_recipe("deit-distill", 1, WIDE, model="deit_nano_distilled_patch7_28",
                                        data="mnist5k", teacher=str(start), distillation="soft", **FEW)}[name]()
    checks = list(preflight(run))
    assert [str(check) for check in checks if not check.ok] == []
    assert [check.name for check in checks] == [question.__name__ for group in GROUPS for question in group]


class Mixing(Module):
    """A norm over the batch: each image's logits depend on all of them."""

    def __init__(self, model):
        self.model, self.config, self.token_shape = model, model.config, model.token_shape

    def forward(self, images):
        y = self.model(images)
        return y - y.mean(0)


def test_images_that_reach_each_others_logits_are_found():
    run = digits_run()
    run.model = Mixing(run.model)
    checks = {check.name: check for check in preflight(run)}
    assert not checks["no_leak"].ok and "depend on others" in checks["no_leak"].found


def test_a_model_that_returns_probabilities_is_found():
    run = digits_run()
    forward = run.model.forward
    run.model.forward = lambda images: ops.softmax(forward(images))
    checks = {check.name: check for check in preflight(run)}
    assert not checks["logits"].ok and checks["logits"].found == "the model returns probabilities"


def test_a_check_changes_nothing(tmp_path):
    outcomes = []
    for checked in (True, False):
        run = digits_run(epochs=1)
        assert not checked or all(check.ok for check in preflight(run))
        assert (run.optimizer.steps, run.model.training) == (0, True)
        run.run()
        outcomes.append({name: array.tobytes() for part in run.parts.values() for name, array in
                         part.state_dict().items()})
    assert outcomes[0] == outcomes[1]


def test_what_rests_on_a_mistake_is_not_asked():
    run = digits_run()
    PLANTS["normalised"](run)
    assert [check.name for check in preflight(run)] == ["labels", "pairs", "normalised", "neighbours"]


def test_minivit_train_preflight_says_what_it_found_and_trains_where_all_is_right(minivit, tmp_path):
    line = ["train", "--recipe", "mnist", "--train-images", "400", "--epochs", "1", "--embed-dim", "16", "--depth", "1",
            "--preflight", "--out", tmp_path / "run"]
    status, printed, _ = minivit(*line)
    assert status == 0 and printed.count("✓") == 13 and "test accuracy" in printed
    status, printed, _ = minivit(*line[:-1], tmp_path / "other", "--lr", "4")
    assert status == 1 and "✗ learning rate" in printed and "→ training diverges: try a tenth, --lr 0.4" in printed
    assert not (tmp_path / "other").exists()


def test_memory_that_is_not_there_is_found(monkeypatch):
    monkeypatch.setattr(sys.modules["minivit.inspect.preflight.of_training"], "free_memory", lambda: 1e6)
    assert findings(digits_run()) == ["memory"]


def test_an_error_in_a_check_is_a_finding():
    run = digits_run()
    run.loss = None
    names = findings(run)
    assert "loss_at_start" in names and "one_batch" not in names

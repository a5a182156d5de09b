"""The folder of a run: it says everything that happened, is never overwritten, and its curves are drawn from it."""
import csv
import tomllib

import numpy as np
import pytest
from PIL import Image
from runs import TINY, outcome, trainer

from minivit.inspect import draw_curves
from minivit.train import RunFolder, TrainConfig, find_weights, trainer_from
from minivit.train.run import METRICS
from minivit.weights import load


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    config = TrainConfig(data=str(digits), epochs=3, batch_size=16, lr=3e-3)
    run = trainer(tmp_path_factory.mktemp("finished") / "run", config, TINY)
    run.run()
    return run


def test_the_folder_says_everything_that_defines_the_run(finished):
    settings = tomllib.loads(finished.folder.config.read_text())
    assert TrainConfig(**settings["train"]).lr == 3e-3 and settings["model"] == TINY


def test_the_folder_holds_its_files_and_nothing_temporary(finished):
    assert {path.name for path in finished.folder.path.iterdir()} == {
        "config.toml", "metrics.csv", "last.safetensors", "best.safetensors", "state.safetensors"}


def test_metrics_are_a_row_an_epoch(finished):
    rows = list(csv.DictReader(finished.folder.metrics.read_text().splitlines()))
    assert tuple(rows[0]) == METRICS
    assert [(row["epoch"], row["steps"]) for row in rows] == [("1", "3"), ("2", "6"), ("3", "9")]
    assert finished.folder.read_metrics() == finished.rows
    assert [row["lr"] for row in finished.rows] == [finished.schedule(step) for step in (2, 5, 8)]
    assert finished.rows[-1]["lr"] == TrainConfig().final_lr
    assert all(0 <= row["train_accuracy"] <= 1 and row["seconds"] > 0 for row in finished.rows)


def test_last_is_the_model_at_the_end_and_best_the_first_of_the_most_accurate(digits, tmp_path, monkeypatch):
    kept, results = {}, iter([0.1, 0.4, 0.3, 0.4, 0.2])
    monkeypatch.setattr("minivit.train.trainer.evaluate", lambda *_: {"loss": 2.0, "accuracy": next(results)})
    config = TrainConfig(data=str(digits), epochs=5, batch_size=16)
    run = trainer(tmp_path / "run", config, TINY)
    run.on_epoch = lambda row: kept.update({row["epoch"]: run.model.state_dict()["head.weight"].copy()})
    run.run()
    assert len({array.tobytes() for array in kept.values()}) == 5
    for file, epoch, accuracy in ((run.folder.best, 2, 0.4), (run.folder.last, 5, 0.2)):
        model, _ = load(file)
        np.testing.assert_array_equal(model.head.weight.data, kept[epoch])
        assert (model.card.about["epochs"], model.card.about["test_accuracy"]) == (epoch, accuracy)


def test_a_trained_model_carries_its_card_with_and_without_a_folder(finished):
    card = load(finished.folder.last)[0].card
    assert (card.about["epochs"], card.mean) == (3, finished.data.mean) and finished.model.card == card
    again = trainer_from(TrainConfig(data=finished.data.name, epochs=3, batch_size=16, lr=3e-3), TINY, quiet=True)
    again.run()
    assert again.model.card == card
    again = trainer_from(TrainConfig(data=finished.data.name, epochs=3, batch_size=16, lr=3e-3), TINY, finished.folder)
    again.resume()
    assert again.model.card == card


def test_a_run_without_test_images_has_metrics_and_weights(write_digits, tmp_path):
    config = TrainConfig(data=str(write_digits(tmp_path / "data", train=16)), epochs=2, batch_size=16)
    run = trainer(tmp_path / "run", config, TINY)
    assert run.run() is True
    assert [row["test_accuracy"] for row in csv.DictReader(run.folder.metrics.read_text().splitlines())] == ["", ""]
    np.testing.assert_array_equal(load(run.folder.best)[0].head.weight.data, run.model.head.weight.data)


def test_a_run_is_never_overwritten(finished):
    before = outcome(finished.folder.path)
    with pytest.raises(FileExistsError, match=r"already holds a run: go on with it by --resume .*run, or choose"):
        trainer(finished.folder.path, TrainConfig(), TINY)
    assert outcome(finished.folder.path) == before


def test_runs_are_numbered(tmp_path):
    (tmp_path / "001").mkdir()
    assert RunFolder.next_free(tmp_path).path == tmp_path / "002"


def test_the_weights_of_a_folder_are_the_last(finished, tmp_path):
    assert find_weights(finished.folder.path) == finished.folder.last
    assert find_weights(finished.folder.best) == finished.folder.best
    with pytest.raises(FileNotFoundError, match="is no last.safetensors in it"):
        find_weights(tmp_path)


# Curves

@pytest.mark.parametrize("tested", [True, False])
def test_curves_are_a_picture_with_words_for_those_who_cannot_see_it(finished, tmp_path, tested):
    rows = finished.rows if tested else [row | {"test_loss": None, "test_accuracy": None} for row in finished.rows]
    alt = draw_curves(rows, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.text["Description"] == alt
        assert picture.format == "PNG" and len(picture.convert("RGB").getcolors(1 << 24)) > 10
    assert alt.startswith("Loss and accuracy over 3 epochs: training loss ") and ("test accuracy" in alt) is tested


def test_curves_of_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has not finished an epoch"):
        draw_curves([], tmp_path / "curves.png")

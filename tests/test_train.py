"""Training: it learns, it can be stopped at any step and goes on bit for bit, and its folder says what happened."""
import csv
import inspect
import re
import signal
import struct
import subprocess
import sys
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from minivit import ops
from minivit.data import Loader, mnist5k
from minivit.inspect import draw_curves
from minivit.models import create
from minivit.optim import AdamW, constant
from minivit.train import RunFolder, TrainConfig, evaluate, find_weights, train_epoch, trainer_from
from minivit.train.progress import Progress, StopRequest
from minivit.train.run import METRICS
from minivit.weights import WeightsError, load_arrays, load_model

TINY = {"embed_dim": 8, "depth": 1, "num_heads": 2, "mlp_ratio": 2.0}
NOISY = TINY | {"depth": 2, "drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.2}
TIMES = {"seconds", "images_per_second"}


def write_digits(folder, train=0, test=0):
    """A folder of MNIST's idx files with the first digits of mnist5k."""
    folder.mkdir(exist_ok=True)
    data = mnist5k()
    for prefix, split, n in (("train", data.train, train), ("t10k", data.test, test)):
        if n:
            images, labels = split.images[:n, :, :, 0], split.labels[:n].astype(np.uint8)
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
                (folder / f"{prefix}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """40 digits to train on and 20 to test on."""
    return write_digits(tmp_path_factory.mktemp("data") / "digits", train=40, test=20)


class StopAfter(Progress):
    """Presses Ctrl-C while a step, counted from the start of the process, is under way."""

    def __init__(self, steps):
        super().__init__(quiet=True)
        self.left = steps

    def step(self, loss, accuracy, images_per_second):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


def trainer(folder, config, changes=NOISY, stop_after=None, resume=False):
    made = trainer_from(config, changes, folder=RunFolder(folder), quiet=True)
    if resume:
        made.resume()
    else:
        made.folder.create(config, changes)
    if stop_after:
        made.progress = StopAfter(stop_after)
    return made


def outcome(folder):
    """All that a run has computed: the bits of every array of its files, and its metrics but for the times."""
    folder = RunFolder(folder)
    files = (folder.state, folder.last, folder.best)
    arrays = {f"{file.name} {name}": array.tobytes() for file in files for name, array in load_arrays(file)[0].items()}
    rows = list(csv.DictReader(folder.metrics.read_text().splitlines()))
    return arrays, [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


# Learning

def test_a_handful_of_digits_is_learned_by_heart(digits, tmp_path):
    config = TrainConfig(data=str(digits), epochs=40, batch_size=10, lr=1e-2, max_shift=0, max_degrees=0,
                         label_smoothing=0)
    run = trainer(tmp_path / "run", config, TINY | {"embed_dim": 32})
    assert run.run() is True
    assert run.rows[0]["train_loss"] == pytest.approx(np.log(10), abs=0.2)
    assert run.rows[-1]["train_loss"] < 0.1 and run.rows[-1]["train_accuracy"] == 1


def test_train_epoch_is_the_textbook_loop():
    lines = inspect.getsource(train_epoch).split('"""')[2].strip().splitlines()
    assert len(lines) <= 25
    order = [next(i for i, line in enumerate(lines) if word in line) for word in
             ("for batch in", "zero_grad()", "gradients(", "clip_grad_norm(", "optimizer.step(", "yield")]
    assert order == sorted(order)


@pytest.mark.parametrize("factor", [float("nan"), pytest.param(float("inf"), marks=pytest.mark.xfail(
    strict=True, raises=RuntimeWarning, reason="backward runs first, and NumPy warns of inf - inf"))])
def test_a_loss_that_is_not_finite_stops_before_the_weights_change(factor):
    data = mnist5k()
    model = create("vit_nano_patch7_28", **TINY)
    optimizer, before = AdamW(model, 0.1), {name: array.copy() for name, array in model.state_dict().items()}
    loader = Loader(data.train, 8, data.mean, data.std)

    def overflowing(*arguments, **options):
        return ops.cross_entropy(*arguments, **options) * factor
    with pytest.raises(FloatingPointError, match=f"the loss is {factor} at step 0: lower the learning rate"):
        next(train_epoch(model, loader.epoch(0), overflowing, optimizer, constant(0.1, 10)))
    assert optimizer.steps == 0
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_gradients_are_clipped_when_asked():
    data = mnist5k()
    norms = []
    for clip_norm in (0.0, 1e-3):
        model = create("vit_nano_patch7_28", **TINY, zero_head=False)
        optimizer = AdamW(model, 0.0)
        batches = Loader(data.train, 8, data.mean, data.std).epoch(0)
        next(train_epoch(model, batches, ops.cross_entropy, optimizer, constant(0.0, 10), clip_norm))
        norms.append(np.sqrt(sum((p.grad ** 2).sum() for p in model.parameters())))
    assert norms[0] > 0.1 and norms[1] == pytest.approx(1e-3, rel=1e-3)


def test_evaluation_puts_the_mode_back_and_leaves_no_gradient():
    data = mnist5k()
    model = create("vit_nano_patch7_28", **TINY, drop_rate=0.5)
    few = replace(data.test, images=data.test.images[:30], labels=data.test.labels[:30])
    for mode in (True, False):
        model.train(mode)
        result = evaluate(model, few, data.mean, data.std)              # dropout would ask for random numbers
        assert model.training is model.blocks[0].mlp.drop1.training is mode
    assert result == {"accuracy": pytest.approx(0.1), "loss": pytest.approx(np.log(10), rel=1e-6), "images": 30}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_evaluation_names_labels_that_the_model_does_not_know():
    data = mnist5k()
    with pytest.raises(ValueError, match="label 9, but the model only 3 classes"):
        evaluate(create("vit_nano_patch7_28", **TINY, num_classes=3), data.test, data.mean, data.std)


# Stopping and going on. 40 images in batches of 16 are 3 steps an epoch, 9 in all.

@pytest.fixture(scope="module", params=["adamw", "sgd"])
def uninterrupted(request, digits, tmp_path_factory):
    config = TrainConfig(data=str(digits), model="vit_nano_patch4_28", epochs=3, batch_size=16, warmup_epochs=1,
                         optimizer=request.param)                       # 50 tokens: two micro-batches a step
    folder = tmp_path_factory.mktemp(request.param) / "run"
    assert trainer(folder, config).run() is True
    return config, outcome(folder)


LOSES_LR = pytest.mark.xfail(strict=True, reason="the learning rate in the row of an epoch that was stopped after its "
                             "last step is --lr, since the optimizer's state does not hold it")


@pytest.mark.parametrize("steps", [
    pytest.param(1, id="first step"), pytest.param(2, id="first epoch"), pytest.param(5, id="mid-run"),
    pytest.param(3, id="end of epoch", marks=LOSES_LR), pytest.param(8, id="last epoch"),
    pytest.param(9, id="last step", marks=LOSES_LR)])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(uninterrupted, tmp_path, steps):
    config, expected = uninterrupted
    assert trainer(tmp_path / "run", config, stop_after=steps).run() is False
    assert trainer(tmp_path / "run", config, resume=True).run() is True
    assert outcome(tmp_path / "run") == expected


@LOSES_LR
def test_a_run_that_is_stopped_again_and_again_gets_there(uninterrupted, tmp_path):
    config, expected = uninterrupted
    finished = trainer(tmp_path / "run", config, stop_after=2).run()
    for _ in range(5):
        finished = trainer(tmp_path / "run", config, stop_after=2, resume=True).run()
        if finished:
            break
    assert finished and outcome(tmp_path / "run") == expected


def test_a_crash_costs_at_most_the_epoch_at_hand(uninterrupted, tmp_path):
    config, expected = uninterrupted
    run = trainer(tmp_path / "run", config)

    def crash(row):
        if row["epoch"] == 2:
            raise RuntimeError("power cut")
    run.on_epoch = crash
    with pytest.raises(RuntimeError, match="power cut"):
        run.run()
    resumed = trainer(tmp_path / "run", config, resume=True)
    assert (resumed.epoch, resumed.batch, len(resumed.rows)) == (2, 0, 2)
    assert resumed.run() is True and outcome(tmp_path / "run") == expected


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_does_not_matter(uninterrupted, tmp_path, threads):
    config, expected = uninterrupted
    run = trainer_from(config, NOISY, folder=RunFolder(tmp_path / "run"), threads=threads, quiet=True)
    run.folder.create(config, NOISY)
    assert run.run() is True and outcome(tmp_path / "run") == expected


def test_the_seed_decides(digits, uninterrupted, tmp_path):
    config, expected = uninterrupted
    trainer(tmp_path / "run", replace(config, seed=1)).run()
    assert outcome(tmp_path / "run")[0] != expected[0]


def test_ctrl_c_twice_interrupts_at_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_real_ctrl_c_says_how_to_go_on_and_resuming_finishes(digits, tmp_path):
    command = [sys.executable, "-m", "minivit", "train"]
    settings = ["--data", digits, "--out", tmp_path / "run", "--epochs", "40", "--batch-size", "4"]
    sizes = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    child = subprocess.Popen([*command, *settings, *sizes], stderr=subprocess.PIPE, text=True)
    while not child.stderr.readline().startswith("epoch   1/40"):
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    last_words = child.communicate(timeout=60)[1]
    assert child.returncode == 130
    assert re.search(rf"stopped in epoch \d+; go on with: minivit train --resume {tmp_path}/run\n$", last_words)
    done = subprocess.run([*command, "--resume", tmp_path / "run"], capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"^test accuracy .* after 40 epochs", done.stdout), done.stderr


# What cannot be resumed

@pytest.fixture
def stopped(digits, tmp_path):
    config = TrainConfig(data=str(digits), epochs=2, batch_size=16)
    assert trainer(tmp_path / "run", config, TINY, stop_after=2).run() is False
    return tmp_path / "run", config


def test_resuming_with_another_number_of_images_is_refused(stopped, tmp_path):
    folder, config = stopped
    other = write_digits(tmp_path / "other", train=41, test=20)
    with pytest.raises(ValueError, match="made with 40 training images, and there are now 41"):
        trainer(folder, replace(config, data=str(other)), TINY, resume=True)


@pytest.mark.xfail(strict=True, reason="only the number of training images is compared, not what they are")
def test_resuming_with_other_images_is_refused(stopped, tmp_path):
    folder, config = stopped
    other = write_digits(tmp_path / "other", train=40, test=20)
    images = other / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:16] + bytes(40 * 28 * 28 - 1) + b"\1")
    with pytest.raises(ValueError, match="only go on with the data it began with"):
        trainer(folder, replace(config, data=str(other)), TINY, resume=True)


@pytest.mark.parametrize("settings, changes, error, message", [
    ({"optimizer": "sgd"}, TINY, KeyError, "not the state of this SGD"),
    ({}, TINY | {"embed_dim": 16}, ValueError, "cls_token is .*8.*, expected .*16"),
    ({}, TINY | {"depth": 2}, KeyError, "missing blocks.1.norm1.weight"),
], ids=["optimizer", "width", "depth"])
def test_resuming_with_another_configuration_is_refused(stopped, settings, changes, error, message):
    folder, config = stopped
    with pytest.raises(error, match=message):
        trainer(folder, replace(config, **settings), changes, resume=True)


@pytest.mark.xfail(strict=True, reason="the state does not say how many batches its epoch had, nor of how many")
@pytest.mark.parametrize("settings", [{"batch_size": 8}, {"seed": 1}, {"epochs": 5}], ids=str)
def test_resuming_with_settings_that_cannot_give_the_same_run_is_refused(stopped, settings):
    folder, config = stopped
    with pytest.raises(ValueError, match=next(iter(settings))):
        trainer(folder, replace(config, **settings), TINY, resume=True).run()


def test_a_damaged_or_foreign_state_is_refused(stopped):
    folder, config = stopped
    for content, message in (((folder / "state.safetensors").read_bytes()[:-1], "not a whole safetensors file"),
                             ((folder / "last.safetensors").read_bytes(), "its format is 'minivit model 1'")):
        (folder / "state.safetensors").write_bytes(content)
        with pytest.raises(WeightsError, match=f"state.safetensors.*{message}"):
            trainer(folder, config, TINY, resume=True)


@pytest.mark.xfail(strict=True, reason="config.toml alone blocks the folder: it can be neither trained in nor resumed")
def test_a_run_that_failed_in_its_first_epoch_can_be_taken_up_again(digits, tmp_path):
    config = TrainConfig(data=str(digits), epochs=1)
    trainer(tmp_path / "run", config, TINY)                             # and then, say, the second Ctrl-C
    assert trainer(tmp_path / "run", config, TINY, resume=True).run() is True


def test_a_folder_without_state_cannot_be_resumed(stopped):
    folder, config = stopped
    (folder / "state.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="run cannot be resumed: there is no state.safetensors in it"):
        trainer(folder, config, TINY, resume=True)


# The run folder

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
    assert [{key: float(value) for key, value in row.items()} for row in rows] == finished.rows
    assert all(0 <= row["train_accuracy"] <= 1 and row["seconds"] > 0 for row in finished.rows)


def test_last_is_the_model_at_the_end_and_best_the_first_of_the_most_accurate(digits, tmp_path):
    kept = {}
    config = TrainConfig(data=str(digits), epochs=8, batch_size=8, lr=2e-2)
    run = trainer(tmp_path / "run", config, TINY)
    run.on_epoch = lambda row: kept.update({row["epoch"]: run.model.state_dict()["head.weight"].copy()})
    run.run()
    accuracy = [row["test_accuracy"] for row in run.rows]
    best = 1 + accuracy.index(max(accuracy))
    assert best < 8, "or this test shows nothing"
    for file, epoch in ((run.folder.best, best), (run.folder.last, 8)):
        saved = load_model(file)
        np.testing.assert_array_equal(saved.model.head.weight.data, kept[epoch])
        assert saved.about["test_accuracy"] == accuracy[epoch - 1]


def test_a_run_without_test_images_has_metrics_and_weights(tmp_path):
    config = TrainConfig(data=str(write_digits(tmp_path / "data", train=16)), epochs=2, batch_size=16)
    run = trainer(tmp_path / "run", config, TINY)
    assert run.run() is True
    assert [row["test_accuracy"] for row in csv.DictReader(run.folder.metrics.read_text().splitlines())] == ["", ""]
    np.testing.assert_array_equal(load_model(run.folder.best).model.head.weight.data, run.model.head.weight.data)


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


# Settings

@pytest.mark.parametrize("settings, message", [
    ({"epochs": 0}, "epochs must be at least 1, not 0"), ({"epochs": "3"}, "epochs must be of type int, not '3'"),
    ({"epochs": True}, "epochs must be of type int, not True"), ({"lr": float("nan")}, "lr must be at least 0"),
    ({"seed": -1}, "seed must be at least 0"), ({"label_smoothing": 1.0}, "label_smoothing must be 0 <= s < 1"),
    ({"optimizer": "adamww"}, "unknown optimizer 'adamww': did you mean 'adamw'"),
    ({"schedule": "cosin"}, "unknown schedule 'cosin': did you mean 'cosine'"),
], ids=str)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


@pytest.mark.xfail(strict=True, reason="infinity is >= 0: NumPy's warnings and a loss of nan follow, a step later")
@pytest.mark.parametrize("name", ["lr", "final_lr", "weight_decay", "warmup_epochs"])
def test_settings_must_be_finite(name):
    with pytest.raises(ValueError, match=f"{name} must be"):
        TrainConfig(**{name: float("inf")})


def test_whole_numbers_may_stand_for_fractions():
    assert type(TrainConfig(lr=1).lr) is float

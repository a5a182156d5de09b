"""Runs that are stopped at any step and go on bit for bit, and states that no run may go on from."""
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from kills import kill_and_go_on, settings
from runs import NOISY, TINY, outcome, trainer

from minivit.train import RunFolder, TrainConfig, trainer_from
from minivit.train.progress import StopRequest
from minivit.weights import WeightsError


# Stopping and going on. 40 images in batches of 16 are 3 steps an epoch, 9 in all.

SETTINGS = {"adamw": {"optimizer": "adamw"}, "sgd": {"optimizer": "sgd"}, "all": dict(
    batch_size=8, accumulate=2, ema_decay=0.9, best_of="ema", layer_decay=0.7, freeze="pos_embed, blocks.0.attn.*",
    augment="crop:2, randaugment:m9-mstd0.5, erase:0.25, mixup:0.8, cutmix:1", repeats=2)}


@pytest.fixture(scope="module", params=SETTINGS)
def uninterrupted(request, digits, tmp_path_factory):
    config = TrainConfig(**{"data": str(digits), "model": "vit_nano_patch4_28", "epochs": 3, "batch_size": 16,
                            "warmup_epochs": 1} | SETTINGS[request.param])      # 50 tokens: two micro-batches a step
    folder = tmp_path_factory.mktemp(request.param) / "run"
    assert trainer(folder, config).run() is True
    return config, outcome(folder)


@pytest.mark.parametrize("steps", [
    pytest.param(1, id="first step"), pytest.param(2, id="first epoch"), pytest.param(5, id="mid-run"),
    pytest.param(6, id="end of epoch"), pytest.param(8, id="last epoch"), pytest.param(9, id="last step")])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(uninterrupted, tmp_path, steps):
    config, expected = uninterrupted
    assert trainer(tmp_path / "run", config, stop_after=steps).run() is False
    assert trainer(tmp_path / "run", config, resume=True).run() is True
    assert outcome(tmp_path / "run") == expected


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
    assert (resumed.epoch, resumed.step, len(resumed.rows)) == (2, 0, 2)
    assert resumed.run() is True and outcome(tmp_path / "run") == expected


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_run_that_failed_in_its_first_epoch_can_be_taken_up_again(uninterrupted, tmp_path, monkeypatch, error):
    config, expected = uninterrupted
    run = trainer(tmp_path / "run", config)

    def fail(*_):
        raise error
    monkeypatch.setattr(run.progress, "step", fail)                     # the second Ctrl-C, say
    with pytest.raises(error):
        run.run()
    resumed = trainer(tmp_path / "run", config, resume=True)
    assert (resumed.epoch, resumed.step, resumed.optimizer.steps) == (0, 0, 0)
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
    settings = ["--data", digits, "--out", tmp_path / "run", "--epochs", "15", "--batch-size", "5"]
    sizes = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    child = subprocess.Popen([*command, *settings, *sizes], stderr=subprocess.PIPE, text=True)
    while not child.stderr.readline().startswith("epoch   1/15"):
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    last_words = child.communicate(timeout=60)[1]
    assert child.returncode == 130
    assert re.search(rf"stopped in epoch \d+; go on with: minivit train --resume {tmp_path}/run\n$", last_words)
    done = subprocess.run([*command, "--resume", tmp_path / "run"], capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"^test accuracy .* after 15 epochs", done.stdout), done.stderr


# What cannot be resumed

@pytest.fixture
def stopped(digits, tmp_path):
    config = TrainConfig(data=str(digits), epochs=2, batch_size=16, lr=0.004)
    assert trainer(tmp_path / "run", config, TINY, stop_after=2).run() is False
    return tmp_path / "run", config


def test_resuming_where_the_same_data_has_moved_goes_on(stopped, write_digits, tmp_path):
    folder, config = stopped
    moved = write_digits(tmp_path / "moved", train=40, test=20)
    resumed = trainer(folder, replace(config, data=str(moved)), TINY, resume=True)
    assert (resumed.epoch, resumed.step) == (0, 2)


@pytest.mark.parametrize("file, place", [("train-images-idx3-ubyte", -1), ("train-labels-idx1-ubyte", 8)],
                         ids=["a pixel", "a label"])
def test_resuming_with_other_data_is_refused(stopped, write_digits, tmp_path, file, place):
    folder, config = stopped
    other = write_digits(tmp_path / "other", train=40, test=20)
    content = bytearray((other / file).read_bytes())
    content[place] ^= 1
    (other / file).write_bytes(content)
    with pytest.raises(ValueError, match="run was begun with training data = '[0-9a-f]{64}', and now it is "
                                         "'[0-9a-f]{64}': a run goes on with the settings and the data that it began"):
        trainer(folder, replace(config, data=str(other)), TINY, resume=True)


def test_resuming_with_another_number_of_images_is_refused(stopped, write_digits, tmp_path):
    folder, config = stopped
    other = write_digits(tmp_path / "other", train=41, test=20)
    with pytest.raises(ValueError, match="begun with training data = "):
        trainer(folder, replace(config, data=str(other)), TINY, resume=True)


@pytest.mark.parametrize("settings, changes, message", [
    ({"optimizer": "sgd"}, {}, "optimizer = 'adamw', and now it is 'sgd': a run goes on with the settings"),
    ({"batch_size": 8}, {}, "batch_size = 16, and now it is 8"), ({"seed": 1}, {}, "seed = 0, and now it is 1"),
    ({"lr": 0.5}, {}, "lr = 0.004, and now it is 0.5"), ({"epochs": 3}, {}, "epochs = 2, and now it is 3"),
    ({}, {"embed_dim": 16}, "model.embed_dim = 8, and now it is 16"),
    ({}, {"depth": 2}, "model.depth = 1, and now it is 2"),
    ({}, {"gelu": "tanh"}, "model.gelu = 'none', and now it is 'tanh'"),
], ids=str)
def test_resuming_with_other_settings_is_refused_and_changes_nothing(stopped, settings, changes, message):
    folder, config = stopped
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=f"^{folder} was begun with {message}"):
        trainer(folder, replace(config, **settings), TINY | changes, resume=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_damaged_or_foreign_state_is_refused(stopped):
    folder, config = stopped
    for content, message in (((folder / "state.safetensors").read_bytes()[:-1], "not a whole safetensors file"),
                             ((folder / "last.safetensors").read_bytes(), "its format is 'minivit model 2'")):
        (folder / "state.safetensors").write_bytes(content)
        with pytest.raises(WeightsError, match=f"state.safetensors.*{message}"):
            trainer(folder, config, TINY, resume=True)


def test_a_folder_without_state_cannot_be_resumed(stopped):
    folder, config = stopped
    (folder / "state.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="run cannot be resumed: there is no state.safetensors in it"):
        trainer(folder, config, TINY, resume=True)


# kill -9

def test_kill_9_damages_nothing_and_costs_at_most_the_epoch_at_hand(digits, tmp_path):
    assert kill_and_go_on(digits, tmp_path / "killed", kills=10) >= 8       # a fast machine may be done before
    trainer(tmp_path / "whole", settings(str(digits), 120), TINY).run()
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


def test_what_a_killed_process_left_half_written_is_swept_away(stopped):
    folder, config = stopped
    (folder / ".state.safetensors.x1y2").write_bytes(b"half")
    (folder / ".notes.txt").write_bytes(b"the user's own")
    trainer(folder, config, TINY, resume=True)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".notes.txt"]

"""The command line, as a user meets it: what it prints, and what it writes."""
import json
import signal
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image

from minivit.cli import COMMANDS, main
from minivit.data import mnist5k
from minivit.models import PRESETS, ViTConfig, create
from minivit.train import TrainConfig, evaluate
from minivit.weights import load


# train

def test_train_leaves_a_run_and_says_what_next(minivit, digits, tmp_path, tiny_flags):
    status, printed, said = minivit("train", "--data", digits, "--out", tmp_path / "run", *tiny_flags)
    assert status == 0
    assert printed.startswith("test accuracy ") and "after 1 epochs" in printed
    assert f"1,522 parameters, on 40 images of {digits} -> {tmp_path}/run" in said
    assert "epoch   1/1  loss 2.3" in said and said.endswith(f"next: minivit eval {tmp_path}/run\n")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.toml", "metrics.csv", "last.safetensors", "best.safetensors", "state.safetensors", "curves.png",
        "attention.html"}


def test_train_numbers_its_runs(minivit, digits, tmp_path, monkeypatch, tiny_flags):
    monkeypatch.chdir(tmp_path)
    for name in ("001", "002"):
        assert minivit("train", "--data", digits, *tiny_flags)[0] == 0
        assert (tmp_path / "runs" / name / "last.safetensors").exists()


def test_an_empty_out_is_the_folder_here_and_no_numbered_one(minivit, digits, tmp_path, monkeypatch, tiny_flags):
    monkeypatch.chdir(tmp_path)
    assert minivit("train", "--data", digits, "--out", "", *tiny_flags)[0] == 0
    assert (tmp_path / "last.safetensors").exists() and not (tmp_path / "runs").exists()


def test_a_relative_data_folder_is_found_again_from_elsewhere(minivit, data, tmp_path, monkeypatch, tiny_flags):
    monkeypatch.chdir(data)
    assert minivit("train", "--data", "digits", "--out", tmp_path / "run", *tiny_flags)[0] == 0
    monkeypatch.chdir(tmp_path)
    assert tomllib.loads((tmp_path / "run" / "config.toml").read_text())["train"]["data"] == str(data / "digits")
    assert minivit("train", "--resume", tmp_path / "run")[0] == 0
    assert ", 20 images" in minivit("eval", tmp_path / "run")[1]


def test_a_folder_of_the_same_name_does_not_stand_in_for_the_digits_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist5k").mkdir()
    found = []
    monkeypatch.setattr("minivit.cli.running.trainer_from", lambda config, *_: found.append(config.data) or 1 / 0)
    main(["train"])
    assert found == ["mnist5k"]


def test_quiet_prints_nothing(minivit, digits, tmp_path, tiny_flags):
    assert minivit("train", "--data", digits, "--out", tmp_path / "run", "--quiet", *tiny_flags) == (0, "", "")


def test_flags_go_before_the_file_and_the_file_before_the_defaults(minivit, data, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text(f'[train]\ndata = "{data}/digits"\nepochs = 1\nlr = 0.5\nseed = 3\n'
                    '[model]\nembed_dim = 8\ndepth = 1\nnum_heads = 2\nzero_head = true\n')
    assert minivit("train", "--config", file, "--lr", "0.25", "--no-zero-head", "--num-heads", "4",
                   "--out", tmp_path / "run", "--quiet")[0] == 0
    settings = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    train = settings["train"]
    assert (train["lr"], train["seed"], train["batch_size"]) == (0.25, 3, TrainConfig().batch_size)
    assert settings["model"] == {"embed_dim": 8, "depth": 1, "num_heads": 4, "zero_head": False}
    assert load(tmp_path / "run" / "last.safetensors")[0].config.num_heads == 4


def test_a_run_can_be_made_again_from_its_own_config(minivit, run_folder, tmp_path):
    assert minivit("train", "--config", run_folder / "config.toml", "--out", tmp_path / "again", "--quiet")[0] == 0
    first, again = (load(folder / "last.safetensors")[0] for folder in (run_folder, tmp_path / "again"))
    np.testing.assert_array_equal(first.head.weight.data, again.head.weight.data)


def test_resuming_a_finished_run_changes_nothing(minivit, run_folder):
    before = (run_folder / "last.safetensors").read_bytes()
    status, printed, _ = minivit("train", "--resume", run_folder)
    assert status == 0 and "after 1 epochs" in printed
    assert (run_folder / "last.safetensors").read_bytes() == before


def test_ctrl_c_saves_says_how_to_go_on_and_ends_with_130(minivit, digits, tmp_path, monkeypatch, tiny_flags):
    monkeypatch.setattr("minivit.train.progress.Progress.step", lambda *_: signal.raise_signal(signal.SIGINT))
    status, _, said = minivit("train", "--data", digits, "--out", tmp_path / "run", *tiny_flags)
    assert status == 130
    assert said.endswith(f"stopped in epoch 1; go on with: minivit train --resume {tmp_path}/run\n")
    monkeypatch.undo()
    assert minivit("train", "--resume", tmp_path / "run")[0] == 0


def test_ctrl_c_twice_says_how_to_go_on_too(minivit, digits, tmp_path, monkeypatch, tiny_flags):
    def twice(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr("minivit.train.progress.Progress.step", twice)
    status, _, said = minivit("train", "--data", digits, "--out", tmp_path / "run", *tiny_flags)
    assert status == 130
    assert said.endswith(f"interrupted; go on from the last epoch with: minivit train --resume {tmp_path}/run\n")
    monkeypatch.undo()
    assert minivit("train", "--resume", tmp_path / "run")[0] == 0


def test_ctrl_c_elsewhere_says_so(minivit, data, run_folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr("minivit.cli.eval.evaluate", interrupted)
    assert minivit("eval", run_folder, "--data", data / "t10k") == (130, "", "interrupted\n")


# eval

def test_eval_of_a_folder_and_of_a_file_agree_with_the_library(minivit, data, run_folder, tmp_path):
    test, file = mnist5k().test, run_folder / "last.safetensors"
    model, _ = load(file)
    ten = type(test)(test.images[:10], test.labels[:10])
    expected = evaluate(model, ten, model.card.mean, model.card.std)
    for given in (run_folder, file):
        status, printed, _ = minivit("eval", given, "--data", data / "t10k", "--json", tmp_path / "result.json")
        assert status == 0 and json.loads((tmp_path / "result.json").read_text()) == expected
        assert printed == (f"{file} on {data}/t10k: accuracy {expected['accuracy']:.2%}, loss {expected['loss']:.4f}, "
                           f"10 images\n")


def test_eval_finds_the_data_that_the_model_was_trained_on(minivit, run_folder):
    status, printed, complaint = minivit("eval", run_folder)
    assert status == 0 and "20 images" in printed, complaint


# predict

def test_predict_prints_the_most_probable_classes(minivit, run_folder, digit):
    status, printed, _ = minivit("predict", run_folder, digit, digit, "--top", "10")
    first, second = printed.splitlines()
    path, _, answers = first.partition(": ")
    assert status == 0 and first == second and path == str(digit)
    names, shares = zip(*(answer.split() for answer in answers.split(", ")))
    percent = [float(share.rstrip("%")) for share in shares]
    assert sorted(names) == list("0123456789") and percent == sorted(percent, reverse=True)
    assert sum(percent) == pytest.approx(100, abs=0.5)


def test_predict_takes_ink_on_paper_of_any_size(minivit, run_folder, digit):
    with Image.open(digit) as image:
        large = np.array(image).repeat(4, axis=0).repeat(4, axis=1)
    Image.fromarray(large).save(digit.with_name("light.webp"), lossless=True)
    Image.fromarray(255 - large).save(digit.with_name("ink.webp"), lossless=True)
    light = minivit("predict", run_folder, digit.with_name("light.webp"))[1]
    ink = minivit("predict", run_folder, digit.with_name("ink.webp"), "--invert")[1]
    assert ink.partition(": ")[2] == light.partition(": ")[2] != ""


# summary, compare, gradcheck, doctor

def test_models_lists_the_registry_without_allocating_it(minivit, tmp_path):
    status, printed, _ = minivit("models")
    assert status == 0 and "vit_huge_patch14_224                 632,045,800 parameters" in printed
    assert minivit("models", "--json", tmp_path / "models.json")[0] == 0
    counts = json.loads((tmp_path / "models.json").read_text())
    assert counts.keys() == PRESETS.keys() and counts["deit_tiny_distilled_patch16_224"] == 5_910_800


def test_summary_of_a_preset_and_of_a_run(minivit, run_folder):
    for model, total, classes in (("vit_base_patch16_224", "86,567,656", "1 x 1000"), (run_folder, "1,522", "1 x 10")):
        status, printed, _ = minivit("summary", model)
        rows = printed.splitlines()
        assert status == 0 and rows[0].split()[:2] == ["module", "result"] and rows[1].startswith("the model itself")
        assert next(row for row in rows if row.startswith("head ")).split("  ")[1:] != []
        assert classes in printed and next(row for row in rows if row.startswith("total ")).split()[1] == total


def test_summary_folds_blocks_that_are_alike(minivit):
    folded = minivit("summary", "vit_tiny_patch16_224")[1]
    unfolded = minivit("summary", "vit_tiny_patch16_224", "--all")[1]
    assert "blocks.0-10.attn " in folded and "blocks.11.attn " in folded and "blocks.5.attn" not in folded
    assert "blocks.5.attn " in unfolded and "blocks.0-10" not in unfolded
    assert "blocks.0.attn.qkv " in minivit("summary", "vit_tiny_patch16_224", "--depth", "3", "--all")[1]
    assert minivit("summary", "vit_tiny_patch16_224", "--depth", "0")[1].splitlines()[1].split()[-4:-2] == \
        ["5,717,416", "2,347.66"]
    assert minivit("summary", "vit_tiny_patch16_224", "--depth", "-1")[0] == 2


def test_summary_lists_parameters(minivit):
    status, printed, _ = minivit("summary", "cnn_nano_28", "--parameters")
    assert status == 0 and len(printed.splitlines()) == 1 + len(list(create("cnn_nano_28").parameters()))
    assert printed.splitlines()[-1].split() == ["total", "20,490"]


def test_compare_prints_every_form(minivit):
    status, printed, _ = minivit("compare", "softmax", "--shape", "2,3,5")
    assert status == 0 and printed.startswith("softmax at 2x3x5: float32")
    assert [line.split()[0] for line in printed.splitlines()[1:4]] == ["form", "composed", "array"]


def test_gradcheck_of_an_operation(minivit):
    status, printed, _ = minivit("gradcheck", "softmax")
    assert status == 0 and "ok    softmax (array)" in printed and printed.endswith("0 wrong\n")


def test_gradcheck_of_a_model(minivit, monkeypatch):
    monkeypatch.setitem(PRESETS, "vit_test", ViTConfig(6, 3, 1, 2, embed_dim=4, depth=1, num_heads=2))
    status, printed, _ = minivit("gradcheck", "--model", "vit_test", "--elements", "1")
    assert status == 0 and "pos_embed" in printed and "ok: worst relative error" in printed


def test_gradcheck_of_a_wrong_backward_ends_with_1(minivit, monkeypatch):
    from minivit.ops.softmax import Softmax
    right = Softmax.forms["array"]
    monkeypatch.setitem(Softmax.forms, "array", (right[0], lambda ctx, dy: (2 * right[1](ctx, dy))))
    status, printed, _ = minivit("gradcheck", "softmax")
    assert status == 1 and "WRONG softmax (array)" in printed


def test_doctor_finds_what_it_needs(minivit):
    status, printed, _ = minivit("doctor")
    assert status == 0 and all(f"ok       {name}" in printed for name in ("numpy", "safetensors", "BLAS"))


def test_doctor_names_what_is_missing_and_the_command_that_mends_it(minivit, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    status, printed, _ = minivit("doctor")
    assert status == 1 and "MISSING  tqdm" in printed and "-m pip install tqdm\n" in printed


# The frame

def test_without_a_command_the_commands_are_listed(minivit):
    status, printed, _ = minivit()
    assert status == 0 and all(f"\n    {name} " in printed for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(minivit, command):
    status, printed, complaint = minivit(command, "--help")
    assert status == 0 and printed.startswith(f"usage: minivit {command} ") and complaint == ""


def test_version(minivit):
    import minivit as package
    assert minivit("--version") == (0, f"{package.__version__}\n", "")


@pytest.mark.parametrize("lines", [[[]], [[name, "--help"] for name in COMMANDS]], ids=["minivit", "its commands"])
def test_help_loads_numpy_and_the_standard_library_only(lines):
    code = ("import contextlib, sys; before = set(sys.modules)\nfrom minivit.cli import main\n"
            f"for line in {lines}:\n    with contextlib.suppress(SystemExit): main(line)\n"
            "    print('loaded', *line[:1], *{name.partition('.')[0] for name in set(sys.modules) - before})")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("loaded ")]
    assert len(loaded) == len(lines)
    for line, names in zip(lines, loaded):          # what one loads is there for the next too: the first is to blame
        foreign = {name for name in set(names) - set(sys.stdlib_module_names) - set(COMMANDS) if name[0] != "_"}
        assert foreign == {"numpy", "minivit"}, line


def test_train_takes_the_settings_of_any_architecture(minivit, digits, tmp_path):
    run = tmp_path / "run"
    flags = ["--data", digits, "--model", "resnet8_gn_28", "--layers", "1,1", "--channels", "8,16", "--stem-width", "8",
             "--epochs", "1", "--batch-size", "8"]
    assert minivit("train", *flags, "--out", run)[0] == 0
    assert tomllib.loads((run / "config.toml").read_text())["model"] == {"layers": [1, 1], "channels": [8, 16],
                                                                         "stem_width": 8}
    assert minivit("train", "--resume", run)[0] == 0 and load(run / "last.safetensors")[0].config.layers == (1, 1)
    status, _, said = minivit("train", *flags, "--depth", "2")
    assert status == 2 and "unknown setting of resnet8_gn_28 'depth'" in said

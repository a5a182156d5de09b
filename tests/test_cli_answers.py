"""The command line, given what it cannot use: one sentence on stderr, status 2, and nothing left behind."""
import subprocess
import sys
import tempfile

import pytest

from minivit.cli import main


# train

@pytest.mark.parametrize("content, words", [
    ("epochs = 3", ["epochs stands outside a table: write it under [train]"]),
    ("[trian]\nepochs = 3", ["unknown table 'trian': did you mean 'train'?"]),
    ("[optim]\nlr = 3", ["unknown table 'optim'; there are: model, train"]),
    ("[train]\nepoch = 3", ["unknown setting in [train] 'epoch': did you mean 'epochs'?"]),
    ("[model]\nembed_dims = 3", ["unknown setting in [model] 'embed_dims': did you mean 'embed_dim'?"]),
    ("[train]\nepochs = = 3", ["is not TOML: Invalid value"]), (b"[train]\ndata = '\xff'", ["is not TOML: 'utf-8'"]),
], ids=["no table", "table", "far table", "setting", "model setting", "not toml", "not utf-8"])
def test_a_configuration_with_a_mistake_is_named(refuses, tmp_path, content, words):
    (tmp_path / "my.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    refuses("train", "--config", tmp_path / "my.toml", words=[f"{tmp_path}/my.toml", *words])


@pytest.mark.parametrize("old, new, words", [
    ("epochs =", "epcohs =", ["config.toml", "did you mean 'epochs'?"]),
    ("seed = 0", "seed = = 0", ["config.toml is not TOML"]),
    ("[model]", "[modle]", ["config.toml", "did you mean 'model'?"]),
    ("[train]", "speed = 1\n[train]", ["config.toml: speed stands outside a table: write it under [train]"]),
    ("seed = 0", "seed = 1", ["was begun with seed = 0, and now it is 1"]),
    ("embed_dim = 8", "embed_dim = 16", ["was begun with model.embed_dim = 8, and now it is 16"]),
], ids=["setting", "not toml", "table", "no table", "another seed", "another width"])
def test_a_mistake_in_the_config_of_a_run_is_named(refuses, run_folder, tmp_path, old, new, words):
    for name in ("config.toml", "state.safetensors"):
        (tmp_path / name).write_bytes((run_folder / name).read_bytes())
    config = tmp_path / "config.toml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    refuses("train", "--resume", tmp_path, words=words)


@pytest.mark.parametrize("setting", ["image_size = [14, 14]", "num_classes = 12", "in_chans = 3"])
def test_what_follows_from_the_data_is_no_setting(refuses, digits, tmp_path, setting):
    (tmp_path / "my.toml").write_text(f'[model]\nembed_dim = 8\ndepth = 1\nnum_heads = 2\n{setting}')
    refuses("train", "--config", tmp_path / "my.toml", "--data", digits, "--out", tmp_path / "run",
            words=[f"my.toml: unknown setting in [model] '{setting.split()[0]}'"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("line, words", [
    (["--epochs", "0"], ["epochs must be a finite number >= 1, not 0"]),
    (["--lr", "inf"], ["lr must be a finite number >= 0, not inf"]),
    (["--gelu", "erf"], ["gelu must be one of none, tanh, not 'erf'"]),
    (["--model", "vit_nano_patch7_27"], ["unknown model 'vit_nano_patch7_27': did you mean 'vit_nano_patch7_28'?"]),
    (["--optimizer", "adamm"], ["unknown optimizer 'adamm': did you mean 'adam"]),
    (["--model", "vit_tiny_patch16_224"], ["(28, 28) pixels cannot be cut into patches of (16, 16)"]),
    (["--patch-size", "5"], ["patches of (5, 5)"]), (["--threads", "0"], ["at least 1 worker, not 0"]),
    (["--data", "mnist5"], ["unknown data set 'mnist5': did you mean 'mnist5k'?"]),
    (["--config", "nowhere.toml"], ["nowhere.toml"]), (["--resume", "nowhere"], ["nowhere holds no run"]),
    (["--resume", "nowhere", "--epochs", "3"], ["leave out the other settings"]),
    (["--seed", "99999999999999999999"], ["seed must be an integer from 0 to 2**64 - 1"]),
    (["--resume", "", "--out", "x"], ["leave out the other settings"]), (["--resume", ""], [". holds no run"]),
    (["--config", ""], ["Is a directory"]),
], ids=lambda value: " ".join(value) if value and value[0].startswith("-") else "")
def test_train_answers_what_it_cannot_use(refuses, tmp_path, monkeypatch, line, words):
    monkeypatch.chdir(tmp_path)
    refuses("train", *line, words=words)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize("line, words", [
    (["train", "--epochs=x"], ["--epochs", "'x'"]), (["eval"], ["RUN_OR_FILE"]),
    (["train", "--patch-size", "7x"], ["28x20 (height x width", "'7x'"]),
    (["compare", "softmax", "--shape", "2,x"], ["--shape", "'2,x'"])], ids=lambda value: " ".join(value))
def test_what_the_parser_refuses_comes_with_its_usage(refuses, line, words):
    refuses(*line, words=words, usage=True)


@pytest.mark.parametrize("line, words", [
    (["train", "--epoch", "3"], ["unknown argument '--epoch': did you mean '--epochs'?"]),
    (["train", "--epoch=3"], ["unknown argument '--epoch': did you mean '--epochs'?"]),
    (["train", "extra"], ["unknown argument 'extra'; there are: --", "--warmup-epochs"]),
    (["eval", "run", "--dat", "x"], ["unknown argument '--dat': did you mean '--data'?"]),
    (["doctor", "--all"], ["unknown argument '--all'; there are: "]),
    (["--tracebac"], ["unknown argument '--tracebac': did you mean '--traceback'?"]),
    (["tran"], ["unknown command 'tran': did you mean 'train'?"]),
    (["zzz"], ["unknown command 'zzz'; there are: compare, convert, ", ", learn, models, ", ", summary, train"]),
], ids=lambda value: " ".join(value))
def test_unknown_words_are_answered_in_one_sentence(refuses, line, words):
    refuses(*line, words=words, by="minivit")


@pytest.mark.parametrize("folder, word", [("t10k", "t10k has no training images"), ("empty", "holds no data set")])
def test_train_needs_training_images(refuses, data, tmp_path, folder, word):
    refuses("train", "--data", data / folder, "--out", tmp_path / "run", words=[word])


def test_train_does_not_overwrite_a_run_or_a_file(refuses, digits, run_folder, digit, tiny_flags):
    refuses("train", "--data", digits, "--out", run_folder, *tiny_flags, words=["already holds a run", "--resume"])
    refuses("train", "--data", digits, "--out", digit, *tiny_flags, words=["three.png"])
    refuses("train", "--resume", digit, words=["three.png holds no run"])


def test_a_folder_that_cannot_be_written_is_named(refuses, digits, tmp_path, monkeypatch, tiny_flags):
    def deny(*_, dir, prefix):
        raise PermissionError(13, "Permission denied", str(dir))
    monkeypatch.setattr(tempfile, "mkstemp", deny)
    refuses("train", "--data", digits, "--out", tmp_path / "run", *tiny_flags, words=["Permission denied", "run"])


# eval and predict

@pytest.mark.parametrize("model, line, words", [
    ("nowhere", [], ["nowhere"]), ("empty", [], ["empty", "no last.safetensors"]),
    ("run/state.safetensors", [], ["its format is 'minivit state 2', expected 'minivit model 2'"]),
    ("run/config.toml", [], ["config.toml holds no weights: it has"]),
    ("run", ["--data", "nowhere"], ["unknown data set 'nowhere'; there are: cifar10"]),
    ("run", ["--data", "mnist5"], ["did you mean 'mnist5k'"]),
    ("run", ["--json", "nowhere/result.json"], ["--json nowhere/result.json: there is no folder nowhere"]),
], ids=["missing", "empty folder", "state", "other file", "data", "data name", "json"])
def test_eval_answers_what_it_cannot_use(refuses, data, run_folder, model, line, words):
    refuses("eval", data / model, *line, words=words)


@pytest.mark.parametrize("folder, word", [("train", "train has no test part"), ("empty", "holds no data set")])
def test_eval_needs_test_images(refuses, data, run_folder, folder, word):
    refuses("eval", run_folder, "--data", data / folder, words=[word])


def test_eval_of_truncated_weights(refuses, run_folder, tmp_path):
    (tmp_path / "cut").write_bytes((run_folder / "last.safetensors").read_bytes()[:5000])
    refuses("eval", tmp_path / "cut", words=["cut is damaged: it has 5000 bytes"])


def test_predict_goes_on_after_a_file_that_it_cannot_read(minivit, run_folder, digit):
    status, printed, complaint = minivit("predict", run_folder, "nowhere.png", run_folder / "config.toml", digit)
    assert status == 2 and printed.startswith(f"{digit}: ")
    missing, other = complaint.splitlines()
    assert "nowhere.png" in missing and "config.toml is not an image that minivit reads" in other


def test_predict_needs_at_least_one_class(refuses, run_folder, digit):
    refuses("predict", run_folder, digit, "--top", "0", words=["--top must be at least 1, not 0"])


# Other commands, and none

@pytest.mark.parametrize("line, words", [
    (["summary", "vit_tiny_patch16_225"], ["did you mean 'vit_tiny_patch16_224'?"]),
    (["compare"], ["name an operation, or compare --all"]), (["compare", "sofmax"], ["did you mean 'softmax'?"]),
    (["compare", "softmax", "--shape", "2"], ["takes a shape of"]),
    (["gradcheck", "sofmax"], ["did you mean 'softmax'?"]),
    (["compare", "--all", "--shape", "2,3"], ["--shape goes with one operation"]),
    (["gradcheck", "softmax", "--model", "x"], ["an operation or a --model, not both"]),
    (["gradcheck", "--model", "vit_nano"], ["unknown model 'vit_nano': did you mean 'vit_nano_"]),
    (["gradcheck", "--model", "vit_nano_patch7_28", "--elements", "-1"], ["--elements must be at least 0, not -1"]),
    (["profile", "vit_nano"], ["unknown model 'vit_nano': did you mean 'vit_nano_"]),
    (["profile", "--steps", "0"], ["--steps and --batch-size must be at least 1"]),
    (["profile", "--batch-size", "0"], ["must be at least 1"]), (["profile", "--threads", "0"], ["at least 1 worker"]),
], ids=lambda value: " ".join(value))
def test_other_commands_answer_what_they_cannot_use(refuses, line, words):
    refuses(*line, words=words)


@pytest.mark.parametrize("line", [["--traceback", "eval", "nowhere"], ["eval", "--traceback", "nowhere"],
                                  ["eval", "nowhere", "--traceback"]], ids=" ".join)
def test_a_traceback_is_shown_on_request(line):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        main(line)


def test_what_does_not_fit_into_memory_is_refused(refuses):
    refuses("compare", "softmax", "--shape", "1000000,1000000,1000", words=["Unable to allocate"])      # 7 PiB


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "minivit", "eval", "nowhere"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "nowhere" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error():
    done = subprocess.run(f"{sys.executable} -m minivit summary vit_huge_patch14_224 | head -1; "
                          "exit ${PIPESTATUS[0]}", shell=True, executable="/bin/bash", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("module")

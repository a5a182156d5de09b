"""Weights in files: the same bits come back, damage is always noticed, and a crash loses nothing.

The kill test stops a saving process at a random moment. MINIVIT_KILLS=1000 pytest -k killed runs it for long.
"""
import os
import random
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors import numpy as safetensors

import minivit.weights
from minivit import Tensor, nn
from minivit.data import Preprocessing
from minivit.models import ViTConfig, VisionTransformer, create
from minivit.weights import Card, WeightsError, load, load_arrays, save, save_arrays, write_atomic

KILLS = int(os.environ.get("MINIVIT_KILLS", "4"))
ARRAYS = {"matrix": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(7), "empty": np.zeros((0, 2)),
          "mask": np.array([True, False]), "big": np.array([1e300, -0.0, np.nan])}


def small_model():
    model = VisionTransformer(ViTConfig((4, 6), patch_size=2, in_chans=1, num_classes=3, embed_dim=4, depth=1,
                                        num_heads=2, mlp_ratio=2.0, zero_head=False), seed=5)
    preprocessing = Preprocessing((4, 6), 0.9, "lanczos", (0.1,), (0.3,), "squash")
    model.card = Card(("a", "b", "ü"), preprocessing, {"data": "drawn", "n": 3})
    return model


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.safetensors"
    save(small_model(), path)
    return path


# Round trips

def test_arrays_come_back_bit_for_bit(tmp_path):
    path = tmp_path / "arrays"
    save_arrays(path, ARRAYS, {"about": {"list": [1, 2.5, None, "é"]}})
    arrays, about = load_arrays(path)
    assert about == {"about": {"list": [1, 2.5, None, "é"]}} and arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("array", [np.arange(12.0).reshape(3, 4).T, np.arange(12.0)[::-2],
                                   np.arange(3, dtype=">f4"), np.arange(6, dtype=">i8").reshape(2, 3).T],
                         ids=["transposed", "strided", "big-endian", "big-endian, transposed"])
def test_layout_in_memory_does_not_matter(tmp_path, array):
    save_arrays(tmp_path / "x", {"x": array}, {})
    np.testing.assert_array_equal(load_arrays(tmp_path / "x")[0]["x"], array)


def test_equal_content_makes_equal_bytes(tmp_path):
    """Whatever the order in which it was put together, and however it lies in memory."""
    about = {"b": {"x": 1, "y": [2.5, None]}, "a": "é", "c": 0}
    save_arrays(tmp_path / "one", ARRAYS, about)
    backwards = {name: np.array(array, order="F") for name, array in reversed(ARRAYS.items())}
    save_arrays(tmp_path / "other", backwards, dict(reversed(about.items())))
    for number in range(20):                        # safetensors orders its metadata by a hash with a random seed
        save_arrays(tmp_path / f"{number}", ARRAYS, about)
    first, *others = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(others) == 21 and all(data == first for data in others)
    assert (8 + int.from_bytes(first[:8], "little")) % 8 == 0, "the data is aligned as safetensors asks for"
    save_arrays(tmp_path / "changed", ARRAYS, about | {"c": 1})
    assert (tmp_path / "changed").read_bytes() != first


def test_one_file_rebuilds_the_model(model_file):
    original, (loaded, report) = small_model(), load(model_file)
    assert loaded.config == original.config and not loaded.training and report.format == "minivit"
    assert loaded.card == original.card and (loaded.card.mean, loaded.card.std) == ((0.1,), (0.3,))
    images = Tensor(np.random.default_rng(0).standard_normal((2, 1, 4, 6)).astype(np.float32))
    np.testing.assert_array_equal(loaded(images).data, original(images).data)


def test_a_card_is_no_part_of_the_weights():
    with_card = small_model()
    without = VisionTransformer(with_card.config)
    assert list(with_card.state_dict()) == list(without.state_dict()) and repr(with_card) == repr(without)


@pytest.mark.parametrize("format", ["minivit", "timm"])
def test_a_model_without_a_card_is_written_with_a_default_one(tmp_path, format):
    model = create("vit_nano_patch7_28", in_chans=2)
    assert minivit.weights.save(model, tmp_path / "model", format=format) == ()
    again, report = minivit.weights.load(tmp_path / "model", head="keep")
    assert again.card == Card(tuple("0123456789"), Preprocessing((28, 28), mean=(0.5, 0.5), std=(0.5, 0.5)))
    assert len(report.loaded) == len(model.state_dict())


# Damage

def refused(path, data, message=""):
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=f"{path.name}.*{message}"):
        load_arrays(path)


def test_a_file_cut_anywhere_is_refused(model_file):
    data = model_file.read_bytes()
    for length in [0, 1, 7, 8, 9, *range(10, len(data), 97), len(data) - 1]:
        refused(model_file, data[:length], "is not a whole safetensors file")
    refused(model_file, data + b"\0")


def test_a_flipped_bit_in_any_byte_is_noticed(tmp_path):
    path, chance = tmp_path / "small", random.Random(0)
    save_arrays(path, {"x": np.arange(4, dtype=np.float32), "y": np.array(2)}, {"about": "it"})
    data = path.read_bytes()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << chance.randrange(8)
        refused(path, damaged)


def test_changed_bytes_in_a_model_are_noticed(model_file):
    data, chance = model_file.read_bytes(), random.Random(0)
    for _ in range(200):
        damaged = bytearray(data)
        for place in chance.sample(range(len(data)), chance.randint(1, 4)):
            damaged[place] ^= chance.randint(1, 255)
        refused(model_file, damaged)


@pytest.mark.parametrize("content, message", [
    (b"", r"0 bytes"), (b"PK\3\4 a zip", "is not a whole safetensors file"),
    (b"\xff" * 100, "is not a whole safetensors file"),
    (safetensors.save({"x": np.zeros(2)}), "no sha256: minivit did not write it"),
    (safetensors.save({"x": np.zeros(2)}, metadata={"sha256": "0" * 64}), "is damaged: its sha256 does not match"),
], ids=["empty", "zip", "noise", "foreign", "wrong sum"])
def test_other_files_are_refused(tmp_path, content, message):
    refused(tmp_path / "file", content, message)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_arrays(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        load_arrays(tmp_path)


def rewritten(path, change):
    """The file with a change to (arrays, metadata), and a checksum that fits it."""
    arrays, metadata = load_arrays(path)
    change(arrays, metadata)
    save_arrays(path, arrays, metadata)


@pytest.mark.parametrize("change, message", [
    (lambda arrays, about: about.update(format="minivit state 1"), "its format is 'minivit state 1', expected"),
    (lambda arrays, about: about.pop("format"), "not a model of minivit's: its format is None"),
    (lambda arrays, about: about.update(architecture="mixer"), "unknown architecture 'mixer'"),
    (lambda arrays, about: about["config"].update(embed_dim=6), r"cls_token is \(1, 1, 4\), expected \(1, 1, 6\)"),
    (lambda arrays, about: about["config"].update(depth=2), "missing: blocks.1.norm1.weight"),
    (lambda arrays, about: about["config"].update(colour=True), "unknown setting of a vit 'colour'; there"),
    (lambda arrays, about: about["config"].update(num_heads=3), "not divisible by num_heads 3"),
    (lambda arrays, about: arrays.pop("head.bias"), "missing: head.bias"),
    (lambda arrays, about: arrays.update({"head.bias": np.zeros(4)}), r"head.bias is \(4,\), expected \(3,\)"),
    (lambda arrays, about: about.pop("classes"), "another model than it describes: 'classes'"),
    (lambda arrays, about: about.pop("preprocessing"), "another model than it describes: 'preprocessing'"),
    (lambda arrays, about: about.update(classes=["a"]), "names 1 class.* and its model has 3"),
], ids=["state", "no format", "architecture", "width", "depth", "setting", "heads", "no head", "shape", "no classes",
        "no preprocessing", "few classes"])
def test_the_file_of_another_model_is_refused(model_file, change, message):
    rewritten(model_file, change)
    with pytest.raises(WeightsError, match=f"{model_file.name}.*{message}"):
        load(model_file)


def test_a_model_outside_the_registry_is_refused(tmp_path):
    with pytest.raises(TypeError, match="save takes one of minivit's models and then a path, not a Linear"):
        save(nn.Linear(2, 2, 0), tmp_path / "x")
    with pytest.raises(TypeError, match="not a str"):
        save("x", small_model())
    assert not list(tmp_path.iterdir())


# Atomic writes

@pytest.mark.parametrize("step, error", [("replace", OSError("replace")), ("fsync", OSError(28, "No space left")),
                                         ("chmod", KeyboardInterrupt())], ids=["replace", "disk full", "Ctrl-C"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, error):
    def fail(*arguments):
        raise error
    path = tmp_path / "file"
    write_atomic(path, b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write_atomic(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["file"] and path.read_bytes() == b"old"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_atomic(tmp_path / "nowhere" / "file", b"")


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)], ids=oct)
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "file", b"")
        assert os.umask(umask) == umask, "the umask is as it was"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


# As root, `minivit eval RUN --json /dev/null` turns /dev/null into a file, and a link to a larger disk is cut.
def test_writing_through_a_link_keeps_the_link(tmp_path):
    write_atomic(tmp_path / "target", b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"


def test_writing_through_links_to_a_file_that_is_not_there_makes_it(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("three")
    write_atomic(tmp_path / "one", b"new")
    assert (tmp_path / "one").is_symlink() and (tmp_path / "two").is_symlink()
    assert (tmp_path / "three").read_bytes() == b"new" and len(list(tmp_path.iterdir())) == 3


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes are POSIX's")
def test_devices_are_written_to_and_stay():
    write_atomic("/dev/null", b"anything")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes are POSIX's")
def test_named_pipes_are_written_to_and_stay(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomic(tmp_path / "pipe", b"through a pipe")
        assert os.read(reader, 100) == b"through a pipe"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes are POSIX's")
def test_pipes_without_a_name_are_written_to():
    reader, writer = os.pipe()
    try:
        write_atomic(f"/dev/fd/{writer}", b"through a pipe")
        assert os.read(reader, 100) == b"through a pipe"
    finally:
        os.close(reader)
        os.close(writer)


SAVE_FOREVER = """
import sys, numpy as np
from minivit.weights import save_arrays
step = 0
while True:
    step += 1
    save_arrays(sys.argv[1], {"x": np.full(50_000, step, np.float32)}, {"step": step})
    print(step, flush=True)
"""


def test_a_killed_process_loses_no_acknowledged_save(tmp_path):
    chance, saves = random.Random(0), 0
    for _ in range(KILLS):
        path = tmp_path / "weights"
        path.unlink(missing_ok=True)
        child = subprocess.Popen([sys.executable, "-c", SAVE_FOREVER, path], stdout=subprocess.PIPE, text=True)
        first = child.stdout.readline()
        try:
            child.wait(timeout=chance.uniform(0, 0.15))             # a random moment
        except subprocess.TimeoutExpired:
            child.kill()
        acknowledged = int((first + child.communicate()[0]).split()[-1])
        arrays, about = load_arrays(path)
        assert about["step"] >= acknowledged and (arrays["x"] == about["step"]).all()
        saves += acknowledged
    assert saves > KILLS, "the kills came before there was anything to lose"

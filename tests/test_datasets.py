"""Data sets by name and path: CIFAR's batches, .npz files, what is recognised by its content, and `minivit data`."""
import gzip
import io
import json
import pickle
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from minivit.data import DataSet, Split, idx, mean_std, mnist5k, npz, open_dataset, write_npz
from minivit.data.cifar import _CIFAR10

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    """Nothing of the user's is found, and nothing is written there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MINIVIT_DATA", raising=False)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


# CIFAR, as published: the pickles are those of Python 2 and NumPy 1

def python2(value):
    """The pickle of a value by Python 2's cPickle, protocol 2, without its first and last instruction."""
    match value:
        case dict():
            return b"}(" + b"".join(python2(key) + python2(item) for key, item in value.items()) + b"u"
        case list():
            return b"](" + b"".join(map(python2, value)) + b"e"
        case str():
            return b"U" + bytes([len(value)]) + value.encode()
        case int():
            return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
        case np.ndarray():
            dtype = (b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
            data = b"T" + struct.pack("<I", value.size) + value.tobytes()
            return (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
                    + b"".join(map(python2, value.shape)) + b"\x86" + dtype + b"\x89" + data + b"tb")


def program(value):
    return b"\x80\2" + python2(value) + b"."


def rows(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def as_images(flat):
    return flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def write_cifar(folder, kind, n=4, classes=10):
    """Small batches in one of the four forms; returns (training rows, labels, test rows, labels)."""
    coarse = {"coarse_labels": [1] * n} if classes == 100 else {}
    key = "fine_labels" if classes == 100 else "labels"
    train = ["train"] if classes == 100 else [f"data_batch_{k}" for k in range(1, 6)]
    folder.mkdir(parents=True, exist_ok=True)
    parts = {}
    for k, name in enumerate(train + ["test" if classes == 100 else "test_batch"]):
        flat, labels = rows(n, k), [(3 * k + i) % classes for i in range(n)]
        parts[name] = flat, labels
        if kind == "python":
            batch = {"batch_label": f"training batch {k}", **coarse, key: labels, "data": flat,
                     "filenames": ["a.png"] * n}
            (folder / name).write_bytes(program(batch))
        else:
            first = np.ones((n, len(coarse)), np.uint8)
            content = np.column_stack([first, np.array(labels, np.uint8), flat])
            (folder / f"{name}.bin").write_bytes(content.tobytes())
    names = [f"class {y}" for y in range(classes)] if classes == 100 else list(_CIFAR10)
    meta = {("python", 10): ("batches.meta", program({"label_names": names, "num_vis": 3072})),
            ("python", 100): ("meta", program({"fine_label_names": names, "coarse_label_names": ["x"]})),
            ("binary", 10): ("batches.meta.txt", "\n".join(names + ["", ""]).encode()),
            ("binary", 100): ("fine_label_names.txt", "\n".join(names + [""]).encode())}[kind, classes]
    (folder / meta[0]).write_bytes(meta[1])
    images, labels = (sum((part[i] if i else [part[0]] for part in list(parts.values())[:-1]), []) for i in (0, 1))
    return np.concatenate(images), labels, *list(parts.values())[-1]


def packed(folder, path, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        archive.add(folder, folder.name)
    return path


def test_the_pickles_written_here_are_pickles():
    batch = {"data": rows(2), "labels": [3, 9]}
    with warnings.catch_warnings(action="ignore"):          # NumPy 2 has moved what NumPy 1's pickles name
        read = pickle.loads(program(batch), encoding="latin1")
    np.testing.assert_array_equal(read["data"], batch["data"])
    assert read["labels"] == [3, 9]


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("kind", ["python", "binary"])
@pytest.mark.parametrize("classes", [10, 100])
def test_cifar_as_published(tmp_path, kind, classes, archived):
    folder = tmp_path / f"cifar-{classes}"
    train, labels, test, test_labels = write_cifar(folder, kind, classes=classes)
    data = open_dataset(packed(folder, tmp_path / "x.tar.gz") if archived else folder)
    np.testing.assert_array_equal(data.train.images, as_images(train))
    np.testing.assert_array_equal(data.test.images, as_images(test))
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == (labels, test_labels)
    assert data.title == f"CIFAR-{classes}" and len(data.classes) == classes
    assert data.classes[3] == ("class 3" if classes == 100 else "cat")
    assert (data.mean, data.std) == mean_std(data.train.images)
    assert open_dataset(data.name).checksum == data.checksum


@pytest.mark.parametrize("kind", ["python", "binary"])
def test_cifar_names_what_is_missing(tmp_path, kind):
    suffix = ".bin" if kind == "binary" else ""
    write_cifar(tmp_path / "x", kind)
    (tmp_path / "x" / f"test_batch{suffix}").unlink()
    assert open_dataset(tmp_path / "x").test is None
    (tmp_path / "x" / f"data_batch_3{suffix}").unlink()
    with pytest.raises(FileNotFoundError, match=f"only some of its batches: data_batch_3{suffix} is not there"):
        open_dataset(tmp_path / "x")


def test_cifar100_needs_its_names(tmp_path):
    write_cifar(tmp_path / "x", "binary", classes=100)
    (tmp_path / "x" / "fine_label_names.txt").write_text("one\ntwo\n")
    with pytest.raises(ValueError, match=r"fine_label_names.txt is damaged: it names \['one', 'two'\], expected 100"):
        open_dataset(tmp_path / "x")


BAD_BATCHES = {
    "cut": (program({"data": rows(2), "labels": [1, 2]})[:-3000], "is damaged: its pickle makes no sense"),
    "empty": (b"", "is damaged"),
    "another program": (b"cos\nsystem\n(S'touch executed'\ntR.", "is refused: .*Python would import 'os system'"),
    "a call": (program({"data": 1})[:-1] + b"cbuiltins\neval\n.", "is refused: .*'builtins eval'"),
    "no labels": (program({"data": rows(2)}), "its labels are None, expected a list of integers"),
    "labels that are texts": (program({"data": rows(1), "labels": ["1"]}), r"its labels are \['1'\]"),
    "fewer labels": (program({"data": rows(3), "labels": [1, 2]}), "it has 3 images and 2 labels"),
    "no image": (program({"data": rows(0), "labels": []}), "it has 0 images"),
    "a label out of range": (program({"data": rows(2), "labels": [0, 10]}), "CIFAR-10 has 10 classes.* from 0 to 10"),
    "a negative label": (program({"data": rows(2), "labels": [0, -1]}), "labels go from -1 to 0"),
    "other images": (program({"data": rows(2)[:, :100], "labels": [0, 1]}), r"no array of bytes of shape \(n, 3072\)"),
    "no array": (program({"data": [1], "labels": [1]}), "no array of bytes"),
    "a list": (program([1]), r"it holds \[1\], expected a dictionary"),
    "many instructions": (b"\x80\2]" + b"Na" * 600_000 + b".", "more than 1048576 instructions"),
}


@pytest.mark.parametrize("content, message", BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_a_bad_batch_is_named_and_nothing_in_it_runs(tmp_path, content, message):
    write_cifar(tmp_path / "x", "python", n=1)
    (tmp_path / "x" / "data_batch_2").write_bytes(content)
    with pytest.raises(ValueError, match=f"data_batch_2 .*{message}"):
        open_dataset(tmp_path / "x")
    assert not list(tmp_path.glob("**/executed"))


@pytest.mark.parametrize("content, message", [
    (b"\1" * 3072, "3072 bytes are no whole number of records of 3073"), (b"", "0 images"),
    (b"\x0a" + bytes(3072), "wrongly labelled: CIFAR-10 has 10 classes, and the labels go from 10 to 10")])
def test_a_bad_binary_batch_is_named(tmp_path, content, message):
    write_cifar(tmp_path / "x", "binary", n=1)
    (tmp_path / "x" / "data_batch_2.bin").write_bytes(content)
    with pytest.raises(ValueError, match=f"data_batch_2.bin .*{message}"):
        open_dataset(tmp_path / "x")


def mutations(good, count, seed=0):
    """Damaged versions of the bytes `good`: some changed, cut, doubled or inserted."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        content = bytearray(good)
        for _ in range(random.integers(1, 5)):
            at = random.integers(len(content) + 1)
            match random.integers(4):
                case 0:
                    content[at:at + 1] = bytes([random.integers(256)])
                case 1:
                    del content[at:at + random.integers(1, 9)]
                case 2:
                    content[at:at] = bytes(random.integers(0, 256, random.integers(1, 9), dtype=np.uint8))
                case _:
                    content = content[:at]
        yield bytes(content)


@pytest.mark.parametrize("archived", [False, True])
def test_a_mutated_cifar_is_read_or_refused(tmp_path, archived):
    folder = tmp_path / "x"
    write_cifar(folder, "python", n=1)
    path = packed(folder, tmp_path / "x.tar.gz") if archived else folder / "data_batch_1"
    good = path.read_bytes()
    # Most of a file is pixels: what stands around them is where damage matters
    ends = good if archived else good[:120] + good[-150:]
    for content in mutations(ends, 60 if archived else 400):
        path.write_bytes(content if archived else content[:120] + good[120:-150] + content[120:])
        try:
            assert open_dataset(path if archived else folder).train.images.shape[1:] == (32, 32, 3)
        except (ValueError, FileNotFoundError, OSError) as error:
            assert "x" in str(error)


# .npz

def digits(n=6):
    data = mnist5k()
    return data.train.images[:n, ..., 0], data.train.labels[:n]


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"),
                                   ("train_images", "train_labels", "val_images", "val_labels")])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_reads_the_usual_names(tmp_path, names, save):
    x, y = digits()
    save(tmp_path / "x.npz", **dict(zip(names, (x, y, x[:4, ..., None], y[:4, None].astype(np.uint8)))), other=y)
    data = open_dataset(tmp_path / "x.npz")
    np.testing.assert_array_equal(data.train.images[..., 0], x)
    np.testing.assert_array_equal(data.test.labels, y[:4])
    assert data.classes == tuple("012345") and (data.mean, data.std) == mean_std(x[..., None])


def test_npz_of_one_split_with_classes(tmp_path):
    x, y = digits(2)
    np.savez(tmp_path / "x.npz", x=np.asfortranarray(x), y=y.astype(">i4"), classes=np.array(["zéro", "one"]))
    data = open_dataset(tmp_path / "x.npz")
    assert data.test is None and data.classes == ("zéro", "one") and data.train.labels.dtype == np.int64
    np.testing.assert_array_equal(data.train.images[..., 0], x)


def test_npz_says_which_of_two_it_left_out(tmp_path):
    x, y = digits(2)
    np.savez(tmp_path / "x.npz", **{f"{part}_{what}": array for part in ("train", "val", "test")
                                    for what, array in (("images", x), ("labels", y))})
    assert npz(tmp_path / "x.npz").notes == ("left out: val_images, val_labels; the test split is test_images, "
                                             "test_labels",)


def test_a_data_set_written_as_npz_is_the_same(tmp_path):
    data = open_dataset("shapes-parity:train=10,test=4")
    write_npz(tmp_path / "x.npz", data)
    assert npz(tmp_path / "x.npz").checksum == data.checksum


BAD_ARRAYS = {
    "floats": ({"x": np.zeros((2, 4, 4), np.float32), "y": np.arange(2)}, r"x must be uint8 .*not float32 .*255 \* x"),
    "channels first": ({"x": np.zeros((2, 3, 4, 4), np.uint8), "y": np.arange(2)}, r"x.transpose\(0, 2, 3, 1\)"),
    "float labels": ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.zeros(2)}, "y must be integers, one an image"),
    "one-hot labels": ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.eye(2, dtype=int)}, r"of shape \(2, 2\)"),
    "a number for labels": ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.int64(1)}, r"of shape \(\)"),
    "fewer labels": ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.zeros(1, int)}, "2 images but 1 labels"),
    "negative labels": ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.array([0, -1])}, r"labels\[1\] is -1"),
    "no image": ({"x": np.zeros((0, 4, 4), np.uint8), "y": np.zeros(0, int)}, "at least one image"),
    "no labels": ({"x": np.zeros((2, 4, 4), np.uint8)}, "has x and no y, which belongs to it"),
    "other names": ({"pixels": np.zeros(2)}, r"holds \['pixels'\], and no images under names that"),
    "few classes": ({"x": np.eye(4, dtype=np.uint8)[None], "y": np.array([3]), "classes": np.array(["a", "b"])},
                    "2 classes, but its train split has the label 3"),
    "a class twice": ({"x": np.eye(4, dtype=np.uint8)[None], "y": np.array([1]), "classes": np.array(["a", "a"])},
                      "several classes called 'a'"),
    "objects": ({"x": np.array([None]), "y": np.array([1])}, "x.npy begins with .*no array of numbers"),
}


@pytest.mark.parametrize("arrays, message", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_an_npz_that_does_not_fit_is_named(tmp_path, arrays, message):
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(ValueError, match=f"odd.npz.*{message}"):
        open_dataset(tmp_path / "odd.npz")


def test_an_npz_that_claims_terabytes_is_refused(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000, 1000), }\n"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(10))
    with pytest.raises(ValueError, match="x.npy has 10 bytes for uint8 of shape"):
        npz(tmp_path / "x.npz")


def test_a_mutated_npz_is_read_or_refused(tmp_path):
    x, y = digits(2)
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, x=x[:, :4, :4], y=y)
        for content in mutations(file.getvalue(), 300):
            (tmp_path / "x.npz").write_bytes(content)
            try:
                npz(tmp_path / "x.npz")
            except ValueError as error:
                assert "x.npz" in str(error)


# What is opened

def test_the_name_of_a_data_set_opens_it_again():
    data = open_dataset("shapes-texture:test=3,train=5,noise=0.25", seed=2)
    assert data.name == "shapes-texture:train=5,test=3,seed=2,noise=0.25"
    assert open_dataset(data.name).checksum == data.checksum


@pytest.mark.parametrize("text, message", [
    ("shapes:trian=5", "shapes: unknown option 'trian': did you mean 'train'"),
    ("shapes:train=many", "shapes: the option train is written like train=3, not train=many"),
    ("mnist5k:size=3", "mnist5k has no options, and was given size"),
    ("shapes-textures", "did you mean 'shapes-texture'"),
    ("shapes:size=8", "24 pixels at least"),
    ("shapes:train=0,test=0", "a number of images"),
    ("shapes:noise=7", "from 0 to 1, not 7.0"),
])
def test_an_unknown_name_or_option_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        open_dataset(text)


def test_a_named_data_set_that_is_not_here_says_how_to_get_it():
    with pytest.raises(FileNotFoundError, match="cifar10 is not here: looked for cifar-10-batches-py.*home/minivit/data"
                                                ".*minivit data get cifar10.*170498071 bytes, sha256 6d958be0"):
        open_dataset("cifar10")
    with pytest.raises(FileNotFoundError, match="cannot be downloaded: put it there"):
        open_dataset("cifar10-jpeg")


def test_a_named_data_set_is_looked_for_in_order(tmp_path, monkeypatch):
    for n, place in enumerate(("root", "env", "cwd/data", "home/minivit/data"), start=1):
        write_cifar(tmp_path / place / "cifar-10-batches-bin", "binary", n=n)

    def found(**options):
        return len(open_dataset("cifar10", **options).test)
    assert found() == 3
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path / "env"))
    assert found() == 2 and found(root=tmp_path / "root") == 1
    monkeypatch.delenv("MINIVIT_DATA")
    monkeypatch.chdir(tmp_path)
    assert found() == 4


@pytest.mark.parametrize("name, content, message", [
    ("x.txt", b"words", "x.txt is no data set that minivit recognises: tried a folder of MNIST's idx files"),
    ("train-images-idx3-ubyte", b"\0\0\x08\3", "one of MNIST's files: name the folder"),
    ("x.tar.gz", b"\x1f\x8b\x08\0\0\0", "x.tar.gz"),
])
def test_a_file_that_is_no_data_set_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_dataset(tmp_path / name)


def test_a_folder_that_is_no_data_set_is_named(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(ValueError, match="x holds no data set that minivit recognises: tried .* found nothing"):
        open_dataset(tmp_path / "x")
    (tmp_path / "x" / "notes.txt").write_text("1")
    with pytest.raises(ValueError, match="found notes.txt"):
        open_dataset(tmp_path / "x")


def test_fashion_mnist_is_known_by_its_labels(tmp_path, write_digits):
    folder = write_digits(tmp_path / "x", train=10)
    labels = bytes([9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + struct.pack(">I", 10) + labels)
    data = open_dataset(folder)
    assert data.title == "Fashion-MNIST" and data.classes[9] == "ankle boot"


def test_idx_files_that_do_not_fit_are_named(tmp_path, write_digits):
    folder = write_digits(tmp_path / "odd", train=3)
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + struct.pack(">I", 3) + bytes([1, 77, 3]))
    with pytest.raises(ValueError, match="odd' has 10 classes, but its train split has the label 77"):
        open_dataset(folder)


def test_an_idx_file_that_unpacks_to_more_than_any_is_refused(tmp_path, monkeypatch, write_digits):
    folder = write_digits(tmp_path / "odd", train=3)
    monkeypatch.setattr(idx, "MAX_BYTES", 10_000)
    file = folder / "train-images-idx3-ubyte"
    file.write_bytes(gzip.compress(file.read_bytes() + bytes(10_000)))
    with pytest.raises(ValueError, match="train-images-idx3-ubyte unpacks to more than 10000 bytes"):
        open_dataset(folder)


# DataSet and Split

def test_the_checksum_is_that_of_the_images_the_labels_and_the_classes():
    x, y = np.zeros((3, 2, 2, 1), np.uint8), np.arange(3)

    def checksum(x=x, y=y, classes=("a", "b", "c"), name="n", split="train"):
        parts = {"train": None, "test": None} | {split: Split(x, y)}
        return DataSet(name, classes, **parts, mean=(0.5,), std=(0.5,)).checksum
    assert checksum() == checksum(name="m") == checksum(x=np.asfortranarray(x))
    changed = [checksum(x=x + 1), checksum(y=y[::-1].copy()), checksum(classes=("a", "b", "d")), checksum(split="test")]
    assert len({checksum(), *changed}) == 5


def test_boxes_are_checked():
    x, y = np.zeros((3, 2, 2, 1), np.uint8), np.arange(3)
    for boxes in (np.zeros((3, 4), np.int64), np.zeros((2, 1, 4), np.int64), np.zeros((3, 1, 4))):
        with pytest.raises(ValueError, match=r"boxes must be an int64 array of shape \(n, objects, 4\), here n = 3"):
            Split(x, y, boxes)


@given(n=st.integers(1, 9), C=st.sampled_from([1, 3]), seed=st.integers(0, 99))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_npz_reads_what_was_written(tmp_path, n, C, seed):
    random = np.random.default_rng(seed)
    split = Split(random.integers(0, 256, (n, 3, 5, C), dtype=np.uint8), random.integers(0, 4, n))
    data = DataSet("x", tuple("abcd"), split, None, (0.5,) * C, (0.5,) * C)
    write_npz(tmp_path / "x.npz", data)
    assert npz(tmp_path / "x.npz").checksum == data.checksum


# minivit data

def test_list_says_what_is_here_and_how_to_get_the_rest(minivit, tmp_path):
    write_cifar(tmp_path / "all" / "cifar-100-binary", "binary", classes=100)
    status, printed, _ = minivit("data", "list", "--root", tmp_path / "all")
    assert status == 0 and f"here: {tmp_path}/all/cifar-100-binary" in printed
    assert "not here: minivit data get cifar10 (170 MB)" in printed and "mnist5k " in printed
    minivit("data", "list", "--root", tmp_path / "all", "--json", tmp_path / "list.json")
    found = json.loads((tmp_path / "list.json").read_text())
    assert found["cifar100"] == f"{tmp_path}/all/cifar-100-binary" and found["mnist"] is None


def test_show_writes_a_sheet_with_boxes_and_prints_what_there_is(minivit, tmp_path):
    status, printed, _ = minivit("data", "show", "shapes:train=25,test=5", "--per-class", 3, "-o",
                                 tmp_path / "sheet.png")
    assert status == 0 and "train  25 images of 32 x 32 pixels, 3 channel(s), 5 of each class, 1 box(es)" in printed
    assert "5 classes: disc, square, triangle, cross, ring" in printed and "15 train images" in printed
    data, sheet = open_dataset("shapes:train=25,test=5"), np.array(Image.open(tmp_path / "sheet.png"))
    # Image 6 is the second square: row 1, column 1, enlarged twice, and a frame on the box that the data set gives
    x, y = 120 + 1 * 68, 4 + 1 * 82
    shown, (top, left, bottom, right) = sheet[y:y + 64:2, x:x + 64:2].copy(), data.train.boxes[6, 0]
    frame = np.zeros((32, 32), bool)
    frame[top:bottom, left:right] = True
    frame[top + 1:bottom - 1, left + 1:right - 1] = False
    assert (sheet[y + 2 * top, x + 2 * left:x + 2 * right] == (213, 94, 0)).all()
    np.testing.assert_array_equal(shown[~frame], data.train.images[6][~frame])


def test_show_of_grey_images_and_of_the_other_split(minivit, tmp_path):
    assert minivit("data", "show", "mnist5k", "--split", "test", "-o", tmp_path / "a.png", "--per-class", 1)[0] == 0
    sheet, images = np.array(Image.open(tmp_path / "a.png")), mnist5k().test.images
    np.testing.assert_array_equal(sheet[4:88:3, 120:204:3, 1], images[0, ..., 0])


@pytest.mark.parametrize("line, words", [
    (["show", "shapes:test=0", "--split", "test"], ["no test split"]),
    (["show", "mnist5k", "--per-class", "0"], ["--per-class"]),
    (["get", "mnits"], ["unknown data set 'mnits'", "'mnist'"]),
    (["get", "cifar10-jpeg"], ["cannot be downloaded", "cifar10-jpeg.tar.xz"])])
def test_data_names_what_is_wrong(refuses, line, words):
    refuses("data", *line, words=words)


def test_get_of_what_needs_no_download(minivit):
    assert minivit("data", "get", "shapes") == (0, "shapes needs no download\n", "")

"""Image folders: what is read from them, what their cache survives, and what is said of bad files."""
import errno
import io
import os
import signal
import struct
import subprocess
import sys
import tarfile
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minivit.data import mean_std, open_dataset, read_image
from minivit.data.folder import cache
from minivit.data.folder.decode import decode
from minivit.data.folder.layout import arrange
from minivit.data.source import Folder

SMALL = "size=8"


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """The folder of the caches, a test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "minivit" / "images"


def picture(seed=0, height=10, width=12):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path):
    """Two classes with three pictures each, in a folder without splits."""
    for y, name in enumerate(("cat", "dog")):
        for k in range(3):
            save(tmp_path / "photos" / name / f"{k}.png", picture(3 * y + k))
    return tmp_path / "photos"


def opened(path, *options):
    return open_dataset(f"{path}:{','.join(options)}" if options else path)


def files_of(path):
    """{name: bytes} of everything in a folder."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


# What is read

@pytest.mark.parametrize("cached", ["cache=true", "cache=false"])
def test_pixels_and_labels_are_those_of_the_files(photos, cached):
    data = opened(photos, cached)
    assert data.classes == ("cat", "dog") and data.train.labels.tolist() == [0, 0, 0, 1, 1, 1] and data.test is None
    for seed, pixels in enumerate(data.train.images):
        np.testing.assert_array_equal(pixels, np.asarray(picture(seed)))
    assert (data.mean, data.std) == mean_std(data.train.images) and data.notes == ()
    assert data.title == "photos"


def test_a_size_is_that_of_read_image(photos):
    save(photos / "cat" / "large.jpg", picture(9, 40, 30))
    data = opened(photos, "size=8x6", "channels=1")
    assert data.train.images.shape == (7, 8, 6, 1)
    np.testing.assert_array_equal(data.train.images[3], read_image(photos / "cat" / "large.jpg", (8, 6), 1))
    assert data.name == f"{photos}:size=8x6,channels=1"
    assert open_dataset(data.name).checksum == open_dataset(photos, size=(8, 6), channels=1).checksum == data.checksum


def test_several_sizes_need_a_choice(photos):
    save(photos / "dog" / "9.png", picture(9, 20, 12))
    with pytest.raises(ValueError, match=r"dog/9.png has 20 x 12 pixels, and images before it 10 x 12: choose a size "
                                         r"for all, such as .*photos:size=64"):
        opened(photos)


MODES = {"CMYK": ("jpg", {}), "L": ("png", {}), "LA": ("png", {}), "1": ("png", {}), "I;16": ("png", {}),
         "P": ("png", {"transparency": 0}), "RGBA": ("webp", {"lossless": True})}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_read_as_read_image_reads_it(photos, mode):
    suffix, options = MODES[mode]
    image = picture(1).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    path = save(photos / "cat" / f"odd.{suffix}", image, **options)
    data = opened(photos, SMALL)
    np.testing.assert_array_equal(data.train.images[3], read_image(path, (8, 8), 3))


def test_pictures_are_turned_upright(photos):
    exif = Image.Exif()
    exif[0x0112] = 6
    for file in photos.rglob("*.png"):
        save(file, picture(0, 12, 10))
    save(photos / "cat" / "phone.png", picture(1), exif=exif)
    np.testing.assert_array_equal(opened(photos).train.images[3], np.rot90(np.asarray(picture(1)), -1))


@pytest.mark.parametrize("names, test", [(("train", "test"), "test"), (("Training", "val"), "val"),
                                         (("train", "test", "valid"), "test")])
def test_splits_are_folders(photos, tmp_path, names, test):
    for name in names:
        os.makedirs(tmp_path / "x" / name)
        for kind in ("cat", "dog"):
            save(tmp_path / "x" / name / kind / "1.png", picture(names.index(name)))
    data = opened(tmp_path / "x")
    np.testing.assert_array_equal(data.train.images[0], np.asarray(picture(0)))
    np.testing.assert_array_equal(data.test.images[0], np.asarray(picture(names.index(test))))
    assert len(data.notes) == len(names) - 2
    if data.notes:
        assert data.notes[0] == "2 file(s) outside train and test are left out: valid/cat/1.png, valid/dog/1.png"
        chosen = opened(tmp_path / "x", "test=valid")
        np.testing.assert_array_equal(chosen.test.images[0], np.asarray(picture(2)))
        with pytest.raises(ValueError, match="unknown folder of the test split 'vaild': did you mean 'valid'"):
            opened(tmp_path / "x", "test=vaild")


def test_a_share_can_be_held_out(tmp_path):
    for name in ("cat", "dog"):
        for k in range(10):
            save(tmp_path / "x" / name / f"{k}.png", picture(k))
    data = opened(tmp_path / "x", "holdout=0.2")
    assert np.bincount(data.train.labels).tolist() == [8, 8] and np.bincount(data.test.labels).tolist() == [2, 2]
    cats = [split.images[split.labels == 0] for split in (data.train, data.test)]
    assert len({image.tobytes() for images in cats for image in images}) == 10
    with pytest.raises(ValueError, match="holdout is the share .* not 1.5"):
        opened(tmp_path / "x", "holdout=1.5")
    (tmp_path / "x").rename(tmp_path / "train")
    (tmp_path / "y").mkdir()
    (tmp_path / "train").rename(tmp_path / "y" / "train")
    save(tmp_path / "y" / "test" / "cat" / "1.png", picture())
    save(tmp_path / "y" / "test" / "dog" / "1.png", picture())
    with pytest.raises(ValueError, match="y: holdout is for a folder without a test split"):
        opened(tmp_path / "y", "holdout=0.2")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("top", [".", "photos", "some/photos"])
def test_an_archive_is_read_like_the_folder(photos, tmp_path, mode, top):
    with tarfile.open(tmp_path / "photos.tar", mode) as archive:
        archive.add(photos, top)
    data = opened(tmp_path / "photos.tar")
    assert data.checksum == opened(photos).checksum and data.name == str(tmp_path / "photos.tar")
    for options in ((), ("cache=false",)):
        assert opened(tmp_path / "photos.tar", *options).checksum == data.checksum


def test_the_cifar_jpeg_archive_has_its_name(photos, tmp_path):
    with tarfile.open(tmp_path / "cifar10-jpeg.tar.xz", "w:xz") as archive:
        archive.add(photos, "train")
        archive.add(photos, "test")
    data = open_dataset("cifar10-jpeg", root=tmp_path)
    assert data.title == open_dataset(data.name).title == "CIFAR-10 (JPEG)"
    assert len(data.train) == len(data.test) == 6


def test_links_are_followed_and_circles_found(photos, tmp_path):
    os.symlink(photos / "cat", photos / "lynx")
    assert opened(photos).classes == ("cat", "dog", "lynx")
    os.symlink(photos, photos / "dog" / "again")
    with pytest.raises(ValueError, match="dog/again is a link to a folder that it lies in"):
        opened(photos)


# The cache

def test_the_cache_is_used_and_mapped(photos, caches, monkeypatch):
    first = opened(photos)
    file, = caches.iterdir()
    monkeypatch.setattr("minivit.data.folder.decode", lambda *_: 1 / 0)
    again = opened(photos)
    assert again.checksum == first.checksum and isinstance(again.train.images, np.memmap)
    assert not again.train.images.flags.owndata and file.stat().st_size < 6 * 10 * 12 * 3 + 1000


def touch(photos):
    save(photos / "cat" / "0.png", picture(77))


def longer(photos):
    path = photos / "cat" / "0.png"
    path.write_bytes(path.read_bytes() + b"\0")


CHANGES = {"another picture": touch, "a longer file": longer,
           "a new file": lambda photos: save(photos / "cat" / "3.png", picture(8)),
           "a file gone": lambda photos: (photos / "cat" / "0.png").unlink(),
           "another name": lambda photos: (photos / "cat" / "0.png").rename(photos / "cat" / "00.png"),
           "a later date": lambda photos: os.utime(photos / "cat" / "0.png", (1, 1))}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_makes_another_cache(photos, caches, change):
    before = opened(photos)
    change(photos)
    after = opened(photos)
    assert len(list(caches.iterdir())) == 2
    fresh = opened(photos, "cache=false")
    assert after.checksum == fresh.checksum
    assert (before.checksum == fresh.checksum) is (change in (longer, CHANGES["another name"], CHANGES["a later date"]))


def test_another_setting_or_version_makes_another_cache(photos, caches, monkeypatch):
    for options in ((), ("size=8",), ("size=9",), ("size=8", "channels=1"), ("skip_bad=true",), ("holdout=0.3",)):
        opened(photos, *options)
    assert len(list(caches.iterdir())) == 6
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    opened(photos)
    assert len(list(caches.iterdir())) == 7


def test_a_folder_that_moved_keeps_its_cache(photos, caches):
    opened(photos)
    photos.rename(photos.with_name("moved"))
    opened(photos.with_name("moved"))
    assert len(list(caches.iterdir())) == 1


def test_a_damaged_cache_is_made_again(photos, caches):
    good = opened(photos).checksum
    file, = caches.iterdir()
    whole = file.read_bytes()
    for content in (b"", whole[:100], whole[:-1], whole[:-16] + bytes(16), whole[:-40] + b"?" * 24 + whole[-16:],
                    whole + b"x", b"x" + whole):
        file.write_bytes(content)
        assert opened(photos).checksum == good and file.read_bytes() == whole


@pytest.mark.parametrize("code, word", [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only"),
                                        (errno.EACCES, "Permission denied")])
def test_a_disk_that_takes_nothing_more_is_named_and_nothing_stays(photos, caches, monkeypatch, code, word):
    written = []

    def add(self, part, pixels, label):
        written.append(label)
        if len(written) == 4:
            raise OSError(code, os.strerror(code))
        add_usual(self, part, pixels, label)
    add_usual = cache.CacheWriter.add
    monkeypatch.setattr(cache.CacheWriter, "add", add)
    with pytest.raises(OSError, match=rf"images cannot be kept \({word}.*XDG_CACHE_HOME.*cache=false.*{caches}"):
        opened(photos)
    assert files_of(caches) == {}
    monkeypatch.undo()
    assert len(opened(photos, "cache=false").train) == 6


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_disk_that_is_really_full(photos, caches, monkeypatch):
    monkeypatch.setattr("minivit.atomic.os.fdopen", lambda handle, mode: (os.close(handle), open("/dev/full", mode))[1])
    with pytest.raises(OSError, match="decoded images cannot be kept .No space left"):
        opened(photos)
    assert files_of(caches) == {}


def test_a_process_that_is_killed_leaves_no_cache_and_no_harm(photos, caches):
    for k in range(400):
        save(photos / "cat" / f"more{k}.png", picture(k))
    code = f"from minivit.data import open_dataset; print('ready', flush=True); open_dataset({str(photos)!r})"
    for delay in (0.05, 0.15, 0.3):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | {
            "PYTHONPATH": str(Path(__file__).parent.parent)})
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert all(file.startswith(".") or file.endswith(".images") for file in files_of(caches))
    data = opened(photos)
    assert len(data.train) == 406 and data.checksum == opened(photos, "cache=false").checksum
    for file in caches.glob(".*"):
        os.utime(file, (1, 1))
    save(photos / "cat" / "last.png", picture(7))
    opened(photos)
    assert not list(caches.glob(".*"))


# Bad files and folders

def png_header(width, height):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def jpeg():
    file = io.BytesIO()
    picture().save(file, "JPEG")
    return file.getvalue()


BAD = {
    "truncated": ("1.jpg", jpeg()[:-20], "is damaged: it cannot be decoded"),
    "zero bytes": ("1.png", b"", "is not an image that minivit reads"),
    "no image": ("notes.txt", b"the cat sat on the mat", "notes.txt is not an image that minivit reads"),
    "a web page": ("1.jpg", b"<!DOCTYPE html>404", "is not an image"),
    "100 megapixels": ("1.png", png_header(10_000, 10_000), "has more than 64 million pixels"),
    "200 megapixels": ("1.png", png_header(20_000, 10_000), "has more than 64 million pixels"),
    "another format": ("1.gif", b"GIF89a\1\0\1\0\x80\0\0", "expected a JPEG, PNG or WebP"),
}


@pytest.mark.parametrize("name, content, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_named_or_counted(photos, name, content, message):
    bad = photos / "dog" / f"x{name}"
    bad.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        opened(photos, SMALL)
    assert str(bad) in str(caught.value) and "skip_bad=true" in str(caught.value)
    data = opened(photos, SMALL, "skip_bad=true")
    assert len(data.train) == 6 and data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    note, = data.notes
    assert note.startswith("1 bad file(s) left out: ") and str(bad) in note
    assert opened(photos, SMALL, "skip_bad=true").notes == data.notes           # from the cache, too


def test_many_bad_files_are_counted(photos):
    for k in range(5):
        (photos / "cat" / f"bad{k}.png").write_bytes(b"")
    note, = opened(photos, "skip_bad=true").notes
    assert note.startswith("5 bad file(s)") and note.count("bad") < 9 and note.endswith("; ...")


def test_broken_links_and_pipes_do_not_hang(photos):
    os.symlink("nowhere", photos / "cat" / "gone.png")
    with pytest.raises(ValueError, match="cat/gone.png"):
        opened(photos)
    os.mkfifo(photos / "dog" / "pipe.png")
    note, = opened(photos, "skip_bad=true").notes
    assert "2 bad file(s)" in note and "gone.png" in note and "pipe.png is no file, but a device or a pipe" in note


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(photos):
    os.chmod(photos / "cat", 0)
    try:
        with pytest.raises(PermissionError, match="photos/cat"):
            opened(photos)
    finally:
        os.chmod(photos / "cat", 0o755)


def test_what_may_not_be_read_is_named(photos, monkeypatch):
    usual = os.scandir

    def scandir(path):
        if str(path).endswith("cat"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return usual(path)
    monkeypatch.setattr("minivit.data.source.os.scandir", scandir)
    with pytest.raises(PermissionError, match="photos/cat"):
        opened(photos)


def test_a_class_without_images_is_named(photos):
    (photos / "eel").mkdir()
    with pytest.raises(ValueError, match="photos: class 'eel' has no image to train on: .*skip_bad=true"):
        opened(photos)
    data = opened(photos, "skip_bad=true")
    assert data.classes == ("cat", "dog", "eel") and data.notes == ("no train image in 1 class(es): eel",)


def test_a_folder_of_bad_files_only_is_refused(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "x" / name).mkdir(parents=True)
        (tmp_path / "x" / name / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match="x has no image that can be read: .*cat/1.png is not an image"):
        opened(tmp_path / "x", "skip_bad=true")


def test_hidden_files_are_left_out_and_counted(photos):
    (photos / "cat" / ".DS_Store").write_bytes(b"x")
    (photos / ".git").mkdir()
    (photos / "readme.md").write_text("x")
    data = opened(photos)
    assert data.classes == ("cat", "dog") and len(data.train) == 6
    assert data.notes == ("1 file(s) in no class are left out: readme.md",
                          "2 hidden file(s) or folder(s) left out: their names begin with a dot")


LAYOUTS = {
    "two spellings": (["cat/1", "Cat/1", "dog/1"], "'Cat' and 'cat' look like one class in two spellings"),
    "two encodings": (["caf\u00e9/1", "cafe\u0301/1"], "one class in two spellings"),
    "spelt otherwise in test": (["train/cat/1", "train/dog/1", "test/cat/1", "test/Dog/1"], "'Dog' and 'dog'"),
    "a class in test only": (["train/cat/1", "train/dog/1", "test/cat/1", "test/dogs/1"],
                             "test has a class that training does not have: unknown class 'dogs': did you mean 'dog'"),
    "one class": (["cat/1.png"], "there is only the folder 'cat': expected CLASS/image.jpg"),
    "one class in train": (["train/cat/1", "test/cat/1"], "only the folder 'cat' in train"),
    "no class": (["1.png"], "there is no folder: expected"),
    "no class in train": (["train/1.png", "test/1.png"], "no folder in train"),
}


@pytest.mark.parametrize("files, message", LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_that_makes_no_classes_is_named(files, message):
    with pytest.raises(ValueError, match=message):
        arrange(files, sorted({str(above) for name in files for above in Path(name).parents} - {"."}))


@pytest.mark.parametrize("files, classes, train, test", [
    (["a/1", "b/2"], "ab", "01", None),
    (["a/1", "a/x/y/2", "b/2"], "ab", "001", None),                          # folders below a class belong to it
    (["x/a/1", "x/b/1"], "ab", "01", None),                                  # a folder around all is looked through
    (["x/y/train/a/1", "x/y/train/b/1", "x/y/test/b/1"], "ab", "01", "1"),
    (["test/a/1", "test/b/1"], "ab", None, "01"),
    (["b/1", "a/1", "c/1"], "abc", "102", None)])
def test_layouts(files, classes, train, test):
    folders = sorted({str(above) for name in files for above in Path(name).parents} - {"."})
    layout = arrange(files, folders)
    assert layout.classes == tuple(classes) and layout.notes == ()
    for listed, labels in ((layout.train, train), (layout.test, test)):
        assert (None if listed is None else "".join(str(y) for _, y in listed)) == labels


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_an_archive_cut_anywhere_is_named(photos, tmp_path, mode):
    """Between two files, too, where tarfile itself would take what comes before for all there is."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, mode) as archive:
        archive.add(photos, "photos")
    content = path.read_bytes()
    end = len(content.rstrip(b"\0")) if mode == "w" else len(content) - 100    # nothing but the padding follows
    for length in [*range(512, end, 512 if mode == "w" else end // 12), end]:
        path.write_bytes(content[:length])
        with pytest.raises((ValueError, OSError), match="x.tar"):
            opened(path)


def test_an_archive_with_a_damaged_header_is_named(photos, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(photos, "photos")
    content = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(content.replace(b"photos/dog/1.png", b"photos/dog/q.png"))
    with pytest.raises(ValueError, match="x.tar is no whole tar archive"):
        opened(tmp_path / "x.tar")


def test_threads_decode_and_leave_the_warnings_as_they_were(photos):
    before = list(warnings.filters)
    images = list(decode(Folder(photos), ["cat/0.png"] * 600, (), 3))
    assert len(images) == 600 and warnings.filters == before
    np.testing.assert_array_equal(images[-1], np.asarray(picture(0)))


# minivit data show

def test_show_of_a_folder_says_what_was_left_out(minivit, photos, tmp_path):
    (photos / "cat" / "bad.png").write_bytes(b"")
    status, _, complaint = minivit("data", "show", photos, "-o", tmp_path / "sheet.png")
    assert status == 2 and "cat/bad.png is not an image" in complaint
    status, printed, _ = minivit("data", "show", photos, "--skip-bad", "-o", tmp_path / "sheet.png")
    assert status == 0 and "note: 1 bad file(s) left out: " in printed and "6 train images" in printed
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"

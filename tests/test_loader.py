"""The loader's threads: the same batches for any number of them, errors that name an image, nothing left running."""
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from minivit.data import Augmentation, Loader, LoaderError, Split
from minivit.data.augment import Step
from minivit.streams import Draw

RECIPE = "crop:2, flip, randaugment:m9-mstd0.5-inc1, erase:0.25, mixup:0.8, cutmix:1"


def split(n=23, Sy=8, Sx=9, C=3):
    pixels = np.random.default_rng(0).integers(0, 256, (n, Sy, Sx, C), dtype=np.uint8)
    pixels.flags.writeable = False
    return Split(pixels, np.arange(n) % 4)


def loader(data=None, **options):
    options = {"batch_size": 5, "seed": 3, "augment": Augmentation.parse(RECIPE), "classes": 4} | options
    return Loader(data or split(), mean=(0.5,) * 3, std=(0.25,) * 3, **options)


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        for name in ("images", "labels", "index", "targets"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minivit-loader")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert loader_threads() == []


# The same batches

@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_do_not_depend_on_threads(threads, drop_last):
    expected = list(loader(threads=0, drop_last=drop_last).epoch(4))
    assert [len(batch) for batch in expected] == [5, 5, 5, 5] + [3] * (not drop_last)
    assert_same(expected, loader(threads=threads, ahead=2, drop_last=drop_last).epoch(4))
    assert_same(expected[2:], loader(threads=threads, drop_last=drop_last).epoch(4, first_batch=2))
    assert list(loader(threads=threads, drop_last=drop_last).epoch(4, first_batch=len(expected))) == []


def test_epochs_and_batches_are_mixed_each_in_its_own_way():
    load = loader(augment=Augmentation.parse("mixup:1"), shuffle=False, batch_size=4)
    lams = [batch.targets[0].max() for number in range(3) for batch in load.epoch(number)][:15]
    assert len(set(lams)) == len(lams)


def test_targets_are_labels_or_shares_of_classes():
    batch = next(loader().epoch(0))
    assert batch.targets.dtype == np.float32 and batch.targets.shape == (5, 4)
    np.testing.assert_allclose(batch.targets.sum(axis=1), 1, rtol=1e-6)
    part = batch[1:3]
    np.testing.assert_array_equal(part.targets, batch.targets[1:3])
    plain = next(loader(augment=None, classes=None).epoch(0))
    assert plain.targets is plain.labels


def test_mixing_is_what_the_batch_says():
    """The mixed batch is lam times the unmixed one and 1 - lam times its reverse, and so are the targets."""
    plain = next(loader(augment=Augmentation.parse("crop:2, flip")).epoch(1))
    mixed = next(loader(augment=Augmentation.parse("crop:2, flip, mixup:1")).epoch(1))
    one_hot = np.eye(4, dtype=np.float32)[plain.labels]
    lam = next(float(t[y]) for t, y, other in zip(mixed.targets, plain.labels, plain.labels[::-1]) if y != other)
    np.testing.assert_allclose(mixed.images, lam * plain.images + (1 - lam) * plain.images[::-1], atol=1e-5)
    np.testing.assert_allclose(mixed.targets, lam * one_hot + (1 - lam) * one_hot[::-1], atol=1e-6)


def test_erasing_comes_after_normalising():
    load = loader(augment=Augmentation.parse("erase:1:const"))
    for batch in load.epoch(0):
        assert ((batch.images == 0).all(axis=1).any(axis=(1, 2))).all()     # 0, the mean colour, in each image
    augment, draw = load.augment, Draw(3, 0, "augment", first_image=0)
    unerased = next(loader(augment=None).epoch(0)).images
    np.testing.assert_array_equal(next(load.epoch(0)).images, augment.erase(unerased, draw))


def test_repeats_show_versions_of_an_image_side_by_side():
    load = loader(repeats=3, augment=Augmentation.parse("crop:3"), batch_size=6)
    batches = list(load.epoch(0))
    index = np.concatenate([batch.index for batch in batches])
    assert len(index) == 23 and len(set(index)) == 8
    np.testing.assert_array_equal(index[:21].reshape(7, 3), np.repeat(index[:21:3], 3).reshape(7, 3))
    first = batches[0].images[:3]
    assert any((one != first[0]).any() for one in first[1:])
    others = np.concatenate([batch.index for batch in load.epoch(1)])
    assert set(others) != set(index)


def test_images_may_lie_in_a_file(tmp_path):
    data = split()
    path = tmp_path / "images.npy"
    np.save(path, data.images)
    mapped = Split(np.load(path, mmap_mode="r"), data.labels)
    assert isinstance(mapped.images, np.memmap)
    assert_same(loader(data).epoch(0), loader(mapped).epoch(0))


def test_resized_crops_change_the_size_of_a_batch():
    load = loader(augment=Augmentation.parse("resized_crop:0.5/1:size=12, erase:0.5, cutmix:1"))
    assert [batch.images.shape for batch in load.epoch(0)] == [(5, 3, 12, 12)] * 4 + [(3, 3, 12, 12)]


# Threads that begin and end

class Noting(Step):
    """Notes the batches that it is given."""

    name = "noting"
    batches = []

    def __call__(self, images, draw):
        self.batches.append(draw.first_image)
        return images


def test_batches_are_made_while_the_caller_works_but_not_without_limit():
    noting = Noting()
    noting.batches.clear()
    batches = loader(split(100), batch_size=2, augment=noting, ahead=3).epoch(0)
    assert noting.batches == []                           # nothing is made before the first is asked for
    next(batches)
    deadline = time.monotonic() + 5
    while len(noting.batches) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert len(noting.batches) == 4                       # the one that was taken, and three ahead
    batches.close()
    assert loader_threads() == []


def test_threads_end_when_the_caller_leaves():
    for batch in loader(threads=2).epoch(0):
        assert loader_threads()
        break
    assert loader_threads() == []
    with pytest.raises(ZeroDivisionError):
        for batch in loader(threads=2).epoch(0):
            1 / 0
    assert loader_threads() == []
    for batch in loader(threads=2).epoch(0):
        pass
    assert loader_threads() == []


CTRL_C = """
import sys, time
import numpy as np
from minivit.data import Augmentation, Loader, Split
pixels = np.zeros((4000, 8, 8, 3), np.uint8)
load = Loader(Split(pixels, np.zeros(4000, np.int64)), 4, (0.5,) * 3, (0.5,) * 3, threads=2,
              augment=Augmentation.parse("randaugment:p1"))
for number in range(1000):
    for k, batch in enumerate(load.epoch(number)):
        if (number, k) == (0, 2):
            print("running", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole groups of processes")
def test_ctrl_c_ends_the_process():
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", CTRL_C], stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode not in (0, -signal.SIGKILL) and "KeyboardInterrupt" in error


def test_an_iterator_that_is_left_open_does_not_hold_up_the_process():
    script = CTRL_C.partition("for number")[0] + "batches = load.epoch(0)\nnext(batches)\nsys.exit(3)"
    assert subprocess.run([sys.executable, "-c", script], timeout=20).returncode == 3


# Errors

class Broken(Step):
    """Fails where an image's first pixel is 7."""

    name = "broken"

    def __call__(self, images, draw):
        if (images[:, 0, 0, 0] == 7).any():
            raise ArithmeticError("seven is too much")
        return images


def marked(*positions):
    pixels = np.zeros((23, 4, 4, 3), np.uint8)
    pixels[list(positions), 0, 0] = 7
    return Split(pixels, np.arange(23) % 4)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_an_error_names_the_image_and_comes_when_its_batch_is_due(threads):
    batches = loader(marked(13, 14), shuffle=False, augment=Broken(), threads=threads).epoch(2)
    assert [len(next(batches)) for _ in range(2)] == [5, 5]
    with pytest.raises(LoaderError, match="image 13 of the split, number 13 of epoch 2: seven is too much") as caught:
        next(batches)
    assert isinstance(caught.value.__cause__, ArithmeticError)
    assert list(batches) == []


def test_an_error_names_the_position_in_the_split_not_in_the_order():
    order = np.concatenate([batch.index for batch in loader(marked(), augment=None).epoch(0)])
    where = int(np.flatnonzero(order == 17)[0])
    with pytest.raises(LoaderError, match=f"image 17 of the split, number {where} of epoch 0"):
        list(loader(marked(17), augment=Broken()).epoch(0))


class BrokenByChance(Step):
    """Fails for an image by its number in the epoch, as one does whose random numbers bring out a fault."""

    name = "chance"

    def __call__(self, images, draw):
        if draw.first_image <= 13 < draw.first_image + len(images):
            raise ArithmeticError("unlucky")
        return images


def test_an_error_that_depends_on_random_numbers_is_found_too():
    with pytest.raises(LoaderError, match="number 13 of epoch 0: unlucky"):
        list(loader(augment=BrokenByChance()).epoch(0))


class OutOfMemory(Step):
    """Fails for whole batches only."""

    name = "memory"

    def __call__(self, images, draw):
        if len(images) > 1:
            raise MemoryError("too many images")
        return images


def test_an_error_that_no_image_alone_makes_is_left_as_it_is():
    with pytest.raises(MemoryError, match="too many images"):
        list(loader(augment=OutOfMemory()).epoch(0))


@pytest.mark.parametrize("options, message", [
    ({"classes": None}, "classes, which mixing needs, must be an integer >= 4, not None"),
    ({"classes": 3}, "classes, which mixing needs, must be an integer >= 4, not 3"),
    ({"repeats": 0}, "repeats must be an integer >= 1, not 0"),
    ({"threads": -1}, "threads must be an integer >= 0, not -1"),
    ({"ahead": 0}, "ahead must be an integer >= 1, not 0"),
    ({"augment": "flip"}, r"augment must be an Augmentation, as Augmentation.parse\('crop:4, flip'\) gives it"),
])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        loader(**options)

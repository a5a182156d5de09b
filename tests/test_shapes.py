"""Shapes: what is drawn is what the labels and boxes say; local tasks are local, and long-range tasks are not."""
import hashlib
import time

import numpy as np
import pytest

from minivit.data import ShapesOptions, open_dataset, shapes
from minivit.data.shapes import TASKS
from minivit.data.shapes.draw import REACH, SHAPES, distance, paint

LONG = ("same-different", "parity", "aligned")


@pytest.fixture(scope="module")
def drawn():
    """Each task, with enough images to tell chance from more."""
    return {task: shapes(task, ShapesOptions(train=2000, test=1000)) for task in TASKS}


def test_ten_thousand_images_take_seconds():
    start = time.process_time()
    data = open_dataset("shapes-same-different")
    assert len(data.train) == 10_000 and data.train.images.shape[1:] == (32, 32, 3)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("task", TASKS)
def test_images_are_the_same_for_any_number_and_differ_by_seed_and_split(task):
    few, many = (shapes(task, ShapesOptions(train=n, test=n)) for n in (7, 600))
    np.testing.assert_array_equal(few.train.images, many.train.images[:7])
    np.testing.assert_array_equal(few.train.boxes, many.train.boxes[:7])
    other = shapes(task, ShapesOptions(train=7, test=7, seed=1))
    stacks = [few.train.images, few.test.images, other.train.images]
    assert len({image.tobytes() for stack in stacks for image in stack}) == 21


def test_images_are_these():
    """A checksum of all tasks: a change to what is drawn makes old results incomparable, and must be meant."""
    digest = hashlib.sha256()
    for task in TASKS:
        digest.update(shapes(task, ShapesOptions(train=20, test=0)).train.images)
    assert digest.hexdigest() == "553ca1f43213db1f77344a053115211d57b6ec180dbc2e329aeee470d1c6c1e0"


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_balanced(drawn, task):
    for split in (drawn[task].train, drawn[task].test):
        assert np.ptp(np.bincount(split.labels)) <= 1
        assert np.ptp(np.bincount(split.labels[:len(TASKS[task].classes) * 10])) == 0


@pytest.mark.parametrize("size", [24, 32, 57])
@pytest.mark.parametrize("task", TASKS)
def test_boxes_hold_the_objects_and_nothing_else_is_drawn(task, size):
    data = shapes(task, ShapesOptions(train=50, test=0, size=size, noise=0)).train
    assert data.images.shape == (50, size, size, 3)
    for image, boxes in zip(data.images.astype(int), data.boxes):
        inside = np.zeros((size, size), bool)
        for top, left, bottom, right in boxes:
            assert 0 <= top < bottom <= size and 0 <= left < right <= size
            assert not inside[top:bottom, left:right].any()                     # boxes do not overlap
            inside[top:bottom, left:right] = True
        if inside.all():                                                        # a texture may fill the image
            continue
        background, = np.unique(image[~inside], axis=0)
        changed = (image != background).any(-1)
        for top, left, bottom, right in boxes if task != "texture" else ():
            # A pixel that is hardly covered may keep its colour: the box is at most that one row or column larger
            rows, columns = np.nonzero(changed[top:bottom, left:right])
            assert rows.min() <= 1 and columns.min() <= 1
            assert rows.max() >= bottom - top - 2 and columns.max() >= right - left - 2


@pytest.mark.parametrize("kind", SHAPES)
def test_every_shape_has_the_same_area_and_stays_within_reach(kind):
    place = (np.arange(2000) + 0.5) / 2000 * 2 * REACH - REACH
    inside = distance(kind, place[:, None], place) < 0
    assert inside.mean() * (2 * REACH) ** 2 == pytest.approx(2, rel=2e-3)
    edge = np.ones_like(inside)
    edge[1:-1, 1:-1] = False
    assert not inside[edge].any()


def test_paint_returns_the_smallest_boxes():
    images = np.zeros((5, 20, 20, 3), np.float32)
    centre = np.array([[6, 7], [10, 10], [13, 12.5], [9.2, 9.9], [11, 8]], np.float32)
    boxes = paint(images, np.arange(5), centre, np.full(5, 5, np.float32), np.ones((5, 3), np.float32))
    for image, (top, left, bottom, right) in zip(images, boxes):
        rows, columns = np.nonzero(image[..., 0])
        assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (top, left, bottom, right)


# What solves a task, and what does not

def nearest_centroid(train, labels, test, test_labels):
    """The accuracy of comparing with the mean of each class, every feature divided by its spread."""
    train, test = (x.reshape(len(x), -1).astype(np.float32) for x in (train, test))
    spread = train.std(0) + 1e-9
    means = np.stack([(train[labels == y] / spread).mean(0) for y in range(labels.max() + 1)])
    distances = -2 * (test / spread) @ means.T + (means ** 2).sum(1)
    return (distances.argmin(1) == test_labels).mean()


def statistics(images):
    """Mean and spread of each channel, and of brightness, and the differences of neighbours."""
    x = images.astype(np.float32) / 255
    grey = x.mean(-1, keepdims=True)
    steps = [abs(np.diff(grey, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    return np.concatenate([x.mean((1, 2)), x.std((1, 2)), grey.std((1, 2))] + steps, axis=1)


def colours(images):
    x = images.astype(np.float32) / 255
    return np.concatenate([x.mean((1, 2)), x.std((1, 2))], axis=1)


@pytest.mark.parametrize("task", TASKS)
def test_no_task_is_solved_by_colours(drawn, task):
    data = drawn[task]
    accuracy = nearest_centroid(colours(data.train.images), data.train.labels, colours(data.test.images),
                                data.test.labels)
    assert accuracy < 1 / len(data.classes) + 0.06


@pytest.mark.parametrize("task", LONG)
def test_no_long_range_task_is_solved_by_statistics_or_a_window(drawn, task):
    data = drawn[task]

    def accuracy(features):
        return nearest_centroid(features(data.train.images), data.train.labels, features(data.test.images),
                                data.test.labels)
    assert accuracy(statistics) < 0.56 and accuracy(lambda images: images) < 0.56
    for top in (0, 11, 22):
        for left in (0, 11, 22):
            window = (slice(None), slice(top, top + 10), slice(left, left + 10))
            assert accuracy(lambda images: images[window]) < 0.56
            assert accuracy(lambda images: statistics(images[window])) < 0.56


def test_a_texture_is_known_by_a_window(drawn):
    """The differences of neighbours, in the middle of the image, tell four of five textures well above chance."""
    data = drawn["texture"]

    def edges(images):
        x = images[:, 11:21, 11:21].astype(np.float64).mean(-1)
        turns = [x[:, 1:, 1:] - x[:, :-1, 1:], x[:, 1:, 1:] - x[:, 1:, :-1], x[:, 1:, 1:] - x[:, :-1, :-1],
                 x[:, 1:, :-1] - x[:, :-1, 1:]]
        energy = np.stack([abs(turn).mean((1, 2)) for turn in turns], axis=1)
        return energy / energy.sum(1, keepdims=True)
    assert nearest_centroid(edges(data.train.images), data.train.labels, edges(data.test.images),
                            data.test.labels) > 0.75


def test_a_window_of_a_third_never_sees_two_objects(drawn):
    for task in LONG:
        boxes = drawn[task].train.boxes
        for i in range(boxes.shape[1]):
            for j in range(i):
                (top, left, bottom, right), others = boxes[:, i].T, boxes[:, j].T
                gap_y = np.maximum(top, others[0]) - np.minimum(bottom, others[2])
                gap_x = np.maximum(left, others[1]) - np.minimum(right, others[3])
                assert np.maximum(gap_y, gap_x).min() >= 32 // 3 - 1        # so a window of 10 pixels has one at most


def crops(split, j):
    """Object j of each image on a common grid: how covered each place of its box is, from 0 to 1."""
    out = np.zeros((len(split), 16, 16))
    for k, (top, left, bottom, right) in enumerate(split.boxes[:, j]):
        grey = split.images[k].astype(float).mean(-1)
        background = np.median(grey[::4, ::4])
        cover = abs(grey[top:bottom, left:right] - background)
        cover = cover[cover.max(1) > cover.max() / 2][:, cover.max(0) > cover.max() / 2]     # no faint rows
        rows, columns = (np.linspace(0, side - 1, 16).round().astype(int) for side in cover.shape)
        out[k] = cover[rows][:, columns] / cover.max()
    return out


def kinds(split, j):
    """Which shape object j of each image is: the one whose ideal cover is most like it, within its box."""
    place = (np.arange(16) + 0.5) / 8 - 1
    found = crops(split, j)
    ideal = []
    for kind in SHAPES:
        fine = np.linspace(-REACH, REACH, 400)
        inside = distance(kind, fine[:, None], fine) < 0
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = inside[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].astype(float)
        pick = [((place + 1) / 2 * (side - 1)).round().astype(int) for side in box.shape]
        ideal.append(box[pick[0]][:, pick[1]])
    return np.stack([((found - one) ** 2).sum((1, 2)) for one in ideal], axis=1).argmin(1)


@pytest.fixture(scope="module")
def clear():
    """{task: (split, kinds (objects, n))} of the long-range tasks, large and without noise, so that boxes can be looked
    into."""
    splits = {task: shapes(task, ShapesOptions(train=1000, test=0, size=64, noise=0)).train for task in LONG}
    return {task: (split, np.stack([kinds(split, j) for j in range(split.boxes.shape[1])]))
            for task, split in splits.items()}


def test_what_the_objects_are_together_solves_the_long_range_tasks(clear):
    split, (one, other) = clear["same-different"]
    assert ((one == other) == split.labels).mean() > 0.98
    split, found = clear["parity"]
    assert (((found == 0).sum(0) % 2 == 0) == split.labels).mean() > 0.98
    split, _ = clear["aligned"]
    middle = split.boxes[:, :, :2] + split.boxes[:, :, 2:]
    assert ((abs(middle[:, 0] - middle[:, 1]).min(1) <= 8) == split.labels).mean() > 0.98


@pytest.mark.parametrize("task", LONG)
def test_what_one_object_is_and_where_says_nothing(clear, task):
    """Kind and place of one object, cross-counted with the label: no more than chance of a dependence (chi-square)."""
    split, found = clear[task]
    for j in range(len(found)):
        middle = (split.boxes[:, j, :2] + split.boxes[:, j, 2:]) // 2
        for values in (found[j], middle[:, 0] // 13, middle[:, 1] // 13):
            table = np.array([np.bincount(values[split.labels == y], minlength=values.max() + 1) for y in (0, 1)])
            table = table[:, table.sum(0) > 0]
            expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
            chi, freedom = ((table - expected) ** 2 / expected).sum(), table.shape[1] - 1
            assert chi < freedom + 4.5 * np.sqrt(2 * max(freedom, 1))       # a tail of about 1 in 1,000


def test_three_objects_of_parity_say_nothing(clear):
    split, found = clear["parity"]
    three = sum((found[j] == 0) * 2 ** j for j in range(3))
    assert max(abs(split.labels[three == code].mean() - 0.5) for code in range(8)) < 0.15


def test_an_unknown_task_is_named():
    with pytest.raises(ValueError, match="unknown task of shapes 'textur': did you mean 'texture'"):
        shapes("textur")

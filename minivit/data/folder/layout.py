"""Which file of a folder shows which class, and belongs to which split.

- `arrange(files, folders, test)`: a `Layout` of names like train/cat/1.jpg
- `hold_out(layout, share)`: one with a part of the training images for testing

    CLASS/...                       every image is for training
    train/CLASS/...                 and test/CLASS/..., or val/ where there is no test/

A class is a folder; what lies in folders below it belongs to it too. A folder around all this is looked through.
"""
import unicodedata
from dataclasses import dataclass, replace

from minivit.errors import unknown
from minivit.streams import stream

_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")


@dataclass(frozen=True)
class Layout:
    """classes: their names, in order. train, test: ((name of a file, class number), ...), as the files were given; test
    is None where there is no folder for it. notes: sentences on what is left out."""

    classes: tuple
    train: tuple | None
    test: tuple | None
    notes: tuple


def arrange(files, folders, test=""):
    """The Layout of these files and folders, names with "/" between. test: the folder of the test split, "" for the
    first that there is of those above. Raises ValueError where they do not make at least two classes."""
    top = _top(files, folders)
    below = [name.removeprefix(top) for name in folders if name.startswith(top)]
    heads = [name for name in below if "/" not in name]
    places = {name.lower(): name for name in heads}
    train = next((places[name] for name in _TRAIN if name in places), None)
    if test and test not in heads:
        raise ValueError(unknown("folder of the test split", test, heads))
    tests = [test] if test else [places[name] for name in _TEST if name in places]
    if train is None and not tests:
        return _whole(files, top, "", below)
    parts = {"train": train, "test": tests[0] if tests else None}
    notes = _left_out(files, top, [name for name in parts.values() if name])
    found = {}
    for part, head in parts.items():
        if head is not None:
            inside = [name.removeprefix(f"{head}/") for name in below if name.startswith(f"{head}/")]
            found[part] = _whole(files, f"{top}{head}/", part, inside, least=1 if found else 2)
            notes += found[part].notes
    classes = _agreed(found)
    number = {name: y for y, name in enumerate(classes)}
    splits = {part: None if part not in found else tuple(
        (name, number[found[part].classes[y]]) for name, y in found[part].train) for part in parts}
    return Layout(classes, splits["train"], splits["test"], tuple(notes))


def hold_out(layout, share):
    """The Layout with this share of each class's training images as its test split; which ones, depends on the names
    alone. Raises ValueError where there is a test split already."""
    if layout.test is not None or layout.train is None:
        raise ValueError("holdout is for a folder without a test split, and this one has a folder for it")
    of_class, test = {}, set()
    for file, y in layout.train:
        of_class.setdefault(y, []).append(file)
    for y, own in of_class.items():
        order = stream(0, place=f"holdout {layout.classes[y]}").permutation(len(own))
        test |= {own[k] for k in order[:round(share * len(own))]}
    train, test = (tuple(item for item in layout.train if (item[0] in test) is held) for held in (False, True))
    return replace(layout, train=train, test=test)


def without_image(classes, listed):
    """The classes of which no image is in `listed`, pairs with the label second; none where that is None."""
    labels = {y for _, y in listed or ()}
    return [] if listed is None else [name for y, name in enumerate(classes) if y not in labels]


def _top(files, folders):
    """The folder around all others, "" or ending in "/"."""
    top = ""
    while True:
        heads = {name.removeprefix(top).split("/")[0] for name in folders if name.startswith(top) and name != top[:-1]}
        loose = any("/" not in name.removeprefix(top) for name in files if name.startswith(top))
        deeper = top + "".join(heads) + "/" if len(heads) == 1 else None
        if deeper is None or loose or deeper.split("/")[-2].lower() in _TRAIN + _TEST:
            return top
        if not any(name.startswith(deeper) for name in folders):            # no folder in it: a class
            return top
        top = deeper


def _whole(files, top, part, folders, least=2):
    """The Layout of all files below `top` as one split, whose classes, `least` or more, are the folders there."""
    classes = sorted(name for name in folders if "/" not in name)
    if len(classes) < least:
        there = f"only the folder {classes[0]!r}" if classes else "no folder"
        raise ValueError(f"a class is a folder of images, and there is {there}{f' in {part}' if part else ''}: "
                         f"expected CLASS/image.jpg or train/CLASS/image.jpg, of two classes at least")
    _check_spelling(classes)
    number = {name: y for y, name in enumerate(classes)}
    images, loose = [], []
    for name in files:
        if name.startswith(top):
            head, _, rest = name.removeprefix(top).partition("/")
            if rest:
                images.append((name, number[head]))
            else:
                loose.append(name)
    notes = (f"{len(loose)} file(s) in no class are left out: {some(loose)}",) if loose else ()
    return Layout(tuple(classes), tuple(images), None, notes)


def _left_out(files, top, heads):
    others = [name for name in files if not any(name.startswith(f"{top}{head}/") for head in heads)]
    return [f"{len(others)} file(s) outside {' and '.join(heads)} are left out: {some(others)}"] if others else []


def _check_spelling(classes):
    """Raise ValueError where two names differ only in capitals, or in how an accent is encoded."""
    seen = {}
    for name in classes:
        other = seen.setdefault(_folded(name), name)
        if other != name:
            raise ValueError(f"the folders {other!r} and {name!r} look like one class in two spellings: make them one, "
                             f"or give them names that differ in more than capitals")


def _agreed(found):
    """The classes of both splits, which must not have some of their own."""
    if len(found) == 1:
        return next(iter(found.values())).classes
    train, test = found["train"].classes, found["test"].classes
    _check_spelling(sorted({*train, *test}))
    strangers = [name for name in test if name not in train]
    if strangers:
        raise ValueError(f"test has {'classes' if len(strangers) > 1 else 'a class'} that training does not have: "
                         f"{unknown('class', strangers[0], train)}")
    return train


def _folded(name):
    return unicodedata.normalize("NFKC", name).casefold()


def some(texts, joint=", "):
    """The first three of them."""
    return joint.join(texts[:3]) + (f"{joint}..." if len(texts) > 3 else "")

"""minivit data: the data sets that are here, how to get others, and what is in them."""
import argparse
import io
import json
import sys

import numpy as np

from minivit.data import open_dataset
from minivit.data.augment import Augmentation
from minivit.data.download import DownloadError, fetch
from minivit.data.named import NAMED, by_hand, find
from minivit.data.opening import SHAPES
from minivit.data.places import cache_folder, data_folders, download_folder
from minivit.data.shapes import TASKS
from minivit.data.sheet import contact_sheet, examples
from minivit.data.versions import augmented_examples
from minivit.errors import unknown
from minivit.weights import write_atomic

MADE = {"mnist5k": "5,000 handwritten digits, 28x28, grey: inside the package"}
MADE |= {name: f"made by code: {TASKS[task].about}" for name, task in SHAPES.items()}
PLACES = """Data sets are looked for by name in $MINIVIT_DATA, in ./data and in ~/.cache/minivit/data. Whatever asks for
a data set takes a path too: a folder of images, MNIST's or CIFAR's files, a tar archive, an .npz file;
and options behind it: photos:size=64,skip_bad=true or shapes-texture:train=500."""


def add_arguments(parser):
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, PLACES
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    def action(name, act, text):
        sub = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        sub.set_defaults(act=act)
        return sub

    listing = action("list", _list, "all data sets with names, and where they are")
    listing.add_argument("--json", metavar="FILE", help="write {name: path, or null where it is not here} to a file")
    getting = action("get", _get, "download a data set; what was begun is gone on with")
    getting.add_argument("name", metavar="NAME", help=", ".join(name for name in NAMED if NAMED[name].files))
    showing = action("show", _show, "what is in a data set, and a contact sheet of it")
    showing.add_argument("data", metavar="NAME_OR_PATH", help="data set")
    showing.add_argument("-o", "--out", metavar="FILE", default="sheet.png", help="PNG to write (default: sheet.png)")
    showing.add_argument("--split", choices=("train", "test"), help="which images (default: train, if there are any)")
    showing.add_argument("--per-class", type=int, default=10, metavar="N", help="images of each class (default: 10)")
    showing.add_argument("--classes", type=int, default=20, metavar="N", help="classes at most (default: 20)")
    showing.add_argument("--augment", metavar="TEXT", help="one image of each class and N - 1 versions of it, as "
                         "training with this augmentation sees them, such as 'crop:4, flip, mixup:0.8'")
    showing.add_argument("--skip-bad", action="store_true", help="of a folder, leave out files that cannot be read and "
                         "say how many")
    for sub in actions.choices.values():
        sub.add_argument("--root", metavar="FOLDER", help="the folder with all data sets, instead of the usual ones")
        sub.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS,
                         help="show where an error comes from")


def run(arguments):
    return arguments.act(arguments)


def _list(arguments):
    here = {name: find(name, arguments.root) for name in NAMED}
    if arguments.json:
        paths = dict.fromkeys(MADE, "") | {name: path and str(path.resolve()) for name, path in here.items()}
        write_atomic(arguments.json, (json.dumps(paths, indent=1) + "\n").encode())
        return 0
    for name, about in MADE.items():
        print(f"{name:<22} {about}")
    for name, path in here.items():
        known = NAMED[name]
        print(f"{name:<22} {known.about} ({known.source})")
        if path is not None:
            print(f"{'':<22}   here: {path}")
        elif known.files:
            print(f"{'':<22}   not here: minivit data get {name} ({_megabytes(sum(f.size for f in known.files))})")
        else:
            print(f"{'':<22}   not here, and not to be downloaded: put there {' or '.join(known.places)}")
    print(f"\nlooked for in {', '.join(map(str, data_folders(arguments.root)))}")
    kept = [file.stat().st_size for file in (cache_folder() / "images").glob("*.images")]
    if kept:
        print(f"decoded images of {len(kept)} folder(s), {_megabytes(sum(kept))}, are in {cache_folder() / 'images'}; "
              f"they may be deleted")
    return 0


def _get(arguments):
    if arguments.name in MADE:
        print(f"{arguments.name} needs no download")
        return 0
    if arguments.name not in NAMED:
        raise ValueError(unknown("data set", arguments.name, NAMED))
    known = NAMED[arguments.name]
    if not known.files:
        raise ValueError(f"{arguments.name} cannot be downloaded: put {' or '.join(known.places)} into one of "
                         f"{', '.join(map(str, data_folders(arguments.root)))}")
    folder = arguments.root or download_folder()
    for file in known.files:
        try:
            path = _with_bar(file, folder)
        except DownloadError as error:
            raise DownloadError(f"{error}\nAll of {known.title}, below {folder}: {by_hand(known)}") from error
        except KeyboardInterrupt:
            print(f"stopped; what has come is kept: go on with minivit data get {arguments.name}", file=sys.stderr)
            return 130
        print(path)
    return 0


def _with_bar(file, folder):
    from tqdm import tqdm
    with tqdm(total=file.size, desc=file.name, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
        return fetch(file, folder, lambda done, total: bar.update(done - bar.n))


def _show(arguments):
    if arguments.per_class < 1 or arguments.classes < 1:
        raise ValueError("--per-class and --classes must be at least 1")
    data = open_dataset(arguments.data, arguments.root, **({"skip_bad": True} if arguments.skip_bad else {}))
    part = arguments.split or ("train" if data.train is not None else "test")
    split = getattr(data, part)
    if split is None:
        raise ValueError(f"{data.name} has no {part} split")
    augment = arguments.augment and Augmentation.parse(arguments.augment, data.mean)
    _describe(data)
    if not augment:
        rows = examples(split, data.classes, arguments.per_class)[:arguments.classes]
    else:
        rows = augmented_examples(split, data, augment, max(arguments.per_class - 1, 1), arguments.classes)
    file = io.BytesIO()
    contact_sheet(rows).save(file, "PNG")
    write_atomic(arguments.out, file.getvalue())
    print(f"{sum(len(row.pictures) for row in rows)} {part} images, with their index: {arguments.out}")
    return 0


def _describe(data):
    """Print what is in a data set."""
    print(data.title if data.title == data.name else f"{data.title}: {data.name}")
    for part in ("train", "test"):
        split = getattr(data, part)
        if split is None:
            print(f"{part:<6} none")
            continue
        n, Sy, Sx, C = split.images.shape
        counts = np.bincount(split.labels, minlength=len(data.classes))
        each = f"{counts.min():,}" if counts.min() == counts.max() else f"{counts.min():,} to {counts.max():,}"
        boxes = "" if split.boxes is None else f", {split.boxes.shape[1]} box(es) in each"
        print(f"{part:<6} {n:,} images of {Sy} x {Sx} pixels, {C} channel(s), {each} of each class{boxes}")
    names = ", ".join(data.classes[:20]) + (", ..." if len(data.classes) > 20 else "")
    print(f"{len(data.classes)} classes: {names}")
    for what in ("mean", "std"):
        print(f"{what:<6} {', '.join(f'{number:.4f}' for number in getattr(data, what))}")
    print(f"sha256 {data.checksum}")
    for note in data.notes:
        print(f"note: {note}")


def _megabytes(size):
    return f"{size / 1e6:,.0f} MB"

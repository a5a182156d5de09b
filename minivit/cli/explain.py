"""minivit explain: where a trained model looks, in one HTML file."""
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from minivit.cli.options import add_device, in_folder, on_device
from minivit.cli.summary import fold, gather
from minivit.data import open_dataset, read_image
from minivit.inspect import confusion, summarise
from minivit.inspect.explorer import Side, explain
from minivit.models.registry import build_from
from minivit.nn import no_init
from minivit.train import Workers, find_weights, fit_data, logits_of
from minivit.train.fit import places_in_class
from minivit.weights import card_of, load

IMAGES = 16             # of a data set, where no image files are given
WEIGHTS = 6_000_000     # but no more attention weights than these, a byte each, if one image has not more
FLOP = 2e10             # what finding the mistakes of a run may cost: below a second


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_FILE", help="folder of a run, or a file of weights")
    parser.add_argument("images", metavar="IMAGE", nargs="*", help="JPEG, PNG or WebP files (default: some test images "
                        "of the data the model was trained on)")
    parser.add_argument("-o", "--out", metavar="FILE", default="attention.html", help="what to write (default: "
                        "attention.html)")
    parser.add_argument("--compare", metavar="RUN_OR_FILE", help="a second model, to be seen beside the first")
    parser.add_argument("--report", action="store_true", help="also the parts of the model, and, of a data set, what "
                        "it gets wrong")
    parser.add_argument("--data", metavar="DATA", help="data set whose test part is used (default: the data the model "
                        "was trained on)")
    parser.add_argument("--invert", action="store_true", help="swap light and dark of the image files")
    parser.add_argument("--no-compress", dest="compress", action="store_false", help="for a browser from before 2023")
    parser.add_argument("--max-mb", type=float, default=25, metavar="MB", help="write no larger file (default: 25)")
    add_device(parser)


def run(arguments):
    target = in_folder("-o", arguments.out)
    if arguments.images and arguments.data and not arguments.report:
        raise ValueError("--data names test images, for --report or where no image files are given: leave it out")
    if arguments.invert and not arguments.images:
        raise ValueError("--invert is for image files, and none is given")
    sides, data = [], arguments.data
    for name in [arguments.model] + ([arguments.compare] if arguments.compare else []):
        file = find_weights(name)
        model = on_device(load(file)[0], arguments.device)
        data = data or (None if arguments.images else model.card.about.get("data"))     # the first model's, for both
        if not arguments.images and data is None:
            raise ValueError(f"{file} does not say what it was trained on: give image files, or name a data set with "
                             f"--data")
        sides.append(_side(arguments, model, name, data))
    shown = min(len(side.images) for side in sides)
    sides = [replace(side, images=side.images[:shown], names=side.names[:shown], labels=side.labels[:shown])
             for side in sides]
    size = explain(target, *sides, compress=arguments.compress, max_mb=arguments.max_mb)
    if size > 5e6:
        print(f"{target} has {size / 1e6:.1f} MB, and will open slowly: fewer images make it smaller", file=sys.stderr)
    print(f"{target}: {shown} image{'s' if shown > 1 else ''}, {size / 1e6:.2f} MB; open it in a browser")
    return 0


def _side(arguments, model, name, data):
    """The Side of a model: image files, or test images of `data`, the name of a data set."""
    card, test = model.card, None
    if data is not None:
        test = fit_data(replace(open_dataset(data), train=None), size=model.config.image_size, card=card).test
        if test is None:
            raise ValueError(f"{data} has no test part")
    if not arguments.images:
        side = side_of(model, name, test)
    else:
        images = np.stack([read_image(path, card.preprocessing, model.config.in_chans) for path in arguments.images])
        side = Side(model, name, 255 - images if arguments.invert else images,
                    [Path(path).name for path in arguments.images], [None] * len(images))
    return with_report(side, test) if arguments.report else side


def side_of(model, name, split):
    """The Side of a model and some images of a Split, the first of each class, then the second of each, and so on."""
    classes = card_of(model).classes
    if split.labels.max() >= len(classes):
        raise ValueError(f"the data has the label {split.labels.max()}, but {name} only {len(classes)} classes: it was "
                         f"trained on other data")
    most = min(IMAGES, max(1, WEIGHTS // weights_of(model)))
    chosen = np.lexsort((split.labels, places_in_class(split.labels)))[:most]
    return Side(model, name, np.asarray(split.images[chosen]), [f"test image {n}" for n in chosen],
                split.labels[chosen].tolist())


def weights_of(model):
    """How many attention weights a model with attention computes for an image."""
    return sum(block.attn.heads * model.token_shape[0] ** 2 for block in model.blocks)


def with_report(side, split=None, most_flop=None):
    """The Side with the parts of its model and, of the images of a Split (of as many of them as `most_flop` allow), its
    confusion matrix."""
    model, card = side.model, card_of(side.model)
    with no_init():
        parts = summarise(build_from(model.config))         # one on the CPU, whatever the model computes on
    rows = [(path or "the model itself", " × ".join(map(str, shape)), f"{parameters:,}", f"{flop / 1e6:,.2f}")
            for path, shape, parameters, flop, *_ in fold(gather(parts, 2))]
    counts = None
    n = 0 if split is None else len(split)
    if most_flop is not None:
        n = min(n, int(most_flop / sum(part.flop for part in parts)))
    if n:
        chosen = np.linspace(0, len(split) - 1, n).round().astype(int)      # data may be sorted by class
        with Workers() as workers:
            logits = logits_of(model, split.images[chosen], card.mean, card.std, workers)
        counts = confusion(split.labels[chosen], logits.argmax(axis=1), len(card.classes))
    return replace(side, summary=[("module", "result", "parameters", "MFLOP")] + rows, confusion=counts)


def explain_run(trainer):
    """Leave the page of a run that is over in its folder. False, and nothing, of data without test images and of a
    model without attention, or with too much of it."""
    model = trainer.model
    if not hasattr(model, "blocks") or trainer.data.test is None or weights_of(model) > WEIGHTS:
        return False
    side = side_of(model, str(trainer.folder.path), trainer.data.test)
    explain(trainer.folder.attention, with_report(side, trainer.data.test, FLOP))
    return True

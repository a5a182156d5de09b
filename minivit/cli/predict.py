"""minivit predict: what a trained model sees in image files."""
import sys

import numpy as np

from minivit import ops
from minivit.cli.options import add_device, on_device
from minivit.data import read_image
from minivit.tensor import Tensor
from minivit.train import find_weights, logits_of
from minivit.weights import load


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_FILE", help="folder of a run, or a file of weights")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="JPEG, PNG or WebP files")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="how many classes to print (default: 3)")
    parser.add_argument("--invert", action="store_true", help="swap light and dark: MNIST's digits are white on black, "
                        "ink on paper is the opposite")
    add_device(parser)


def run(arguments):
    if arguments.top < 1:
        raise ValueError(f"--top must be at least 1, not {arguments.top}")
    model = on_device(load(find_weights(arguments.model))[0], arguments.device)
    card = model.card
    failed = False
    for path in arguments.images:
        try:
            image = read_image(path, card.preprocessing, model.config.in_chans)
        except (OSError, ValueError) as error:          # say so, and go on with the other images
            print(f"minivit predict: error: {error}", file=sys.stderr)
            failed = True
            continue
        image = 255 - image if arguments.invert else image
        logits = logits_of(model, image[None], card.mean, card.std)
        probabilities = ops.softmax(Tensor(logits)).data[0]
        best = np.argsort(-probabilities, kind="stable")[:arguments.top]
        print(f"{path}: " + ", ".join(f"{card.classes[k]} {probabilities[k]:.1%}" for k in best))
    return 2 if failed else 0

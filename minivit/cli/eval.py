"""minivit eval: accuracy and loss on test images."""
import json
from dataclasses import replace

from minivit.cli.options import add_device, in_folder, on_device
from minivit.data import open_dataset
from minivit.train import Workers, evaluate, find_weights, fit_data
from minivit.weights import load, write_atomic


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_FILE", help="folder of a run, or a file of weights")
    parser.add_argument("--data", metavar="FOLDER", help="data set whose test part is used; a folder with only MNIST's "
                        "two t10k files is enough (default: the data the model was trained on)")
    add_device(parser)
    parser.add_argument("--json", metavar="FILE", help='write {"accuracy", "loss", "images"} to a file')


def run(arguments):
    if arguments.json:
        in_folder("--json", arguments.json)
    file = find_weights(arguments.model)
    model = on_device(load(file)[0], arguments.device)
    name = arguments.data or model.card.about.get("data")
    if name is None:
        raise ValueError(f"{file} does not say what it was trained on: name a data set with --data")
    data = open_dataset(name)
    if data.test is None:
        raise ValueError(f"{name} has no test part")
    data = fit_data(replace(data, train=None), size=model.config.image_size, card=model.card)
    with Workers() as workers:
        result = evaluate(model, data.test, model.card.mean, model.card.std, workers)
    print(f"{file} on {data.title}: accuracy {result['accuracy']:.2%}, loss {result['loss']:.4f}, "
          f"{result['images']:,} images")
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(result) + "\n").encode())
    return 0

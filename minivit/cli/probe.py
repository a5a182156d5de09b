"""minivit probe: how much a trained model's features say about a data set, without training the model."""
import csv
import hashlib
import io
from pathlib import Path

from minivit.cli.options import numbers, read_toml
from minivit.data import open_dataset
from minivit.inspect import draw_probe
from minivit.train import RunFolder, Workers, find_weights, fit_data, logits_of, probe, without_head
from minivit.weights import load, load_arrays, save_arrays, write_atomic

TABLES = {"probe": ["start", "data", "shots"]}


def add_arguments(parser):
    parser.add_argument("start", metavar="CKPT", nargs="?", help="run folder or weights of minivit, timm, DeiT, "
                        "Hugging Face or Google")
    parser.add_argument("--data", metavar="DATA", help="data set: the classifiers see its training images and are "
                        "tested on its test images (default: what the model was trained on)")
    parser.add_argument("--shots", type=numbers, metavar="N,N,...", default=(1, 5, 10), help="images of each class "
                        "(default: 1,5,10); all of them are always tried too")
    parser.add_argument("--out", metavar="RUN", help="folder of the run (default: the next free of runs/001, ...)")
    parser.add_argument("--resume", metavar="RUN", help="go on with a stopped run: features that it has are not "
                        "computed again")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: one per core)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(arguments):
    folder, settings = _resumed(arguments) if arguments.resume is not None else _begun(arguments)
    model, _ = load(find_weights(settings["start"]))
    data = fit_data(open_dataset(settings["data"]), size=model.config.image_size, card=model.card)
    if data.train is None or data.test is None:
        raise ValueError(f"{data.name} needs training and test images to be probed with")
    with Workers(arguments.threads) as workers:
        features = {part: _features(folder.path / f"{part}.safetensors", model, split, workers)
                    for part, split in (("train", data.train), ("test", data.test))}
    rows = probe((features["train"], data.train.labels), (features["test"], data.test.labels), len(data.classes),
                 settings["shots"])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(folder.metrics, text.getvalue().encode())
    draw_probe(rows, folder.curves)
    if not arguments.quiet:
        print(f"{'shots':>6} {'images':>8} {'linear':>8} {'kNN':>8}   on {len(data.test):,} test images of {data.name}")
        for row in rows:
            print(f"{row['shots'] or 'all':>6} {row['images']:>8,} {row['linear']:>8.2%} {row['knn']:>8.2%}")
        print(f"curves: {folder.curves}")
    return 0


def _begun(arguments):
    """(folder, settings) of a new run."""
    import tomli_w
    if arguments.start is None:
        raise ValueError("probe needs a trained model: minivit probe CKPT --data FOLDER; or --resume RUN")
    file = find_weights(arguments.start)
    name = arguments.data or load(file)[0].card.about.get("data")
    if name is None:
        raise ValueError(f"{file} does not say what it was trained on: name a data set with --data")
    folder = RunFolder.next_free() if arguments.out is None else RunFolder(arguments.out)
    if folder.config.exists():
        raise FileExistsError(f"{folder.path} already holds a run: go on with it by --resume {folder.path}, or choose "
                              f"another folder with --out")
    settings = {"start": str(file.resolve()), "data": open_dataset(name).name, "shots": list(arguments.shots)}
    folder.path.mkdir(parents=True, exist_ok=True)
    write_atomic(folder.config, tomli_w.dumps({"probe": settings}).encode())
    return folder, settings


def _resumed(arguments):
    """(folder, settings) of a run that was stopped."""
    if arguments.start is not None or arguments.data is not None or arguments.out is not None:
        raise ValueError("--resume goes on with the run as it was configured: leave out the other settings")
    folder = RunFolder(arguments.resume)
    return folder, read_toml(folder.existing_config(), TABLES)["probe"]


def _features(file, model, split, workers):
    """The features (n, F) of a Split; from the file, if they are in there."""
    digest = hashlib.sha256(split.images)
    for array in model.state_dict().values():
        digest.update(array)
    identity = digest.hexdigest()
    if Path(file).exists():
        arrays, about = load_arrays(file)
        if about.get("identity") == identity:
            return arrays["features"]
    found = logits_of(without_head(model), split.images, model.card.mean, model.card.std, workers)
    save_arrays(file, {"features": found}, {"format": "minivit features 1", "identity": identity})
    return found

"""Mistakes of training, planted into runs that are right: what `preflight` must find, and where it must find nothing.

    python tests/plants.py CIFAR            # all mistakes and runs, three seeds; CIFAR: a folder with CIFAR-10

The test suite tries small models and few images of each; here they are those that people train.
"""
import json
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

from minivit import ops
from minivit.data import Loader, Split, mnist5k
from minivit.inspect import preflight
from minivit.train import TrainConfig, read_recipe, trainer_from


class Spoiled(Loader):
    """A Loader whose batches go through `spoil`."""

    def epoch(self, number, first_batch=0):
        return map(self.spoil, super().epoch(number, first_batch))

    @staticmethod
    def spoil(batch):
        labels = np.roll(batch.labels, 1)
        return replace(batch, labels=labels, targets=np.roll(batch.targets, 1, axis=0))


# Mistakes: functions that change a Trainer

def labels_from_one(trainer):
    split = trainer.loader.split
    trainer.loader = replace(trainer.loader, split=Split(split.images, split.labels + 1))


def label_of_the_neighbour(trainer):
    trainer.loader = Spoiled(**{f.name: getattr(trainer.loader, f.name) for f in fields(trainer.loader)})


def no_zero_grad(trainer):
    trainer.optimizer.zero_grad = lambda: None


def softmax_twice(trainer):
    loss = trainer.loss
    trainer.loss = lambda outputs, batch, images=None: loss(ops.softmax(outputs), batch, images)


def dropout_in_evaluation(trainer):
    forward = trainer.model.forward
    trainer.model.forward = lambda images: forward(ops.dropout(images, 0.1))


def a_frozen_layer(trainer):
    names = [name for name, _ in trainer.model.named_parameters() if name.split(".")[0] in ("blocks", "stages")]
    layer = names[0].rsplit(".", 2)[0]
    for name, parameter in trainer.model.named_parameters():
        if name.startswith(layer):
            parameter.requires_grad = False


def unnormalised(trainer):
    mean, std = (0.0,) * len(trainer.data.mean), (1.0,) * len(trainer.data.mean)
    trainer.loader = replace(trainer.loader, mean=mean, std=std)
    trainer.data = replace(trainer.data, mean=mean, std=std)


def a_hundredfold_learning_rate(trainer):
    schedule = trainer.schedule
    trainer.schedule = lambda step: 100 * schedule(step)


def shuffled_labels(trainer):
    split = trainer.loader.split
    labels = np.random.default_rng(trainer.seed).permutation(split.labels)
    trainer.loader = replace(trainer.loader, split=Split(split.images, labels))


PLANTS = {"labels": labels_from_one, "pairs": label_of_the_neighbour, "fresh_gradients": no_zero_grad,
          "logits": softmax_twice, "deterministic": dropout_in_evaluation, "every_parameter": a_frozen_layer,
          "normalised": unnormalised, "learning_rate": a_hundredfold_learning_rate, "neighbours": shuffled_labels}


# Runs that are right

def write_images(folder, per_class=100):
    """An image folder: coloured digits of 40 x 40 pixels, three classes."""
    data = mnist5k()
    for part, split in (("train", data.train), ("test", data.test)):
        for label in range(3):
            own = split.images[split.labels == label][:per_class]
            (folder / part / f"digit {label}").mkdir(parents=True)
            for number, image in enumerate(own):
                colours = np.random.default_rng(number).integers(64, 256, 3)
                picture = Image.fromarray((image * (colours / 255)).astype(np.uint8)).resize((40, 40))
                picture.save(folder / part / f"digit {label}" / f"{number:03d}.png")
    return folder


def by_recipe(name, seed, changes=None, **train):
    recipe = read_recipe(name)
    own = recipe.model if changes is None else changes
    return trainer_from(TrainConfig(**(recipe.train | {"seed": seed} | train)), own, quiet=True)


def findings(trainer):
    """The names of the checks that fail."""
    return [check.name for check in preflight(trainer) if not check.ok]


def main(cifar):
    report = {}
    with tempfile.TemporaryDirectory() as place:
        images = write_images(Path(place) / "images")
        start = Path(place) / "start"
        assert __import__("minivit.cli", fromlist=["main"]).main(
            ["train", "--recipe", "mnist", "--epochs", "2", "--out", str(start), "--quiet"]) == 0
        runs = {"mnist": lambda seed: by_recipe("mnist", seed),
                "cifar": lambda seed: by_recipe("cifar10-small", seed, data=cifar),
                "folder": lambda seed: by_recipe("cifar10-small", seed, data=str(images), image_size=(32, 32)),
                "finetune": lambda seed: by_recipe("vit-finetune", seed, data="mnist5k", start=str(start),
                                                   image_size=(42, 42))}
        for name, run in runs.items():
            for seed in range(3):
                report[f"{name} {seed}"] = {"nothing": findings(run(seed))}
                for check, plant in PLANTS.items():
                    trainer = run(seed)
                    plant(trainer)
                    report[f"{name} {seed}"][check] = findings(trainer)
                print(name, seed, json.dumps(report[f"{name} {seed}"]), flush=True)
    found = sum(check in failed for row in report.values() for check, failed in row.items() if check != "nothing")
    false = sum(bool(row["nothing"]) for row in report.values())
    print(f"found {found} of {len(report) * len(PLANTS)} planted mistakes; {false} of {len(report)} right runs blamed")
    return 0 if found == len(report) * len(PLANTS) and not false else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

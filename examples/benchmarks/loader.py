"""How fast a Loader makes batches, against how fast training takes them, for the recipes of this package.

    python examples/benchmarks/loader.py --recipe mnist --json results.json
    python examples/benchmarks/loader.py --recipe cifar10 --makers 1 2 4 8      # the Loader alone, on so many threads

Three pieces of work, in turn: the Loader alone, on one thread; training alone, on a batch made before; and both, the
Loader on a thread of its own beside training's workers. Quoted are medians: images/s of the first two and the ratio of
neighbours; how much processor time making an image takes, of what training on it takes; of the third images/s, and the
share of its time for which training waited for a batch. With --makers nothing is trained: the Loader alone, on so many
threads, in turn. Recipes for CIFAR-10 get images of its size made by code, so that nothing has to be downloaded.
"""
import argparse
import json
import time
from dataclasses import replace
from itertools import islice

import numpy as np
from peers import Minivit
from threadpoolctl import threadpool_limits

from minivit.backend import cpu_count
from minivit.data import Augmentation, Loader, Split, mnist5k
from minivit.models import create
from minivit.streams import stream
from minivit.train.recipe import RECIPES, read_recipe

MODELS = [name for name in RECIPES if "model" in read_recipe(name).train]       # others need weights to start from


def split_for(recipe):
    """(split, classes, mean, std) of images as the recipe's."""
    if recipe.train["data"] == "mnist5k":
        data = mnist5k()
        return data.train, len(data.classes), data.mean, data.std
    rng = stream(0, place="benchmark of the loader")
    coarse = rng.integers(0, 200, (2048, 8, 8, 3), dtype=np.uint8)              # patches of 4 pixels, with some noise
    images = coarse.repeat(4, axis=1).repeat(4, axis=2) + rng.integers(0, 56, (2048, 32, 32, 3), dtype=np.uint8)
    return Split(images, rng.integers(0, 10, 2048)), 10, (0.4,) * 3, (0.25,) * 3


def loader_for(recipe, batch_size):
    """A Loader as the recipe has it, but for the images; without threads of its own."""
    split, classes, mean, std = split_for(recipe)
    return Loader(split, batch_size, mean, std, augment=Augmentation.parse(recipe.train["augment"], mean),
                  classes=classes, drop_last=True, threads=0)


class Case:
    """A recipe's Loader and model, and the three pieces of work; training has `images` images in each."""

    def __init__(self, name, threads, images):
        recipe = read_recipe(name)
        self.batch_size = min(recipe.train["batch_size"], images)
        self.steps = max(images // self.batch_size, 1)
        alone = loader_for(recipe, self.batch_size)
        self.loaders = [alone, replace(alone, threads=1)]
        Sy, Sx, C = alone.split.images.shape[1:]
        model = create(recipe.train["model"], image_size=(Sy, Sx), in_chans=C, num_classes=alone.classes,
                       **recipe.model)
        first = next(self.loaders[0].epoch(0))
        self.side = Minivit(model.train(), first.images, first.labels, threads)
        self.epoch = 0

    def load(self):
        """(images/s, processor seconds an image) of the Loader alone on one thread, over an epoch."""
        self.epoch += 1
        with threadpool_limits(1):
            return timed(lambda: sum(len(batch) for batch in self.loaders[0].epoch(self.epoch)))

    def train(self):
        """(images/s, processor seconds an image) of training alone."""
        def steps():
            for _ in range(self.steps):
                self.side.step()
            return self.steps * len(self.side.batch)

        with self.side.running():
            self.side.step()
            return timed(steps)

    def both(self):
        """(images/s, share of the time waited) of training with the Loader on its thread, from the second batch on."""
        with self.side.running():
            self.epoch += 1
            batches, waited = islice(self.loaders[1].epoch(self.epoch), self.steps + 1), 0.0
            self.side.batch = next(batches)
            start = time.perf_counter()
            for _ in range(self.steps):
                self.side.step()
                before = time.perf_counter()
                self.side.batch = next(batches)
                waited += time.perf_counter() - before
            seconds = time.perf_counter() - start
            return self.steps * len(self.side.batch) / seconds, waited / seconds


def timed(work):
    """(images/s, processor seconds an image) of work(), which returns how many images it had."""
    start, cpu = time.perf_counter(), time.process_time()
    count = work()
    return count / (time.perf_counter() - start), (time.process_time() - cpu) / count


def measure(name, options):
    case = Case(name, options.threads, options.images)
    case.load(), case.train(), case.both()
    rows = np.array([[*case.load(), *case.train(), *case.both()] for _ in range(options.rounds)])
    load, load_cpu, train, train_cpu, both, waited = np.median(rows, axis=0)
    ratio = rows[:, 0] / rows[:, 2]
    row = {"recipe": name, "augment": str(case.loaders[0].augment), "batch_size": case.batch_size,
           "threads": options.threads, "loader_images_per_s": load, "training_images_per_s": train,
           "loader_cpu_us": 1e6 * load_cpu, "training_cpu_us": 1e6 * train_cpu, "ratio_median": float(np.median(ratio)),
           "ratio_min": float(ratio.min()), "both_images_per_s": both, "waited_share": waited, "rounds": options.rounds}
    print(f"{name:<14} loader {load:8,.0f} images/s  training {train:6,.0f}  ratio {row['ratio_median']:6.1f} "
          f"(at least {row['ratio_min']:.1f})  {1e6 * load_cpu:.0f} of {1e6 * train_cpu:,.0f} us  "
          f"both {both:6,.0f}, waited {waited:.2%}  {row['augment'] or 'nothing'}",
          flush=True)
    return row


def measure_makers(name, options):
    recipe, rows = read_recipe(name), []
    alone = loader_for(recipe, recipe.train["batch_size"])
    loaders = [replace(alone, threads=count, ahead=count + 2) for count in options.makers]
    with threadpool_limits(1):
        for epoch in range(options.rounds + 1):
            rows.append([timed(lambda: sum(map(len, loader.epoch(epoch)))) for loader in loaders])
    speeds, cpu = np.moveaxis(np.median(rows[1:], axis=0), 1, 0)                # the first round warms up
    for count, speed, seconds in zip(options.makers, speeds, cpu):
        print(f"{name:<14} {count:3d} threads {speed:8,.0f} images/s  {1e6 * seconds:.0f} us of the processor an image")
    return {"recipe": name, "rounds": options.rounds, "makers": options.makers, "images_per_s": speeds.tolist(),
            "cpu_us": (1e6 * cpu).tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", action="append", choices=MODELS, help="may be given more than once (default: all)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each piece of work is timed (default: 7)")
    parser.add_argument("--images", type=int, default=512, help="images that training sees in a piece of work "
                        "(default: 512)")
    parser.add_argument("--threads", type=int, default=cpu_count(), help="of training (default: one per core)")
    parser.add_argument("--makers", type=int, nargs="+", metavar="N", help="measure the Loader alone, on so many "
                        "threads")
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON")
    options = parser.parse_args()
    rows = [(measure_makers if options.makers else measure)(name, options) for name in options.recipe or MODELS]
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()

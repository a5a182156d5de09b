"""The measured experiments, each by one command; README.md in this folder says what they show.

    python examples/results/run.py mnist                            # 3 seeds of the ViT recipe and of a CNN
    python examples/results/run.py cifar10-small --data PATH        # 20 minutes; --minutes 60 for the long one
    python examples/results/run.py distill --data PATH              # 3 seeds with and without a teacher
    python examples/results/run.py positions                        # 3 seeds of three ways to come by positions
    python examples/results/run.py deit --data PATH                 # the distilled DeiT that comes with minivit
    python examples/results/run.py data-size                        # 3 seeds of a ViT and a CNN on few and many images

Each writes NAME.json (figures, settings, machine) and NAME.log (every epoch) beside this file, or into --out. Without
--out, what lessons draw behind the learner's own run goes to where they find it, minivit/learn/kept.
"""
import argparse
import itertools
import json
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from minivit.backend import cpu_count
from minivit.data import Loader, ShapesOptions, Split, shapes
from minivit.models import create
from minivit.optim import AdamW, cosine, decay_groups
from minivit.train import Classification, Workers, evaluate, train_epoch, trainer_of
from minivit.weights import save, write_atomic

HERE = Path(__file__).parent
EXAMPLES = HERE.parent
KEPT = EXAMPLES.parent / "minivit" / "learn" / "kept"
IN_LESSONS = ("distill", "positions", "data-size")


class Log:
    """Lines that are printed and kept."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")

    def __call__(self, text):
        print(text, flush=True)
        print(text, file=self.file, flush=True)


def train(log, name, recipe, **settings):
    """(trainer, figures) of a finished run; every epoch is logged."""
    trainer = trainer_of(recipe, quiet=True, **settings)
    log(f"{name}: {trainer.title}, {trainer.model.num_parameters():,} parameters, {trainer.steps} steps an epoch")

    def said(row):
        averaged = "" if row["ema_accuracy"] is None else f"  averaged {row['ema_accuracy']:.2%}"
        tested = "" if row["test_accuracy"] is None else f"  test {row['test_accuracy']:.2%}{averaged}"
        log(f"  epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}{tested}  {row['images_per_second']:.0f} images/s")
    trainer.on_epoch = said
    start = time.perf_counter()
    trainer.run()
    row = trainer.rows[-1]
    return trainer, {"name": name, "accuracy": accuracy(row), "test_accuracy": row["test_accuracy"],
                     "ema_accuracy": row["ema_accuracy"], "epochs": len(trainer.rows),
                     "parameters": trainer.model.num_parameters(),
                     "seconds": time.perf_counter() - start,
                     "seconds_of_steps": sum(r["seconds"] for r in trainer.rows),
                     "settings": {key: value for key, value in trainer.identity.items() if key != "training data"}}


def accuracy(row):
    """Of the averaged weights, where there are any. The last epoch's: the best would be chosen by the test images."""
    return row["test_accuracy"] if row["ema_accuracy"] is None else row["ema_accuracy"]


def mnist(log, options):
    vit = [train(log, f"vit {seed}", "mnist", seed=seed)[1] for seed in options.seeds]
    cnn = [train(log, f"cnn {seed}", "mnist", seed=seed, model="cnn_micro_28", epochs=30)[1] for seed in options.seeds]
    aims = {"vit under 3 minutes": max(run["seconds"] for run in vit) < 180}
    for name, runs, aim in (("vit", vit, 0.982), ("cnn", cnn, 0.988)):
        found = [run["accuracy"] for run in runs]
        log(f"{name}: mean {np.mean(found):.2%}, least {min(found):.2%}")
        aims[f"{name}: mean >= {aim:.1%}"] = float(np.mean(found)) >= aim
        aims[f"{name}: none 0.6 points below"] = min(found) >= aim - 0.006
    return {"runs": vit + cnn, "aims": aims}


def cifar10_small(log, options):
    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    _, run = train(log, "cifar10-small", "cifar10-small", data=options.data, seed=options.seeds[0], **epochs)
    aim = 0.73 if options.minutes <= 20 else 0.79
    return {"runs": [run], "aims": {f">= {aim:.0%}": run["accuracy"] >= aim,
                                    f"{options.minutes:g} minutes": run["seconds"] <= 60 * options.minutes}}


def train_teacher(log, options, **settings):
    """(file of its averaged weights, figures) of a CNN that others learn from."""
    teacher, run = train(log, "teacher", "cifar10-small", model="cnn_micro_32", **settings)
    weights = options.out / "teacher.safetensors"
    with teacher.ema.applied():
        save(teacher.model, weights)
    return weights, run


def distill(log, options):
    common = {"data": options.data, "train_images": 10_000, "test_every": 5}        # on 10,000 too: that takes its time
    start = time.perf_counter()
    weights, run = train_teacher(log, options, **common, epochs=20)
    runs, pairs = [run], []
    for seed in options.seeds:
        both = {name: train(log, f"{name} {seed}", "deit-distill", **common, epochs=15, seed=seed, teacher=path,
                            distillation="soft", tau=3.0, kl_reduction="batchmean")[1]
                for name, path in (("alone", ""), ("taught", str(weights)))}
        pairs.append({"seed": seed} | {name: found["accuracy"] for name, found in both.items()})
        runs += both.values()
        log(f"gain of seed {seed}: {100 * (pairs[-1]['taught'] - pairs[-1]['alone']):+.2f} points")
    weights.unlink()
    seconds, gains = time.perf_counter() - start, [pair["taught"] - pair["alone"] for pair in pairs]
    return {"about": "10,000 images of CIFAR-10 (JPEG), 15 epochs: a DeiT with a CNN for a teacher, and without one",
            "teacher": run["accuracy"], "pairs": pairs, "runs": runs, "seconds": seconds, "aims": {
                "mean gain >= 1 point": float(np.mean(gains)) >= 0.01,
                "positive in 2": sum(gain > 0 for gain in gains) >= 2, "30 minutes": seconds <= 1800}}


def positions(log, options):
    start, rows = time.perf_counter(), []
    for seed in options.seeds:
        done = subprocess.run([sys.executable, EXAMPLES / "pretrain_finetune.py", str(seed)], capture_output=True,
                              text=True, check=True)
        log(done.stdout)
        found = re.findall(r"28 x 28 pixels, (\S+) +([\d.]+)% before, ([\d.]+)% after", done.stdout)
        rows.append({name: (float(before), float(after)) for name, before, after in found})
    means = {name: [float(np.mean([row[name][k] for row in rows])) for k in (0, 1)] for name in rows[0]}
    seconds = time.perf_counter() - start
    aims = {f"2-D beats {other} {when}": means["2-D"][k] > means[other][k] for other in ("1-D", "random")
            for k, when in enumerate(("before", "after an epoch"))}
    return {"about": "digits of 14 x 14 pixels in 7 x 7 patches, then of 28 x 28 in 14 x 14: accuracy (%) before "
            "fine-tuning and after one epoch", "runs": rows, "means": means, "seconds": seconds,
            "aims": aims | {"10 minutes": seconds <= 600}}


def deit(log, options):
    weights, first = train_teacher(log, options, data=options.data, epochs=8)
    student, second = train(log, "DeiT", "deit-distill", data=options.data, teacher=str(weights),
                            epochs=options.epochs or 16)
    kept = (KEPT if options.out == HERE else options.out) / "deit_nano_distilled_cifar10.safetensors"
    with student.ema.applied():
        student.model.card.about.update(data="CIFAR-10 (JPEG)", test_accuracy=second["accuracy"])
        save(student.model, kept)
    weights.unlink()
    return {"runs": [first, second], "bytes": kept.stat().st_size, "aims": {"2 MB": kept.stat().st_size <= 2e6}}


def data_size(log, options):
    """A ViT and a CNN on the first n of 16,000 images, the same number of steps for each n: see lesson 11."""
    sizes, steps, lr = (250, 1000, 4000, 16_000), 300, 3e-3
    models = {"CNN": ("cnn_nano_28", {}), "ViT": ("vit_nano_patch7_28", {"patch_size": 6})}
    data = shapes("texture", ShapesOptions(train=max(sizes), test=2000, size=24, noise=0.8))
    start, runs, accuracies = time.perf_counter(), [], {}
    for seed, n, (name, (preset, changes)) in itertools.product(options.seeds, sizes, models.items()):
        model = create(preset, seed, image_size=24, in_chans=3, num_classes=5, **changes)
        loader = Loader(Split(data.train.images[:n], data.train.labels[:n]), 50, data.mean, data.std, seed=seed)
        batches = itertools.chain.from_iterable(loader.epoch(number) for number in itertools.count())
        with Workers() as workers:
            for _ in train_epoch(model, itertools.islice(batches, steps), Classification(),
                                 AdamW(decay_groups(model, 0.05), lr=lr), cosine(lr, steps, steps // 10, final=1e-5),
                                 clip_norm=1.0, workers=workers):
                pass
            found = evaluate(model, data.test, data.mean, data.std, workers)["accuracy"]
        runs.append({"name": name, "images": n, "seed": seed, "accuracy": found})
        accuracies[name, n, seed] = found
        log(f"{name} of seed {seed}, {n:,} images: {found:.2%} after {time.perf_counter() - start:.0f} s")
    gaps = {n: np.array([accuracies["CNN", n, seed] - accuracies["ViT", n, seed] for seed in options.seeds])
            for n in sizes}
    for n in sizes:
        log(f"{n:,} images: the CNN is ahead by {100 * gaps[n].mean():+.1f} points")
    return {"about": "stripes under noise, 24 x 24 pixels: accuracy of a ViT and a CNN over the number of images",
            "sizes": sizes, "steps": steps, "seconds": time.perf_counter() - start,
            "settings": {"batch_size": 50, "lr": lr, "noise": 0.8, "models": models}, "runs": runs,
            "aims": {f"the CNN is ahead with {sizes[0]} images, for every seed": bool(gaps[sizes[0]].min() > 0),
                     "the mean distance shrinks": bool(gaps[sizes[-1]].mean() < gaps[sizes[0]].mean()),
                     "it has not turned around": bool(gaps[sizes[-1]].mean() > 0)}}


EXPERIMENTS = {"mnist": mnist, "cifar10-small": cifar10_small, "distill": distill, "positions": positions, "deit": deit,
               "data-size": data_size}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--data", default="cifar10-jpeg", help="CIFAR-10, for the experiments that need it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=20, help="of cifar10-small: what is aimed at (20 or 60)")
    parser.add_argument("--epochs", type=int, help="of cifar10-small and deit, instead of their own")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    options = parser.parse_args()
    name = options.experiment + (f"-{options.minutes:g}" if options.minutes != 20 else "")
    log = Log(options.out / f"{name}.log")
    command = " ".join(["python examples/results/run.py", *sys.argv[1:]])
    log(command)
    result = EXPERIMENTS[options.experiment](log, options)
    result |= {"command": command, "seeds": options.seeds, "date": time.strftime("%Y-%m-%d"), "cores": cpu_count(),
               "machine": f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"}
    folder = KEPT if options.out == HERE and options.experiment in IN_LESSONS else options.out
    write_atomic(folder / f"{name}.json", (json.dumps(result, indent=1) + "\n").encode())
    for aim, reached in result["aims"].items():
        log(f"{'reached' if reached else 'MISSED '}  {aim}")
    return 0 if all(result["aims"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())

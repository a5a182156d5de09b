"""Pre-train on small images, fine-tune on larger ones: what becomes of the position embeddings.

    python examples/pretrain_finetune.py            # 3 minutes on two cores; needs no download
    python examples/pretrain_finetune.py --fast     # a look at it, in seconds

A Vision Transformer learns digits of 14 x 14 pixels as 7 x 7 patches. On digits of 28 x 28 pixels it has 14 x 14
patches, and has learned no positions for them. Three ways to come by some:

    2-D       the grid of positions is stretched like a picture (Dosovitskiy et al. 2020, arXiv 2010.11929, 3.2)
    1-D       the list of positions is stretched, as if patches lay in a row
    random    they are learned anew
"""
import sys
import tempfile
from pathlib import Path

import numpy as np

from minivit.models.positions import interpolation_matrix
from minivit.train import TrainConfig, evaluate, trainer_from
from minivit.weights import load, save

FAST = "--fast" in sys.argv
SEED = next((int(word) for word in sys.argv[1:] if word.isdigit()), 0)
COMMON = {"data": "mnist5k", "seed": SEED, "train_images": 200 if FAST else 0, "augment": "shift_rotate:1:10"}
SMALL = {"patch_size": (2, 2)} | ({"embed_dim": 16, "depth": 1} if FAST else {})


def pretrained(path):
    """A file of weights: a model that has learned small digits."""
    config = TrainConfig(**COMMON, image_size=(14, 14), epochs=1 if FAST else 25, lr=3e-3)
    trainer = trainer_from(config, SMALL)
    trainer.run()
    print(f"14 x 14 pixels: {trainer.rows[-1]['test_accuracy']:.2%}")
    save(trainer.model, path)
    return path


def fine_tuner(path, positions):
    """A Trainer that goes on from `path` with digits of 28 x 28 pixels, and with such positions."""
    trainer = trainer_from(TrainConfig(**COMMON, start=str(path), head="keep", image_size=(28, 28), epochs=1, lr=5e-4,
                                       warmup_epochs=0.1, pos_mode="bicubic"))
    learned = trainer.model.pos_embed.data                              # (1, 1 + 196, D), stretched in 2-D
    if positions == "1-D":
        small, _ = load(path)
        learned[0, 1:] = interpolation_matrix(49, 196, "bicubic") @ small.pos_embed.data[0, 1:]
    elif positions == "random":
        learned[0, 1:] = np.random.default_rng(SEED).standard_normal(learned[0, 1:].shape) * learned[0, 1:].std()
    return trainer


results = {}
with tempfile.TemporaryDirectory() as folder:
    path = pretrained(Path(folder) / "small.safetensors")
    for positions in ("2-D", "1-D", "random"):
        trainer = fine_tuner(path, positions)
        before = evaluate(trainer.model, trainer.data.test, trainer.data.mean, trainer.data.std)["accuracy"]
        trainer.run()
        results[positions] = before, trainer.rows[-1]["test_accuracy"]
        print(f"28 x 28 pixels, {positions:<7} {before:.2%} before, {results[positions][1]:.2%} after one epoch")

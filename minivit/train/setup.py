"""From a configuration to a Trainer that is ready to run."""
import hashlib
from dataclasses import asdict
from functools import partial

import numpy as np

from minivit.data import Loader, ShiftRotate, open_dataset
from minivit.models import create, describe
from minivit.optim import SCHEDULES, SGD, Adam, AdamW, decay_groups
from minivit.train.losses import Classification, Distillation, Teacher
from minivit.train.progress import Progress
from minivit.train.run import find_weights
from minivit.train.trainer import Trainer
from minivit.train.workers import Workers
from minivit.weights import load

_OPTIMIZERS = {"adamw": AdamW, "adam": Adam, "sgd": partial(SGD, momentum=0.9)}


def trainer_from(config, model_changes=None, folder=None, threads=None, quiet=False, on_epoch=None):
    """The Trainer of a TrainConfig. The model is the preset, fitted to the data's images and classes, with
    `model_changes` to its configuration. Raises ValueError where data and model cannot be fitted to each other."""
    data = open_dataset(config.data)
    if data.train is None:
        raise ValueError(f"{config.data} has no training images: it can be evaluated on, but not trained on")
    Sy, Sx, C = data.train.images.shape[1:]
    fitted = {"image_size": (Sy, Sx), "in_chans": C, "num_classes": len(data.classes)}
    model = create(config.model, config.seed, **(fitted | (model_changes or {})))
    augment = ShiftRotate(config.max_shift, config.max_degrees) if config.max_shift or config.max_degrees else None
    loader = Loader(data.train, config.batch_size, data.mean, data.std, seed=config.seed, augment=augment)
    optimizer = _OPTIMIZERS[config.optimizer](decay_groups(model, config.weight_decay), lr=config.lr)
    steps = config.epochs * len(loader)
    warmup = round(min(config.warmup_epochs, config.epochs / 2) * len(loader))
    final = {"final": config.final_lr} if config.schedule in ("cosine", "linear") else {}
    loss, teacher = Classification(config.label_smoothing), None
    if config.teacher:
        teacher = Teacher(load(find_weights(config.teacher))[0], data)
        loss = Distillation(teacher, config.distillation, config.alpha, config.tau, config.kl_reduction,
                            config.label_smoothing)
    return Trainer(model, data, loader, loss, optimizer,
                   SCHEDULES[config.schedule](config.lr, steps, warmup, **final), config.epochs, config.clip_norm,
                   config.seed, folder, Workers(threads), Progress(quiet), on_epoch,
                   _identity(config, model, data.train, teacher))


def _identity(config, model, split, teacher):
    """All that a run is a function of: its settings, the model's, and checksums of the training images and labels and
    of the teacher's weights (where those files are does not matter)."""
    settings = {key: value for key, value in asdict(config).items() if key not in ("data", "teacher")}
    settings |= {f"model.{key}": value for key, value in describe(model)[1].items()}
    if teacher is not None:
        settings["teacher"] = _digest(parameter.data for parameter in teacher.model.parameters())
    return settings | {"training data": _digest([split.images, split.labels])}


def _digest(arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()

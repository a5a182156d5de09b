"""From a configuration to a Trainer that is ready to run."""
import hashlib
import math
from dataclasses import asdict
from functools import partial

import numpy as np

from minivit.backend import to_host, usable
from minivit.data import Loader, open_dataset
from minivit.data.augment import Augmentation
from minivit.models import create, describe
from minivit.optim import EMA, SCHEDULES, SGD, Adam, AdamW, freeze, layer_groups
from minivit.train.fit import fit_data
from minivit.train.losses import Classification, Distillation, Teacher
from minivit.train.progress import Progress
from minivit.train.run import find_weights
from minivit.train.trainer import Trainer
from minivit.train.workers import Workers
from minivit.weights import load

_OPTIMIZERS = {"adamw": AdamW, "adam": Adam, "sgd": partial(SGD, momentum=0.9)}
_PATHS = ("data", "start", "teacher")       # where files are does not matter, but what they hold


def trainer_from(config, model_changes=None, folder=None, threads=None, quiet=False, on_epoch=None):
    """The Trainer of a TrainConfig. The model is the preset, or the one in `config.start`, fitted to the data's images
    and classes, with `model_changes` to its configuration. Raises ValueError where data and model cannot be fitted to
    each other."""
    data = open_dataset(config.data)
    if data.train is None:
        raise ValueError(f"{config.data} has no training images: it can be evaluated on, but not trained on")
    device = usable(config.device)
    if device == "cpu" and config.precision != "fp32":
        raise ValueError(f"precision {config.precision} is for GPUs, and this run is on the CPU, whose matrix products "
                         f"are fp32: leave it out, or set device to cuda")
    model, data, began = _model_and_data(config, data, model_changes or {})
    model.to(device)
    frozen = freeze(model, [pattern.strip() for pattern in config.freeze.split(",") if pattern.strip()])
    loader = Loader(data.train, config.batch_size, data.mean, data.std, seed=config.seed,
                    augment=Augmentation.parse(config.augment, data.mean), classes=len(data.classes),
                    repeats=config.repeats)
    optimizer = _OPTIMIZERS[config.optimizer](layer_groups(model, config.weight_decay, config.layer_decay),
                                              lr=config.lr)
    ema = EMA(optimizer, config.ema_decay) if config.ema_decay else None
    loss, teacher = Classification(config.label_smoothing), None
    if config.teacher:
        teacher = Teacher(load(find_weights(config.teacher))[0].to(device), data)
        loss = Distillation(teacher, config.distillation, config.alpha, config.tau, config.kl_reduction,
                            config.label_smoothing)
    identity = _identity(config, model, data) | began
    identity |= {"teacher": _digest_of(teacher.model)} if teacher else {}
    return Trainer(model, data, loader, loss, optimizer, _schedule(config, math.ceil(len(loader) / config.accumulate)),
                   config.epochs, config.clip_norm, config.accumulate, ema, config.best_of,
                   config.test_every, config.patience, tuple(frozen),
                   f"{describe(model)[0]} of {config.start}" if config.start else config.model, config.seed, folder,
                   Workers(threads), Progress(quiet), on_epoch, identity, config.graph, config.precision)


def _model_and_data(config, data, changes):
    """(model, data, {"start": checksum of the weights to start from} or {}), fitted to each other."""
    size = config.image_size or data.train.images.shape[1:3]
    fitted = {"image_size": tuple(size), "num_classes": len(data.classes)} | changes
    if not config.start:
        data = fit_data(data, config.train_images, config.image_size)
        return create(config.model, config.seed, in_chans=data.train.images.shape[3], **fitted), data, {}
    model, _ = load(find_weights(config.start), config.head, pos_mode=config.pos_mode or None, **fitted)
    return model, fit_data(data, config.train_images, config.image_size, model.card), {"start": _digest_of(model)}


def _schedule(config, steps):
    """Step -> learning rate; steps: of an epoch."""
    warmup = round(min(config.warmup_epochs, config.epochs / 2) * steps)
    final = {"final": config.final_lr} if config.schedule in ("cosine", "linear") else {}
    return SCHEDULES[config.schedule](config.lr, config.epochs * steps, warmup, **final)


def _identity(config, model, data):
    """All that a run is a function of: its settings, the model's, and checksums of the training images and labels."""
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()
                if key not in _PATHS + ("device", "graph", "precision")}
    settings |= {} if model.device == "cpu" else {"device": "cuda"}         # which rounds sums in other places
    settings |= {} if config.precision == "fp32" else {"precision": config.precision}
    settings |= {f"model.{key}": value for key, value in describe(model)[1].items()}
    return settings | {"training data": _digest([data.train.images, data.train.labels])}


def _digest_of(model):
    return _digest(parameter.data for parameter in model.parameters())


def _digest(arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(to_host(array)))
    return digest.hexdigest()

"""What a training run is made of, as one dataclass: the command line and the TOML files are derived from it."""
import difflib
from dataclasses import dataclass, field, fields

from minivit.models import preset
from minivit.optim import SCHEDULES


def _field(default, text):
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class TrainConfig:
    """A run. The defaults are the main job: 5,000 real digits, a small Vision Transformer, two minutes on two cores."""

    data: str = _field("mnist5k", "data set: mnist5k, or a folder with MNIST's idx files")
    model: str = _field("vit_nano_patch7_28", "preset of the model")
    epochs: int = _field(25, "passes over the training images")
    batch_size: int = _field(64, "images per step")
    optimizer: str = _field("adamw", "adamw, adam or sgd (momentum 0.9)")
    lr: float = _field(2e-3, "learning rate after the warm-up")
    final_lr: float = _field(1e-5, "learning rate at the end")
    schedule: str = _field("cosine", "cosine, linear, step or constant")
    warmup_epochs: float = _field(2.0, "epochs over which the learning rate rises to --lr; at most half of them")
    weight_decay: float = _field(0.05, "weight decay of matrices; biases, norms, tokens and positions have none")
    clip_norm: float = _field(1.0, "largest norm of the gradient; 0: no clipping")
    label_smoothing: float = _field(0.1, "share of the target spread over all classes")
    max_shift: float = _field(2.0, "random shifts of training images, in pixels")
    max_degrees: float = _field(10.0, "random rotations of training images, in degrees")
    seed: int = _field(0, "seed of the first weights, the order of images and all masks")

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type is float and isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, f.name, float(value))
            elif not isinstance(value, f.type) or isinstance(value, bool):
                raise ValueError(f"{f.name} must be of type {f.type.__name__}, not {value!r}")
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("lr", 0), ("final_lr", 0),
                            ("warmup_epochs", 0), ("weight_decay", 0), ("clip_norm", 0), ("max_shift", 0),
                            ("max_degrees", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)!r}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be 0 <= s < 1, not {self.label_smoothing}")
        check_name("optimizer", self.optimizer, ("adamw", "adam", "sgd"))
        check_name("schedule", self.schedule, SCHEDULES)
        preset(self.model)


def check_name(what, name, names):
    """Raise ValueError, with the most similar of `names`, unless `name` is one of them."""
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise ValueError(f"unknown {what} {name!r}: " + (f"did you mean {near[0]!r}?" if near
                                                         else f"there are {', '.join(names)}"))

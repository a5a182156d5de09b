"""What a training run is made of, as one dataclass: the command line and the TOML files are derived from it."""
from dataclasses import dataclass

from minivit.errors import unknown
from minivit.models import PRESETS
from minivit.models.settings import check, setting
from minivit.optim import SCHEDULES
from minivit.train.losses import KINDS, REDUCTIONS


@dataclass(frozen=True)
class TrainConfig:
    """A run. The defaults are the main job: 5,000 real digits, a small Vision Transformer, two minutes on two cores."""

    data: str = setting("mnist5k", "data set: mnist5k, or a folder with MNIST's idx files")
    model: str = setting("vit_nano_patch7_28", "preset of the model")
    epochs: int = setting(50, "passes over the training images", least=1)
    batch_size: int = setting(128, "images per step", least=1)
    optimizer: str = setting("adamw", "adamw, adam or sgd (momentum 0.9)")
    lr: float = setting(4e-3, "learning rate after the warm-up", least=0)
    final_lr: float = setting(1e-5, "learning rate at the end", least=0)
    schedule: str = setting("cosine", "cosine, linear, step or constant")
    warmup_epochs: float = setting(2.0, "epochs over which the learning rate rises; at most half of all", least=0)
    weight_decay: float = setting(0.1, "weight decay of matrices; biases, norms, tokens, positions have none", least=0)
    clip_norm: float = setting(1.0, "largest norm of the gradient; 0: no clipping", least=0)
    label_smoothing: float = setting(0.1, "share of the target spread over all classes", least=0, below=1)
    max_shift: float = setting(2.5, "random shifts of training images, in pixels", least=0)
    max_degrees: float = setting(12.0, "random rotations of training images, in degrees", least=0)
    teacher: str = setting("", "run folder or weights of a trained model to learn from (knowledge distillation)")
    distillation: str = setting("hard", "what is learned of the teacher: hard (its choice) or soft (its probabilities)",
                                choices=KINDS)
    alpha: float = setting(0.5, "weight of the teacher in the loss, 0 to 1; the labels have the rest", least=0)
    tau: float = setting(1.0, "temperature of soft distillation", least=0.01)
    kl_reduction: str = setting("numel", "soft distillation is divided by numel (images times classes, as in DeiT's "
                                "code) or batchmean (images)", choices=REDUCTIONS)
    seed: int = setting(0, "seed of the first weights, the order of images and all masks", least=0)

    def __post_init__(self):
        check(self)
        for what, name, names in (("optimizer", self.optimizer, ("adamw", "adam", "sgd")),
                                  ("schedule", self.schedule, SCHEDULES), ("model", self.model, PRESETS)):
            if name not in names:
                raise ValueError(unknown(what, name, names))

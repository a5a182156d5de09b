"""What a training run is made of, as one dataclass: the command line and the TOML files are derived from it."""
from dataclasses import dataclass

from minivit.data.augment import Augmentation
from minivit.errors import unknown
from minivit.models import PRESETS
from minivit.models.positions import MODES
from minivit.models.settings import check, setting
from minivit.ops.patches import pair
from minivit.optim import SCHEDULES
from minivit.train.losses import KINDS, REDUCTIONS


@dataclass(frozen=True)
class TrainConfig:
    """A run. The defaults are the main job: 5,000 real digits, a small Vision Transformer, two minutes on two cores."""

    data: str = setting("mnist5k", "data set: a name (minivit data list), a folder, an archive, a file")
    train_images: int = setting(0, "learn from so many of the training images, equally many of each class; 0: all",
                                least=0)
    image_size: tuple = setting((), "size to which images are scaled, as 28 or 28x20; none: they stay as they are")
    model: str = setting("vit_nano_patch7_28", "preset of the model")
    start: str = setting("", "run folder or weights of a trained model to start from; its architecture goes before "
                         "--model")
    head: str = setting("zero", "with start: zero, a new head of zeros; or keep, its own, which knows the same classes",
                        choices=("zero", "keep"))
    pos_mode: str = setting("", "with start: how positions are stretched over another image size (none: as its authors "
                            "do it)", choices=("",) + MODES)
    freeze: str = setting("", "parameters that are not trained, by name: patch_embed.*, blocks.0.*")
    epochs: int = setting(50, "passes over the training images", least=1)
    batch_size: int = setting(128, "images per batch", least=1)
    accumulate: int = setting(1, "batches per step", least=1)
    optimizer: str = setting("adamw", "adamw, adam or sgd (momentum 0.9)")
    lr: float = setting(4e-3, "learning rate after the warm-up", least=0)
    final_lr: float = setting(1e-5, "learning rate at the end", least=0)
    schedule: str = setting("cosine", "cosine, linear, step or constant")
    warmup_epochs: float = setting(2.0, "epochs over which the learning rate rises; at most half of all", least=0)
    layer_decay: float = setting(1.0, "factor on the learning rate from a layer to the one below it, 1 at the head",
                                 least=0.01)
    weight_decay: float = setting(0.1, "weight decay of matrices; biases, norms, tokens, positions have none", least=0)
    clip_norm: float = setting(1.0, "largest norm of the gradient; 0: no clipping", least=0)
    ema_decay: float = setting(0.0, "how slowly the average of the weights forgets: 0.999, say; 0: no average", least=0,
                               below=1)
    best_of: str = setting("weights", "which weights best.safetensors are, and decide when they are best: weights or "
                           "ema", choices=("weights", "ema"))
    test_every: int = setting(1, "epochs from one test on the test part to the next; the last epoch is always tested",
                              least=1)
    patience: int = setting(0, "stop after so many epochs without a better accuracy on the test part; 0: never",
                            least=0)
    label_smoothing: float = setting(0.1, "share of the target spread over all classes", least=0, below=1)
    augment: str = setting("shift_rotate:2.5:12", "changes to training images, such as 'crop:4, flip, "
                           "randaugment:m9-mstd0.5, erase:0.25, mixup:0.8, cutmix:1'; '' for none")
    repeats: int = setting(1, "versions of each image side by side; an epoch then shows one in so many of the images",
                           least=1)
    teacher: str = setting("", "run folder or weights of a trained model to learn from (knowledge distillation)")
    distillation: str = setting("hard", "what is learned of the teacher: hard (its choice) or soft (its probabilities)",
                                choices=KINDS)
    alpha: float = setting(0.5, "weight of the teacher in the loss, 0 to 1; the labels have the rest", least=0)
    tau: float = setting(1.0, "temperature of soft distillation", least=0.01)
    kl_reduction: str = setting("numel", "soft distillation is divided by numel (images times classes, as in DeiT's "
                                "code) or batchmean (images)", choices=REDUCTIONS)
    device: str = setting("cpu", "what computes: cpu, cuda (cuda:1 is a second GPU), or auto: cuda where it can be "
                          "used")
    precision: str = setting("fp32", "how a GPU multiplies matrices: fp32, tf32 or bf16; weights stay float32",
                             choices=("fp32", "tf32", "bf16"))
    graph: bool = setting(True, "a GPU records a step as a CUDA graph and replays it; the result is the same")
    seed: int = setting(0, "seed of the first weights, the order of images and all masks", least=0)

    def __post_init__(self):
        object.__setattr__(self, "image_size", pair(tuple(self.image_size), "image_size") if self.image_size else ())
        check(self)
        Augmentation.parse(self.augment)            # a mistake in it is found before anything is read
        if self.best_of == "ema" and not self.ema_decay:
            raise ValueError("best_of ema needs an average of the weights: set ema_decay, to 0.999 say")
        for what, name, names in (("optimizer", self.optimizer, ("adamw", "adam", "sgd")),
                                  ("schedule", self.schedule, SCHEDULES), ("model", self.model, PRESETS)):
            if name not in names:
                raise ValueError(unknown(what, name, names))

"""DeiT: a Vision Transformer that can also learn from a teacher, through a token of its own.

    z0     = [x_class; x_dist; patch_1 E; ...; patch_n E] + positions
    y      = LN(z)[class token]        y' = LN(z)[distillation token]
    logits = head(y), head_dist(y')            the pair in training, their mean in evaluation

A DeiT without distillation is a ViT with other first values; `minivit.train.losses` has what the pair is trained with.

Source: Touvron et al. 2020, "Training data-efficient image transformers & distillation through attention", arXiv
2012.12877, section 4. Lesson 15.
"""
from dataclasses import dataclass

from minivit import nn
from minivit.models.vit import ViTConfig, VisionTransformer
from minivit.nn import init
from minivit.streams import stream


@dataclass(frozen=True)
class DistilledConfig(ViTConfig):
    """A ViTConfig for a model with a distillation token."""

    def __post_init__(self):
        super().__post_init__()
        if not self.class_token or self.pool != "token" or self.registers:
            raise ValueError("a distilled model reads its class and distillation tokens: leave class_token true, pool "
                             "token and registers 0")


class DistilledVisionTransformer(VisionTransformer):
    """DeiT with a distillation token: images (B, C, Sy, Sx) -> logits (B, Y), in training a pair of them."""

    head_rows = slice(0, 2)

    def __init__(self, config, seed=0):
        super().__init__(config, seed)
        self.head_dist = self.new_head(stream(seed, place="init head_dist"))

    def set_tokens(self, rng):
        """As a ViT's, with `dist_token` after the class token."""
        super().set_tokens(rng)
        self.dist_token = nn.Parameter(init.normal(rng, (1, 1, self.config.embed_dim), 0.02))

    @property
    def prefix(self):
        """Class token and distillation token."""
        return [self.cls_token, self.dist_token]

    def classify(self, x):
        """The logits (B, Y) of both heads in training, their mean in evaluation."""
        x = self.norm(x[:, :2])
        if self.pre_logits is not None:
            x = self.pre_logits(x)
        of_class, of_teacher = self.head(x[:, 0]), self.head_dist(x[:, 1])
        return (of_class, of_teacher) if self.training else (of_class + of_teacher) * 0.5

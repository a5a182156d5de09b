"""The Vision Transformer: an image as a sequence of patches, read by a transformer encoder.

    z0 = [x_class; patch_1 E; ...; patch_n E] + positions
    z' = z + Attention(LN(z))        z = z' + MLP(LN(z'))        in each of `depth` blocks
    y  = LN(z)[class token]          logits = head(y)

Shapes: images (B, C, Sy, Sx), tokens z (B, N, D) with N = 1 + Gy * Gx, logits (B, Y).

Source: Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929, eq. 1-4. Initial values are those of
the authors' code (vit_jax): Xavier for the encoder, LeCun for the patches, normal(0.02) positions, a class token of 0.
"""
from dataclasses import dataclass, field

import numpy as np

from minivit import nn, ops
from minivit.nn import init
from minivit.ops.patches import pair
from minivit.streams import stream


def _field(default, text):
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class ViTConfig:
    """Everything that shapes a Vision Transformer. Sizes are pixels, (y, x) or one number for both."""

    image_size: tuple = _field((224, 224), "height and width of the images, in pixels")
    patch_size: tuple = _field((16, 16), "height and width of a patch, in pixels")
    in_chans: int = _field(3, "channels of the images")
    num_classes: int = _field(1000, "classes")
    embed_dim: int = _field(192, "width D of a token")
    depth: int = _field(12, "blocks")
    num_heads: int = _field(3, "attention heads H")
    mlp_ratio: float = _field(4.0, "width F of the MLP, in widths D")
    qkv_bias: bool = _field(True, "biases for queries, keys and values")
    representation_size: int = _field(0, "width of a hidden tanh layer in the head; 0: the head is linear")
    zero_head: bool = _field(True, "start the head at 0, so that the first loss is log(classes)")
    drop_rate: float = _field(0.0, "dropout after positions, attention and in the MLP")
    attn_drop_rate: float = _field(0.0, "dropout of attention weights")
    drop_path_rate: float = _field(0.0, "stochastic depth of the last block; it grows linearly from 0")
    norm_eps: float = _field(1e-6, "epsilon of layer norm")

    def __post_init__(self):
        object.__setattr__(self, "image_size", pair(self.image_size, "image_size"))
        object.__setattr__(self, "patch_size", pair(self.patch_size, "patch_size"))
        for name in ("in_chans", "num_classes", "embed_dim", "depth", "num_heads"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a positive integer, not {getattr(self, name)!r}")
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        for name in ("drop_rate", "attn_drop_rate", "drop_path_rate"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be a probability 0 <= p < 1, not {getattr(self, name)!r}")


class Block(nn.Module):
    """One layer of the encoder: attention between tokens, then an MLP on each, both added to the residual stream."""

    def __init__(self, config, drop_path, rng):
        D = config.embed_dim
        self.norm1 = nn.LayerNorm(D, config.norm_eps)
        self.attn = nn.Attention(D, config.num_heads, rng, config.qkv_bias, config.attn_drop_rate, config.drop_rate)
        self.norm2 = nn.LayerNorm(D, config.norm_eps)
        self.mlp = nn.Mlp(D, int(D * config.mlp_ratio), rng, config.drop_rate)
        self.drop_path = nn.DropPath(drop_path)

    def forward(self, x, rows=None):
        """rows: a slice of the tokens, if only theirs are wanted of the result: the others still are keys and values."""
        kept = x if rows is None else x[:, rows]
        x = kept + self.drop_path(self.attn(self.norm1(x), rows))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PreLogits(nn.Module):
    """The hidden layer of an MLP head: tanh, as in the paper's pre-training (section 3.1)."""

    def __init__(self, D, size, rng):
        self.fc = nn.Linear(D, size, rng)

    def forward(self, x):
        return self.fc(x).tanh()


class VisionTransformer(nn.Module):
    """ViT of a `ViTConfig`: images (B, C, Sy, Sx) -> logits (B, Y). Parameter names and layouts are timm's.

    head_rows: the tokens that the head reads; the last block computes only these (None: all of them, to the same
    result).
    """

    head_rows = slice(0, 1)

    def __init__(self, config, seed=0):
        self.config = config
        rng = stream(seed, place="init")
        D = config.embed_dim
        self.patch_embed = nn.PatchEmbed(config.image_size, config.patch_size, config.in_chans, D, rng)
        N = 1 + self.patch_embed.grid[0] * self.patch_embed.grid[1]
        self.cls_token = nn.Parameter(init.zeros((1, 1, D)))
        self.pos_embed = nn.Parameter(init.normal(rng, (1, N, D), 0.02))
        self.pos_drop = nn.Dropout(config.drop_rate)
        rates = np.linspace(0, config.drop_path_rate, config.depth).tolist()
        self.blocks = [Block(config, rate, rng) for rate in rates]
        self.norm = nn.LayerNorm(D, config.norm_eps)
        hidden = config.representation_size
        self.pre_logits = PreLogits(D, hidden, rng) if hidden else None
        self.head = nn.Linear(hidden or D, config.num_classes, rng)
        if config.zero_head:
            self.head.weight = nn.Parameter(init.zeros(self.head.weight.shape))

    @property
    def rows_per_image(self):
        """N: the rows that an image takes in the encoder's matrix products."""
        return self.pos_embed.shape[1]

    def forward(self, images):
        x = self.patch_embed(images)                                        # (B, Gy * Gx, D)
        cls_token = self.cls_token.expand(len(x), 1, x.shape[2])
        x = self.pos_drop(ops.concat([cls_token, x], axis=1) + self.pos_embed)      # (B, N, D)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x, self.head_rows)      # after the last attention, tokens do not meet again
        x = self.norm(x[:, 0])                                              # (B, D)
        if self.pre_logits is not None:
            x = self.pre_logits(x)
        return self.head(x)                                                 # (B, Y)

"""The Vision Transformer: an image as a sequence of patches, read by a transformer encoder.

    z0 = [x_class; patch_1 E; ...; patch_n E] + positions
    z' = z + Attention(LN(z))        z = z' + MLP(LN(z'))        in each of `depth` blocks
    y  = LN(z)[class token]          logits = head(y)

Shapes: images (B, C, Sy, Sx), tokens z (B, N, D) with N = 1 + Gy * Gx, logits (B, Y).

Source: Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929, eq. 1-4. Initial values are those of
the authors' code (vit_jax): Xavier for the encoder, LeCun for the patches, normal(0.02) positions, a class token of 0.
"""
from dataclasses import dataclass

import numpy as np

from minivit import nn, ops
from minivit.models.settings import check, setting
from minivit.nn import init
from minivit.ops.gelu import APPROXIMATIONS
from minivit.ops.patches import pair
from minivit.streams import stream


@dataclass(frozen=True)
class ViTConfig:
    """Everything that shapes a Vision Transformer. Sizes are pixels, (y, x) or one number for both.

    Raises ValueError, naming the field, for a value of another type or out of range.
    """

    image_size: tuple = setting((224, 224), "height and width of the images, in pixels")
    patch_size: tuple = setting((16, 16), "height and width of a patch, in pixels")
    in_chans: int = setting(3, "channels of the images", least=1)
    num_classes: int = setting(1000, "classes", least=1)
    embed_dim: int = setting(192, "width D of a token", least=1)
    depth: int = setting(12, "blocks", least=1)
    num_heads: int = setting(3, "attention heads H", least=1)
    mlp_ratio: float = setting(4.0, "width F of the MLP, in widths D", least=0.01)
    pos_std: float = setting(0.02, "standard deviation of the first position embeddings", least=0)
    gelu: str = setting("none", "GELU: none (exact) or tanh (as in the authors' code)")
    qkv_bias: bool = setting(True, "biases for queries, keys and values")
    representation_size: int = setting(0, "width of a hidden tanh layer in the head; 0: the head is linear", least=0)
    zero_head: bool = setting(True, "start the head at 0, so that the first loss is log(classes)")
    drop_rate: float = setting(0.0, "dropout after positions, attention and in the MLP", least=0, below=1)
    attn_drop_rate: float = setting(0.0, "dropout of attention weights", least=0, below=1)
    drop_path_rate: float = setting(0.0, "stochastic depth of the last block; it grows linearly from 0", least=0,
                                    below=1)
    norm_eps: float = setting(1e-6, "epsilon of layer norm", least=0)

    def __post_init__(self):
        object.__setattr__(self, "image_size", pair(self.image_size, "image_size"))
        object.__setattr__(self, "patch_size", pair(self.patch_size, "patch_size"))
        check(self)
        if self.gelu not in APPROXIMATIONS:
            raise ValueError(f"gelu must be one of {APPROXIMATIONS}, not {self.gelu!r}")
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")


class Block(nn.Module):
    """One layer of the encoder: attention between tokens, then an MLP on each, both added to the residual stream."""

    def __init__(self, config, drop_path, rng):
        D = config.embed_dim
        self.norm1 = nn.LayerNorm(D, config.norm_eps)
        self.attn = nn.Attention(D, config.num_heads, rng, config.qkv_bias, config.attn_drop_rate, config.drop_rate)
        self.norm2 = nn.LayerNorm(D, config.norm_eps)
        self.mlp = nn.Mlp(D, int(D * config.mlp_ratio), rng, config.drop_rate, config.gelu)
        self.drop_path = nn.DropPath(drop_path)

    def forward(self, x, rows=None):
        """rows: a slice of the tokens, if only theirs are wanted of the result; the others still are keys, values."""
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
    result, though dropout then draws other masks).
    """

    head_rows = slice(0, 1)

    def __init__(self, config, seed=0):
        self.config = config
        rng = stream(seed, place="init")
        D = config.embed_dim
        self.patch_embed = nn.PatchEmbed(config.image_size, config.patch_size, config.in_chans, D, rng)
        N = 1 + self.patch_embed.grid[0] * self.patch_embed.grid[1]
        self.cls_token = nn.Parameter(init.zeros((1, 1, D)))
        self.pos_embed = nn.Parameter(init.normal(rng, (1, N, D), config.pos_std))
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
    def token_shape(self):
        """(N, D) of an image in the encoder."""
        return self.pos_embed.shape[1:]

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

"""The Vision Transformer: an image as a sequence of patches, read by a transformer encoder.

    z0 = [x_class; patch_1 E; ...; patch_n E] + positions
    z' = z + Attention(LN(z))        z = z' + MLP(LN(z'))        in each of `depth` blocks
    y  = LN(z)[class token]          logits = head(y)

Shapes: images (B, C, Sy, Sx), tokens z (B, N, D) with N = 1 + Gy * Gx, logits (B, Y). Options change this: without a
class token the head reads the mean of the patches; registers are further tokens, which it does not read.

Source: Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929, eq. 1-4. Initial values are those of
the authors' code (vit_jax): Xavier for the encoder, LeCun for the patches, normal(0.02) positions, a class token of 0.
Registers: Darcet et al. 2023, "Vision transformers need registers", arXiv 2309.16588.
"""
from dataclasses import dataclass

import numpy as np

from minivit import nn, ops
from minivit.models.blocks import block_of
from minivit.models.positions import sincos_2d
from minivit.models.settings import check, setting
from minivit.nn import init
from minivit.ops.gelu import APPROXIMATIONS
from minivit.ops.patches import pair
from minivit.streams import stream


@dataclass(frozen=True)
class ViTConfig:
    """Everything that shapes a Vision Transformer. Sizes are pixels, (y, x) or one number for both.

    Raises ValueError, naming the field, for a value of another type or out of range, and for fields that contradict
    each other.
    """

    image_size: tuple = setting((224, 224), "height and width of the images, in pixels")
    patch_size: tuple = setting((16, 16), "height and width of a patch, in pixels")
    in_chans: int = setting(3, "channels of the images", least=1)
    num_classes: int = setting(1000, "classes", least=1)
    embed_dim: int = setting(192, "width D of a token", least=1)
    depth: int = setting(12, "blocks", least=1)
    num_heads: int = setting(3, "attention heads H", least=1)
    mlp_ratio: float = setting(4.0, "width F of the MLP, in widths D", least=0.01)
    pos_embed: str = setting("learned", "positions: learned, learned-2d (rows and columns), sincos-2d (fixed) or none",
                             choices=("learned", "learned-2d", "sincos-2d", "none"))
    pos_std: float = setting(0.02, "standard deviation of the first position embeddings", least=0)
    prefix_positions: bool = setting(True, "learned positions for class token and registers too, not for patches alone")
    class_token: bool = setting(True, "a class token before the patches")
    registers: int = setting(0, "register tokens, which patches attend to and the head does not read", least=0)
    pool: str = setting("token", "what the head reads: token (the class token) or mean (of the patches)",
                        choices=("token", "mean"))
    fc_norm: bool = setting(False, "with pool mean: layer norm of the mean, not of every token before it")
    gelu: str = setting("none", "GELU: none (exact) or tanh (as in the authors' code)", choices=APPROXIMATIONS)
    qkv_bias: bool = setting(True, "biases for queries, keys and values")
    layer_scale: float = setting(0.0, "first value of LayerScale's factors; 0: no LayerScale", least=0)
    norm_first: bool = setting(True, "layer norm before each branch (pre-norm), not after each addition (post-norm)")
    attn_residual: bool = setting(True, "add what attention returns to its input, instead of replacing it")
    mlp_residual: bool = setting(True, "add what the MLP returns to its input, instead of replacing it")
    representation_size: int = setting(0, "width of a hidden layer in the head; 0: the head is linear", least=0)
    representation_act: str = setting("tanh", "function of that hidden layer: tanh or gelu", choices=("tanh", "gelu"))
    zero_head: bool = setting(True, "start the head at 0, so that the first loss is log(classes)")
    weight_init: str = setting("xavier", "first weights: xavier (the authors') or normal (0.02, DeiT's)",
                               choices=("xavier", "normal"))
    drop_rate: float = setting(0.0, "dropout after positions, attention and in the MLP", least=0, below=1)
    attn_drop_rate: float = setting(0.0, "dropout of attention weights", least=0, below=1)
    drop_path_rate: float = setting(0.0, "stochastic depth of the last block; it grows linearly from 0", least=0,
                                    below=1)
    norm_eps: float = setting(1e-6, "epsilon of layer norm", least=0)

    def __post_init__(self):
        object.__setattr__(self, "image_size", pair(self.image_size, "image_size"))
        object.__setattr__(self, "patch_size", pair(self.patch_size, "patch_size"))
        check(self)
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if int(self.embed_dim * self.mlp_ratio) < 1:
            raise ValueError(f"mlp_ratio {self.mlp_ratio} of embed_dim {self.embed_dim} leaves the MLP no width")
        parts = {"learned-2d": 2, "sincos-2d": 4}.get(self.pos_embed, 1)
        if self.embed_dim % parts:
            raise ValueError(f"pos_embed {self.pos_embed} is made of {parts} parts of equal width, and embed_dim "
                             f"{self.embed_dim} is not divisible by {parts}")
        if self.pool == "token" and not self.class_token:
            raise ValueError("pool token reads the class token, and class_token is false: set pool to mean")
        if self.fc_norm and self.pool != "mean":
            raise ValueError("fc_norm is the layer norm of a mean over patches: set pool to mean")
        if self.layer_scale and not (self.norm_first and self.attn_residual and self.mlp_residual):
            raise ValueError("layer_scale is for the usual block: leave norm_first and the residuals on, or set "
                             "layer_scale to 0")
        if self.drop_path_rate and not (self.attn_residual and self.mlp_residual):
            raise ValueError("drop_path_rate drops a branch, and without its residual nothing would be left of the "
                             "image: set drop_path_rate to 0")


class Positions2d(nn.Module):
    """Learned positions (1, Gy * Gx, D): half of each is that of the patch's column, half its row's (app. D.4)."""

    def __init__(self, grid, D, std, rng):
        self.grid = grid
        self.x = nn.Parameter(init.normal(rng, (1, grid[1], D // 2), std))
        self.y = nn.Parameter(init.normal(rng, (grid[0], 1, D // 2), std))

    def forward(self):
        Gy, Gx, half = *self.grid, self.y.shape[2]
        both = ops.concat([self.x.expand(Gy, Gx, half), self.y.expand(Gy, Gx, half)], axis=2)
        return both.reshape(1, Gy * Gx, 2 * half)


class PreLogits(nn.Module):
    """The hidden layer of an MLP head: tanh, as in the paper's pre-training (section 3.1), or GELU."""

    def __init__(self, D, size, act, rng):
        self.act = act
        self.fc = nn.Linear(D, size, rng)

    def forward(self, x):
        x = self.fc(x)
        return x.tanh() if self.act == "tanh" else ops.gelu(x)


class VisionTransformer(nn.Module):
    """ViT of a `ViTConfig`: images (B, C, Sy, Sx) -> logits (B, Y). Parameter names and layouts are timm's.

    head_rows: the tokens that the head reads; the last block computes only these (None: all of them, to the same
    result, though dropout then draws other masks).
    """

    head_rows = slice(0, 1)

    def __init__(self, config, seed=0):
        self.config = config
        rng, D = stream(seed, place="init"), config.embed_dim
        self.set_patches(rng)
        self.set_tokens(rng)
        self.set_positions(rng)
        self.pos_drop = nn.Dropout(config.drop_rate)
        block, rates = block_of(config), np.linspace(0, config.drop_path_rate, config.depth).tolist()
        self.blocks = [block(config, rate, rng) for rate in rates]
        self.norm = None if config.fc_norm else nn.LayerNorm(D, config.norm_eps)
        self.fc_norm = nn.LayerNorm(D, config.norm_eps) if config.fc_norm else None
        hidden = config.representation_size
        self.pre_logits = PreLogits(D, hidden, config.representation_act, rng) if hidden else None
        if config.weight_init == "normal":
            for _, module in self.named_modules():
                if isinstance(module, nn.Linear):
                    module.weight = nn.Parameter(init.normal(rng, module.weight.shape, 0.02))
        self.head = self.new_head(rng)
        if config.pool == "mean":
            self.head_rows = None

    def set_patches(self, rng):
        """Set `patch_embed`: images (B, C, Sy, Sx) -> tokens (B, Gy * Gx, D), with a `grid` (Gy, Gx)."""
        c = self.config
        self.patch_embed = nn.PatchEmbed(c.image_size, c.patch_size, c.in_chans, c.embed_dim, rng)

    def set_tokens(self, rng):
        """Set the tokens (1, n, D) that stand before the patches: see `prefix`."""
        c = self.config
        self.cls_token = nn.Parameter(init.zeros((1, 1, c.embed_dim))) if c.class_token else None
        self.reg_token = nn.Parameter(init.normal(rng, (1, c.registers, c.embed_dim), 0.02)) if c.registers else None

    @property
    def prefix(self):
        """The tokens that stand before the patches, in order."""
        return [token for token in (self.cls_token, self.reg_token) if token is not None]

    @property
    def num_prefix(self):
        """How many tokens stand before the patches."""
        return sum(token.shape[1] for token in self.prefix)

    def set_positions(self, rng):
        """Set `pos_embed`: what is added to tokens, a Parameter or a module that makes it; or fixed `waves`."""
        c, grid = self.config, self.patch_embed.grid
        self.pos_embed = self.waves = None
        if c.pos_embed == "learned":
            N = grid[0] * grid[1] + (self.num_prefix if c.prefix_positions else 0)
            self.pos_embed = nn.Parameter(init.normal(rng, (1, N, c.embed_dim), c.pos_std))
        elif c.pos_embed == "learned-2d":
            self.pos_embed = Positions2d(grid, c.embed_dim, c.pos_std, rng)
        elif c.pos_embed == "sincos-2d":
            self.waves = sincos_2d(grid, c.embed_dim)

    def new_head(self, rng):
        """A linear classifier with the first values that the configuration asks for."""
        c = self.config
        head = nn.Linear(c.representation_size or c.embed_dim, c.num_classes, rng)
        if c.zero_head:
            head.weight = nn.Parameter(init.zeros(head.weight.shape))
        elif c.weight_init == "normal":
            head.weight = nn.Parameter(init.normal(rng, head.weight.shape, 0.02))
        return head

    @property
    def token_shape(self):
        """(N, D) of an image in the encoder."""
        Gy, Gx = self.patch_embed.grid
        return self.num_prefix + Gy * Gx, self.config.embed_dim

    def forward(self, images):
        x = self.pos_drop(self.embed(images))
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x, self.head_rows)      # after the last attention, tokens do not meet again
        return self.classify(x)

    def embed(self, images):
        """The first tokens (B, N, D): prefix and patches, with positions."""
        x = self.patch_embed(images)                                        # (B, Gy * Gx, D)
        positions = self.positions(x.dtype)
        of_all = self.config.pos_embed == "learned" and self.config.prefix_positions
        if positions is not None and not of_all:
            x = x + positions
        if self.prefix:
            x = ops.concat([token.expand(len(x), *token.shape[1:]) for token in self.prefix] + [x], axis=1)
        return x + positions if of_all else x

    def positions(self, dtype):
        """What is added to the tokens (1, n, D), all of them or the patches; None where nothing is."""
        if self.waves is not None:
            return self.waves.astype(dtype)
        return self.pos_embed() if isinstance(self.pos_embed, nn.Module) else self.pos_embed

    def classify(self, x):
        """Logits (B, Y) from what the last block returns."""
        if self.config.pool == "token":
            x = self.norm(x[:, 0])                                          # (B, D)
        elif self.fc_norm is not None:
            x = self.fc_norm(x[:, self.num_prefix:].mean(1))
        else:
            x = self.norm(x[:, self.num_prefix:]).mean(1)
        return self.head(x if self.pre_logits is None else self.pre_logits(x))

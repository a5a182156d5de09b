"""One layer of the encoder, and what papers and experiments change in it.

    z' = z + Attention(LN(z))        z'' = z' + MLP(LN(z'))                 Block
    z' = z + ls1 * Attention(LN(z))  z'' = z' + ls2 * MLP(LN(z'))           ScaledBlock, of LayerScale
    z' = LN(z + Attention(z))        z'' = LN(z' + MLP(z'))                 SwitchedBlock, of post-norm

Shapes: z (B, N, D).

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, eq. 2-3; Touvron et al. 2021, "Going deeper with image transformers",
arXiv 2103.17239, eq. 4 (LayerScale); Vaswani et al. 2017, arXiv 1706.03762, section 3.1 (post-norm).
"""
from minivit import nn


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


class ScaledBlock(Block):
    """A Block whose branches are scaled, number by number, by learned factors that begin small."""

    def __init__(self, config, drop_path, rng):
        super().__init__(config, drop_path, rng)
        self.ls1 = nn.LayerScale(config.embed_dim, config.layer_scale)
        self.ls2 = nn.LayerScale(config.embed_dim, config.layer_scale)

    def forward(self, x, rows=None):
        """As a Block's."""
        kept = x if rows is None else x[:, rows]
        x = kept + self.drop_path(self.ls1(self.attn(self.norm1(x), rows)))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


class SwitchedBlock(Block):
    """A Block for experiments: layer norm after each addition instead of before each branch, or without additions."""

    def __init__(self, config, drop_path, rng):
        super().__init__(config, drop_path, rng)
        self.norm_first = config.norm_first
        self.attn_residual, self.mlp_residual = config.attn_residual, config.mlp_residual

    def forward(self, x, rows=None):
        """As a Block's."""
        kept = x if rows is None else x[:, rows]
        branch = self.drop_path(self.attn(self.norm1(x) if self.norm_first else x, rows))
        x = kept + branch if self.attn_residual else branch
        x = x if self.norm_first else self.norm1(x)
        branch = self.drop_path(self.mlp(self.norm2(x) if self.norm_first else x))
        x = x + branch if self.mlp_residual else branch
        return x if self.norm_first else self.norm2(x)


def block_of(config):
    """The class of block that a ViTConfig asks for."""
    if not (config.norm_first and config.attn_residual and config.mlp_residual):
        return SwitchedBlock
    return ScaledBlock if config.layer_scale else Block

"""The kinds of blocks: attention and MLP, and what options change around them."""
import numpy as np
import pytest

from minivit import Tensor, randomness
from minivit.models import ViTConfig
from minivit.models.blocks import Block, ScaledBlock, SwitchedBlock, block_of

SMALL = dict(embed_dim=8, num_heads=2, mlp_ratio=2.0)
KINDS = {
    "pre-norm": (Block, {}, lambda b, x: (z := x + b.attn(b.norm1(x))) + b.mlp(b.norm2(z))),
    "layer scale": (ScaledBlock, dict(layer_scale=0.5),
                    lambda b, x: (z := x + b.attn(b.norm1(x)) * b.ls1.gamma) + b.mlp(b.norm2(z)) * b.ls2.gamma),
    "post-norm": (SwitchedBlock, dict(norm_first=False),
                  lambda b, x: b.norm2((z := b.norm1(x + b.attn(x))) + b.mlp(z))),
    "attention replaces": (SwitchedBlock, dict(attn_residual=False),
                           lambda b, x: (z := b.attn(b.norm1(x))) + b.mlp(b.norm2(z))),
    "mlp replaces": (SwitchedBlock, dict(mlp_residual=False), lambda b, x: b.mlp(b.norm2(x + b.attn(b.norm1(x))))),
    "both replace": (SwitchedBlock, dict(attn_residual=False, mlp_residual=False),
                     lambda b, x: b.mlp(b.norm2(b.attn(b.norm1(x))))),
    "post-norm, both replace": (SwitchedBlock, dict(norm_first=False, attn_residual=False, mlp_residual=False),
                                lambda b, x: b.norm2(b.mlp(b.norm1(b.attn(x))))),
}


def block(drop_path=0.0, moved=0.2, **changes):
    """A block in float64 whose parameters are moved away from 0 and 1, where an error could hide."""
    config, rng = ViTConfig(**SMALL, **changes), np.random.default_rng(1)
    layer = block_of(config)(config, drop_path, rng).astype("float64")
    for parameter in layer.parameters():
        parameter.data += moved * rng.standard_normal(parameter.shape)
    return layer


def tokens(B=3, seed=0):
    return Tensor(np.random.default_rng(seed).standard_normal((B, 7, 8)))


@pytest.mark.parametrize("kind, changes, formula", KINDS.values(), ids=KINDS)
def test_blocks_follow_their_formula(kind, changes, formula):
    layer = block(**changes)
    assert type(layer) is kind
    np.testing.assert_allclose(layer(tokens()).data, formula(layer, tokens()).data, atol=1e-14)


def test_post_norm_returns_normalised_tokens():
    y = block(moved=0.0, norm_first=False)(tokens() * 100).data
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-14)
    np.testing.assert_allclose(y.std(-1), 1, atol=1e-4)                     # epsilon


@pytest.mark.parametrize("residual, branch", [("attn_residual", "attn.proj"), ("mlp_residual", "mlp.fc2")])
def test_without_a_residual_nothing_goes_past_its_branch(residual, branch):
    for kept in (True, False):
        layer = block(**{residual: kept})
        last = dict(layer.named_modules())[branch]
        last.weight.data[...] = last.bias.data[...] = 0                     # now the branch returns nothing
        assert np.array_equal(layer(tokens(seed=0)).data, layer(tokens(seed=1)).data) is not kept


def test_layer_scale_begins_at_its_value():
    """A tiny one as the identity, 1 as a block without."""
    layer = block(moved=0.0, layer_scale=0.25)
    assert (layer.ls1.gamma.data == 0.25).all() and (layer.ls2.gamma.data == 0.25).all()
    np.testing.assert_array_equal(block(moved=0.0, layer_scale=1e-20)(tokens()).data, tokens().data)
    np.testing.assert_array_equal(block(moved=0.0, layer_scale=1.0)(tokens()).data, block(moved=0.0)(tokens()).data)


@pytest.mark.parametrize("changes, rest", [
    ({}, lambda b, x: x), (dict(layer_scale=0.5), lambda b, x: x),
    (dict(norm_first=False), lambda b, x: b.norm2(b.norm1(x)))], ids=["pre-norm", "layer scale", "post-norm"])
def test_stochastic_depth_drops_both_branches(changes, rest):
    """In training, of p^2 of the images."""
    layer, x = block(drop_path=0.5, **changes), tokens(B=400)

    def dropped():
        return np.abs(layer(x).data - rest(layer, x).data).max((1, 2)) < 1e-12
    with randomness(0):
        assert dropped().mean() == pytest.approx(0.25, abs=0.05)
    layer.eval()
    assert not dropped().any()

"""The last block computes only the rows that the head reads: with the same result, and the same gradients."""
import numpy as np
import pytest

from minivit import Tensor, nn, ops
from minivit.models import DistilledConfig, DistilledVisionTransformer, ViTConfig, VisionTransformer
from minivit.models.blocks import block_of

SMALL = dict(image_size=(6, 9), patch_size=3, in_chans=2, num_classes=5, embed_dim=8, depth=2, num_heads=2,
             mlp_ratio=2.0, zero_head=False, pos_std=0.2)
CONFIG = ViTConfig(**SMALL)
BLOCKS = {"pre-norm": CONFIG, "layer scale": ViTConfig(**SMALL, layer_scale=0.5),
          "post-norm": ViTConfig(**SMALL, norm_first=False),
          "no residuals": ViTConfig(**SMALL, attn_residual=False, mlp_residual=False)}
MODELS = {name: (VisionTransformer, config, slice(0, 1)) for name, config in BLOCKS.items()} | {
    "registers": (VisionTransformer, ViTConfig(**SMALL, registers=2), slice(0, 1)),
    "distilled": (DistilledVisionTransformer, DistilledConfig(**SMALL), slice(0, 2))}
LAYERS = {"attention": nn.Attention(8, 2, 0)} | {
    name: block_of(config)(config, 0.0, 0) for name, config in BLOCKS.items()}
SLICES = [slice(0, 1), slice(2, 5), slice(None), slice(None, None, 3), slice(-1, None)]


def everything(model, dtype):
    """The logits, and the gradients of the images and of every parameter."""
    model.astype(dtype)
    images = Tensor(np.random.default_rng(0).standard_normal((4, 2, 6, 9)).astype(dtype), requires_grad=True)
    logits = model(images)
    logits = ops.concat(logits) if isinstance(logits, tuple) else logits
    ops.cross_entropy(logits, np.arange(len(logits)) % 5).backward()
    return {"logits": logits.data, "images": images.grad} | {name: p.grad for name, p in model.named_parameters()}


def tokens(dtype=np.float64):
    return Tensor(np.random.default_rng(1).standard_normal((3, 7, 8)).astype(dtype), requires_grad=True)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("kind, config, head_rows", MODELS.values(), ids=MODELS)
def test_a_model_gives_the_same_logits_and_gradients(kind, config, head_rows, dtype, tolerance):
    part, whole = kind(config), kind(config)
    assert part.head_rows == head_rows
    whole.head_rows = None
    found, expected = everything(part, dtype), everything(whole, dtype)
    assert found.keys() == expected.keys() and len(found) > 30
    for name, truth in expected.items():
        assert np.abs(truth).max() > 0, name
        assert np.abs(found[name] - truth).max() <= tolerance * np.abs(truth).max(), name


@pytest.mark.parametrize("rows", SLICES, ids=str)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_rows_are_those_of_the_whole(layer, rows):
    layer.astype("float64")
    whole, part = tokens(), tokens()
    y, expected = layer(part, rows=rows), layer(whole)[:, rows]
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-12, atol=1e-13)
    dy = np.random.default_rng(2).standard_normal(y.shape)
    y.backward(dy)
    found = [part.grad] + [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    expected.backward(dy)
    for gradient, truth in zip(found, [whole.grad] + [parameter.grad for parameter in layer.parameters()]):
        np.testing.assert_allclose(gradient, truth, rtol=1e-11, atol=1e-12)
    layer.zero_grad()


def test_the_last_block_leaves_out_what_the_head_does_not_read():
    model, seen = VisionTransformer(CONFIG), []
    for block in model.blocks:
        forward = block.mlp.forward
        block.mlp.forward = lambda x, forward=forward: seen.append(x.shape) or forward(x)
    model(Tensor(np.zeros((4, 2, 6, 9), np.float32)))
    assert seen == [(4, 7, 8), (4, 1, 8)]

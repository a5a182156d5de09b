"""The options of a Vision Transformer: each changes what it says, and nothing else."""
import math

import numpy as np
import pytest

from minivit import Tensor, ops, randomness, using
from minivit.gradcheck import gradcheck
from minivit.models import ViTConfig, VisionTransformer
from minivit.models.positions import sincos_2d

TINY = dict(image_size=(6, 9), patch_size=3, in_chans=2, num_classes=5, embed_dim=8, depth=2, num_heads=2,
            mlp_ratio=2.0, zero_head=False, pos_std=0.2)
FC = {"pre_logits.fc.weight": (7, 8), "pre_logits.fc.bias": (7,), "head.weight": (5, 7)}

# What is asked for, and the shapes of the parameters that it changes or adds; None: one that it takes away.
OPTIONS = {
    "learned-2d": (dict(pos_embed="learned-2d"), {"pos_embed": None, "pos_embed.y": (2, 1, 4),
                                                  "pos_embed.x": (1, 3, 4)}),
    "sincos-2d": (dict(pos_embed="sincos-2d"), {"pos_embed": None}),
    "no positions": (dict(pos_embed="none"), {"pos_embed": None}),
    "no prefix positions": (dict(prefix_positions=False), {"pos_embed": (1, 6, 8)}),
    "registers": (dict(registers=2), {"reg_token": (1, 2, 8), "pos_embed": (1, 9, 8)}),
    "registers apart": (dict(registers=2, prefix_positions=False), {"reg_token": (1, 2, 8), "pos_embed": (1, 6, 8)}),
    "mean": (dict(pool="mean"), {}),
    "gap": (dict(pool="mean", class_token=False), {"cls_token": None, "pos_embed": (1, 6, 8)}),
    "fc_norm": (dict(pool="mean", fc_norm=True), {"norm.weight": None, "norm.bias": None, "fc_norm.weight": (8,),
                                                  "fc_norm.bias": (8,)}),
    "gelu": (dict(gelu="tanh"), {}),
    "no qkv bias": (dict(qkv_bias=False), {f"blocks.{i}.attn.qkv.bias": None for i in (0, 1)}),
    "layer scale": (dict(layer_scale=0.5), {f"blocks.{i}.{ls}.gamma": (8,) for i in (0, 1) for ls in ("ls1", "ls2")}),
    "post-norm": (dict(norm_first=False), {}),
    "attention replaces": (dict(attn_residual=False), {}),
    "mlp replaces": (dict(mlp_residual=False), {}),
    "tanh in the head": (dict(representation_size=7), FC),
    "gelu in the head": (dict(representation_size=7, representation_act="gelu"), FC),
}
options = pytest.mark.parametrize("changes, shapes", OPTIONS.values(), ids=OPTIONS)


def vit(**changes):
    """A model in float64 whose parameters are all moved away from 0 and 1, where an error could hide."""
    model, rng = VisionTransformer(ViTConfig(**TINY | changes)).astype("float64"), np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.2 * rng.standard_normal(parameter.shape)
    return model


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


IMAGES = numbers(3, 2, 6, 9)


# All of them

@options
def test_parameters(changes, shapes):
    def shapes_of(model):
        return {name: parameter.shape for name, parameter in model.named_parameters()}
    expected = shapes_of(vit()) | shapes
    assert shapes_of(vit(**changes)) == {name: shape for name, shape in expected.items() if shape is not None}


@options
def test_logits(changes, shapes):
    """They are not those of a plain model with the same parameters, and float32 stays float32."""
    plain, model = vit(), vit(**changes)
    same = {name: array for name, array in plain.state_dict().items() if name not in shapes}
    model.load_state_dict(same, strict=False)
    exact = model(Tensor(IMAGES)).data
    assert exact.shape == (3, 5) and np.abs(exact - plain(Tensor(IMAGES)).data).max() > 1e-4
    logits = model.astype("float32")(Tensor(IMAGES.astype("float32")))
    ops.cross_entropy(logits, np.array([4, 0, 2])).backward()
    assert {logits.dtype, *(parameter.grad.dtype for parameter in model.parameters())} == {np.dtype("float32")}
    np.testing.assert_allclose(logits.data, exact, rtol=0, atol=1e-5)


@options
@pytest.mark.parametrize("form", ["array", "composed"])
def test_gradients(changes, shapes, form):
    """Of the images and of every parameter, each along a random direction."""
    model = vit(**changes, depth=1)
    inputs = {"images": Tensor(IMAGES[:2].copy(), requires_grad=True), **dict(model.named_parameters())}
    with using(form):
        report = gradcheck(lambda images, *_: model(images), inputs, seeds=(0,), elements=0, tolerance=1e-6)
    report.check()


# The first tokens

def first_tokens(model):
    """(found, patches without positions): what the encoder begins with."""
    return model.embed(Tensor(IMAGES)).data, model.patch_embed(Tensor(IMAGES)).data


def test_the_class_token_comes_first_then_registers_then_patches():
    model = vit(registers=2)
    found, patches = first_tokens(model)
    tokens = np.concatenate([model.cls_token.data, model.reg_token.data], axis=1).repeat(3, axis=0)
    np.testing.assert_allclose(found, np.concatenate([tokens, patches], axis=1) + model.pos_embed.data, atol=1e-14)
    assert model.token_shape == found.shape[1:] == (9, 8)


def test_positions_of_patches_alone():
    model = vit(registers=2, prefix_positions=False)
    found, patches = first_tokens(model)
    np.testing.assert_array_equal(found[:, :1], model.cls_token.data.repeat(3, axis=0))
    np.testing.assert_array_equal(found[:, 1:3], model.reg_token.data.repeat(3, axis=0))
    np.testing.assert_allclose(found[:, 3:], patches + model.pos_embed.data, atol=1e-14)


def test_learned_2d_positions_are_a_row_and_a_column():
    model = vit(pos_embed="learned-2d")
    found, patches = first_tokens(model)
    positions = (found[:, 1:] - patches).reshape(3, 2, 3, 8)                # (B, Gy, Gx, D)
    for y in range(2):
        for x in range(3):
            expected = np.concatenate([model.pos_embed.x.data[0, x], model.pos_embed.y.data[y, 0]])
            np.testing.assert_allclose(positions[:, y, x], [expected] * 3, atol=1e-14)


def test_sincos_2d_positions_are_fixed():
    model = vit(pos_embed="sincos-2d")
    found, patches = first_tokens(model)
    np.testing.assert_allclose(found[:, 1:], patches + sincos_2d((2, 3), 8), atol=1e-14)
    np.testing.assert_array_equal(found[:, :1], model.cls_token.data.repeat(3, axis=0))


@pytest.mark.parametrize("changes", [
    {}, dict(registers=2), dict(pool="mean"), dict(class_token=False, pool="mean")], ids=str)
def test_without_positions_the_order_of_patches_does_not_matter(changes):
    patches = ops.extract_patches(Tensor(IMAGES), 3).data.reshape(3, 6, -1)
    shuffled = ops.merge_patches(Tensor(patches[:, [3, 0, 5, 2, 1, 4]].reshape(3, 2, 3, -1)), (6, 9), 3)
    model, other = vit(pos_embed="none", **changes), vit(pos_embed="sincos-2d", **changes)
    np.testing.assert_allclose(model(shuffled).data, model(Tensor(IMAGES)).data, rtol=1e-12)
    assert np.abs(other(shuffled).data - other(Tensor(IMAGES)).data).max() > 1e-4


# What the head reads: x (B, N, D) of the last block, with the class token in front of the patches

def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


HEADS = {
    "token": ({}, 7, lambda x, norm, fc: norm(x[:, 0])),
    "token before registers": (dict(registers=2), 9, lambda x, norm, fc: norm(x[:, 0])),
    "mean": (dict(pool="mean"), 7, lambda x, norm, fc: norm(x[:, 1:]).mean(1)),
    "mean without registers": (dict(pool="mean", registers=2), 9, lambda x, norm, fc: norm(x[:, 3:]).mean(1)),
    "gap": (dict(pool="mean", class_token=False), 6, lambda x, norm, fc: norm(x).mean(1)),
    "fc_norm": (dict(pool="mean", fc_norm=True), 7, lambda x, norm, fc: norm(x[:, 1:].mean(1))),
    "tanh": (dict(representation_size=7), 7, lambda x, norm, fc: np.tanh(fc(norm(x[:, 0])))),
    "gelu": (dict(representation_size=7, representation_act="gelu"), 7, lambda x, norm, fc: gelu(fc(norm(x[:, 0])))),
}


@pytest.mark.parametrize("changes, N, read", HEADS.values(), ids=HEADS)
def test_heads(changes, N, read):
    model, x = vit(**changes), numbers(3, N, 8)

    def affine(layer):
        return lambda x: x @ layer.weight.data.T + layer.bias.data

    def norm(x):
        layer = model.norm or model.fc_norm
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * layer.weight.data + layer.bias.data
    hidden = read(x, norm, affine(model.pre_logits.fc) if model.pre_logits else None)
    np.testing.assert_allclose(model.classify(Tensor(x)).data, affine(model.head)(hidden), atol=1e-13)


def test_the_last_block_computes_what_the_head_reads():
    assert vit().head_rows == vit(registers=2).head_rows == slice(0, 1)
    assert vit(pool="mean").head_rows is None and VisionTransformer.head_rows == slice(0, 1)


# First values and rates

@pytest.mark.parametrize("zero_head", [True, False])
def test_normal_first_weights(zero_head):
    """All matrices but that of the patches; what else there is begins as always."""
    settings = TINY | dict(embed_dim=64, depth=1, num_classes=50, representation_size=64, zero_head=zero_head)
    xavier, normal = (VisionTransformer(ViTConfig(**settings, weight_init=name)) for name in ("xavier", "normal"))
    for (name, other), array in zip(xavier.state_dict().items(), normal.state_dict().values()):
        if array.ndim == 2 and not (name == "head.weight" and zero_head):
            assert array.std() == pytest.approx(0.02, rel=0.05) and abs(array.mean()) < 0.001, name
            assert other.std() > 0.05, name
        else:
            np.testing.assert_array_equal(array, other, name)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_the_setting_gelu_reaches_every_mlp(approximate, monkeypatch):
    model, seen, original = vit(gelu=approximate), [], ops.gelu
    monkeypatch.setattr(ops, "gelu", lambda x, approximate="none": seen.append(approximate) or original(x, approximate))
    model(Tensor(IMAGES))
    assert seen == [approximate] * 2


def test_stochastic_depth_grows_from_zero_to_its_rate():
    model = vit(depth=5, drop_path_rate=0.2)
    assert [block.drop_path.p for block in model.blocks] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_rates_reach_their_layers():
    model = vit(drop_rate=0.1, attn_drop_rate=0.2)
    block = model.blocks[0]
    assert (model.pos_drop.p, block.attn.proj_drop.p, block.mlp.drop1.p, block.mlp.drop2.p) == (0.1,) * 4
    assert block.attn.attn_drop == 0.2


def test_dropout_begins_with_the_first_tokens():
    model, seen = vit(drop_rate=0.25), []
    model.blocks[0].forward = lambda x: seen.append(x.data) or x
    with randomness(0):
        model(Tensor(IMAGES))
    model.eval()(Tensor(IMAGES))
    kept = seen[0] != 0
    assert kept.mean() == pytest.approx(0.75, abs=0.1)
    np.testing.assert_allclose(seen[0][kept], seen[1][kept] / 0.75, rtol=1e-14)


def test_registers_are_told_apart_from_the_start():
    registers = VisionTransformer(ViTConfig(embed_dim=192, depth=1, registers=4)).reg_token.data
    assert registers.std() == pytest.approx(0.02, rel=0.1) and registers.std(1).min() > 0


# Contradictions

@pytest.mark.parametrize("changes, message", [
    (dict(class_token=False), "^pool token reads the class token, and class_token is false: set pool to mean$"),
    (dict(fc_norm=True), "^fc_norm is the layer norm of a mean over patches: set pool to mean$"),
    (dict(layer_scale=0.1, norm_first=False), "^layer_scale is for the usual block: leave norm_first and the resid"),
    (dict(layer_scale=0.1, attn_residual=False), "^layer_scale is for the usual block"),
    (dict(layer_scale=0.1, mlp_residual=False), "^layer_scale is for the usual block"),
    (dict(drop_path_rate=0.1, mlp_residual=False), "^drop_path_rate drops a branch, .*: set drop_path_rate to 0$"),
    (dict(pos_embed="sincos-2d", embed_dim=6), "^pos_embed sincos-2d is made of 4 parts .* 6 is not divisible by 4$"),
    (dict(pos_embed="learned-2d", embed_dim=9, num_heads=3), "^pos_embed learned-2d is made of 2 parts of equal width"),
    (dict(mlp_ratio=0.1), "^mlp_ratio 0.1 of embed_dim 8 leaves the MLP no width$"),
    (dict(pool="max"), "^pool must be one of token, mean, not 'max'$"),
    (dict(pos_embed="sincos"), "^pos_embed must be one of learned, learned-2d, sincos-2d, none, not 'sincos'$"),
    (dict(representation_act="relu"), "^representation_act must be one of tanh, gelu, not 'relu'$"),
    (dict(weight_init="zeros"), "^weight_init must be one of xavier, normal, not 'zeros'$"),
    (dict(registers=-1), "^registers must be a finite number >= 0, not -1$"),
], ids=str)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ViTConfig(**TINY | changes)

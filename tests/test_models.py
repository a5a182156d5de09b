"""The Vision Transformer as a whole: its size, its names, its gradients, and what it must not depend on."""
import math
import time

import numpy as np
import pytest

from minivit import Tensor, nn, ops, using
from minivit.gradcheck import gradcheck
from minivit.models import PRESETS, DistilledConfig, ViTConfig, VisionTransformer, build, create, describe, preset

PARAMETERS = {                          # of 1,000 classes
    # asserted in the tests of google-research/vision_transformer
    "vit_tiny_patch16_224": 5_717_416, "vit_small_patch16_224": 22_050_664, "vit_small_patch32_224": 22_878_952,
    "vit_base_patch8_224": 86_576_872, "vit_base_patch16_224": 86_567_656, "vit_base_patch32_224": 88_224_232,
    "vit_large_patch16_224": 304_326_632, "vit_large_patch32_224": 306_535_400, "vit_huge_patch14_224": 632_045_800,
    "vit_small_patch16_gap_224": 22_049_896, "vit_base_patch16_gap_224": 86_566_120,
    "vit_tiny_r_s16_p8_224": 6_337_704, "vit_small_r26_s32_224": 36_431_912, "vit_base_r26_s32_224": 101_383_976,
    "vit_base_r50_s16_224": 98_659_112, "vit_large_r50_s32_224": 328_994_856,
    # counted in timm 1.0.31
    "deit_tiny_patch16_224": 5_717_416, "deit_small_patch16_224": 22_050_664, "deit_base_patch16_224": 86_567_656,
    "deit_tiny_distilled_patch16_224": 5_910_800, "deit_small_distilled_patch16_224": 22_436_432,
    "deit_base_distilled_patch16_224": 87_338_192,
    "deit_base_patch16_384": 86_859_496, "deit_base_distilled_patch16_384": 87_630_032}
LARGE = {name for name, config in PRESETS.items() if isinstance(config, ViTConfig) and config.num_classes == 1000}
SMALL = [name for name, config in PRESETS.items() if config.num_classes == 10]
TINY = ViTConfig(image_size=(6, 9), patch_size=3, in_chans=2, num_classes=5, embed_dim=8, depth=1, num_heads=2,
                 mlp_ratio=2.0, zero_head=False)


def tiny(**changes):
    return VisionTransformer(ViTConfig(**(vars(TINY) | changes)))


def images_for(model, B=3, dtype=np.float32):
    shape = (B, model.config.in_chans) + model.config.image_size
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def by_formula(c):
    """The number of parameters, added up by hand."""
    D, F, (Sy, Sx), (Py, Px) = c.embed_dim, int(c.embed_dim * c.mlp_ratio), c.image_size, c.patch_size
    heads = 2 if isinstance(c, DistilledConfig) else 1                      # each has a token, but for the mean
    prefix = heads if c.class_token else 0
    patches = (Py * Px * c.in_chans + 1) * D
    tokens = prefix * D + (prefix + (Sy // Py) * (Sx // Px)) * D            # and positions
    block = (4 * D * D + 4 * D) + (2 * D * F + F + D) + 4 * D               # attention, MLP, two layer norms
    return patches + tokens + c.depth * block + 2 * D + heads * (D + 1) * c.num_classes


# Sizes

def test_presets_have_the_published_numbers_of_parameters_and_are_counted_without_memory():
    start = time.perf_counter()
    with nn.no_init():
        counted = {name: create(name).num_parameters() for name in PARAMETERS}
    assert counted == PARAMETERS
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("name", [name for name in PRESETS if type(PRESETS[name]) in (ViTConfig, DistilledConfig)])
def test_every_preset_has_the_parameters_of_the_formula(name):
    with nn.no_init():
        assert create(name).num_parameters() == by_formula(PRESETS[name])


def test_the_configuration_that_the_authors_test_with_has_their_number_of_parameters():
    assert VisionTransformer(ViTConfig(embed_dim=10, depth=1, num_heads=2, mlp_ratio=1)).num_parameters() == 21_390


def test_every_large_preset_has_a_published_number():
    assert LARGE == PARAMETERS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_small_presets_run(name):
    model = create(name).eval()
    logits = model(Tensor(images_for(model, B=2)))
    assert logits.shape == (2, 10) and not logits.data.any()                # zero_head is their default


@pytest.mark.parametrize("Sy, Sx, Py, Px, C", [(6, 9, 3, 3, 1), (8, 4, 2, 4, 3), (5, 5, 5, 5, 2), (4, 12, 1, 6, 7)])
def test_images_of_any_shape_and_number_of_channels(Sy, Sx, Py, Px, C):
    model = tiny(image_size=(Sy, Sx), patch_size=(Py, Px), in_chans=C)
    assert model.pos_embed.shape == (1, 1 + (Sy // Py) * (Sx // Px), 8)
    assert model.num_parameters() == by_formula(model.config)
    assert model(Tensor(images_for(model))).shape == (3, 5)


# First values

def test_a_zero_head_starts_at_the_loss_of_a_guess():
    model = tiny(zero_head=True)
    logits = model(Tensor(images_for(model)))
    assert not logits.data.any()
    assert ops.cross_entropy(logits, np.array([0, 4, 2])).item() == pytest.approx(math.log(5), rel=1e-6)


def test_first_values_follow_from_the_seed():
    first, same, other = (create("vit_nano_patch7_28", seed=seed).state_dict() for seed in (1, 1, 2))
    assert all((first[name] == same[name]).all() for name in first)
    assert (first["pos_embed"] != other["pos_embed"]).any()


@pytest.mark.parametrize("name", [name for name in PRESETS if isinstance(PRESETS[name], ViTConfig)])
def test_positions_of_small_presets_begin_wider(name):
    """0.02 is too little for trainings of few steps: positions would take epochs to be told apart."""
    assert PRESETS[name].pos_std == (0.02 if name in LARGE else 0.2)


@pytest.mark.parametrize("pos_std", [0.0, 0.02, 0.2])
def test_positions_begin_with_their_standard_deviation(pos_std):
    positions = create("vit_nano_patch4_28", pos_std=pos_std).pos_embed.data
    assert positions.size == 50 * 64 and positions.std() == pytest.approx(pos_std, rel=0.05)


# Names

def test_names_and_layouts_are_those_of_timm():
    names = {name: parameter.shape for name, parameter in tiny().named_parameters()}
    assert names == {
        "cls_token": (1, 1, 8), "pos_embed": (1, 7, 8), "patch_embed.proj.weight": (8, 2, 3, 3),
        "patch_embed.proj.bias": (8,), "blocks.0.norm1.weight": (8,), "blocks.0.norm1.bias": (8,),
        "blocks.0.attn.qkv.weight": (24, 8), "blocks.0.attn.qkv.bias": (24,), "blocks.0.attn.proj.weight": (8, 8),
        "blocks.0.attn.proj.bias": (8,), "blocks.0.norm2.weight": (8,), "blocks.0.norm2.bias": (8,),
        "blocks.0.mlp.fc1.weight": (16, 8), "blocks.0.mlp.fc1.bias": (16,), "blocks.0.mlp.fc2.weight": (8, 16),
        "blocks.0.mlp.fc2.bias": (8,), "norm.weight": (8,), "norm.bias": (8,), "head.weight": (5, 8),
        "head.bias": (5,)}


# Gradients

@pytest.mark.parametrize("form", ["composed", "array"])
def test_gradients_of_the_whole_model(form):
    """Of the image and of every parameter; all are moved from 0 and 1, where a wrong gradient could hide."""
    model, rng = tiny().astype("float64"), np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * rng.standard_normal(parameter.shape)
    inputs = {"images": Tensor(images_for(model, 2, np.float64), requires_grad=True), **dict(model.named_parameters())}
    with using(form):
        report = gradcheck(lambda images, *_: model(images), inputs, seeds=(0,), elements=2, tolerance=1e-5)
    assert len(report.inputs) == len(inputs)
    report.check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_of_a_model_is_kept(dtype):
    model = tiny().astype(dtype)
    images = Tensor(images_for(model, dtype=dtype), requires_grad=True)
    logits = model(images)
    ops.cross_entropy(logits, np.array([0, 1, 2]), label_smoothing=0.1).backward()
    assert logits.dtype == images.grad.dtype == dtype
    assert {name: str(parameter.grad.dtype) for name, parameter in model.named_parameters()} == \
        dict.fromkeys(model.state_dict(), dtype)


# What attention cannot see

def shuffled(images, order, P=3):
    """The same patches in another order."""
    return ops.merge_patches(Tensor(patches_in(images, P)[:, order]).reshape(3, 2, 3, -1), (6, 9), P).data


def patches_in(images, P=3):
    return ops.extract_patches(Tensor(images), P).data.reshape(len(images), 6, -1)


def test_without_positions_the_order_of_patches_does_not_matter():
    model = tiny(depth=2).astype("float64")
    images, order = images_for(model, dtype=np.float64), np.random.default_rng(1).permutation(6)
    assert np.abs(model(Tensor(images)).data - model(Tensor(shuffled(images, order))).data).max() > 1e-4
    model.pos_embed.data[...] = 0
    np.testing.assert_allclose(model(Tensor(shuffled(images, order))).data, model(Tensor(images)).data, rtol=1e-10)


def test_the_encoder_permutes_with_its_tokens():
    block = tiny().astype("float64").blocks[0]
    z, order = np.random.default_rng(0).standard_normal((2, 7, 8)), np.random.default_rng(1).permutation(7)
    np.testing.assert_allclose(block(Tensor(z[:, order])).data, block(Tensor(z)).data[:, order], rtol=1e-10)


def test_images_of_a_batch_do_not_see_each_other():
    model = tiny().astype("float64")
    images = images_for(model, dtype=np.float64)
    alone = [model(Tensor(image[None])).data[0] for image in images]
    np.testing.assert_allclose(model(Tensor(images)).data, alone, rtol=1e-10)


# The registry

def test_describe_and_build_are_inverses():
    model = tiny(drop_path_rate=0.1)
    architecture, settings = describe(model)
    again = build(architecture, settings)
    assert again.config == model.config and settings["image_size"] == [6, 9]


@pytest.mark.parametrize("call, error, message", [
    (lambda: create("vit_tiny_patch16_225"), ValueError,
     "^unknown model 'vit_tiny_patch16_225': did you mean 'vit_tiny_patch16_224'.$"),
    (lambda: create("vit_nano_patch7_28", embed_dims=8), ValueError,
     "^unknown setting of vit_nano_patch7_28 'embed_dims': did you mean 'embed_dim'.$"),
    (lambda: preset("perceiver"), ValueError,
     "^unknown model 'perceiver'; there are: .*deit_base_patch16_224, .*vit_tiny_patch4_32"),
    (lambda: build("vti", {}), ValueError, "unknown architecture 'vti': did you mean 'vit'"),
    (lambda: build("vit", {"dept": 3}), ValueError, "^unknown setting of a vit 'dept': did you mean 'depth'.$"),
    (lambda: describe(nn.Linear(2, 2, 0)), TypeError, "^Linear is not a registered model$"),
], ids=["preset", "setting", "far preset", "architecture", "stored setting", "other model"])
def test_unknown_names_are_answered_with_the_nearest(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("changes, message", [
    ({"depth": 0}, "^depth must be a finite number >= 1, not 0$"),
    ({"embed_dim": 8.0}, "^embed_dim must be of type int, not 8.0$"),
    ({"num_heads": 3}, "embed_dim 8 is not divisible by num_heads 3"),
    ({"drop_rate": 1.0}, "^drop_rate must be a finite number >= 0 and < 1, not 1.0$"),
    ({"drop_path_rate": -0.1}, "^drop_path_rate must be a finite number >= 0 and < 1, not -0.1$"),
    ({"image_size": (6, 9, 3)}, "image_size must be a positive integer or a pair"),
    ({"patch_size": 0}, "patch_size must be a positive integer or a pair"),
    ({"patch_size": 4}, r"images of \(6, 9\) pixels cannot be cut into patches of \(4, 4\)"),
])
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


@pytest.mark.parametrize("changes", [
    {"zero_head": "no"}, {"depth": True}, {"mlp_ratio": 0.0}, {"mlp_ratio": math.nan}, {"mlp_ratio": "0.5"},
    {"representation_size": -3}, {"norm_eps": -1.0}, {"drop_rate": "0.1"}, {"pos_std": -1.0}, {"pos_std": math.inf},
    {"gelu": "erf"}, {"gelu": True}, {"qkv_bias": 1}], ids=str)
def test_values_of_a_wrong_type_or_range_are_refused_by_name(changes):
    with pytest.raises(ValueError, match=f"^{next(iter(changes))} must be "):
        tiny(**changes)

"""ResNet with group norm: against timm, whose results are frozen in golden/resnet.npz by make_conv.py; sizes, names,
gradients, and what it must not depend on."""
import json
import math
from pathlib import Path

import numpy as np
import pytest

from minivit import Tensor, nn, ops, optim, using
from minivit.data import mnist5k, normalise
from minivit.function import FUNCTIONS
from minivit.gradcheck import gradcheck
from minivit.models.resnet import RESNET_PRESETS, Encoder, ResNet, ResNetConfig, Stem, backbone

GOLDEN = dict(np.load(Path(__file__).parent / "golden" / "resnet.npz"))
TIMM = dict(in_chans=2, num_classes=5, layers=(1, 1), stem_width=8, groups=4)
NETWORKS = {
    "bit": lambda: ResNet(ResNetConfig((21, 16), channels=(32, 32), **TIMM)),
    "basic": lambda: ResNet(ResNetConfig((18, 21), channels=(8, 16), block="basic", **TIMM)),
    "hybrid": lambda: backbone(ResNetConfig((22, 15), channels=(32, 32), preact=False, same_padding=True, **TIMM), 0),
}
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
TINY = dict(image_size=(6, 9), in_chans=2, num_classes=5, layers=(1, 1), channels=(16, 32), stem_width=8,
            small_stem=True, groups=2, zero_head=False)
VARIANTS = {
    "bottleneck": {},
    "basic": dict(block="basic", channels=(8, 16)),
    "post-activation": dict(preact=False, same_padding=True),
}
variants = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
both_forms = pytest.mark.parametrize("form", ["composed", "array"])


def tiny(**changes):
    return ResNet(ResNetConfig(**(TINY | changes)))


def images_for(model, B=3, dtype=np.float32):
    shape = (B, model.config.in_chans) + model.config.image_size
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


# Against timm

@pytest.mark.parametrize("dtype", TOLERANCE)
@both_forms
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_are_timms(name, form, dtype):
    network, tolerance = NETWORKS[name]().astype(dtype), TOLERANCE[dtype]
    network.load_state_dict(stored(name, "param/"))
    images = Tensor(GOLDEN[f"{name}/images"].astype(dtype), requires_grad=True)
    with using(form):
        y = network(images)
        y.backward(GOLDEN[f"{name}/dy"].astype(dtype))
    found = {"y": y.data, "dimages": images.grad}
    found |= {f"grad/{key}": parameter.grad for key, parameter in network.named_parameters()}
    for key, array in found.items():
        expected = GOLDEN[f"{name}/{key}"]
        assert array.dtype == dtype and array.shape == expected.shape
        assert np.abs(array - expected).max() <= tolerance * max(1, np.abs(expected).max()), key


def stored(name, kind):
    prefix = f"{name}/{kind}"
    return {key.removeprefix(prefix): array for key, array in GOLDEN.items() if key.startswith(prefix)}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_stand_in_timms_order(name):
    assert list(NETWORKS[name]().state_dict()) == list(stored(name, "param/"))


def test_provenance():
    provenance = json.loads(str(GOLDEN["provenance"]))
    assert provenance["call"] == "python tests/golden/make_conv.py" and "timm" in provenance["versions"]
    assert json.loads(str(GOLDEN["networks"])) == list(NETWORKS)


# Sizes

def test_bit_has_its_published_size():
    """25.5 million: Kolesnikov et al. 2019, table 4, and timm 1.0.31."""
    with nn.no_init():
        assert ResNet(RESNET_PRESETS["resnetv2_50x1_bit"]).num_parameters() == 25_549_352


@pytest.mark.parametrize("layers, parameters, features", [
    ((3, 4, 9), 11_894_848, (1024, 14, 14)), ((2, 2, 2, 2), 13_946_176, (2048, 7, 7)),
    ((3, 4, 6, 3), 23_508_032, (2048, 7, 7)), ((), 9_536, (64, 56, 56))],
    ids=["base_r50_s16", "small_r26_s32", "large_r50_s32", "tiny_r_s16"])
def test_backbones_of_the_hybrids_have_timms_sizes(layers, parameters, features):
    config = ResNetConfig(layers=layers, preact=False, same_padding=True)
    with nn.no_init():
        assert backbone(config, 0).num_parameters() == parameters
    assert config.feature_shape == features


def test_the_backbone_without_layers_is_the_stem():
    """timm calls its parameters patch_embed.backbone.conv.weight, not ...backbone.stem.conv.weight."""
    module = backbone(ResNetConfig((12, 16), layers=(), preact=False, same_padding=True), 0)
    assert isinstance(module, Stem) and list(module.state_dict()) == ["conv.weight", "norm.weight", "norm.bias"]
    assert module(Tensor(np.ones((1, 3, 12, 16), np.float32))).shape == (1, 64, 3, 4)


@pytest.mark.parametrize("same_padding", [False, True])
@pytest.mark.parametrize("small_stem", [False, True])
@pytest.mark.parametrize("Sy, Sx", [(16, 12), (17, 23), (31, 9), (5, 6)])
def test_features_have_the_shape_that_the_configuration_says(Sy, Sx, small_stem, same_padding):
    for layers in ((), (1,), (1, 1)):
        config = ResNetConfig(**(TINY | dict(image_size=(Sy, Sx), layers=layers, small_stem=small_stem,
                                             same_padding=same_padding)))
        images = Tensor(np.ones((1, 2, Sy, Sx), np.float32))
        assert backbone(config, 0)(images).shape == (1,) + config.feature_shape
        assert ResNet(config).features(images).shape == (1,) + config.feature_shape


@pytest.mark.parametrize("name", [name for name in RESNET_PRESETS if "_gn_" in name])
def test_small_presets_run(name):
    model = ResNet(RESNET_PRESETS[name])
    logits = model(Tensor(images_for(model, B=2)))
    assert logits.shape == (2, 10) and not logits.data.any()                # zero_head is their default
    weights = [p for key, p in model.named_parameters() if p.ndim == 4 and "downsample" not in key]
    assert name.startswith(f"resnet{len(weights)}_")                        # a ResNet is named after its layers


# Blocks

@pytest.mark.parametrize("changes", [{"preact": False}, {"preact": False, "same_padding": True}], ids=str)
def test_with_zero_init_a_block_begins_as_its_shortcut(changes):
    blocks = tiny(zero_init=True, layers=(2, 1), **changes).stages[0].blocks
    x = np.abs(np.random.default_rng(0).standard_normal((2, 16, 5, 4))).astype(np.float32)
    np.testing.assert_array_equal(blocks[1](Tensor(x)).data, x)             # not negative: ReLU leaves it as it is
    x = Tensor(x[:, :8])
    np.testing.assert_array_equal(blocks[0](x).data, ops.relu(blocks[0].downsample(x)).data)


def test_only_blocks_that_change_the_shape_have_a_downsample():
    stages = tiny(layers=(2, 2), channels=(8, 16), block="basic").stages
    assert [[block.downsample is not None for block in stage.blocks] for stage in stages] == \
        [[False, False], [True, False]]


def test_the_two_paddings_differ_only_where_a_stride_meets_an_even_image():
    for image_size, equal in (((9, 9), True), ((8, 8), False)):
        models = [tiny(image_size=image_size, same_padding=same) for same in (False, True)]
        images = Tensor(images_for(models[0]))
        a, b = (model(images).data for model in models)
        assert np.allclose(a, b, atol=1e-6) is equal


# Gradients and independence

@both_forms
@variants
def test_gradients_of_the_whole_model(changes, form):
    """With GELU in place of ReLU: differences do not see over its kink."""
    model, rng = tiny(**changes).astype("float64"), np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * rng.standard_normal(parameter.shape)
    inputs = {"images": Tensor(images_for(model, 2, np.float64), requires_grad=True), **dict(model.named_parameters())}
    with using(form, {"relu": FUNCTIONS["gelu"].forms[form]}):
        report = gradcheck(lambda images, *_: model(images), inputs, seeds=(0,), elements=1, tolerance=1e-5)
    assert len(report.inputs) == len(inputs)
    report.check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@variants
def test_the_precision_of_a_model_is_kept(changes, dtype):
    model = tiny(**changes).astype(dtype)
    logits = model(Tensor(images_for(model, dtype=dtype)))
    ops.cross_entropy(logits, np.array([0, 1, 2])).backward()
    assert {str(logits.dtype)} | {str(parameter.grad.dtype) for parameter in model.parameters()} == {dtype}


@variants
def test_images_of_a_batch_do_not_see_each_other(changes):
    model = tiny(**changes).astype("float64")
    images = images_for(model, dtype=np.float64)
    alone = [model(Tensor(image[None])).data[0] for image in images]
    np.testing.assert_allclose(model(Tensor(images)).data, alone, rtol=1e-9, atol=1e-12)


def test_standardised_filters_make_the_size_of_weights_irrelevant():
    model = tiny().astype("float64")
    images = Tensor(images_for(model, dtype=np.float64))
    before = model(images).data
    for name, parameter in model.named_parameters():
        if parameter.ndim == 4 and name != "head.fc.weight":
            parameter.data *= 3
    np.testing.assert_allclose(model(images).data, before, rtol=1e-5)       # conv_eps is not quite 0


def test_first_values_follow_from_the_seed():
    config = ResNetConfig(**TINY)
    first, same, other = (ResNet(config, seed).state_dict() for seed in (1, 1, 2))
    assert all((first[name] == same[name]).all() for name in first)
    assert (first["stem.conv.weight"] != other["stem.conv.weight"]).any()


def test_the_encoder_is_a_part_of_the_model():
    model = tiny()
    encoder = Encoder(model.config, 0)
    encoder.load_state_dict({key: array for key, array in model.state_dict().items() if not key.startswith("head.")})
    images = Tensor(images_for(model))
    np.testing.assert_array_equal(encoder(images).data, model.features(images).data)


@pytest.mark.parametrize("changes", [{}, {"block": "bottleneck", "preact": False, "zero_init": True}], ids=str)
def test_it_learns_a_small_batch_by_heart(changes):
    config = ResNetConfig(14, 1, 10, **(dict(layers=(1, 1), channels=(16, 32), stem_width=16, small_stem=True,
                                             block="basic", groups=4) | changes))
    model, digits = ResNet(config), mnist5k().train
    images = Tensor(normalise(digits.images[:20, ::2, ::2], (0.13,), (0.31,)))
    optimizer, losses = optim.AdamW(model.named_parameters(), lr=3e-2), []
    for _ in range(30):
        loss = ops.cross_entropy(model(images), digits.labels[:20])
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(10), rel=1e-5) and losses[-1] < 0.1


@pytest.mark.parametrize("changes, message", [
    ({"layers": (1, 1, 1)}, r"^layers \(1, 1, 1\) are 3 stages, and channels \(16, 32\) are for 2$"),
    ({"layers": (1, 0)}, r"^layers must be a sequence of positive integers, not \(1, 0\)$"),
    ({"channels": (16, 30)}, r"^channels \(16, 30\) must be divisible by 4"),
    ({"block": "basics"}, "^block must be one of basic, bottleneck, not 'basics'$"),
    ({"block": "basic", "preact": False}, "^block basic comes with preact only"),
    ({"zero_init": True}, "^zero_init needs preact false: .* never let a gradient through$"),
    ({"groups": 0}, "^groups must be a finite number >= 1, not 0$"),
    ({"groups": 3}, "^8 channels cannot be divided into 3 groups of equal size$"),
    ({"stem_width": 8.0}, "^stem_width must be of type int, not 8.0$")], ids=str)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_images_of_another_number_of_channels_are_refused():
    with pytest.raises(ValueError, match=r"conv2d needs .* as many channels C, not \(3, 1, 6, 9\) and \(8, 2, 3, 3\)"):
        tiny()(Tensor(np.zeros((3, 1, 6, 9), np.float32)))

"""DeiT with a distillation token: two tokens, two heads, and what they return in training and in evaluation."""
import numpy as np
import pytest

from minivit import Tensor, ops, using
from minivit.gradcheck import gradcheck
from minivit.models import (DistilledConfig, DistilledVisionTransformer, ViTConfig, VisionTransformer, build, create,
                            describe)

TINY = dict(image_size=(6, 9), patch_size=3, in_chans=2, num_classes=5, embed_dim=8, depth=2, num_heads=2,
            mlp_ratio=2.0, zero_head=False, pos_std=0.2)
IMAGES = np.random.default_rng(0).standard_normal((3, 2, 6, 9))


def deit(**changes):
    """A model in float64 whose parameters are all moved away from 0 and 1, where an error could hide."""
    model = DistilledVisionTransformer(DistilledConfig(**TINY | changes)).astype("float64")
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.2 * rng.standard_normal(parameter.shape)
    return model


def test_parameters_are_those_of_a_vit_and_a_second_token_and_head():
    def shapes(model):
        return {name: parameter.shape for name, parameter in model.named_parameters()}
    of_vit = shapes(VisionTransformer(ViTConfig(**TINY)))
    assert shapes(deit()) == of_vit | {"pos_embed": (1, 8, 8), "dist_token": (1, 1, 8), "head_dist.weight": (5, 8),
                                       "head_dist.bias": (5,)}
    assert deit().token_shape == (8, 8)


def test_a_pair_in_training_and_its_mean_in_evaluation():
    model = deit()
    of_class, of_teacher = model(Tensor(IMAGES))
    assert of_class.shape == of_teacher.shape == (3, 5) and np.abs(of_class.data - of_teacher.data).min() > 1e-6
    mean = model.eval()(Tensor(IMAGES))
    np.testing.assert_allclose(mean.data, (of_class.data + of_teacher.data) / 2, rtol=1e-14)


def test_class_token_distillation_token_patches():
    model = deit()
    patches = model.patch_embed(Tensor(IMAGES)).data
    tokens = np.concatenate([model.cls_token.data, model.dist_token.data], axis=1).repeat(3, axis=0)
    expected = np.concatenate([tokens, patches], axis=1) + model.pos_embed.data
    np.testing.assert_allclose(model.embed(Tensor(IMAGES)).data, expected, atol=1e-14)


def test_each_head_reads_its_own_token():
    model, x = deit(), Tensor(np.random.default_rng(2).standard_normal((3, 8, 8)), requires_grad=True)
    for token, head in enumerate((model.head, model.head_dist)):
        logits = model.classify(x)[token]
        np.testing.assert_allclose(logits.data, head(model.norm(x[:, token])).data, atol=1e-14)
        x.grad = None
        logits.backward(np.ones(logits.shape))
        assert x.grad.any((0, 2)).tolist() == [n == token for n in range(8)]


def test_a_hidden_layer_in_the_head_serves_both_tokens():
    model = deit(representation_size=7)
    x = Tensor(np.random.default_rng(2).standard_normal((3, 8, 8)))
    of_class, of_teacher = model.classify(x)
    np.testing.assert_allclose(of_class.data, model.head(model.pre_logits(model.norm(x[:, 0]))).data, atol=1e-14)
    np.testing.assert_allclose(of_teacher.data, model.head_dist(model.pre_logits(model.norm(x[:, 1]))).data, atol=1e-14)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("form", ["array", "composed"])
def test_gradients(form, mode):
    """Of the images and of every parameter, through both heads at once."""
    model = deit(depth=1).train(mode == "train")
    inputs = {"images": Tensor(IMAGES.copy(), requires_grad=True), **dict(model.named_parameters())}
    with using(form):
        report = gradcheck(lambda images, *_: model(images), inputs, seeds=(0,), elements=2, tolerance=1e-6)
    report.check()


def test_float32_stays_float32():
    model = deit().astype("float32")
    logits = ops.stack(model(Tensor(IMAGES.astype("float32"))))
    logits.sum().backward()
    assert {logits.dtype, *(parameter.grad.dtype for parameter in model.parameters())} == {np.dtype("float32")}


def test_first_values():
    """The tokens are told apart from the start, and so are the heads, unless they start at 0."""
    model = create("deit_tiny_distilled_patch16_224", depth=1)
    assert not model.cls_token.data.any() and model.dist_token.data.std() == pytest.approx(0.02, rel=0.2)
    for name in ("head", "head_dist", "blocks.0.attn.qkv", "blocks.0.mlp.fc1"):
        weight = dict(model.named_parameters())[f"{name}.weight"].data
        assert weight.std() == pytest.approx(0.02, rel=0.05), name
    assert np.abs(model.head.weight.data - model.head_dist.weight.data).max() > 0.01
    small = create("deit_nano_distilled_patch7_28")
    assert not small.head.weight.data.any() and not small.head_dist.weight.data.any()


def test_stochastic_depth_of_the_presets():
    model = create("deit_tiny_distilled_patch16_224", embed_dim=6)
    assert [block.drop_path.p for block in model.blocks] == pytest.approx([0.1 * i / 11 for i in range(12)])


def test_describe_and_build_are_inverses():
    model = deit(drop_path_rate=0.1, prefix_positions=False)
    architecture, settings = describe(model)
    again = build(architecture, settings)
    assert architecture == "deit" and type(again) is DistilledVisionTransformer and again.config == model.config


@pytest.mark.parametrize("changes", [
    dict(pool="mean"), dict(pool="mean", class_token=False), dict(registers=1)], ids=str)
def test_a_model_without_its_tokens_is_refused(changes):
    with pytest.raises(ValueError, match="^a distilled model reads its class and distillation tokens: leave class_"):
        DistilledConfig(**changes)


def test_settings_that_a_vit_refuses_are_refused():
    with pytest.raises(ValueError, match="^depth must be a finite number >= 1, not 0$"):
        DistilledConfig(depth=0)

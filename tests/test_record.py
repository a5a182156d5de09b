"""What is recorded is what was computed: whole maps and tokens, in every form, in order, without changing a bit."""
import math
import time
from contextlib import nullcontext

import numpy as np
import pytest

from minivit import Tensor, no_grad, nn, ops, using
from minivit.function import FUNCTIONS
from minivit.inspect import record
from minivit.models import ViTConfig, build, create, describe
from minivit.models.registry import build_from
from minivit.streams import randomness
from minivit.train import Workers, logits_of

SMALL = dict(depth=2, embed_dim=16, num_heads=2, zero_head=False, pos_std=0.5)
WIDE = SMALL | dict(image_size=(12, 20), patch_size=4)                                  # a grid of (3, 5)
MODELS = {"no prefix": ("vit_nano_patch7_28", WIDE | dict(class_token=False, pool="mean")),
          "class token": ("vit_nano_patch7_28", WIDE),
          "class token and registers": ("vit_nano_patch7_28", WIDE | dict(registers=3)),
          "distilled": ("deit_nano_distilled_patch7_28", WIDE),
          "post-norm": ("vit_nano_patch7_28", WIDE | dict(norm_first=False)),
          "layer scale, mean": ("vit_nano_patch4_32", WIDE | dict(layer_scale=0.1, pool="mean")),
          "hybrid": ("vit_nano_r_28", SMALL | dict(image_size=(12, 20), patch_size=2, layers=(1,), channels=(32,)))}
CONVOLUTIONAL = {"cnn": ("cnn_nano_28", dict(image_size=(12, 20), zero_head=False)),
                 "resnet": ("resnet8_gn_28", dict(image_size=(12, 20), zero_head=False))}


def model_of(name, changes):
    return create(name, **changes).eval()


def images_for(model, B=3, seed=0):
    shape = (B, model.config.in_chans) + model.config.image_size
    return Tensor(np.random.default_rng(seed).standard_normal(shape, np.float32))


def recorded(model, images, **options):
    with record(model, **options) as rec:
        model(images)
    return rec


def by_hand(model, images):
    """(maps, tokens) of a model in evaluation, block by block, whole, with the shifted exponential written out."""
    x = model.embed(images)
    maps, tokens = [], [x.data]
    for block in model.blocks:
        D, H = x.shape[2], block.attn.heads
        into = block.norm1(x) if getattr(block, "norm_first", True) else x
        q, k = np.moveaxis(block.attn.qkv(into).data.reshape(*x.shape[:2], 3, H, D // H), 3, 1)[:, :, :, :2].transpose(
            3, 0, 1, 2, 4)
        scores = np.einsum("bhnk,bhmk->bhnm", q, k) / math.sqrt(D // H)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        maps.append(e / e.sum(-1, keepdims=True))
        x = block(x)
        tokens.append(x.data)
    return maps, tokens


@pytest.mark.parametrize("name, changes", MODELS.values(), ids=MODELS)
def test_maps_and_tokens_are_those_computed_by_hand(name, changes):
    model = model_of(name, changes)
    images = images_for(model)
    rec = recorded(model, images)
    N = rec.prefix + rec.grid[0] * rec.grid[1]
    assert rec.grid == model.patch_embed.grid and rec.grid[0] != rec.grid[1] and rec.image_size == (12, 20)
    assert rec.prefix == model.num_prefix and rec.patch == (12 / rec.grid[0], 20 / rec.grid[1])
    maps, tokens = by_hand(model, images)
    assert len(rec.attention) == len(maps) == 2 and len(rec.tokens) == len(tokens) == 3
    for found, truth in zip(rec.attention + rec.tokens, maps + tokens):
        assert found.shape == truth.shape and truth.std() > 1e-3
        np.testing.assert_allclose(found, truth, atol=2e-6)
    for found in rec.attention:
        assert found.shape == (3, 2, N, N)
        np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    for (q, k, v), found_q, found_k in zip(rec.qkv, rec.q, rec.k):
        np.testing.assert_array_equal(q, found_q)
        np.testing.assert_array_equal(k, found_k)
        assert q.shape == k.shape == v.shape == (3, 2, N, 8)


@pytest.mark.parametrize("form", ["array", "cuda"])
@pytest.mark.parametrize("name, changes", MODELS.values(), ids=MODELS)
def test_every_form_records_the_same(name, changes, form):
    if form not in FUNCTIONS["attention"].forms:
        pytest.skip(f"attention has no {form} form yet")
    model = model_of(name, changes)
    images = images_for(model)
    with using("composed"):
        expected = recorded(model, images)
    with using(form):
        found = recorded(model, images)
    for a, b in zip(found.attention, expected.attention):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for a, b in zip(found.tokens, expected.tokens):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("name, changes", (MODELS | CONVOLUTIONAL).values(), ids=MODELS | CONVOLUTIONAL)
@pytest.mark.parametrize("training", [False, True])
def test_a_record_changes_no_bit(name, changes, training):
    noise = dict(drop_rate=0.2, attn_drop_rate=0.2, drop_path_rate=0.3) if name[:3] in ("vit", "dei") else {}
    noise = {} if changes.get("norm_first") is False else noise
    model = create(name, **changes | noise).train(training)

    def everything(block):
        model.zero_grad()
        images = images_for(model, B=4)
        images = Tensor(images.data, requires_grad=True)
        with randomness(7, 3):
            with block():
                first, result = model(images), model(images)                # the second draws masks after the first
            result = ops.concat(result) if isinstance(result, tuple) else result
            ops.cross_entropy(result, np.arange(len(result)) % 10).backward()
        first = list(first) if isinstance(first, tuple) else [first]
        return [tensor.data for tensor in first + [result]] + [images.grad] + [p.grad for p in model.parameters()]

    bare, watched = everything(nullcontext), everything(lambda: record(model, gradients=True))
    assert len(bare) == len(watched)
    for a, b in zip(bare, watched):
        assert a.tobytes() == b.tobytes()


def test_in_training_the_rows_that_the_head_reads_are_those_it_has_read():
    model = create("vit_nano_patch7_28", **WIDE, drop_rate=0.2)
    with randomness(0), record(model, also=("norm",)) as rec:
        model(images_for(model))
    assert rec.tokens[-1].shape == (3, 16, 16)
    np.testing.assert_array_equal(model.norm(Tensor(rec.tokens[-1][:, 0])).data, rec.output("norm"))


@pytest.mark.parametrize("name, changes", CONVOLUTIONAL.values(), ids=CONVOLUTIONAL)
def test_feature_maps(name, changes):
    model = model_of(name, changes)
    rec = recorded(model, images_for(model))
    x = images_for(model)
    stages = ([model.stem] if name.startswith("resnet") else []) + model.stages
    assert len(rec.features) == len(stages) > 1
    for stage, found in zip(stages, rec.features.values()):
        x = stage(x)
        np.testing.assert_array_equal(found, x.data)
    with pytest.raises(AttributeError, match="has no attention"):
        rec.attention


def test_a_hybrid_has_both():
    model = model_of(*MODELS["hybrid"])
    rec = recorded(model, images_for(model))
    assert {path: maps.shape for path, maps in rec.features.items()} == {
        "patch_embed.backbone.stem": (3, 16, 12, 20), "patch_embed.backbone.stages.0": (3, 32, 12, 20)}
    assert rec.patch == (2, 2) and rec.tokens[0].shape == (3, 61, 16)


@pytest.mark.parametrize("threads", [1, 3])
def test_worker_threads_hand_in_images_in_order(threads):
    model = create("vit_nano_patch7_28", **SMALL)
    images = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)
    with Workers(threads) as workers, record(model) as rec:
        for half in (images[:120], images[120:]):
            logits_of(model, half, [0.5], [0.5], workers)
    assert len(rec.passes) > 3
    with no_grad():
        maps, tokens = by_hand(model.eval(), Tensor((images.transpose(0, 3, 1, 2) / np.float32(255) - 0.5) / 0.5))
    for found, truth in zip(rec.attention + rec.tokens, maps + tokens):
        np.testing.assert_allclose(found, truth, atol=1e-5)


def test_threads_that_overtake_one_another_still_hand_in_images_in_order():
    model = create("vit_nano_patch7_28", **SMALL).eval()
    images = images_for(model, B=3)

    def late(number):
        time.sleep(0.1 * (3 - number))                                      # the first comes last
        return model(Tensor(images.data[number:number + 1]))

    with Workers(3) as workers, record(model) as rec:
        workers.map(late, range(3))
    np.testing.assert_allclose(rec.tokens[1], recorded(model, images).tokens[1], atol=1e-5)


def test_gradients_are_those_of_the_loss():
    """Against numerical differences: nudge one number of a block's result, and run the rest of the model."""
    model = build_from(ViTConfig(**WIDE | dict(num_classes=5))).eval().astype(np.float64)
    images = Tensor(images_for(model).data.astype(np.float64))
    weights = np.random.default_rng(1).standard_normal((3, 5))
    with record(model, gradients=True) as rec:
        logits = model(images)
    (logits * weights).sum().backward()

    def score(tokens, blocks):
        x = Tensor(tokens)
        for block in blocks:
            x = block(x)
        return (model.classify(x).data * weights).sum()

    for depth, path in enumerate(rec.streams):
        found, tokens = rec.gradient(path), rec.tokens[depth]
        assert found.shape == tokens.shape
        for place in ((0, 0, 3), (1, 4, 5), (2, 15, 0)):
            step = np.zeros_like(tokens)
            step[place] = 1e-5
            blocks = model.blocks[depth:]
            numeric = (score(tokens + step, blocks) - score(tokens - step, blocks)) / 2e-5
            assert found[place] == pytest.approx(numeric, abs=1e-8)
    assert not rec.gradient("blocks.1")[:, 1:].any() and rec.gradient("blocks.1")[:, 0].all()


@pytest.mark.parametrize("name, changes", [MODELS["distilled"], MODELS["hybrid"], CONVOLUTIONAL["cnn"]],
                         ids=["distilled", "hybrid", "cnn"])
def test_a_model_on_a_gpu(name, changes, cuda):
    model = model_of(name, changes)
    images = images_for(model)
    recs = []
    for device in ("cpu", "cuda"):
        with record(model.to(device), gradients=True) as rec:
            logits = model(images.to(device))
        logits.sum().backward()
        recs.append(rec)
    host, gpu = recs
    assert host.paths.keys() == gpu.paths.keys()
    for path in host.paths.values():
        assert isinstance(gpu.output(path), np.ndarray) and isinstance(gpu.gradient(path), np.ndarray)
        for a, b in ((host.output(path), gpu.output(path)), (host.gradient(path), gpu.gradient(path))):
            np.testing.assert_allclose(b, a, atol=1e-5 * max(1, abs(a).max()))
    for a, b in zip(host.attention, gpu.attention) if host.blocks else ():
        np.testing.assert_allclose(b, a, atol=2e-6)


def test_two_models_in_one_block_are_told_apart():
    first, second = (create("vit_nano_patch7_28", seed, **SMALL).eval() for seed in (0, 1))
    images = images_for(first)
    with record(first) as one, record(second) as two:
        second(images)
        first(images)
    for model, rec in ((first, one), (second, two)):
        assert len(rec.passes) == 1
        for a, b in zip(rec.attention + rec.tokens, recorded(model, images).attention + recorded(model, images).tokens):
            np.testing.assert_array_equal(a, b)


def test_two_records_of_one_model_are_the_same():
    model = model_of(*MODELS["class token"])
    with record(model) as outer, record(model) as inner:
        model(images_for(model))
    assert len(outer.passes) == len(inner.passes) == 1
    for a, b in zip(outer.tokens + outer.attention, inner.tokens + inner.attention):
        np.testing.assert_array_equal(a, b)


def test_nothing_recorded_raises():
    model = create("vit_nano_patch7_28", **SMALL).eval()
    copy = build(*describe(model)).eval()
    with pytest.raises(RuntimeError, match="nothing was recorded: this VisionTransformer was not called"):
        with record(model):
            copy(images_for(copy))
    with pytest.raises(ZeroDivisionError):                                  # an error of the block's own is not covered
        with record(model):
            1 / 0


def test_names_that_are_not_there():
    model = create("vit_nano_patch7_28", **SMALL).eval()
    with pytest.raises(ValueError, match="unknown module 'nrom': did you mean 'norm'"):
        with record(model, also=("nrom",)):
            pass
    rec = recorded(model, images_for(model), also="blocks.*.mlp.drop1")
    assert rec.output("blocks.1.mlp.drop1").shape[2] == 64
    with pytest.raises(KeyError, match="unknown recorded module"):
        rec.output("head")
    with pytest.raises(RuntimeError, match="no gradients were kept"):
        rec.gradient("blocks.0")
    with pytest.raises(AttributeError, match="has no feature maps"):
        rec.features


def test_without_a_record_nothing_is_watched():
    model = create("vit_nano_patch7_28", **SMALL).eval()
    rec = recorded(model, images_for(model))
    kept = len(rec.passes)
    model(images_for(model))
    assert len(rec.passes) == kept
    with nn.watching(None), pytest.raises(RuntimeError, match="nothing was recorded"):
        with record(model):
            with nn.watching(None):
                model(images_for(model))

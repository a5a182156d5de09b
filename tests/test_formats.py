"""Weights of timm, DeiT, Hugging Face and Google, read as they write them: the same logits, and nothing unsaid.

The files in golden/formats, and what their models compute, are from timm 1.0.31 and transformers 5.23
(golden/make_formats.py).
"""
import shutil

import numpy as np
import pytest
from checkpoints import GIVEN, GOLDEN, NAMES

from minivit import Tensor
from minivit.data import Preprocessing
from minivit.models import resize_pos_embed
from minivit.weights import WeightsError, load
from minivit.weights.files import read_checkpoint, write_npz
from minivit.weights.store import write_safetensors

IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def expected():
    return np.load(GOLDEN / "expected.npz")


# Of each file, what is known of its model.
READ = {
    "timm-vit": dict(image_size=(8, 12), patch_size=(4, 2), in_chans=2, num_heads=2, gelu="none", norm_eps=1e-6),
    "timm-registers.safetensors": dict(registers=3, prefix_positions=False, pool="mean", fc_norm=True, qkv_bias=False),
    "timm-hybrid.safetensors": dict(image_size=(16, 16), layers=(2, 1), stem_width=8, channels=(32, 64)),
    "timm-resnet.safetensors": dict(layers=(2, 1), channels=(32, 64), preact=True, conv_eps=1e-8),
    "deit.pth": dict(image_size=(8, 8), pool="token"),
    "deit3.pth": dict(prefix_positions=False, registers=0),
    "hf-vit": dict(num_heads=2, norm_eps=1e-12, gelu="none"),
    "hf-vit-5": dict(num_heads=2, norm_eps=1e-12),
    "hf-deit": dict(registers=1, gelu="tanh", norm_eps=1e-6),
    "hf-teacher": dict(registers=0, gelu="tanh"),
    "google-vit.npz": dict(num_heads=2, gelu="tanh", norm_eps=1e-6, prefix_positions=True),
    "google-gap.npz": dict(class_token=False, pool="mean", fc_norm=False, representation_size=6),
    "big-vision.npz": dict(num_heads=2, gelu="tanh", prefix_positions=False),
    "google-hybrid.npz": dict(layers=(2, 1), channels=(32, 64), gelu="tanh"),
    "google-bit.npz": dict(layers=(2, 1), channels=(32, 64), conv_eps=1e-10),
}


def read(file, **changes):
    return load(GOLDEN / file, **GIVEN.get(file, {}) | changes)


@pytest.mark.parametrize("file", READ)
def test_what_others_wrote_computes_the_same_here(expected, file):
    model, report = read(file)
    assert {name: getattr(model.config, name) for name in READ[file]} == READ[file]
    assert not model.training and not report.misfits
    name = file.partition(".")[0]
    logits = model(Tensor(expected[f"{name}:images"])).data
    np.testing.assert_allclose(logits, expected[f"{name}:logits"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("file", ["timm-registers.safetensors", "hf-vit", "hf-deit", "hf-teacher"])
def test_larger_images_as_the_authors_code_does_it(expected, file):
    (model, report), name = read(file, image_size=16), file.partition(".")[0]
    logits = model(Tensor(expected[f"{name}@16:images"])).data
    np.testing.assert_allclose(logits, expected[f"{name}@16:logits"], rtol=0, atol=1e-5)
    assert model.card.preprocessing.size == (16, 16) and "from 2 x 2 to 4 x 4 patches, bicubic" in str(report)


@pytest.mark.parametrize("file, usual", [("google-vit.npz", "bilinear_corners"), ("deit.pth", "bicubic"),
                                         ("big-vision.npz", "bilinear_corners"), ("hf-teacher", "bicubic"),
                                         ("timm-registers.safetensors", "bicubic_antialias")])
@pytest.mark.parametrize("mode", [None, "bilinear"])
def test_positions_are_stretched_in_the_mode_of_their_origin_or_as_asked(file, usual, mode):
    old, new = read(file)[0], read(file, pos_mode=mode, image_size=(12, 20))[0]
    prefix = old.num_prefix if old.config.prefix_positions else 0
    stretched = resize_pos_embed(old.pos_embed.data, 2, (3, 5), prefix, mode or usual)
    np.testing.assert_array_equal(new.pos_embed.data, stretched)


def test_a_headless_model_has_the_tokens_of_hugging_face(expected):
    with pytest.raises(WeightsError, match="hf-model has no head.*head='zero' and num_classes"):
        load(GOLDEN / "hf-model")
    model, report = load(GOLDEN / "hf-model", head="zero", num_classes=8)
    model.head.weight.data[...] = np.eye(8)
    logits = model(Tensor(expected["hf-model:images"])).data
    np.testing.assert_allclose(logits, expected["hf-model:logits"], rtol=0, atol=1e-5)
    assert report.left_out == ("pre_logits.fc.bias", "pre_logits.fc.weight")
    assert report.new == ("head.weight", "head.bias")


PREPARED = {
    "timm-vit": (NAMES, Preprocessing((8, 12), 0.9, mean=(0.5, 0.5), std=(0.5, 0.5))),
    "deit.pth": (tuple("01234"), Preprocessing((8, 8), 0.875, **IMAGENET)),
    "timm-registers.safetensors": (tuple("01234"), Preprocessing((8, 8), 0.9)),
    "hf-vit": (NAMES, Preprocessing((8, 8), 1.0, "bilinear", crop_mode="squash")),
    "hf-teacher": (tuple("01234"), Preprocessing((8, 8), 0.8, "bicubic", crop_mode="squash")),
    "hf-deit": (tuple("01234"), Preprocessing((8, 8), 0.875, "bicubic", **IMAGENET, crop_mode="squash")),
    "google-vit.npz": (tuple("01234"), Preprocessing((8, 8), 1.0, "bilinear", crop_mode="squash")),
    "google-bit.npz": (tuple("01234"), Preprocessing((224, 224), 1.0, "bilinear", crop_mode="squash")),
}


@pytest.mark.parametrize("file", PREPARED)
def test_classes_and_preprocessing_come_with_the_file_or_are_the_usual(file):
    model, report = read(file)
    assert (model.card.classes, model.card.preprocessing) == PREPARED[file]
    says_so = file in ("timm-vit", "hf-vit", "hf-teacher")
    assert ("does not say how images are prepared" in str(report)) is not says_so


def test_the_report_says_what_became_of_everything():
    _, report = load(GOLDEN / "deit.pth", head="drop", num_classes=3, num_heads=2, image_size=12)
    assert (report.format, report.architecture, len(report.loaded)) == ("DeiT", "deit", 31)
    assert report.left_out == ("head.weight", "head.bias", "head_dist.weight", "head_dist.bias")
    assert sorted(report.new) == sorted(report.left_out)
    assert report.resized == ("positions stretched from 2 x 2 to 3 x 3 patches, bicubic",)
    assert str(report) == f"""{GOLDEN}/deit.pth: DeiT, a deit
  31 arrays loaded
  new: head.weight, head.bias, head_dist.weight, head_dist.bias
  left out: head.weight, head.bias, head_dist.weight, head_dist.bias
  positions stretched from 2 x 2 to 3 x 3 patches, bicubic
  num_heads 2, as given
  the file does not say how images are prepared: what its authors do is taken
  classes have no names, but numbers"""


def test_the_file_in_a_folder_is_read_with_what_lies_beside_it(tmp_path):
    model, _ = load(GOLDEN / "hf-vit" / "model.safetensors")
    assert model.card.classes == NAMES
    shutil.copy(GOLDEN / "hf-vit" / "model.safetensors", tmp_path / "alone.safetensors")
    with pytest.raises(WeightsError, match="alone.safetensors has Hugging Face's names and needs config.json"):
        load(tmp_path / "alone.safetensors")


# Heads

def test_a_head_of_zeros_says_nothing_yet():
    model, report = load(GOLDEN / "google-gap.npz", head="zero", num_classes=3)
    logits = model(Tensor(np.ones((2, 3, 8, 8), np.float32))).data
    np.testing.assert_array_equal(logits, np.zeros((2, 3)))
    assert model.pre_logits is None and model.card.classes == ("0", "1", "2")
    assert {"pre_logits.fc.weight", "head.weight"} < set(report.left_out)


def test_a_dropped_head_begins_as_usual_and_by_the_seed():
    one, other, again = (read("hf-vit", head="drop", seed=seed)[0].head.weight.data for seed in (0, 1, 0))
    assert one.shape == (5, 8) and 0.005 < one.std() < 0.05
    np.testing.assert_array_equal(one, again)
    assert (one != other).all()
    assert read("hf-vit", head="drop")[0].card.classes == tuple("01234"), "what the file calls them was another head's"


@pytest.mark.parametrize("changes, message", [
    (dict(num_classes=4), "num_classes=4 contradicts .*hf-vit, whose head is for 5: ask for a new one by head='zero'"),
    (dict(head="new"), "unknown head 'new'; there are: drop, keep, zero"),
    (dict(num_heads=4), "num_heads=4 contradicts .*hf-vit: its model has 2 heads"),
    (dict(colour=1), "unknown setting of the model in .*hf-vit 'colour'"),
    (dict(image_size=16, pos_mode="cubic"), "unknown mode of interpolation 'cubic': did you mean 'bicubic'"),
    (dict(image_size=10), r"images of \(10, 10\) pixels cannot be cut into patches of \(4, 4\)"),
], ids=["classes", "head", "heads", "setting", "mode", "size"])
def test_impossible_arguments_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        load(GOLDEN / "hf-vit", **changes)


def test_settings_of_training_are_taken():
    config = load(GOLDEN / "hf-vit", num_classes=5, drop_path_rate=0.2, drop_rate=0.1)[0].config
    assert (config.drop_path_rate, config.drop_rate) == (0.2, 0.1)


# What does not fit

@pytest.fixture
def damaged(tmp_path):
    """A function that writes the arrays of deit.pth, changed, to a file."""
    def write(change):
        arrays = dict(read_checkpoint(GOLDEN / "deit.pth").arrays)
        change(arrays)
        write_safetensors(tmp_path / "damaged", arrays, {})
        return tmp_path / "damaged"
    return write


def test_what_does_not_fit_is_an_error_that_lists_it(damaged):
    def change(arrays):
        del arrays["blocks.1.mlp.fc1.bias"]
        arrays["mask_token"] = np.zeros((1, 1, 8), np.float32)
        arrays["norm.bias"] = np.zeros(7, np.float32)
    path = damaged(change)
    with pytest.raises(WeightsError, match=r"damaged and the deit that it describes do not fit: "
                       r"missing: blocks.1.mlp.fc1.bias; unexpected: mask_token; wrong shape: norm.bias is \(7,\), "
                       r"expected \(8,\). strict=False"):
        load(path, num_heads=2)
    _, report = load(path, num_heads=2, strict=False)
    assert (report.missing, report.unexpected) == (("blocks.1.mlp.fc1.bias",), ("mask_token",))
    assert report.wrong_shape == ("norm.bias is (7,), expected (8,)",)
    assert "missing: blocks.1.mlp.fc1.bias\n  unexpected: mask_token\n  wrong shape: norm.bias" in str(report)


def test_without_strict_the_rest_has_first_values(damaged):
    path = damaged(lambda arrays: arrays.pop("norm.weight"))
    one, other = (load(path, num_heads=2, strict=False, seed=seed)[0].state_dict() for seed in (0, 1))
    np.testing.assert_array_equal(one["norm.weight"], np.ones(8))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("change, message", [
    (lambda arrays: arrays.clear() or arrays.update(w=np.zeros(3)), "holds no model that minivit has.*is not there"),
    (lambda arrays: arrays.update({"patch_embed.proj.weight": np.zeros((8, 48))}), r"is \(8, 48\), expected 4 axes"),
    (lambda arrays: arrays.pop("blocks.0.mlp.fc1.weight"), "blocks.0.mlp.fc1.weight is not there"),
    (lambda arrays: arrays.update(pos_embed=np.zeros((1, 8, 8))), "8 positions for 2 token.* give the image_size"),
    (lambda arrays: arrays.update(pos_embed=np.zeros((9, 8))), r"pos_embed is \(9, 8\), expected 3 axes"),
    (lambda arrays: arrays.pop("pos_embed"), "has no positions, which would tell the size of its images"),
    (lambda arrays: arrays.pop("cls_token"), "tell the size|positions for 1 token"),
], ids=["other", "flat patches", "no MLP", "no square", "two axes", "no positions", "no class token"])
def test_other_models_are_refused(damaged, change, message):
    with pytest.raises(WeightsError, match=f"damaged.*({message})"):
        load(damaged(change), num_heads=2)


# Parts

def test_of_queries_keys_and_values_none_may_be_missing(tmp_path):
    shutil.copytree(GOLDEN / "hf-vit", tmp_path / "folder")
    arrays = dict(read_checkpoint(GOLDEN / "hf-vit").arrays)
    del arrays["vit.encoder.layer.0.attention.attention.key.weight"]
    write_safetensors(tmp_path / "folder" / "model.safetensors", arrays, {})
    with pytest.raises(WeightsError, match="missing: blocks.0.attn.qkv.weight; unexpected: blocks.0.attn.q.weight, "):
        load(tmp_path / "folder")


def test_a_file_with_names_of_no_use_is_not_taken(tmp_path):
    arrays = dict(read_checkpoint(GOLDEN / "google-vit.npz").arrays)
    write_npz(tmp_path / "more.npz", arrays | {"MAPHead_0/probe": np.zeros((1, 1, 8), np.float32)})
    with pytest.raises(WeightsError, match="more.npz .* unexpected: MAPHead_0/probe"):
        load(tmp_path / "more.npz")
    arrays.pop("Transformer/posembed_input/pos_embedding")
    write_npz(tmp_path / "fixed.npz", arrays)
    with pytest.raises(WeightsError, match="fixed.npz has no learned positions"):
        load(tmp_path / "fixed.npz")


def test_a_billion_blocks_of_nothing_are_not_gone_through(tmp_path):
    arrays = read_checkpoint(GOLDEN / "google-vit.npz").arrays
    write_npz(tmp_path / "bomb.npz", arrays | {"Transformer/encoderblock/LayerNorm_0/scale": np.zeros((10**9, 0))})
    with pytest.raises(WeightsError, match="unexpected: Transformer/encoderblock/LayerNorm_0/scale"):
        load(tmp_path / "bomb.npz")
    write_npz(tmp_path / "other.npz", {f"other/{name}": array for name, array in arrays.items()})
    with pytest.raises(WeightsError, match="other.npz has no queries"):
        load(tmp_path / "other.npz")


@pytest.mark.parametrize("prefix", ["params/img/", "opt/target/"])
def test_a_part_of_what_was_trained(tmp_path, prefix):
    arrays = read_checkpoint(GOLDEN / "google-vit.npz").arrays
    write_npz(tmp_path / "part.npz", {prefix + name: array for name, array in arrays.items()})
    one, other = load(tmp_path / "part.npz")[0].state_dict(), load(GOLDEN / "google-vit.npz")[0].state_dict()
    for name in one | other:
        np.testing.assert_array_equal(one[name], other[name])


def test_names_that_training_on_several_devices_leaves(tmp_path):
    arrays = read_checkpoint(GOLDEN / "deit.pth").arrays
    write_safetensors(tmp_path / "model", {f"module.{name}": array for name, array in arrays.items()}, {})
    assert len(load(tmp_path / "model", num_heads=2)[1].loaded) == len(arrays)

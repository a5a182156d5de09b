"""How a model is built, from what files say of it: shapes, config.json and preprocessor_config.json."""
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from checkpoints import GOLDEN, SMALL, VIT

from minivit.data import Preprocessing, imagenet_classes
from minivit.models import DistilledConfig, HybridConfig, ResNetConfig, ViTConfig
from minivit.models.registry import build_from
from minivit.nn import no_init
from minivit.weights import WeightsError, load, save
from minivit.weights.formats.preprocessor import read_preprocessor, write_preprocessor
from minivit.weights.formats.shapes import mlp_ratio, resnet_config, vit_config
from minivit.weights.store import write_safetensors

IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


# What shapes say

def shapes_of(config):
    with no_init():
        return build_from(config).state_dict()


@pytest.mark.parametrize("D, H", [(192, 3), (384, 6), (512, 8), (768, 12), (1024, 16), (1280, 16)])
def test_the_heads_of_the_published_widths_are_known(D, H):
    arrays = shapes_of(ViTConfig(16, 8, num_classes=2, embed_dim=D, depth=1, num_heads=H, mlp_ratio=0.1))
    config, notes = vit_config(arrays, {})
    assert config.num_heads == H and notes == [f"num_heads {H}, from the width {D}"]


def test_the_heads_of_other_widths_have_to_be_said():
    with pytest.raises(WeightsError, match="deit.pth does not say how many attention heads its model of width 8 has"):
        load(GOLDEN / "deit.pth")


@pytest.mark.parametrize("config", [
    ViTConfig(16, **SMALL), ViTConfig(16, **SMALL, registers=4), ViTConfig(16, **SMALL, prefix_positions=False),
    ViTConfig(12, **SMALL, registers=5, prefix_positions=False), ViTConfig(16, **SMALL, class_token=False, pool="mean"),
    ViTConfig(16, **SMALL, pool="mean", fc_norm=True, qkv_bias=False, layer_scale=1e-5, mlp_ratio=2.625),
    ViTConfig(16, **SMALL, representation_size=3), DistilledConfig(16, **SMALL), ViTConfig(4, **SMALL),
    HybridConfig(32, **SMALL | dict(patch_size=1), layers=(1, 2), channels=(32, 64), groups=8),
    HybridConfig(32, **SMALL, layers=(), groups=8),
    HybridConfig(30, **SMALL | dict(patch_size=1), small_stem=True, layers=(2, 1), channels=(32, 64), groups=8),
], ids=lambda config: type(config).__name__)
def test_a_configuration_is_found_in_the_shapes(config):
    found, notes = vit_config(shapes_of(config), {"num_heads": 2, "groups": 8})
    assert found == config and notes == ["num_heads 2, as given"]


@pytest.mark.parametrize("config", [
    ResNetConfig(224, 3, 4, layers=(1, 2), channels=(32, 64), stem_width=32, groups=8),
    ResNetConfig(224, 1, 4, layers=(2,), channels=(32,), stem_width=32, preact=False, groups=8),
    ResNetConfig(224, 3, 4, layers=(1, 1), channels=(32, 64), stem_width=32, small_stem=True, block="basic", groups=8),
])
def test_a_resnet_is_found_in_the_shapes(config):
    assert resnet_config(shapes_of(config), {"groups": 8})[0] == config


def test_features_at_the_edge_of_an_image_count_too():
    config = HybridConfig(30, **SMALL | dict(patch_size=1), layers=(), stem_width=32)
    found, _ = vit_config(shapes_of(config), {"num_heads": 2}, image_size=(30, 30))
    assert found == config


def test_a_grid_that_is_not_square_has_to_be_said(tmp_path):
    arrays = build_from(ViTConfig((8, 24), **SMALL)).state_dict()
    write_safetensors(tmp_path / "wide", arrays, {})
    with pytest.raises(WeightsError, match=r"wide has 13 positions for 1 token.*not in a square: give the image_size"):
        load(tmp_path / "wide", num_heads=2)
    with pytest.raises(WeightsError, match=r"do not fit images of \(8, 20\) pixels"):
        load(tmp_path / "wide", num_heads=2, image_size=(8, 20))
    model, report = load(tmp_path / "wide", num_heads=2, image_size=(8, 24))
    np.testing.assert_array_equal(model.pos_embed.data, arrays["pos_embed"])
    assert report.resized == ()


def test_a_square_that_is_wanted_wide_is_stretched_and_not_taken_for_wide(tmp_path):
    """16 patches may lie 4 x 4 or 2 x 8: the file has a square, the user asks for the other."""
    write_safetensors(tmp_path / "square", build_from(ViTConfig(16, **SMALL)).state_dict(), {})
    _, report = load(tmp_path / "square", num_heads=2, image_size=(8, 32))
    assert report.resized == ("positions stretched from 4 x 4 to 2 x 8 patches, bicubic_antialias",)


def test_every_width_of_an_mlp_is_some_ratio():
    for D in (8, 11, 44, 192):                      # 49 / 11 * 11 is a little less than 49
        for F in range(1, 5 * D):
            assert int(D * mlp_ratio(F, D)) == F


# config.json of timm

@pytest.fixture
def timm_folder(tmp_path):
    """A function that writes timm-vit with config.json changed."""
    def write(change):
        shutil.copytree(GOLDEN / "timm-vit", tmp_path / "folder", dirs_exist_ok=True)
        path = tmp_path / "folder" / "config.json"
        settings = json.loads(path.read_text())
        path.write_text(json.dumps(change(settings) or settings))
        return tmp_path / "folder"
    return write


def test_the_older_config_json_of_timm_is_flat(timm_folder):
    def flat(settings):
        args = {"num_heads": 2}
        return settings["pretrained_cfg"] | {"architecture": "vit", "model_args": args, "label_names": {"0": "x"}}
    card = load(timm_folder(flat))[0].card
    assert card.preprocessing.crop_pct == 0.9 and card.classes == tuple("01234")


@pytest.mark.parametrize("change, message", [
    (lambda told: told["model_args"].update(act_layer="relu"), "gelu is 'relu', expected gelu or gelu_tanh"),
    (lambda told: told["model_args"].update(global_pool="map"), "pool is 'map', expected token or avg"),
    (lambda told: told["model_args"].update(qk_norm=True), "was made with qk_norm=True"),
    (lambda told: told.update(model_args=[1]), r"model_args \[1\], expected"),
    (lambda told: told["model_args"].update(img_size=[8, 16]), r"9|13 positions .*do not fit images of \[8, 16\]"),
    (lambda told: told.pop("architecture") and None, "config.json that is not timm's"),
])
def test_a_config_json_of_another_model_is_refused(timm_folder, change, message):
    with pytest.raises(WeightsError, match=f"folder .*({message})"):
        load(timm_folder(change))


def test_timm_s_words_for_gelu_and_pooling_are_taken(timm_folder):
    words = {"act_layer": "gelu_tanh", "global_pool": "avg"}
    config = load(timm_folder(lambda told: told["model_args"].update(words)))[0].config
    assert (config.gelu, config.pool, config.fc_norm) == ("tanh", "mean", False)


# Hugging Face

@pytest.mark.parametrize("change, message", [
    (dict(hidden_act="relu"), "unknown hidden_act 'relu'"),
    (dict(num_hidden_layers=10**9), "has 2 layers, and 1000"),
    (dict(model_type="swin"), "model_type vit or deit, not 'swin'"),
    (dict(hidden_size=10), "wrong shape"),
    (dict(image_size="large"), "in a way that minivit does not follow"),
    (dict(num_attention_heads=3), "not divisible"),
    (dict(id2label=["a"]), "does not follow"),
    (dict(patch_size=2), "wrong shape: pos_embed"),
], ids=["act", "layers", "type", "width", "size", "heads", "labels", "patch"])
def test_a_folder_that_contradicts_itself_is_refused(tmp_path, change, message):
    shutil.copytree(GOLDEN / "hf-vit", tmp_path / "folder")
    path = tmp_path / "folder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsError, match=f"folder.*{message}"):
        load(tmp_path / "folder")


def test_what_config_json_leaves_out_is_as_in_their_code(tmp_path):
    shutil.copytree(GOLDEN / "hf-vit", tmp_path / "folder")
    path = tmp_path / "folder" / "config.json"
    settings = json.loads(path.read_text())
    for name in ("layer_norm_eps", "hidden_act", "qkv_bias", "hidden_dropout_prob", "num_channels", "id2label"):
        del settings[name]
    path.write_text(json.dumps(settings))
    model, _ = load(tmp_path / "folder")
    assert (model.config.norm_eps, model.config.gelu, model.card.classes) == (1e-12, "none", tuple("01234"))


def test_a_thousand_classes_without_names_are_imagenet(tmp_path):
    save(build_from(replace(VIT, num_classes=1000)), tmp_path / "model", "huggingface")
    model, report = load(tmp_path / "model")
    assert model.card.classes == imagenet_classes() and "1,000 are taken for those of ImageNet" in str(report)


PREPROCESSORS = [
    ({"size": 224, "resample": 3}, Preprocessing((224, 224), 1.0, "bicubic", crop_mode="squash")),
    ({"size": 256, "crop_size": 224, "do_center_crop": True, "resample": 3, "image_mean": [0.485, 0.456, 0.406],
      "image_std": [0.229, 0.224, 0.225]}, Preprocessing((224, 224), 0.875, **IMAGENET, crop_mode="squash")),
    ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True,
      "resample": 1}, Preprocessing((224, 224), 0.875, "lanczos")),
    ({"size": {"height": 32, "width": 48}, "resample": 0, "do_normalize": False},
     Preprocessing((32, 48), 1.0, "nearest", (0, 0, 0), (1, 1, 1), "squash")),
    ({"size": 64, "do_rescale": True, "rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]},
     Preprocessing((64, 64), 1.0, "bilinear", crop_mode="squash")),
    ({}, Preprocessing((20, 30), 1.0, "bilinear", crop_mode="squash")),
]


@pytest.mark.parametrize("settings, preprocessing", PREPROCESSORS)
def test_a_preprocessor_of_hugging_face(settings, preprocessing):
    assert read_preprocessor(settings, (20, 30), 3) == preprocessing


def test_a_preprocessor_s_sizes_survive_rounding():
    for cut in range(90, 110):
        for scaled in range(cut, cut + 60):             # 91 / (91 / 118), say, is a little less than 118
            settings = {"size": scaled, "crop_size": cut, "do_center_crop": True}
            assert read_preprocessor(settings, (1, 1), 3).scaled(500, 500) == (scaled, scaled)


@pytest.mark.parametrize("settings, message", [
    ({"resample": 4}, "filter number 4"),
    ({"size": 10, "crop_size": {"height": 8, "width": 6}, "do_center_crop": True}, "same part")])
def test_a_preprocessor_that_minivit_does_not_have_is_refused(settings, message):
    with pytest.raises(WeightsError, match=message):
        read_preprocessor(settings, (8, 8), 3)


@pytest.mark.parametrize("crop_mode", ["center", "squash"])
def test_a_preprocessor_comes_back(crop_mode):
    for size in range(20, 120, 7):
        for scaled in range(size, size + 40, 3):
            sides = (size, size) if crop_mode == "center" else (size, size * 2)
            settings = write_preprocessor(Preprocessing(sides, size / scaled, crop_mode=crop_mode))
            again = read_preprocessor(settings, (1, 1), 3)
            assert again.size == sides and again.crop_mode == crop_mode
            assert again.scaled(500, 500) == Preprocessing(sides, size / scaled, crop_mode=crop_mode).scaled(500, 500)


# Anything in a config.json

ODD = [None, "x", -1, 0, 1.5, [], [1], {}, {"a": 1}, True, 10**6, 1e300]


@pytest.mark.parametrize("folder", ["timm-vit", "hf-teacher"])
def test_odd_values_in_a_folder_are_taken_or_refused(tmp_path, folder):
    """Each setting is replaced by each odd value: nothing but WeightsError may come of it, or a model."""
    shutil.copytree(GOLDEN / folder, tmp_path / "folder")
    tried = refused = 0
    for path in (tmp_path / "folder").glob("*.json"):
        text, settings = path.read_text(), json.loads(path.read_text())
        for table in (settings, settings.get("model_args", {}), settings.get("pretrained_cfg", {})):
            for key, value in list(table.items()):
                for odd in ODD:
                    table[key] = odd
                    path.write_text(json.dumps(settings))
                    tried += 1
                    try:
                        load(tmp_path / "folder")
                    except WeightsError:
                        refused += 1
                table[key] = value
        path.write_text(text)
    assert tried > 300 and refused > tried / 4

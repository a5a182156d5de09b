"""Weights that minivit writes for others: they come back bit for bit, and what cannot be said is refused by name.

That timm and transformers load these files, and compute the same from them, is checked by golden/check_formats.py.
"""
import os
from dataclasses import replace

import numpy as np
import pytest
from checkpoints import SMALL, VIT, filled

from minivit import Tensor
from minivit.models import CNNConfig, DistilledConfig, HybridConfig, ResNetConfig, resize_pos_embed
from minivit.models.registry import build_from
from minivit.weights import WeightsError, card_of, load, save
from minivit.weights.formats import export

TANH = dict(gelu="tanh")
ROUND_TRIPS = {
    "timm": [VIT, replace(VIT, registers=2, layer_scale=0.5, pool="mean", prefix_positions=False, **TANH),
             replace(VIT, image_size=(8, 12), in_chans=1, qkv_bias=False, pool="mean", fc_norm=True),
             replace(VIT, class_token=False, pool="mean"), replace(VIT, pos_embed="none"),
             DistilledConfig(12, **SMALL), replace(VIT, pos_embed="sincos-2d"), replace(VIT, pos_embed="learned-2d"),
             DistilledConfig(12, **SMALL, prefix_positions=False), HybridConfig(48, **SMALL, layers=())],
    "huggingface": [VIT, replace(VIT, norm_eps=1e-12, **TANH), replace(VIT, registers=1, qkv_bias=False),
                    replace(VIT, image_size=(8, 12), in_chans=1), replace(VIT, drop_rate=0.1, attn_drop_rate=0.2),
                    DistilledConfig(12, **SMALL), replace(VIT, pos_embed="sincos-2d"),
                    replace(VIT, pos_embed="learned-2d", prefix_positions=False)],
    "google": [replace(VIT, **TANH), replace(VIT, class_token=False, pool="mean", representation_size=3, **TANH),
               replace(VIT, pos_embed="sincos-2d", **TANH), HybridConfig(48, **SMALL, layers=(), **TANH),
               HybridConfig(32, **SMALL | TANH | dict(patch_size=1, layers=(1, 2), channels=(128, 256), stem_width=32)),
               ResNetConfig(224, 3, 2, layers=(1, 2), channels=(128, 256), stem_width=32, conv_eps=1e-10)],
}
ROUND_TRIPS["minivit"] = [*ROUND_TRIPS["timm"], replace(VIT, norm_first=False), CNNConfig(12, 1, 2, channels=(4,)),
                          replace(VIT, representation_size=3, representation_act="gelu")]


@pytest.mark.parametrize("format, number", [(format, number) for format, configs in ROUND_TRIPS.items()
                                            for number in range(len(configs))])
def test_a_model_comes_back_bit_for_bit(tmp_path, format, number):
    config = ROUND_TRIPS[format][number]
    model = filled(config)
    left_out = save(model, tmp_path / "model", format)
    again, _ = load(tmp_path / "model")
    size = (32, 32) if isinstance(config, ResNetConfig) else config.image_size
    images = Tensor(np.random.default_rng(1).standard_normal((2, config.in_chans, *size)).astype(np.float32))
    np.testing.assert_array_equal(again(images).data, model(images).data)
    for name, array in again.state_dict().items():
        if not name.startswith("pos_embed"):
            np.testing.assert_array_equal(array, model.state_dict()[name])
    assert again.card.classes == (("0", "1") if "the names of the classes" in left_out else ("a", "b"))
    if "the preprocessing" not in left_out:
        assert again.card.preprocessing == model.card.preprocessing
    assert ("the names of the classes" in left_out) is (format == "google")
    same = ("norm_eps", "gelu", "num_heads", "image_size", "layer_scale")
    for setting in same + ("drop_rate", "attn_drop_rate") * (format == "huggingface"):
        assert getattr(again.config, setting, None) == getattr(config, setting, None)


def test_timm_s_distilled_model_has_positions_for_both_its_tokens():
    model = filled(DistilledConfig(12, **SMALL, prefix_positions=False))
    written = export(model, model.card, "timm")
    assert written.documents["config.json"]["model_args"]["no_embed_class"] is False
    assert written.arrays["pos_embed"].shape == (1, 2 + 9, 8) and not written.arrays["pos_embed"][:, :2].any()


def test_a_bare_file_of_timm_says_everything_too(tmp_path):
    model = filled(replace(VIT, **TANH, pool="mean", image_size=(8, 12)))
    assert save(model, tmp_path / "bare.safetensors", "timm") == ()
    again, _ = load(tmp_path / "bare.safetensors")
    assert again.config == replace(model.config, weight_init="normal", zero_head=False)
    assert again.card == model.card


def test_resnets_of_timm_have_names():
    model = build_from(ResNetConfig(32, num_classes=2))
    assert export(model, card_of(model), "timm").documents["config.json"]["architecture"] == "resnetv2_50x1_bit"


REFUSED = [
    ("timm", replace(VIT, norm_first=False), "timm cannot express norm_first False: it has True only"),
    ("timm", replace(VIT, norm_eps=1e-5), r"norm_eps 1e-05: it has 1e-06 only; load\(path, norm_eps=1e-06\)"),
    ("timm", replace(VIT, representation_size=4), "representation_size 4"),
    ("timm", HybridConfig(32, **SMALL | dict(patch_size=1), layers=(1, 2)), r"layers \(1, 2\)"),
    ("timm", HybridConfig(48, **SMALL, layers=(), stem_width=32), "stem_width 32: it has 64 only"),
    ("timm", ResNetConfig(32, 3, 2, layers=(1, 2)), r"timm cannot express layers \(1, 2\)"),
    ("timm", ResNetConfig(32, 3, 2, channels=(128,) * 4), r"timm cannot express channels \(128, 128, 128, 128\)"),
    ("timm", CNNConfig(12, 3, 2), "no model like minivit's CNN"),
    ("huggingface", replace(VIT, registers=2), "Hugging Face cannot express registers 2: it has 0 or 1 only"),
    ("huggingface", replace(VIT, layer_scale=0.1), "layer_scale 0.1"),
    ("huggingface", replace(VIT, pool="mean"), "pool 'mean': it has 'token' only"),
    ("huggingface", replace(VIT, representation_size=4), "representation_size 4"),
    ("huggingface", HybridConfig(48, **SMALL, layers=()), "no model like minivit's hybrid"),
    ("google", VIT, r"gelu 'none': it has 'tanh' only; .*minivit convert --gelu tanh"),
    ("google", replace(VIT, **TANH, norm_eps=1e-12), "norm_eps 1e-12"),
    ("google", replace(VIT, **TANH, registers=1), "registers 1"),
    ("google", replace(VIT, **TANH, layer_scale=0.1), "layer_scale"),
    ("google", replace(VIT, **TANH, qkv_bias=False), "qkv_bias False"),
    ("google", replace(VIT, **TANH, pool="mean"), "pool 'mean'"),
    ("google", replace(VIT, **TANH, class_token=False, pool="mean", fc_norm=True), "fc_norm True"),
    ("google", replace(VIT, **TANH, attn_residual=False), "attn_residual False"),
    ("google", replace(VIT, **TANH, representation_size=4, representation_act="gelu"), "representation_act 'gelu'"),
    ("google", replace(VIT, **TANH, image_size=(8, 12)), "a grid of 2 x 3 patches"),
    ("google", DistilledConfig(12, **SMALL), "vit_jax has no model like minivit's deit"),
    ("google", HybridConfig(48, **SMALL, **TANH, layers=(), groups=8), "groups 8"),
    ("google", ResNetConfig(32, 3, 2, layers=(1,)), r"BiT cannot express conv_eps 1e-08.*--conv-eps 1e-10"),
    ("keras", VIT, "unknown format 'keras'; there are: google, huggingface, minivit, timm"),
]


@pytest.mark.parametrize("format, config, message", REFUSED, ids=[f"{format}-{i}" for i, (format, *_) in
                                                                  enumerate(REFUSED)])
def test_what_a_format_cannot_express_is_refused_by_name(tmp_path, format, config, message):
    with pytest.raises(ValueError, match=message):
        save(filled(config), tmp_path / "model", format)
    assert not list(tmp_path.iterdir())


def test_a_card_that_is_not_the_model_s_is_refused(tmp_path):
    model = filled(VIT)
    model.card = replace(model.card, classes=("a", "b", "c"))
    with pytest.raises(ValueError, match="model.card names 3 classes, and the model has 2"):
        save(model, tmp_path / "model")
    model.card = {"classes": ("a", "b")}
    with pytest.raises(TypeError, match="model.card must be a Card, not a dict"):
        save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_what_is_left_out_is_said(tmp_path):
    model = filled(replace(VIT, image_size=(8, 12)))
    model.card = replace(model.card, about={"data": "mine"})
    assert save(model, tmp_path / "minivit") == ()
    assert save(model, tmp_path / "timm", "timm") == ("about",)
    assert save(model, tmp_path / "hf", "huggingface") == ("the preprocessing", "about")
    assert load(tmp_path / "minivit")[0].card.about == {"data": "mine"}


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_folder_is_no_model_until_all_of_it_is_there(tmp_path, monkeypatch, written):
    save(filled(VIT), tmp_path / "model", "huggingface")
    left = [os.replace] * written

    def replace_while_there_is_space(*paths):
        if not left:
            raise OSError(28, "No space left")
        left.pop()(*paths)
    monkeypatch.setattr(os, "replace", replace_while_there_is_space)
    with pytest.raises(OSError, match="No space left"):
        save(filled(VIT), tmp_path / "model", "huggingface")
    with pytest.raises(WeightsError, match="is no folder with weights"):
        load(tmp_path / "model")


def test_our_own_file_can_be_changed_as_others(tmp_path):
    for pos_embed, how in (("learned", "stretched"), ("learned-2d", "stretched"), ("sincos-2d", "computed again,")):
        save(filled(replace(VIT, pos_embed=pos_embed)), tmp_path / "model")
        model, report = load(tmp_path / "model", head="zero", num_classes=4, image_size=(8, 20), drop_path_rate=0.5)
        assert (model.patch_embed.grid, model.card.classes) == ((2, 5), ("0", "1", "2", "3"))
        assert report.resized[0].startswith(f"positions {how} from 3 x 3 to 2 x 5 patches")
    again, report = load(tmp_path / "model")
    assert again.config == replace(VIT, pos_embed="sincos-2d") and report.format == "minivit"


def test_positions_of_rows_and_columns_are_stretched_as_their_sum_is(tmp_path):
    model = filled(replace(VIT, pos_embed="learned-2d"))
    save(model, tmp_path / "model")
    whole = model.pos_embed().data
    stretched = load(tmp_path / "model", image_size=(20, 8))[0].pos_embed().data
    np.testing.assert_allclose(stretched, resize_pos_embed(whole, 3, (5, 2), 0, "bicubic"), atol=1e-6)

"""minivit convert: from one project's format to another's, on the command line."""
import numpy as np
from checkpoints import GOLDEN, NAMES

from minivit.data import Preprocessing
from minivit.models import ViTConfig, resize_pos_embed
from minivit.models.registry import build_from
from minivit.weights import Card, load, save
from minivit.weights.files import read_checkpoint
from minivit.weights.store import write_safetensors


def test_convert_prints_what_it_did(minivit, tmp_path):
    status, printed, _ = minivit("convert", GOLDEN / "hf-vit", tmp_path / "vit.safetensors")
    assert status == 0
    assert printed == f"""{GOLDEN}/hf-vit: Hugging Face, a vit
  32 arrays loaded
{tmp_path}/vit.safetensors: minivit
"""
    assert load(tmp_path / "vit.safetensors")[0].card.classes == NAMES
    status, printed, _ = minivit("convert", tmp_path / "vit.safetensors", tmp_path / "vit.npz", "--gelu", "tanh",
                                 "--norm-eps", "1e-6")
    assert status == 0 and printed.endswith("vit.npz: google, without the preprocessing and the names of the classes, "
                                            "which it has no place for\n")
    assert minivit("convert", tmp_path / "vit.npz", tmp_path / "vit")[0] == 0
    assert load(tmp_path / "vit")[0].config.gelu == "tanh"
    assert minivit("convert", tmp_path / "vit", tmp_path / "timm", "--format", "timm")[0] == 0
    assert load(tmp_path / "timm")[1].format == "timm"


def test_convert_can_change_head_and_size(minivit, tmp_path):
    assert minivit("convert", GOLDEN / "deit.pth", tmp_path / "new.safetensors", "--head", "zero", "--num-classes", "3",
                   "--image-size", "12x16", "--num-heads", "2", "--pos-mode", "bilinear")[0] == 0
    model, _ = load(tmp_path / "new.safetensors")
    assert model.config.image_size == (12, 16) and not model.head.weight.data.any()
    deit = load(GOLDEN / "deit.pth", num_heads=2)[0].pos_embed.data
    np.testing.assert_array_equal(model.pos_embed.data, resize_pos_embed(deit, 2, (3, 4), 2, "bilinear"))


def test_convert_never_overwrites_without_force(minivit, refuses, tmp_path):
    file, folder = tmp_path / "a.safetensors", tmp_path / "b"
    file.write_bytes(b"mine")
    folder.mkdir()
    (folder / "note.txt").write_text("mine")
    for target in (file, folder):
        refuses("convert", GOLDEN / "hf-vit", target, words=[str(target), "is there already: --force replaces it"])
    assert file.read_bytes() == b"mine" and [path.name for path in folder.iterdir()] == ["note.txt"]
    for target in (file, folder):
        assert minivit("convert", GOLDEN / "hf-vit", target, "--force")[0] == 0
        assert load(target)[0].card.classes == NAMES
    assert (folder / "note.txt").read_text() == "mine"


def test_convert_asks_for_a_format_it_can_write(refuses, tmp_path):
    refuses("convert", GOLDEN / "hf-vit", tmp_path / "vit.pth", words=["vit.pth", "give --format"])


def test_convert_loads_what_fits_if_asked_to(minivit, refuses, tmp_path):
    arrays = read_checkpoint(GOLDEN / "deit.pth").arrays | {"mask_token": np.zeros((1, 1, 8), np.float32)}
    write_safetensors(tmp_path / "more", arrays, {})
    line = ("convert", tmp_path / "more", tmp_path / "x.safetensors", "--num-heads", "2")
    refuses(*line, words=["unexpected: mask_token", "strict=False"])
    status, printed, _ = minivit(*line, "--no-strict")
    assert status == 0 and "unexpected: mask_token" in printed


def test_other_people_s_models_predict(minivit, digit, tmp_path):
    model = build_from(ViTConfig(28, 7, 1, 3, embed_dim=8, depth=1, num_heads=2))
    model.card = Card(("a", "b", "c"), Preprocessing((28, 28), 1, mean=(0.5,), std=(0.5,)))
    save(model, tmp_path / "vit", "huggingface")
    status, printed, _ = minivit("predict", tmp_path / "vit", digit)
    assert (status, printed) == (0, f"{digit}: a 33.3%, b 33.3%, c 33.3%\n")

"""What the tests of weights share: files that others wrote, and models to write."""
from pathlib import Path

import numpy as np

from minivit.data import Preprocessing
from minivit.models import ViTConfig
from minivit.models.registry import build_from
from minivit.weights import Card

GOLDEN = Path(__file__).parent / "golden" / "formats"
NAMES = ("tench", "goldfish", "great white shark", "tiger shark", "hammerhead")

# What only the user can say of some files there.
GIVEN = {"timm-registers.safetensors": dict(num_heads=2), "timm-hybrid.safetensors": dict(num_heads=2, groups=4),
         "timm-resnet.safetensors": dict(groups=4), "deit.pth": dict(num_heads=2), "deit3.pth": dict(num_heads=2),
         "google-hybrid.npz": dict(groups=4), "google-bit.npz": dict(groups=4)}

SMALL = dict(patch_size=4, num_classes=2, embed_dim=8, depth=2, num_heads=2)
VIT = ViTConfig(12, **SMALL, mlp_ratio=1.5)


def filled(config, **changes):
    """A model with random parameters and a card. changes: to its Preprocessing."""
    rng, model = np.random.default_rng(0), build_from(config).eval()
    for parameter in model.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape) * 0.5
    half = (0.5,) * config.in_chans
    settings = dict(crop_pct=0.75, interpolation="lanczos", mean=half, std=half) | changes
    model.card = Card(tuple("abcdefgh"[:config.num_classes]), Preprocessing(config.image_size, **settings))
    return model

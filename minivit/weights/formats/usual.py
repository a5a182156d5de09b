"""How images are prepared for a model whose file does not say it: as its authors do it.

- `usual_preprocessing(whose, config)`: a Preprocessing for a model's images
"""
from minivit.data.preprocess import Preprocessing

NOTE = "the file does not say how images are prepared: what its authors do is taken"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)      # of its red, green and blue


def usual_preprocessing(whose, config):
    """The Preprocessing of "google" (and Hugging Face's ViT), "timm", "deit" or "deit by huggingface"."""
    half = (0.5,) * config.in_chans
    colours = (IMAGENET_MEAN, IMAGENET_STD) if whose.startswith("deit") and config.in_chans == 3 else (half, half)
    crop_pct, interpolation, crop_mode = {
        "google": (1.0, "bilinear", "squash"), "timm": (0.9, "bicubic", "center"), "deit": (0.875, "bicubic", "center"),
        "deit by huggingface": (0.875, "bicubic", "squash")}[whose]
    return Preprocessing(config.image_size, crop_pct, interpolation, *colours, crop_mode)

"""The models, and a registry of them by name."""
from minivit.models.registry import PRESETS, build, create, describe, preset
from minivit.models.vit import ViTConfig, VisionTransformer

__all__ = ["PRESETS", "ViTConfig", "VisionTransformer", "build", "create", "describe", "preset"]

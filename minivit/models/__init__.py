"""The models, and a registry of them by name."""
from minivit.models.cnn import CNN, CNNConfig
from minivit.models.deit import DistilledConfig, DistilledVisionTransformer
from minivit.models.hybrid import HybridConfig, HybridVisionTransformer
from minivit.models.positions import resize_pos_embed
from minivit.models.registry import PRESETS, build, create, describe, preset
from minivit.models.resnet import ResNet, ResNetConfig
from minivit.models.vit import ViTConfig, VisionTransformer

__all__ = ["CNN", "CNNConfig", "DistilledConfig", "DistilledVisionTransformer", "HybridConfig",
           "HybridVisionTransformer", "PRESETS", "ResNet", "ResNetConfig", "ViTConfig", "VisionTransformer", "build",
           "create", "describe", "preset", "resize_pos_embed"]

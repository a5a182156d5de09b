"""The hybrid: a Vision Transformer whose patches are cut from the features of a ResNet, not from pixels.

    z0 = [x_class; f_1 E; ...; f_n E] + positions        f = patches of ResNet(image), mostly of 1 x 1 feature

Shapes: images (B, C, Sy, Sx), features (B, C', Fy, Fx), tokens (B, 1 + Gy * Gx, D) with Gy = Fy / Py, logits (B, Y).

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, section 3.1 ("Hybrid architecture") and appendix B.1; depths and
sizes as in the authors' code (vit_jax), names of parameters as in timm.
"""
from dataclasses import dataclass

from minivit import nn
from minivit.models.resnet import ResNetConfig, backbone
from minivit.models.settings import setting
from minivit.models.vit import ViTConfig, VisionTransformer


@dataclass(frozen=True)
class HybridConfig(ViTConfig):
    """A ViTConfig with the ResNet that comes first. patch_size is counted in features, not in pixels."""

    patch_size: tuple = setting((1, 1), "height and width of a patch, in features of the ResNet")
    layers: tuple = setting((3, 4, 9), "blocks of each stage of the ResNet; none: only its stem")
    channels: tuple = setting((256, 512, 1024, 2048), "channels of each stage")
    stem_width: int = setting(64, "channels of the stem", least=1)
    small_stem: bool = setting(False, "a stem that keeps the image's size, for small images, instead of one that "
                               "divides it by 4")
    groups: int = setting(32, "groups of group norm", least=1)

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "layers", self.backbone.layers)        # as tuples, and checked
        object.__setattr__(self, "channels", self.backbone.channels)

    @property
    def backbone(self):
        """The ResNetConfig of the first half."""
        return ResNetConfig(self.image_size, self.in_chans, 1, self.layers, self.channels, self.stem_width,
                            self.small_stem, preact=False, same_padding=True, groups=self.groups, zero_init=True)


class HybridEmbed(nn.PatchEmbed):
    """Images (B, C, Sy, Sx) to tokens (B, Gy * Gx, D): a ResNet, then patches of its features."""

    def __init__(self, config, rng):
        network, (C, Fy, Fx) = backbone(config.backbone, rng), config.backbone.feature_shape
        super().__init__((Fy, Fx), config.patch_size, C, config.embed_dim, rng)
        self.backbone = network

    def forward(self, images):
        return super().forward(self.backbone(images))


class HybridVisionTransformer(VisionTransformer):
    """The hybrid of a `HybridConfig`: images (B, C, Sy, Sx) -> logits (B, Y)."""

    def set_patches(self, rng):
        """As a ViT's, behind a ResNet."""
        self.patch_embed = HybridEmbed(self.config, rng)

    @property
    def token_shape(self):
        """(places, channels) of an image where it is largest: mostly in the first stage of the ResNet."""
        return max(super().token_shape, self.config.backbone.stage_shape, key=lambda shape: shape[0] * shape[1])

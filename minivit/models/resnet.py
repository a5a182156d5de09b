"""ResNet with group norm and standardised weights: BiT, and the first half of ViT's hybrids.

    x = stem(images)                     a convolution, and unless images are small a max pooling
    x = block(x)                         `layers[i]` times in stage i; each stage but the first halves the image
    logits = head(mean of ReLU(norm(x)) over the image)

Shapes: images (B, C, Sy, Sx), features (B, channels[-1], Gy, Gx), logits (B, Y). Parameter names, and the layout of
stored weights, are those of timm's ResNetV2.

Sources: Kolesnikov et al. 2019, "Big Transfer" (BiT), arXiv 1912.11370; the hybrids: Dosovitskiy et al. 2020, arXiv
2010.11929, appendix B.1.
"""
from dataclasses import dataclass, replace

from minivit import nn, ops
from minivit.models.residual import BLOCKS, conv, norm
from minivit.models.settings import check, counts, setting
from minivit.nn import init
from minivit.ops.patches import pair
from minivit.streams import stream


@dataclass(frozen=True)
class ResNetConfig:
    """Everything that shapes a ResNet. Sizes are pixels, (y, x) or one number for both.

    Raises ValueError, naming the field, for a value of another type or out of range, and for fields that contradict
    each other.
    """

    image_size: tuple = setting((224, 224), "height and width of the images, in pixels")
    in_chans: int = setting(3, "channels of the images", least=1)
    num_classes: int = setting(1000, "classes", least=1)
    layers: tuple = setting((3, 4, 6, 3), "blocks of each stage; none: only the stem")
    channels: tuple = setting((256, 512, 1024, 2048), "channels of each stage")
    stem_width: int = setting(64, "channels of the stem", least=1)
    small_stem: bool = setting(False, "a 3x3 stem that keeps the image's size, for small images, instead of one that "
                               "divides it by 4")
    block: str = setting("bottleneck", "basic (two 3x3 convolutions) or bottleneck (1x1, 3x3, 1x1)",
                         choices=("basic", "bottleneck"))
    preact: bool = setting(True, "norm and ReLU before each convolution (BiT), not after it (the hybrids)")
    same_padding: bool = setting(False, "SAME padding (the hybrids) instead of as many zeros on both sides (BiT)")
    groups: int = setting(32, "groups of group norm", least=1)
    norm_eps: float = setting(1e-5, "epsilon of group norm", least=0)
    conv_eps: float = setting(1e-8, "epsilon of weight standardisation", least=0)
    zero_init: bool = setting(False, "start each block's last scale at 0, so that it begins as the identity; for "
                              "preact false")
    zero_head: bool = setting(True, "start the head at 0, so that the first loss is log(classes)")

    def __post_init__(self):
        object.__setattr__(self, "image_size", pair(self.image_size, "image_size"))
        object.__setattr__(self, "layers", counts(self.layers, "layers"))
        object.__setattr__(self, "channels", counts(self.channels, "channels"))
        check(self)
        if len(self.layers) > len(self.channels):
            raise ValueError(f"layers {self.layers} are {len(self.layers)} stages, and channels {self.channels} are "
                             f"for {len(self.channels)}")
        if self.block == "bottleneck" and any(C % 4 for C in self.channels):
            raise ValueError(f"channels {self.channels} must be divisible by 4: a bottleneck has a quarter inside")
        if (self.block, self.preact) not in BLOCKS:
            raise ValueError("block basic comes with preact only: set preact to true, or block to bottleneck")
        if self.zero_init and self.preact:
            raise ValueError("zero_init needs preact false: with preact a ReLU follows each scale, and from 0 it would "
                             "never let a gradient through")

    @property
    def feature_shape(self):
        """(channels, Gy, Gx) of the features of an image."""
        C = ((self.stem_width,) + self.channels)[len(self.layers)]
        halvings = (0 if self.small_stem else 2) + max(len(self.layers) - 1, 0)
        return (C,) + tuple(-(-side // 2 ** halvings) for side in self.image_size)

    @property
    def stage_shape(self):
        """(places, channels) of an image in the first stage, whose activations are the largest."""
        C, Gy, Gx = replace(self, layers=self.layers[:1]).feature_shape
        return Gy * Gx, C


class Stem(nn.Module):
    """The first layers: images (B, C, Sy, Sx) -> (B, stem_width, Sy / 4, Sx / 4), or of the images' size."""

    def __init__(self, config, rng):
        self.small, self.same = config.small_stem, config.same_padding
        size, stride = (3, 1) if self.small else (7, 2)
        self.conv = conv(config, config.in_chans, config.stem_width, size, rng, stride)
        self.norm = None if config.preact else norm(config, config.stem_width)

    def forward(self, images):
        x = self.conv(images)
        if self.norm is not None:
            x = ops.relu(self.norm(x))
        if self.small:
            return x
        if self.same:
            return ops.max_pool2d(x, 3, 2, "SAME")
        return ops.max_pool2d(x.pad(((0, 0), (0, 0), (1, 1), (1, 1))), 3, 2)        # BiT's border is 0, not minus inf


class Stage(nn.Module):
    """Blocks one after the other; the first changes the number of channels and may halve the image."""

    def __init__(self, config, depth, inputs, outputs, stride, rng):
        block = BLOCKS[config.block, config.preact]
        self.blocks = [block(config, inputs, outputs, stride, rng)]
        self.blocks += [block(config, outputs, outputs, 1, rng) for _ in range(depth - 1)]

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Encoder(nn.Module):
    """Stem and stages: images (B, C, Sy, Sx) -> features (B, *config.feature_shape)."""

    def __init__(self, config, rng):
        self.stem = Stem(config, rng)
        inputs = (config.stem_width,) + config.channels
        self.stages = [Stage(config, depth, inputs[i], config.channels[i], 2 if i else 1, rng)
                       for i, depth in enumerate(config.layers)]
        self.norm = norm(config, config.feature_shape[0]) if config.preact else None

    def features(self, images):
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return x if self.norm is None else ops.relu(self.norm(x))

    def forward(self, images):
        return self.features(images)


def backbone(config, rng):
    """The encoder as a part of another model: a Module images (B, C, Sy, Sx) -> features (B, *config.feature_shape).
    Without layers it is the stem itself, as in timm's `vit_tiny_r_s16_p8_224`."""
    return Encoder(config, rng) if config.layers else Stem(config, rng)


class Head(nn.Module):
    """The mean over the image, and a linear classifier, whose weight (Y, C, 1, 1) is stored as a convolution's."""

    def __init__(self, config, rng):
        self.fc = nn.Conv2d(config.feature_shape[0], config.num_classes, 1, rng)
        if config.zero_head:
            self.fc.weight = nn.Parameter(init.zeros(self.fc.weight.shape))

    def forward(self, x):
        logits = self.fc(x.mean((2, 3), keepdims=True))                     # (B, Y, 1, 1)
        return logits.reshape(logits.shape[:2])


class ResNet(Encoder):
    """The network of a `ResNetConfig`: images (B, C, Sy, Sx) -> logits (B, Y). Images of other sizes fit as well."""

    def __init__(self, config, seed=0):
        self.config = config
        rng = stream(seed, place="init")
        super().__init__(config, rng)
        self.head = Head(config, rng)

    @property
    def token_shape(self):
        """(places, channels) of an image in the first stage."""
        return self.config.stage_shape

    def forward(self, images):
        return self.head(self.features(images))


_SMALL = dict(channels=(16, 32, 64), stem_width=16, small_stem=True, block="basic", groups=8)

RESNET_PRESETS = {
    "resnet8_gn_28": ResNetConfig(28, 1, 10, layers=(1, 1, 1), **_SMALL),
    "resnet8_gn_32": ResNetConfig(32, 3, 10, layers=(1, 1, 1), **_SMALL),
    "resnet14_gn_32": ResNetConfig(32, 3, 10, layers=(2, 2, 2), **_SMALL),
    "resnetv2_50x1_bit": ResNetConfig(),
}

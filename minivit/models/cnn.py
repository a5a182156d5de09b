"""A small convolutional network: the baseline that Vision Transformers are compared with.

    x = ReLU(maxpool(norm(conv(x))))        in each stage; pooling halves the image
    logits = head(all numbers of the last stage)

Shapes: images (B, C, Sy, Sx), the last stage (B, channels, Gy, Gx), logits (B, Y).

A convolution knows before it has seen any image that neighbours belong together and that a thing is the same thing
anywhere in the image. A ViT has to learn both, and needs more images for it.

Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.
"""
from dataclasses import dataclass

from minivit import nn, ops
from minivit.models.settings import check, counts, setting
from minivit.nn import init
from minivit.ops.patches import pair
from minivit.streams import stream


@dataclass(frozen=True)
class CNNConfig:
    """Everything that shapes a CNN. Sizes are pixels, (y, x) or one number for both.

    Raises ValueError, naming the field, for a value of another type or out of range.
    """

    image_size: tuple = setting((32, 32), "height and width of the images, in pixels")
    in_chans: int = setting(3, "channels of the images", least=1)
    num_classes: int = setting(10, "classes", least=1)
    channels: tuple = setting((32, 64, 128), "channels of each stage, from the first to the last")
    kernel_size: tuple = setting((3, 3), "height and width of a convolution's windows, in pixels")
    groups: int = setting(0, "groups of group norm after each convolution; 0: no norm", least=0)
    zero_head: bool = setting(True, "start the head at 0, so that the first loss is log(classes)")

    def __post_init__(self):
        object.__setattr__(self, "image_size", pair(self.image_size, "image_size"))
        object.__setattr__(self, "kernel_size", pair(self.kernel_size, "kernel_size"))
        object.__setattr__(self, "channels", counts(self.channels, "channels"))
        check(self)
        if not self.channels:
            raise ValueError("channels must name at least one stage")
        if self.groups and any(C % self.groups for C in self.channels):
            raise ValueError(f"channels {self.channels} cannot all be divided into {self.groups} groups of equal size")


class Stage(nn.Module):
    """Convolution, group norm if asked for, max pooling, ReLU: (B, inputs, Sy, Sx) -> (B, outputs, Sy / 2, Sx / 2)."""

    def __init__(self, config, inputs, outputs, rng):
        self.conv = nn.Conv2d(inputs, outputs, config.kernel_size, rng, padding="SAME")
        self.norm = nn.GroupNorm(config.groups, outputs) if config.groups else None

    def forward(self, x):
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        return ops.relu(ops.max_pool2d(x, 2, padding="SAME"))       # ReLU first is the same, on four times the numbers


class CNN(nn.Module):
    """The network of a `CNNConfig`: images (B, C, Sy, Sx) -> logits (B, Y)."""

    def __init__(self, config, seed=0):
        self.config = config
        rng = stream(seed, place="init")
        inputs = (config.in_chans,) + config.channels
        self.stages = [Stage(config, *sizes, rng) for sizes in zip(inputs, config.channels)]
        Gy, Gx = (-(-side // 2 ** len(self.stages)) for side in config.image_size)
        self.head = nn.Linear(config.channels[-1] * Gy * Gx, config.num_classes, rng)
        if config.zero_head:
            self.head.weight = nn.Parameter(init.zeros(self.head.weight.shape))

    @property
    def token_shape(self):
        """(places, channels) of an image in the first stage, the largest."""
        Sy, Sx = self.config.image_size
        return Sy * Sx, self.config.channels[0]

    def features(self, images):
        """What the last stage makes of images: (B, channels, Gy, Gx)."""
        c = self.config
        if images.ndim != 4 or images.shape[1:] != (c.in_chans,) + c.image_size:
            raise ValueError(f"the model was built for images (B, {c.in_chans}, {c.image_size[0]}, "
                             f"{c.image_size[1]}), not {images.shape}: resize or convert the images, or build the "
                             f"model for theirs")
        x = images
        for stage in self.stages:
            x = stage(x)
        return x

    def forward(self, images):
        x = self.features(images)
        return self.head(x.reshape(len(x), -1))


CNN_PRESETS = {
    "cnn_nano_28": CNNConfig(28, 1, 10, channels=(16, 32)),
    "cnn_micro_28": CNNConfig(28, 1, 10, channels=(32, 64), groups=8),
    "cnn_nano_32": CNNConfig(32, 3, 10, channels=(16, 32, 64)),
    "cnn_micro_32": CNNConfig(32, 3, 10, channels=(32, 64, 128), groups=8),
}

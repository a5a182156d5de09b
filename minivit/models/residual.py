"""The blocks of a ResNet with group norm: convolutions whose result is added to what they were given.

    y = x + conv3(f(conv2(f(conv1(f(x))))))        f = ReLU(norm( )): before each convolution ("pre-activation", v2)
    y = ReLU(x + norm(conv3(f(conv2(f(conv1(x)))))))        f after each but the last (the original, "post-activation")

A bottleneck does its 3x3 convolution on a quarter of the channels, between two of 1x1; a basic block has two of 3x3.
Where a block changes the number of channels or halves the image, x passes through a 1x1 convolution of its own.

Sources: He et al. 2015, arXiv 1512.03385, figure 5; He et al. 2016, "Identity mappings", arXiv 1603.05027, figure 4;
with group norm and standardised weights: Kolesnikov et al. 2019, "Big Transfer" (BiT), arXiv 1912.11370, section 4.1.
`config` is a ResNetConfig throughout; `BLOCKS` finds a block by its fields block and preact.
"""
from minivit import nn, ops
from minivit.nn import init


def conv(config, inputs, outputs, size, rng, stride=1):
    """A convolution with standardised weights, padded so that it keeps the image's size (divided by the stride)."""
    padding = "SAME" if config.same_padding else size // 2
    return nn.StdConv2d(inputs, outputs, size, rng, stride, padding, eps=config.conv_eps)


def norm(config, C):
    """Group norm of C channels."""
    return nn.GroupNorm(config.groups, C, config.norm_eps)


class Downsample(nn.Module):
    """The path of x around a block that changes its shape; with a norm where nothing normalised x before."""

    def __init__(self, config, inputs, outputs, stride, rng):
        self.conv = conv(config, inputs, outputs, 1, rng, stride)
        self.norm = None if config.preact else norm(config, outputs)

    def forward(self, x):
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)


def downsample(config, inputs, outputs, stride, rng):
    """A Downsample where a block needs one, else None."""
    return Downsample(config, inputs, outputs, stride, rng) if stride > 1 or inputs != outputs else None


class PreActBasic(nn.Module):
    """Two 3x3 convolutions, pre-activation."""

    def __init__(self, config, inputs, outputs, stride, rng):
        self.downsample = downsample(config, inputs, outputs, stride, rng)
        self.norm1 = norm(config, inputs)
        self.conv1 = conv(config, inputs, outputs, 3, rng, stride)
        self.norm2 = norm(config, outputs)
        self.conv2 = conv(config, outputs, outputs, 3, rng)

    def forward(self, x):
        active = ops.relu(self.norm1(x))
        shortcut = x if self.downsample is None else self.downsample(active)
        y = self.conv1(active)
        return shortcut + self.conv2(ops.relu(self.norm2(y)))


class PreActBottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1, pre-activation: BiT's block."""

    def __init__(self, config, inputs, outputs, stride, rng):
        inside = outputs // 4
        self.downsample = downsample(config, inputs, outputs, stride, rng)
        self.norm1 = norm(config, inputs)
        self.conv1 = conv(config, inputs, inside, 1, rng)
        self.norm2 = norm(config, inside)
        self.conv2 = conv(config, inside, inside, 3, rng, stride)
        self.norm3 = norm(config, inside)
        self.conv3 = conv(config, inside, outputs, 1, rng)

    def forward(self, x):
        active = ops.relu(self.norm1(x))
        shortcut = x if self.downsample is None else self.downsample(active)
        y = self.conv1(active)
        y = self.conv2(ops.relu(self.norm2(y)))
        return shortcut + self.conv3(ops.relu(self.norm3(y)))


class Bottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1, post-activation: the block of the hybrids."""

    def __init__(self, config, inputs, outputs, stride, rng):
        inside = outputs // 4
        self.downsample = downsample(config, inputs, outputs, stride, rng)
        self.conv1 = conv(config, inputs, inside, 1, rng)
        self.norm1 = norm(config, inside)
        self.conv2 = conv(config, inside, inside, 3, rng, stride)
        self.norm2 = norm(config, inside)
        self.conv3 = conv(config, inside, outputs, 1, rng)
        self.norm3 = norm(config, outputs)
        if config.zero_init:
            self.norm3.weight = nn.Parameter(init.zeros((outputs,)))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = ops.relu(self.norm1(self.conv1(x)))
        y = ops.relu(self.norm2(self.conv2(y)))
        return ops.relu(shortcut + self.norm3(self.conv3(y)))


BLOCKS = {("basic", True): PreActBasic, ("bottleneck", True): PreActBottleneck, ("bottleneck", False): Bottleneck}

"""Layers over images x (B, C, Sy, Sx): convolution, normalisation over groups of channels, pooling."""
import math

from minivit import ops
from minivit.nn import init
from minivit.nn.module import Module, Parameter
from minivit.ops.patches import pair


class Conv2d(Module):
    """Convolution with windows of `size` pixels: weight (outputs, inputs, Ky, Kx), normal; bias (outputs,), 0.

    stride and padding are those of ops.conv2d. The weight's variance, 2 / (inputs * Ky * Kx), is the one with which a
    signal keeps its size from ReLU to ReLU: He et al. 2015, arXiv 1502.01852, eq. 10.
    """

    def __init__(self, inputs, outputs, size, rng, stride=1, padding=0, bias=True):
        shape = (outputs, inputs) + pair(size, "size")
        self.weight = Parameter(init.normal(rng, shape, math.sqrt(2 / math.prod(shape[1:]))))
        self.bias = Parameter(init.zeros((outputs,))) if bias else None
        self.stride, self.padding = stride, padding

    def forward(self, x):
        return ops.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class StdConv2d(Conv2d):
    """Convolution whose filters are standardised, to mean 0 and variance 1, each time that they are used."""

    def __init__(self, inputs, outputs, size, rng, stride=1, padding=0, bias=False, eps=1e-8):
        super().__init__(inputs, outputs, size, rng, stride, padding, bias)
        self.eps = eps

    def forward(self, x):
        return ops.conv2d(x, ops.standardise(self.weight, self.eps), self.bias, self.stride, self.padding)


class GroupNorm(Module):
    """Group norm of C channels, with scale `weight` (gamma, 1) and offset `bias` (beta, 0), both (C,)."""

    def __init__(self, groups, C, eps=1e-5):
        if groups < 1 or C % groups:
            raise ValueError(f"{C} channels cannot be divided into {groups} groups of equal size")
        self.weight = Parameter(init.ones((C,)))
        self.bias = Parameter(init.zeros((C,)))
        self.groups, self.eps = groups, eps

    def forward(self, x):
        return ops.groupnorm(x, self.groups, self.weight, self.bias, self.eps)


class MaxPool2d(Module):
    """The largest of each window of `size`, taken every `stride` (default: size) pixels."""

    def __init__(self, size, stride=None, padding=0):
        self.size, self.stride, self.padding = size, stride, padding

    def forward(self, x):
        return ops.max_pool2d(x, self.size, self.stride, self.padding)


class ReLU(Module):
    """Positive numbers as they are, all others 0."""

    def forward(self, x):
        return ops.relu(x)

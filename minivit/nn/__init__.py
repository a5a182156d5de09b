"""Layers with parameters, and how they begin."""
from minivit.nn.convolution import Conv2d, GroupNorm, MaxPool2d, ReLU, StdConv2d
from minivit.nn.init import no_init
from minivit.nn.layers import GELU, Dropout, DropPath, LayerNorm, LayerScale, Linear
from minivit.nn.module import Module, Parameter, Sequential, watching
from minivit.nn.transformer import Attention, Mlp, PatchEmbed

__all__ = ["Attention", "Conv2d", "DropPath", "Dropout", "GELU", "GroupNorm", "LayerNorm", "LayerScale", "Linear",
           "MaxPool2d", "Mlp", "Module", "Parameter", "PatchEmbed", "ReLU", "Sequential", "StdConv2d", "no_init",
           "watching"]

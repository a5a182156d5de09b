"""Layers with parameters, and how they begin."""
from minivit.nn.init import no_init
from minivit.nn.layers import GELU, Dropout, DropPath, LayerNorm, Linear
from minivit.nn.module import Module, Parameter, Sequential
from minivit.nn.transformer import Attention, Mlp, PatchEmbed

__all__ = ["Attention", "DropPath", "Dropout", "GELU", "LayerNorm", "Linear", "Mlp", "Module", "Parameter",
           "PatchEmbed", "Sequential", "no_init"]

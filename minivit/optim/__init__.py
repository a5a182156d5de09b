"""Optimizers, learning-rate schedules, averages of weights, and which layers learn how fast."""
from minivit.optim.clipping import clip_factor, clip_grad_norm
from minivit.optim.ema import EMA
from minivit.optim.groups import decay_groups, freeze, layer_groups, layer_numbers
from minivit.optim.optimizers import SGD, Adam, AdamW
from minivit.optim.schedules import SCHEDULES, constant, cosine, linear, staircase

__all__ = ["Adam", "AdamW", "EMA", "SCHEDULES", "SGD", "clip_factor", "clip_grad_norm", "constant", "cosine",
           "decay_groups", "freeze", "layer_groups", "layer_numbers", "linear", "staircase"]

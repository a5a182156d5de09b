"""Optimizers and learning-rate schedules."""
from minivit.optim.optimizers import SGD, Adam, AdamW, clip_grad_norm, decay_groups
from minivit.optim.schedules import SCHEDULES, constant, cosine, linear, staircase

__all__ = ["Adam", "AdamW", "SCHEDULES", "SGD", "clip_grad_norm", "constant", "cosine", "decay_groups", "linear",
           "staircase"]

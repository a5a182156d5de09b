"""The training loop: batch, gradients, clip, step."""
from minivit.optim import clip_grad_norm
from minivit.train.gradients import gradients
from minivit.train.workers import SERIAL


def train_epoch(model, batches, loss, optimizer, schedule, clip_norm=0.0, seed=0, workers=SERIAL):
    """Take one step for each of `batches`, yielding its StepResult after the parameters have changed."""
    parameters = list(model.train().parameters())
    for batch in batches:
        step = optimizer.steps
        optimizer.zero_grad()
        result = gradients(model, loss, batch, seed, step, workers)
        if clip_norm:
            clip_grad_norm(parameters, clip_norm)
        optimizer.step(lr=schedule(step))
        yield result

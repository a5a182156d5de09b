"""The training loop: batch, gradients, clip, step."""
from minivit.optim import clip_grad_norm
from minivit.train.gradients import gradients


def train_epoch(model, batches, loss, optimizer, schedule, clip_norm=0.0, seed=0):
    """Take one step for each of `batches`, yielding its StepResult after the parameters have changed."""
    model.train()
    for batch in batches:
        step = optimizer.steps
        optimizer.zero_grad()
        result = gradients(model, loss, batch, seed, step)
        if clip_norm:
            clip_grad_norm(model.parameters(), clip_norm)
        optimizer.step(lr=schedule(step))
        yield result

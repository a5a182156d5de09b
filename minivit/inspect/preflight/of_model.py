"""Checks of the model and its loss: what is known of both before anything is learned."""
import math

import numpy as np

from minivit import ops
from minivit.backend import to_device, to_host, xp_of
from minivit.inspect.preflight.check import Check, awake, moved
from minivit.modes import no_grad
from minivit.nn.module import Parameter
from minivit.optim import Adam
from minivit.streams import randomness, stream
from minivit.tensor import Tensor
from minivit.train.gradients import gradients
from minivit.train.losses import Distillation

FEW = 4             # images in a check that does not need more


def loss_at_start(trainer, batch):
    """A model that knows nothing gives each of Y classes the probability 1/Y: its loss is ln Y."""
    Y = trainer.model.config.num_classes
    soft = isinstance(trainer.loss, Distillation) and trainer.loss.kind == "soft"
    trained = trainer.identity.get("head") == "keep" and "start" in trainer.identity
    result = gradients(trainer.model, trainer.loss, moved(trainer, batch), trainer.seed, 0, trainer.workers)
    loss = float(result.loss)
    expected = ", with a part for a soft teacher" if soft else ", of a head that is kept" if trained else \
        f", ln {Y} = {math.log(Y):.3f}"
    near = abs(loss - math.log(Y)) <= 0.25 * math.log(Y)
    return Check("loss_at_start", soft or trained or near, f"{loss:.3f}{expected}",
                 "the head should begin at or near 0 (zero_head), the loss be a mean over images, the logits be logits")


def logits(trainer, batch):
    """Does the model return logits, and does the loss take them for that? Free logits must reach the least loss that
    their targets allow, the entropy of the targets."""
    few = moved(trainer, batch[:8])
    with randomness(trainer.seed):
        made = trainer.model.train()(Tensor(few.images))
    heads = made if isinstance(made, tuple) else (made,)
    rows = np.concatenate([to_host(head.data) for head in heads])
    probabilities = (rows >= 0).all() and np.allclose(rows.sum(1), 1, atol=1e-3)
    free = [Parameter(xp_of(head.data).zeros_like(head.data)) for head in heads]
    optimizer = Adam([(str(k), z) for k, z in enumerate(free)], lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        loss = trainer.loss(tuple(free) if len(free) > 1 else free[0], few)
        loss.backward()
        optimizer.step()
    logp = to_host(ops.log_softmax(Tensor(free[0].data)).data)
    entropy = -float((np.exp(logp) * logp).sum(1).mean())
    excess = loss.item() - entropy
    found = f"the least loss of the best logits is {loss.item():.3f}"
    if probabilities:
        found = "the model returns probabilities"
    elif excess >= 0.2:
        found += f", expected about {entropy:.3f}"
    return Check("logits", not probabilities and excess < 0.2, found,
                 "softmax is applied twice: the loss takes logits, and applies it itself. Take it out of the model, or "
                 "out of what is between model and loss")


def deterministic(trainer, batch):
    """In evaluation, is the same image twice the same?"""
    model, images = trainer.model.eval(), Tensor(moved(trainer, batch[:FEW]).images)
    with awake(model), no_grad():
        results = []
        for seed in (1, 2):
            with randomness(seed):
                results.append(to_host(model(images).data))
    same = np.array_equal(*results)
    return Check("deterministic", same, "two evaluations are equal" if same else "two evaluations differ",
                 "something random is left on in evaluation: dropout must ask for self.training, which model.eval() "
                 "sets in every module that is an attribute of another")


def no_leak(trainer, batch):
    """Do the logits of an image depend on that image alone?"""
    model, images = trainer.model.eval(), Tensor(moved(trainer, batch[:FEW]).images, requires_grad=True)
    with awake(model), randomness(0):
        made = model(images)
        row = stream(0, place="preflight").standard_normal(made.shape[1], dtype=np.float32)
        (made[0] * to_device(row, model.device)).sum().backward()
    reach = abs(to_host(images.grad)).reshape(len(images), -1).max(1)
    own, others = float(reach[0]), float(reach[1:].max(initial=0))
    return Check("no_leak", others == 0 < own,
                 "each image's logits depend on it alone" if others == 0 < own else
                 "the logits do not depend on their image" if others == 0 else
                 f"the logits of one image depend on others (gradient {others:.1e})",
                 "look for a reshape or transpose that mixes images with tokens, or for a norm over the batch")


def every_parameter(trainer, batch):
    """Does everything that should learn get a gradient, and does the optimizer know of it?"""
    model = trainer.model
    with awake(model):
        model.train().zero_grad()
        gradients(model, trainer.loss, moved(trainer, batch), trainer.seed, 0, trainer.workers)
        named = dict(model.named_parameters())
        silent = [name for name, p in named.items() if p.grad is None or not float(abs(p.grad).max()) > 0]
    known = {name for group in trainer.optimizer.groups for name, _ in group.named if group.options["lr_scale"] > 0}
    lost = [name for name in named if name not in trainer.frozen and (name in silent or name not in known)]
    on_purpose = f", {len(trainer.frozen)} are frozen as asked" if trainer.frozen else ""
    return Check("every_parameter", not lost,
                 f"{len(lost)} of {len(named)} learn nothing: {', '.join(lost[:3])}{', ...' if len(lost) > 3 else ''}"
                 if lost else f"{len(known)} arrays get a gradient{on_purpose}",
                 "a layer is frozen: requires_grad is False, forward passes it by or detaches, or the optimizer was "
                 "made without it. If that is meant, say so by --freeze")

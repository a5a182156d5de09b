"""Training a tiny network with a learner's kernels: the last rung of the ladder of checks.

- `losses(kernels)`: those of 30 steps with {operation: (forward, backward)} laid over minivit's, and with minivit's own

The networks are as small as they can be while each operation does something: a learner's kernel may be a slow loop.
"""
import functools

import numpy as np

from minivit import ops
from minivit.models.cnn import CNN, CNNConfig
from minivit.models.vit import ViTConfig, VisionTransformer
from minivit.modes import using
from minivit.optim import SGD
from minivit.streams import stream
from minivit.tensor import Tensor

STEPS, IMAGES, CLASSES, SIZE = 30, 4, 3, (4, 8)
NETWORKS = (
    lambda: VisionTransformer(ViTConfig(SIZE, (4, 4), 1, CLASSES, embed_dim=6, depth=2, num_heads=3, mlp_ratio=2,
                                        zero_head=False)),
    lambda: CNN(CNNConfig(SIZE, 1, CLASSES, channels=(2, 4), groups=2, zero_head=False)))


def losses(kernels):
    """(losses with `kernels`, losses without): of the first of NETWORKS that uses one of the operations.

    Raises ValueError where none does.
    """
    for number, network in enumerate(NETWORKS):
        used = set()
        yours = _train(network(), {name: (_noted(forward, name, used), backward)
                                   for name, (forward, backward) in kernels.items()})
        if used:
            return yours, _reference(number)
    raise ValueError(f"no network in minivit.learn.training uses {', '.join(kernels)}")


@functools.cache
def _reference(number):
    return _train(NETWORKS[number](), {})


def _noted(forward, name, used):
    """The same forward, which enters its name into `used`."""
    def noted(ctx, *arrays, **options):
        used.add(name)
        return forward(ctx, *arrays, **options)
    return noted


def _train(model, kernels):
    rng = stream(0, place="learn training")
    images = Tensor(rng.standard_normal((IMAGES, 1) + SIZE, dtype=np.float32))
    labels = rng.integers(0, CLASSES, IMAGES)
    optimizer, found = SGD(model, lr=0.1), []
    with using("array", kernels):
        for _ in range(STEPS):
            loss = ops.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(loss.item())
    return found

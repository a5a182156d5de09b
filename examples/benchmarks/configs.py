"""The named configurations that are timed, and the same weights and batch for every side."""
from dataclasses import dataclass, replace

import numpy as np

from minivit.models import ViTConfig, VisionTransformer, preset
from minivit.streams import stream


@dataclass(frozen=True)
class Benchmark:
    """A model, a batch size, and what a step costs."""

    model: ViTConfig
    batch: int

    @property
    def gflop(self):
        """Multiplications and additions of matrix products in one training step, in units of 1e9: twice a forward's
        multiply-adds, three times (forward, gradient of inputs, gradient of weights)."""
        c, (Py, Px) = self.model, self.model.patch_size
        patches = c.image_size[0] * c.image_size[1] // (Py * Px)
        N, D, F = patches + 1, c.embed_dim, int(c.embed_dim * c.mlp_ratio)
        block = N * (4 * D * D + 2 * D * F) + 2 * N * N * D
        forward = patches * Py * Px * c.in_chans * D + c.depth * block + D * c.num_classes
        return 3 * 2 * self.batch * forward / 1e9


def _vit(side, channels, patch, width, depth, heads, mlp):
    return ViTConfig(side, patch, channels, 10, embed_dim=width, depth=depth, num_heads=heads, mlp_ratio=mlp / width,
                     zero_head=False)


CONFIGS = {
    "ti4": Benchmark(_vit(32, 3, 4, 192, 12, 3, 768), 64),
    "mnist28": Benchmark(_vit(28, 1, 7, 64, 4, 4, 256), 128),
    "small8": Benchmark(_vit(32, 3, 4, 128, 6, 4, 512), 128),
    "net3": Benchmark(_vit(32, 3, 4, 64, 4, 8, 128), 50),
}

# For inference alone: DeiT-Ti/16 at 224 pixels, image by image and a few at a time.
INFERENCE = CONFIGS | {f"deit{batch}": Benchmark(preset("deit_tiny_patch16_224"), batch) for batch in (1, 2, 8)}


def setting(name, gelu="none"):
    """(model, images (B, C, Sy, Sx) float32, labels (B,)) of a configuration: the same at every call."""
    benchmark = INFERENCE[name]
    config = replace(benchmark.model, gelu=gelu)
    rng = stream(0, place=f"benchmark {name}")
    images = rng.standard_normal((benchmark.batch, config.in_chans) + config.image_size, dtype=np.float32)
    return VisionTransformer(config), images, rng.integers(0, config.num_classes, benchmark.batch)

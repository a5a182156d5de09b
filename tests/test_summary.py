"""What a summary says of a model is what the model does: arithmetic by the formulas, memory by a real run."""
import time

import numpy as np
import pytest

from minivit import Tensor, nn, using
from minivit.function import FUNCTIONS
from minivit.inspect import summarise
from minivit.models import create
from minivit.streams import randomness

NOISE = dict(drop_rate=0.1, attn_drop_rate=0.1, drop_path_rate=0.1)
MODELS = [("vit_nano_patch7_28", {}), ("vit_nano_patch7_28", NOISE), ("vit_nano_patch4_32", dict(pool="mean")),
          ("deit_nano_distilled_patch7_28", {}), ("vit_nano_r_28", {}), ("cnn_nano_28", {}), ("resnet8_gn_28", {})]


def vit_flop(c, head_rows=1):
    """Multiplications and additions of the matrix products of a ViT, added up by hand; the last block's projection and
    MLP are for the rows that the head reads."""
    (Sy, Sx), (Py, Px), D, L = c.image_size, c.patch_size, c.embed_dim, c.depth
    F, patches = int(D * c.mlp_ratio), (Sy // Py) * (Sx // Px)
    N = patches + head_rows
    qkv, rest, scores = N * 3 * D * D, D * D + 2 * D * F, 2 * N * D         # of all tokens; then of each
    return 2 * (patches * Py * Px * c.in_chans * D + L * qkv + (N * (L - 1) + head_rows) * (rest + scores)
                + head_rows * D * c.num_classes)


@pytest.mark.parametrize("name, rows", [("vit_tiny_patch16_224", 1), ("vit_huge_patch14_224", 1),
                                        ("vit_nano_patch7_28", 1), ("deit_tiny_distilled_patch16_224", 2)])
def test_arithmetic_is_that_of_the_formula(name, rows):
    with nn.no_init():
        model = create(name)
    start = time.perf_counter()
    parts = summarise(model)
    assert sum(part.flop for part in parts) == vit_flop(model.config, rows)
    assert sum(part.parameters for part in parts) == model.num_parameters()
    assert time.perf_counter() - start < 20


def test_arithmetic_of_convolutions():
    """28 x 28 x 16 places and channels of 3 x 3 x 1, then half the size with twice the channels, then the head."""
    expected = 2 * (28 * 28 * 16 * 9 + 14 * 14 * 32 * 16 * 9 + 7 * 7 * 32 * 10)
    assert sum(part.flop for part in summarise(create("cnn_nano_28"))) == expected


def kept_by_a_real_run(model):
    """Bytes of all arrays that the operations of one training pass save, each once, but for weights and image."""
    buffers, alive = {}, []

    def owner(array):
        while array.base is not None and isinstance(array.base, np.ndarray):
            array = array.base
        return array

    def watched(forward):
        def run(ctx, *arrays, **options):
            result = forward(ctx, *arrays, **options)
            for array in ctx.saved:
                if isinstance(array, np.ndarray):
                    alive.append(owner(array))
                    buffers[id(alive[-1])] = alive[-1].nbytes
            return result
        return run

    image = Tensor(np.random.default_rng(0).standard_normal(
        (1, model.config.in_chans) + model.config.image_size).astype(np.float32))
    functions = {name: (watched(function.forward), function.backward) for name, function in FUNCTIONS.items()}
    with using("array", functions), randomness(0, 0):
        result = model.train()(image)
    own = {id(owner(parameter.data)) for parameter in model.parameters()} | {id(owner(image.data))}
    del result
    return sum(size for name, size in buffers.items() if name not in own)


@pytest.mark.parametrize("name, changes", MODELS, ids=[f"{name} {'-'.join(changes)}" for name, changes in MODELS])
def test_memory_is_that_of_a_real_run(name, changes):
    model = create(name, **changes)
    assert sum(part.kept for part in summarise(model)) == kept_by_a_real_run(model) > 10_000


@pytest.mark.parametrize("mode", [True, False])
def test_a_summary_leaves_the_model_as_it_was(mode):
    model = create("deit_nano_distilled_patch7_28").train(mode)
    before = {name: array.copy() for name, array in model.state_dict().items()}
    parts = summarise(model)
    assert model.training is mode and all(parameter.grad is None for parameter in model.parameters())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert [part.path for part in parts][:3] == ["", "patch_embed", "patch_embed.proj"]
    assert next(part for part in parts if part.path == "blocks.0.attn.qkv").shape == (1, 18, 192)

"""Measures equal their definitions, written here as plain loops, for 0, 1 and 2 prefix tokens and oblong grids."""
import math

import numpy as np
import pytest

from minivit import Tensor, no_grad, ops
from minivit.inspect import record
from minivit.inspect.activations import EDGES, ActivationHistory
from minivit.inspect.attention import attention_over_image, token_at, token_name
from minivit.inspect.confusion import confusion
from minivit.inspect.correlation import ranks, spearman
from minivit.inspect.cosine import token_cosine
from minivit.inspect.distance import attention_distance, uniform_distance
from minivit.inspect.features import strongest
from minivit.inspect.filters import first_filters, principal_filters
from minivit.inspect.flow import EDGES as SIZES, gradient_flow, snapshot
from minivit.inspect.lens import logit_lens
from minivit.inspect.mistakes import worst_mistakes
from minivit.inspect.positions import position_similarity
from minivit.inspect.rollout import rollout
from minivit.inspect.saliency import saliency
from minivit.inspect.units import unit_states
from minivit.models import create
from minivit.optim import AdamW
from minivit.train import TrainConfig, trainer_from

SMALL = dict(depth=3, embed_dim=16, num_heads=2, zero_head=False, image_size=(12, 20), pos_std=1.0)
MODELS = {"no prefix, 3 x 5": ("vit_nano_patch7_28", dict(patch_size=4, class_token=False, pool="mean")),
          "class token, 6 x 5": ("vit_nano_patch7_28", dict(patch_size=(2, 4))),
          "two tokens, 3 x 2": ("deit_nano_distilled_patch7_28", dict(patch_size=(4, 10))),
          "hybrid, 3 x 4": ("vit_nano_r_28", dict(patch_size=(4, 5), layers=(1,), channels=(32,)))}


def model_of(name, seed=0, **changes):
    return create(name, seed, **SMALL | changes).eval()


def images_of(model, B=2):
    shape = (B, model.config.in_chans) + model.config.image_size
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def rec(request):
    name, changes = request.param
    model = model_of(name, **changes)
    with no_grad(), record(model) as rec:
        model(Tensor(images_of(model)))
    return rec


def patches_of(rec):
    """(row, column) of each patch, in the order of the tokens."""
    return [(row, column) for row in range(rec.grid[0]) for column in range(rec.grid[1])]


@pytest.mark.parametrize("query", [None, 0, "patch"])
def test_attention_over_the_image(rec, query):
    query = (rec.grid[0] - 1, 1) if query == "patch" else query
    maps = rec.attention[1]
    found = attention_over_image(maps, rec.grid, rec.prefix, query)
    B, H, N, _ = maps.shape
    for b in range(B):
        for h in range(H):
            for j, (row, column) in enumerate(patches_of(rec)):
                key = rec.prefix + j
                if query is None and rec.prefix == 0:
                    truth = sum(maps[b, h, n, key] for n in range(N)) / N
                elif isinstance(query, tuple):
                    truth = maps[b, h, rec.prefix + query[0] * rec.grid[1] + query[1], key]
                else:
                    truth = maps[b, h, 0, key]
                assert found[b, h, row, column] == pytest.approx(truth, abs=1e-7)
    assert (found.sum((2, 3)) <= 1 + 1e-6).all()


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("discard", [0.0, 0.35, 0.9])
def test_rollout(rec, fusion, discard):
    found = rollout(rec.attention, fusion, discard)
    fuse = {"mean": lambda values: sum(values) / len(values), "max": max, "min": min}[fusion]
    B, H, N, _ = rec.attention[0].shape
    for b in range(B):
        rolled = [[float(i == j) for j in range(N)] for i in range(N)]
        for maps in rec.attention:
            fused = [[fuse([float(maps[b, h, i, j]) for h in range(H)]) for j in range(N)] for i in range(N)]
            smallest = sorted((fused[i][j], i, j) for i in range(N) for j in range(N))[:int(discard * N * N)]
            for _, i, j in smallest:
                fused[i][j] = 0.0
            for i in range(N):
                fused[i][i] += 1
                total = sum(fused[i])
                fused[i] = [value / total for value in fused[i]]
            rolled = [[sum(fused[i][k] * rolled[k][j] for k in range(N)) for j in range(N)] for i in range(N)]
        np.testing.assert_allclose(found[b], rolled, atol=1e-12)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-12)
    assert found.min() >= 0


def test_rollout_of_blocks_that_do_nothing_is_the_identity():
    maps = [np.broadcast_to(np.eye(5), (1, 2, 5, 5))] * 3
    np.testing.assert_allclose(rollout(maps)[0], np.eye(5), atol=1e-15)


def test_distance(rec):
    (Py, Px), places = rec.patch, patches_of(rec)
    found = attention_distance(rec.attention, rec.grid, rec.patch, rec.prefix)
    assert found.shape == (3, 2)
    for block, maps in enumerate(rec.attention):
        B, H, _, _ = maps.shape
        for h in range(H):
            each = []
            for b in range(B):
                for i, (y, x) in enumerate(places):
                    weights = [float(maps[b, h, rec.prefix + i, rec.prefix + j]) for j in range(len(places))]
                    away = [math.hypot((y - v) * Py, (x - u) * Px) for v, u in places]
                    each.append(sum(w * d for w, d in zip(weights, away)) / sum(weights))
            assert found[block, h] == pytest.approx(sum(each) / len(each), rel=1e-9)
    among = [math.hypot((y - v) * Py, (x - u) * Px) for y, x in places for v, u in places]
    assert uniform_distance(rec.grid, rec.patch) == pytest.approx(sum(among) / len(among), rel=1e-12)


def test_distances_in_pixels_by_hand():
    """Two patches of 4 x 10 pixels side by side: a head that looks at itself, and one that looks at the other."""
    itself, other = np.eye(3), np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    maps = np.stack([itself, other])[None]
    assert attention_distance([maps], (1, 2), (4, 10), prefix=1).tolist() == [[0, 10]]
    assert attention_distance([maps], (2, 1), (4, 10), prefix=1).tolist() == [[0, 4]]
    assert uniform_distance((1, 2), (4, 10)) == 5


@pytest.mark.parametrize("kind", ["learned", "learned, patches only", "learned-2d", "sincos-2d"])
@pytest.mark.parametrize("name, changes", MODELS.values(), ids=MODELS)
def test_position_similarity(name, changes, kind):
    kind, _, patches_only = kind.partition(",")
    model = model_of(name, **changes, pos_embed=kind, prefix_positions=not patches_only)
    (Gy, Gx), found = model.patch_embed.grid, position_similarity(model)
    with_prefix = kind == "learned" and not patches_only
    for a in range(Gy * Gx):
        for b in range(Gy * Gx):
            p, q = (_position(model, kind, place, with_prefix) for place in (a, b))
            cosine = sum(p * q) / math.sqrt(sum(p * p) * sum(q * q))
            assert found[a // Gx, a % Gx, b // Gx, b % Gx] == pytest.approx(cosine, abs=1e-6)


def _position(model, kind, place, with_prefix):
    """The position (D,) of a patch, as the model's definition says."""
    row, column = divmod(place, model.patch_embed.grid[1])
    if kind == "learned-2d":
        return np.concatenate([model.pos_embed.x.data[0, column], model.pos_embed.y.data[row, 0]]).astype(np.float64)
    table = model.waves if kind == "sincos-2d" else model.pos_embed.data[0]
    return table[place + (model.num_prefix if with_prefix else 0)].astype(np.float64)


@pytest.mark.parametrize("name, changes", [*MODELS.values(), ("cnn_nano_28", {}), ("resnet8_gn_28", {})])
def test_principal_filters(name, changes):
    changes = changes | {key: value for key, value in SMALL.items() if not name[:3] in ("cnn", "res")}
    model = create(name, **changes)
    weights = first_filters(model)
    D, C, Py, Px = weights.shape
    assert C == model.config.in_chans == 1
    found, shares = principal_filters(weights, count=6)
    rows = np.array([[weights[d, c, y, x] for c in range(C) for y in range(Py) for x in range(Px)] for d in range(D)],
                    np.float64)
    centred = rows - np.array([sum(rows[:, i]) / D for i in range(rows.shape[1])])
    covariance = sum(np.outer(row, row) for row in centred)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    n = min(6, D, C * Py * Px)
    assert found.shape == (n, C, Py, Px)
    np.testing.assert_allclose(shares, values[:n] / values.sum(), atol=1e-9)
    for component, share, vector in zip(found.reshape(n, -1), shares, vectors.T):
        assert abs(component).max() == component.max()
        if share > 1e-9:
            np.testing.assert_allclose(component, vector * np.sign(vector[abs(vector).argmax()]), atol=1e-6)


def test_the_filters_of_a_hybrid_are_those_of_its_stem():
    for changes in (dict(layers=()), dict(layers=(1,))):
        model = create("vit_nano_r_28", **SMALL | dict(patch_size=2, channels=(32,)) | changes)
        stem = model.patch_embed.backbone.stem if changes["layers"] else model.patch_embed.backbone
        assert first_filters(model) is stem.conv.weight.data


def test_the_logit_lens_ends_with_what_the_model_says(rec):
    model = rec.model
    found = logit_lens(rec)
    assert found.shape == (4, 2, 10)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    logits = model(Tensor(images_of(model))).data.astype(np.float64)
    np.testing.assert_allclose(found[-1], np.exp(logits) / np.exp(logits).sum(-1, keepdims=True), atol=1e-5)
    tokens = model.norm(Tensor(rec.tokens[1])).data                                     # after block 0
    if model.config.pool == "mean":
        logits = tokens.mean(1) @ model.head.weight.data.T
    else:
        logits = tokens[:, 0] @ model.head.weight.data.T
        if hasattr(model, "dist_token"):
            logits = (logits + tokens[:, 1] @ model.head_dist.weight.data.T) / 2
    np.testing.assert_allclose(found[1], np.exp(logits) / np.exp(logits).sum(-1, keepdims=True), atol=1e-5)


def test_the_logit_lens_leaves_the_mode(rec):
    rec.model.train()
    logit_lens(rec)
    assert rec.model.training and rec.model.blocks[0].training
    rec.model.eval()


def test_cosine_of_class_and_distillation_token(rec):
    if not hasattr(rec.model, "dist_token"):
        with pytest.raises(ValueError, match="no distillation token"):
            token_cosine(rec)
        return
    found = token_cosine(rec)
    for layer, tokens in enumerate(rec.tokens):
        for b, image in enumerate(tokens.astype(np.float64)):
            dot = sum(image[0] * image[1])
            assert found[layer, b] == pytest.approx(dot / math.sqrt(sum(image[0] ** 2) * sum(image[1] ** 2)), abs=1e-9)


def test_saliency_is_the_derivative_of_the_logit():
    model = model_of("vit_nano_patch7_28", patch_size=4, in_chans=2).astype(np.float64)
    images, labels = images_of(model).astype(np.float64), [3, 7]
    found = saliency(model, images, labels)
    for b, y, x in ((0, 0, 0), (1, 11, 19), (0, 5, 13)):
        slopes = []
        for channel in range(2):
            step = np.zeros_like(images)
            step[b, channel, y, x] = 1e-5
            up, down = (model(Tensor(images + sign * step)).data[b, labels[b]] for sign in (1, -1))
            slopes.append(abs(up - down) / 2e-5)
        assert found[b, y, x] == pytest.approx(max(slopes), rel=1e-6)
    assert found.shape == (2, 12, 20) and all(parameter.grad is None for parameter in model.parameters())


def test_ranks_and_their_correlation():
    assert ranks([3.0, 1.0, 3.0, 2.0]).tolist() == [2.5, 0, 2.5, 1]
    assert spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 4], [1, 3, 2, 4]) == pytest.approx(0.9486832980505138)        # scipy 1.17 spearmanr
    assert math.isnan(spearman([1, 2], [5, 5]))


# Training

def test_gradient_flow_norms_histograms_and_steps():
    model = create("vit_nano_patch7_28", **SMALL | dict(patch_size=4))
    optimizer, before = AdamW(model, lr=1e-2), snapshot(model)
    ops.cross_entropy(model(Tensor(images_of(model, 4))), np.arange(4)).backward()
    optimizer.step()
    flow = gradient_flow(model, before)
    assert flow.names == tuple(name for name, _ in model.named_parameters()) and flow.words == ()
    for place, (name, parameter) in enumerate(model.named_parameters()):
        values = parameter.grad.ravel().tolist()
        assert flow.norm[place] == pytest.approx(math.sqrt(sum(value * value for value in values)), rel=1e-6)
        counts = [0] * (len(SIZES) - 1)
        for value in values:
            if value:
                counts[min(max(int((math.log10(abs(value)) - SIZES[0]) // 0.5), 0), len(counts) - 1)] += 1
        assert flow.histogram[place].tolist() == counts
        moved = math.sqrt(((parameter.data - before[name]).astype(np.float64) ** 2).sum())
        size = math.sqrt((before[name].astype(np.float64) ** 2).sum())
        if size:
            assert flow.ratio[place] == pytest.approx(moved / size, rel=1e-5) and moved > 0
        else:
            assert math.isnan(flow.ratio[place])


def test_gradient_flow_says_what_is_wrong():
    model = model_of("vit_nano_patch7_28", patch_size=4)
    with pytest.raises(RuntimeError, match="no parameter has a gradient"):
        gradient_flow(model)
    ops.cross_entropy(model(Tensor(images_of(model))), np.arange(2)).backward()
    model.blocks[1].mlp.fc1.weight.grad[[2, 5, 7]] = 0
    model.norm.weight.grad[...] = 0
    model.head.bias.grad[3] = np.nan
    model.cls_token.grad = None
    assert gradient_flow(model).words == (
        "blocks.1.mlp.fc1.weight: 3 of 64 units get no gradient: 2, 5, 7",
        "norm.weight: the gradient is 0 everywhere",
        "head.bias: 1 of 10 numbers are not finite",
        "cls_token: no gradient came here")


def test_dead_and_saturated_units_are_named():
    model = model_of("vit_nano_patch7_28", patch_size=4, representation_size=6)
    images = images_of(model)
    assert [word for state in unit_states(model, images) for word in state.words] == []
    fc1 = model.blocks[1].mlp.fc1
    fc1.weight.data[50] *= 20                                             # it bends: sometimes 0, sometimes far above
    fc1.weight.data[[1, 4, 30, 31, 32, 33, 40]] = 0
    fc1.bias.data[[1, 4, 30, 31, 32, 33]], fc1.bias.data[40] = -20, 5
    model.pre_logits.fc.weight.data[2], model.pre_logits.fc.bias.data[2] = 0, -9
    assert [word for state in unit_states(model, images) for word in state.words] == [
        "blocks.1.mlp.drop1: 6 of 64 units are dead on all of 32 inputs: 1, 4, 30, 31, 32 and 1 more",
        "blocks.1.mlp.drop1: 1 of 64 units are saturated on all of 32 inputs: 40",
        "pre_logits: 1 of 6 units are saturated on all of 2 inputs: 2"]


def test_a_dead_channel_of_a_cnn_is_named():
    model = create("cnn_nano_28").train()
    model.stages[1].conv.weight.data[9], model.stages[1].conv.bias.data[9] = 0, -1
    states = unit_states(model, images_of(model, 3))
    assert [state.path for state in states] == ["stages.0", "stages.1"]
    assert [state.words for state in states] == [[], [f"stages.1: 1 of 32 units are dead on all of {3 * 49} inputs: 9"]]
    assert model.training


def test_activations_over_training_change_nothing_and_are_those_of_the_model(digits):
    config = TrainConfig(data=str(digits), epochs=2, batch_size=20)
    changes = {"embed_dim": 8, "depth": 2, "num_heads": 2, "drop_rate": 0.1}
    bare, watched = (trainer_from(config, changes, quiet=True) for _ in range(2))
    images = np.random.default_rng(0).standard_normal((5, 1, 28, 28), np.float32)
    history = ActivationHistory(watched.model, images, also="blocks.*.mlp.drop1")
    watched.on_epoch = history
    assert bare.run() and watched.run()
    for a, b in zip(bare.model.parameters(), watched.model.parameters()):
        assert a.data.tobytes() == b.data.tobytes()
    assert history.names == ("pos_drop", "blocks.0", "blocks.1", "blocks.0.mlp.drop1", "blocks.1.mlp.drop1")
    assert history.epochs == [1, 2] and history.mean.shape == (2, 5)
    watched.model.eval()
    with record(watched.model) as rec:
        watched.model(Tensor(images))
    values = rec.tokens[1].ravel().astype(np.float64)
    assert history.mean[1, 1] == pytest.approx(values.mean(), abs=1e-9)
    assert history.std[1, 1] == pytest.approx(values.std(), rel=1e-6)
    assert history.near_zero[1, 1] == pytest.approx(sum(abs(value) < 0.01 for value in values) / len(values))
    bins = [sum(low <= value < high for value in values) / len(values) for low, high in zip(EDGES, EDGES[1:])]
    np.testing.assert_allclose(history.histogram[1, 1], bins, atol=1e-12)
    watched.model.train()
    history({"epoch": 3})
    assert watched.model.training and watched.model.pos_drop.training


# Results

def test_confusion_counts():
    assert confusion([0, 0, 1, 2], [0, 2, 1, 1], 3).tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_the_worst_mistakes_come_first():
    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.standard_normal((50, 4)), rng.integers(0, 4, 50)
    found = worst_mistakes(logits, labels, most=10)
    rows = []
    for index, (row, label) in enumerate(zip(logits.tolist(), labels.tolist())):
        p = [math.exp(value) / sum(map(math.exp, row)) for value in row]
        if row.index(max(row)) != label:
            rows.append((p[label], index, label, row.index(max(row)), max(p)))
    rows = sorted(rows)[:10]
    assert found["index"].tolist() == [row[1] for row in rows]
    assert found["label"].tolist() == [row[2] for row in rows]
    assert found["prediction"].tolist() == [row[3] for row in rows]
    np.testing.assert_allclose(found["p_label"], [row[0] for row in rows])
    np.testing.assert_allclose(found["p_prediction"], [row[4] for row in rows])


def test_the_strongest_channels():
    maps = np.stack([np.full((2, 3), value) for value in (0.1, -5.0, 3.0, 0.0)])
    assert strongest(maps, 3).tolist() == [1, 2, 0]


# What is refused

def test_tokens_and_their_names():
    deit = model_of("deit_nano_distilled_patch7_28", patch_size=4)
    assert [token_name(deit, query) for query in (None, 1, 2, (2, 4))] == [
        "the class token", "the distillation token", "the patch in row 0, column 0", "the patch in row 2, column 4"]
    registers = model_of("vit_nano_patch7_28", patch_size=4, registers=2)
    assert [token_name(registers, query) for query in (0, 2)] == ["the class token", "register 1"]
    mean = model_of("vit_nano_patch7_28", patch_size=4, class_token=False, pool="mean")
    assert token_name(mean, None) == "all patches (their mean)"
    for query, words in (((3, 0), "no patch .3, 0. in a grid of 3 x 5"), (17, "no token 17: there are 2 and 3 x 5")):
        with pytest.raises(ValueError, match=words):
            token_at(query, (3, 5), 2)


def test_impossible_arguments():
    maps = [np.full((1, 1, 2, 2), 0.5)]
    with pytest.raises(ValueError, match="unknown fusion of heads 'maen': did you mean 'mean'"):
        rollout(maps, "maen")
    with pytest.raises(ValueError, match="from 0 to below 1, not 1"):
        rollout(maps, discard=1)
    with pytest.raises(ValueError, match="no position embeddings: its setting pos_embed is none"):
        position_similarity(model_of("vit_nano_patch7_28", patch_size=4, pos_embed="none"))
    with pytest.raises(ValueError, match="this CNN has no position embeddings"):
        position_similarity(create("cnn_nano_28"))
    with pytest.raises(ValueError, match="no epoch was seen"):
        ActivationHistory(create("cnn_nano_28"), None).draw("x.png")

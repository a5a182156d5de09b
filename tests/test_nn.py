"""Modules: their tree of names, their state, first values, and the layers that are more than one operation."""
import math

import numpy as np
import pytest

from minivit import Tensor, nn, randomness
from minivit.nn import init


class Nested(nn.Module):
    """A parameter, and modules in every place where the tree looks for them."""

    def __init__(self):
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.layers = [nn.Linear(2, 3, 0), nn.LayerNorm(3)]
        self.heads = {"left": nn.Linear(3, 1, 1, bias=False), "right": (nn.GELU(), nn.Linear(3, 1, 2))}
        self.note = "neither a parameter nor a module"


NESTED_NAMES = ["scale", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "heads.left.weight",
                "heads.right.1.weight", "heads.right.1.bias"]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# The tree

def test_names_are_the_paths_that_one_would_write_in_python():
    assert [name for name, _ in Nested().named_parameters()] == NESTED_NAMES


def test_named_modules_begin_with_the_module_itself():
    names = [name for name, _ in Nested().named_modules("model")]
    assert names == ["model", "model.layers.0", "model.layers.1", "model.heads.left", "model.heads.right.0",
                     "model.heads.right.1"]


def test_a_shared_parameter_comes_once_under_its_first_name():
    model = nn.Sequential(nn.Linear(3, 3, 0), nn.Linear(3, 3, 1))
    vars(model)["1"].weight = vars(model)["0"].weight
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert model.num_parameters() == 9 + 3 + 3


def test_sequential_applies_its_modules_in_order():
    first, second = nn.Linear(4, 3, 0), nn.Linear(3, 2, 1)
    x = Tensor(numbers(5, 4))
    np.testing.assert_array_equal(nn.Sequential(first, second)(x).data, second(first(x)).data)


def test_train_and_eval_reach_every_module_and_return_the_model():
    model = Nested()
    assert model.eval() is model and not any(module.training for _, module in model.named_modules())
    assert model.train() is model and all(module.training for _, module in model.named_modules())


def test_repr_shows_the_tree():
    assert repr(nn.Sequential(nn.Linear(2, 3, 0, bias=False), nn.GELU())) == (
        "Sequential(\n  0: Linear(\n    weight: Parameter(3, 2)\n  )\n  1: GELU()\n)")


# State

def test_state_comes_back_bit_for_bit():
    source, target = nn.Linear(4, 3, 0), nn.Linear(4, 3, 1)
    loaded = target.load_state_dict(source.state_dict())
    assert (loaded.missing, loaded.unexpected) == ((), ())
    np.testing.assert_array_equal(target.weight.data, source.weight.data)
    assert not np.shares_memory(target.weight.data, source.weight.data)


def test_loading_copies_into_the_arrays_that_are_there():
    """So an optimizer's views of them stay true."""
    model = nn.Linear(4, 3, 0)
    before = model.weight.data
    model.load_state_dict(nn.Linear(4, 3, 1).state_dict())
    assert model.weight.data is before


@pytest.mark.parametrize("change, error, message", [
    (lambda state: state.pop("heads.left.weight"), KeyError, "missing heads.left.weight; unexpected nothing"),
    (lambda state: state.update(extra=numbers(1)), KeyError, "missing nothing; unexpected extra"),
    (lambda state: state.clear(), KeyError, "missing scale, layers.0.weight, layers.0.bias and 5 more"),
    (lambda state: state.update(scale=numbers(7)), ValueError, r"scale is \(7,\), expected \(2,\)"),
    (lambda state: [state.update({name: numbers(7)}) for name in NESTED_NAMES], ValueError, "and 5 more"),
], ids=["missing", "unexpected", "empty", "shape", "many shapes"])
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(change, error, message):
    model = Nested()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    state = {name: array + 1 for name, array in before.items()}
    change(state)
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_loading_loosely_reports_what_did_not_match():
    model = nn.Linear(2, 2, 0)
    loaded = model.load_state_dict({"bias": np.full(2, 7, np.float32), "bais": numbers(2)}, strict=False)
    assert (loaded.missing, loaded.unexpected) == (("weight",), ("bais",))
    assert (model.bias.data == 7).all()


def test_astype_converts_every_parameter_and_drops_gradients():
    model = Nested()
    model.scale.grad = numbers(2)
    assert model.astype("float64") is model
    assert {parameter.dtype for parameter in model.parameters()} == {np.dtype("float64")}
    assert model.scale.grad is None


def test_zero_grad_forgets():
    model = nn.Linear(2, 2, 0)
    model(Tensor(numbers(3, 2))).sum().backward()
    assert np.any(model.weight.grad)
    model.zero_grad()
    assert model.weight.grad is None and model.bias.grad is None


def test_a_parameter_requires_a_gradient():
    with pytest.raises(TypeError, match="int64 tensor cannot require a gradient"):
        nn.Parameter(np.arange(3))


# First values

def test_xavier_uniform_fills_its_bounds():
    values, bound = init.xavier_uniform(0, (300, 200), 200, 300), math.sqrt(6 / 500)
    assert values.dtype == np.float32 and np.abs(values).max() <= bound
    assert values.max() > 0.999 * bound and values.min() < -0.999 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_lecun_normal_has_its_variance_and_is_cut_at_two_sigma():
    values = init.lecun_normal(0, (300, 200), fan_in=200)
    assert values.std() == pytest.approx(math.sqrt(1 / 200), rel=0.01)
    assert np.abs(values).max() <= 2 * math.sqrt(1 / 200) / init.TRUNCATED_STD * (1 + 1e-6)
    assert abs(values.mean()) < 0.01 * values.std()


def test_normal_has_its_standard_deviation_and_is_not_cut():
    values = init.normal(0, (300, 200), 0.02)
    assert values.std() == pytest.approx(0.02, rel=0.01) and np.abs(values).max() > 3.5 * 0.02


@pytest.mark.parametrize("fill", [lambda rng: init.xavier_uniform(rng, (4, 5), 5, 4),
                                  lambda rng: init.lecun_normal(rng, (4, 5), 5),
                                  lambda rng: init.normal(rng, (4, 5), 0.02)], ids=["xavier", "lecun", "normal"])
def test_first_values_follow_from_the_seed_alone(fill):
    np.testing.assert_array_equal(fill(3), fill(np.random.default_rng(3)))
    assert (fill(3) != fill(4)).any()


def test_no_init_allocates_nothing():
    with nn.no_init():
        layer = nn.Linear(1 << 20, 1 << 20, 0)                      # 4 TiB, had it memory
    assert layer.num_parameters() == (1 << 40) + (1 << 20)
    assert nn.Linear(2, 2, 0).weight.data.flags.writeable, "the block has ended"


# Layers

def test_dropout_layers_are_active_only_in_training():
    x = Tensor(np.ones((40, 5), np.float32))
    for layer, places in ((nn.Dropout(0.5), 200), (nn.DropPath(0.5), 40)):
        with randomness(0):
            y = layer(x).data
        dropped = (y == 0).sum() / 200
        assert set(np.unique(y)) == {0, 2} and abs(dropped - 0.5) < 3 * math.sqrt(0.25 / places)
        assert layer.eval()(x) is x


def test_drop_path_drops_whole_images():
    with randomness(0):
        y = nn.DropPath(0.5)(Tensor(np.ones((40, 3, 5), np.float32))).data
    assert (y == y[:, :1, :1]).all()


def test_dropout_of_nothing_needs_no_random_numbers():
    x = Tensor(numbers(2, 3))
    assert nn.Dropout(0.0)(x) is x and nn.DropPath(0.0)(x) is x


def test_dropout_outside_a_randomness_block_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"with minivit.randomness\(seed=0\).*model.eval\(\)"):
        nn.Dropout(0.5)(Tensor(numbers(2, 3)))


@pytest.mark.parametrize("layer", [nn.Attention(8, 2, 0, attn_drop=0.3), nn.Attention(8, 2, 0, proj_drop=0.3),
                                   nn.Mlp(8, 16, 0, drop=0.3)], ids=["attn_drop", "proj_drop", "mlp"])
def test_blocks_drop_in_training_and_not_in_evaluation(layer):
    x = Tensor(numbers(2, 5, 8))
    with randomness(0):
        trained = layer(x).data
        again = layer(x).data
    assert (trained != again).any()
    np.testing.assert_array_equal(layer.eval()(x).data, layer(x).data)


def test_attention_needs_a_width_that_its_heads_share():
    with pytest.raises(ValueError, match="width 8 is not divisible by 3 heads"):
        nn.Attention(8, 3, 0)


def test_attention_starts_its_three_matrices_as_three():
    """Xavier's bound for D x D: not that of the 3 D x D matrix in which they are stored."""
    assert np.abs(nn.Attention(64, 2, 0).qkv.weight.data).max() == pytest.approx(math.sqrt(6 / 128), rel=0.01)


def test_patch_embed_is_a_convolution_whose_stride_is_its_size():
    Sy, Sx, Py, Px, C, D = 6, 8, 3, 2, 2, 5
    layer = nn.PatchEmbed((Sy, Sx), (Py, Px), C, D, 0).astype("float64")
    images = numbers(2, C, Sy, Sx).astype("float64")
    layer.proj.bias.data += numbers(D, seed=1)
    expected = np.empty((2, D, Sy // Py, Sx // Px))
    for b, d, gy, gx in np.ndindex(expected.shape):
        window = images[b, :, gy * Py:(gy + 1) * Py, gx * Px:(gx + 1) * Px]
        expected[b, d, gy, gx] = (window * layer.proj.weight.data[d]).sum() + layer.proj.bias.data[d]
    tokens = layer(Tensor(images)).data                             # (B, Gy * Gx, D)
    np.testing.assert_allclose(tokens, expected.reshape(2, D, -1).swapaxes(1, 2), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(28, 30), 30], ids=["one side", "both sides"])
def test_patches_must_tile_the_image(size):
    with pytest.raises(ValueError, match=r"cannot be cut into patches of \(7, 7\): choose a patch size that divides"):
        nn.PatchEmbed(size, 7, 1, 8, 0)


@pytest.mark.parametrize("shape", [(2, 1, 7, 9), (2, 3, 6, 9), (1, 6, 9), (2, 1, 9, 6)],
                         ids=["height", "channels", "no batch", "transposed"])
def test_images_of_another_size_are_refused(shape):
    layer = nn.PatchEmbed((6, 9), 3, 1, 8, 0)
    with pytest.raises(ValueError, match=r"built for images \(B, 1, 6, 9\), not .*: resize or convert the images"):
        layer(Tensor(numbers(*shape)))

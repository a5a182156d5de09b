"""The small convolutional network: its size, its gradients, what it must be, and that it learns."""
import math

import numpy as np
import pytest

from minivit import Tensor, nn, ops, optim, using
from minivit.data import mnist5k, normalise
from minivit.function import FUNCTIONS
from minivit.gradcheck import gradcheck
from minivit.models.cnn import CNN, CNN_PRESETS, CNNConfig

TINY = CNNConfig(image_size=(6, 9), in_chans=2, num_classes=5, channels=(4, 6), groups=2, zero_head=False)
SMOOTH = {"relu": "gelu", "max_pool2d": "avg_pool2d"}       # in place of functions with kinks, for differences


def tiny(**changes):
    return CNN(CNNConfig(**(vars(TINY) | changes)))


def images_for(model, B=3, dtype=np.float32):
    shape = (B, model.config.in_chans) + model.config.image_size
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def by_formula(c):
    """The number of parameters, added up by hand."""
    inputs, (Ky, Kx) = (c.in_chans,) + c.channels, c.kernel_size
    stages = sum((i * Ky * Kx + 1) * o + (2 * o if c.groups else 0) for i, o in zip(inputs, c.channels))
    Gy, Gx = (math.ceil(side / 2 ** len(c.channels)) for side in c.image_size)
    return stages + (c.channels[-1] * Gy * Gx + 1) * c.num_classes


@pytest.mark.parametrize("name", CNN_PRESETS)
def test_presets_run_and_have_the_parameters_of_the_formula(name):
    model = CNN(CNN_PRESETS[name])
    logits = model(Tensor(images_for(model, B=2)))
    assert logits.shape == (2, 10) and not logits.data.any()                # zero_head is their default
    assert model.num_parameters() == by_formula(model.config)


@pytest.mark.parametrize("Sy, Sx, C, channels", [
    (6, 9, 1, (3,)), (5, 5, 3, (2, 4)), (7, 4, 2, (2, 3, 4)), (1, 1, 1, (2,))])
def test_images_of_any_shape_and_number_of_channels(Sy, Sx, C, channels):
    model = tiny(image_size=(Sy, Sx), in_chans=C, channels=channels, groups=0, kernel_size=(3, 5))
    assert model.num_parameters() == by_formula(model.config)
    features = model.features(Tensor(images_for(model)))
    assert features.shape == (3, channels[-1], *(math.ceil(side / 2 ** len(channels)) for side in (Sy, Sx)))
    assert model(Tensor(images_for(model))).shape == (3, 5)


def test_names():
    assert {name: parameter.shape for name, parameter in tiny().named_parameters()} == {
        "stages.0.conv.weight": (4, 2, 3, 3), "stages.0.conv.bias": (4,), "stages.0.norm.weight": (4,),
        "stages.0.norm.bias": (4,), "stages.1.conv.weight": (6, 4, 3, 3), "stages.1.conv.bias": (6,),
        "stages.1.norm.weight": (6,), "stages.1.norm.bias": (6,), "head.weight": (5, 6 * 2 * 3), "head.bias": (5,)}


def test_it_is_what_one_would_write_from_layers():
    model = tiny(groups=0)
    layers = nn.Sequential(*(layer for stage in model.stages
                             for layer in (stage.conv, nn.ReLU(), nn.MaxPool2d(2, padding="SAME"))))
    images = Tensor(images_for(model))
    np.testing.assert_array_equal(model(images).data, model.head(layers(images).reshape(3, -1)).data)


@pytest.mark.parametrize("form", ["composed", "array"])
@pytest.mark.parametrize("groups", [0, 2])
def test_gradients_of_the_whole_model(groups, form):
    model, rng = tiny(groups=groups).astype("float64"), np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * rng.standard_normal(parameter.shape)
    inputs = {"images": Tensor(images_for(model, 2, np.float64), requires_grad=True), **dict(model.named_parameters())}
    with using(form, {name: FUNCTIONS[smooth].forms[form] for name, smooth in SMOOTH.items()}):
        report = gradcheck(lambda images, *_: model(images), inputs, seeds=(0,), elements=2, tolerance=1e-6)
    assert len(report.inputs) == len(inputs)
    report.check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_of_a_model_is_kept(dtype):
    model = tiny().astype(dtype)
    logits = model(Tensor(images_for(model, dtype=dtype)))
    ops.cross_entropy(logits, np.array([0, 1, 2])).backward()
    assert {str(logits.dtype)} | {str(parameter.grad.dtype) for parameter in model.parameters()} == {dtype}


def test_first_values_follow_from_the_seed():
    first, same, other = (CNN(TINY, seed).state_dict() for seed in (1, 1, 2))
    assert all((first[name] == same[name]).all() for name in first)
    assert (first["stages.0.conv.weight"] != other["stages.0.conv.weight"]).any()


def test_images_of_a_batch_do_not_see_each_other():
    model = tiny().astype("float64")
    images = images_for(model, dtype=np.float64)
    alone = [model(Tensor(image[None])).data[0] for image in images]
    np.testing.assert_allclose(model(Tensor(images)).data, alone, rtol=1e-10)


@pytest.mark.parametrize("groups", [0, 8])
def test_it_learns_a_small_batch_by_heart(groups):
    model, digits = CNN(CNNConfig(28, 1, 10, channels=(8, 16), groups=groups)), mnist5k().train
    images, labels = Tensor(normalise(digits.images[:40], (0.13,), (0.31,))), digits.labels[:40]
    optimizer, losses = optim.AdamW(model.named_parameters(), lr=5e-3), []
    for _ in range(40):
        loss = ops.cross_entropy(model(images), labels)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(10), rel=1e-5) and losses[-1] < 0.05
    assert (model(images).data.argmax(1) == labels).all()


@pytest.mark.parametrize("changes, message", [
    ({"channels": ()}, "^channels must name at least one stage$"),
    ({"channels": 16}, "^channels must be a sequence of positive integers, not 16$"),
    ({"channels": (16, 0)}, r"^channels must be a sequence of positive integers, not \(16, 0\)$"),
    ({"channels": (4, 5)}, r"^channels \(4, 5\) cannot all be divided into 2 groups of equal size$"),
    ({"kernel_size": 0}, "^kernel_size must be a positive integer or a pair"),
    ({"image_size": (6, 9, 3)}, "^image_size must be a positive integer or a pair"),
    ({"groups": -1}, "^groups must be a finite number >= 0, not -1$"),
    ({"zero_head": 1}, "^zero_head must be of type bool, not 1$")], ids=str)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


@pytest.mark.parametrize("shape", [(3, 2, 9, 6), (3, 1, 6, 9), (2, 6, 9)], ids=str)
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"built for images \(B, 2, 6, 9\), not .*resize or convert"):
        tiny()(Tensor(np.zeros(shape, np.float32)))


def test_a_list_from_a_file_is_as_good_as_a_tuple():
    assert CNNConfig(channels=[8, 16]) == CNNConfig(channels=(8, 16))

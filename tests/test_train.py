"""Training: it learns, its loop is the textbook's, and settings that make no sense are refused."""
import inspect
from dataclasses import fields, replace

import numpy as np
import pytest
from runs import NOISY, TINY, trainer

from minivit.data import Loader, mnist5k
from minivit.models import create
from minivit.optim import AdamW, constant
from minivit.train import Classification, TrainConfig, evaluate, train_epoch
from minivit.train.gradients import gradients


# Learning

def test_a_handful_of_digits_is_learned_by_heart(digits, tmp_path):
    config = TrainConfig(data=str(digits), epochs=30, batch_size=10, lr=1e-2, augment="",
                         label_smoothing=0)
    run = trainer(tmp_path / "run", config, TINY | {"embed_dim": 32})
    assert run.run() is True
    assert run.rows[0]["train_loss"] == pytest.approx(np.log(10), abs=0.2)
    assert run.rows[-1]["train_loss"] < 0.1 and run.rows[-1]["train_accuracy"] == 1


def test_train_epoch_is_the_textbook_loop():
    lines = inspect.getsource(train_epoch).split('"""')[2].strip().splitlines()
    assert len(lines) <= 25
    order = [next(i for i, line in enumerate(lines) if word in line) for word in
             ("zero_grad()", "gradients(", "clip_factor(", "optimizer.step(", "for batch in", "schedule(", "yield")]
    assert order == sorted(order)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_weights_change(factor):
    data = mnist5k()
    model = create("vit_nano_patch7_28", **TINY)
    optimizer, before = AdamW(model, 0.1), {name: array.copy() for name, array in model.state_dict().items()}
    loader = Loader(data.train, 8, data.mean, data.std)

    def overflowing(outputs, batch, images):
        return Classification()(outputs, batch, images) * factor
    with pytest.raises(FloatingPointError, match=f"the loss is {factor} at step 0: lower the learning rate"):
        next(train_epoch(model, loader.epoch(0), overflowing, optimizer, constant(0.1, 10)))
    assert optimizer.steps == 0
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_loss_that_is_not_finite_in_one_part_stops_before_any_gradient():
    """As the parts' gradients are added up, that of a part that is fine must not arrive alone."""
    data = mnist5k()
    model = create("vit_nano_patch4_28", **TINY, zero_head=False)
    batch = next(Loader(data.train, 24, data.mean, data.std).epoch(0))
    parts = []

    def second_part_fails(outputs, batch, images):
        parts.append(len(batch))
        return Classification()(outputs, batch, images) * (float("inf") if len(parts) == 2 else 1.0)
    with pytest.raises(FloatingPointError, match="the loss is inf at step 7: "):
        gradients(model, second_part_fails, batch, seed=0, step=7)
    assert parts == [12, 12] and all(parameter.grad is None for parameter in model.parameters())


def test_micro_batches_draw_the_masks_of_the_whole_batch(monkeypatch):
    """Images in the second part must not get the random numbers of those in the first."""
    data, found = mnist5k(), []
    for size in (24, 8, 1):                                             # one part, several, one an image
        monkeypatch.setattr("minivit.train.gradients.parts", lambda images, shape, size=size:
                            [slice(start, start + size) for start in range(0, images, size)])
        model = create("vit_nano_patch4_28", **NOISY, zero_head=False)
        batch = next(Loader(data.train, 24, data.mean, data.std).epoch(0))
        gradients(model, Classification(), batch, seed=0, step=3)
        found.append(np.concatenate([parameter.grad.ravel() for parameter in model.parameters()]))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-3, atol=1e-6)


def test_gradients_are_clipped_when_asked():
    data = mnist5k()
    norms = []
    for clip_norm in (0.0, 1e-3):
        model = create("vit_nano_patch7_28", **TINY, zero_head=False)
        optimizer = AdamW(model, 0.0)
        batches = Loader(data.train, 8, data.mean, data.std).epoch(0)
        next(train_epoch(model, batches, Classification(), optimizer, constant(0.0, 10), clip_norm))
        norms.append(np.sqrt(sum((p.grad ** 2).sum() for p in model.parameters())))
    assert norms[0] > 0.1 and norms[1] == pytest.approx(1e-3, rel=1e-3)


def test_evaluation_puts_the_mode_back_and_leaves_no_gradient():
    data = mnist5k()
    model = create("vit_nano_patch7_28", **TINY, drop_rate=0.5)
    few = replace(data.test, images=data.test.images[:30], labels=data.test.labels[:30])
    for mode in (True, False):
        model.train(mode)
        result = evaluate(model, few, data.mean, data.std)              # dropout would ask for random numbers
        assert model.training is model.blocks[0].mlp.drop1.training is mode
    assert result == {"accuracy": pytest.approx(0.1), "loss": pytest.approx(np.log(10), rel=1e-6), "images": 30}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_evaluation_names_labels_that_the_model_does_not_know():
    data = mnist5k()
    with pytest.raises(ValueError, match="label 9, but the model only 3 classes"):
        evaluate(create("vit_nano_patch7_28", **TINY, num_classes=3), data.test, data.mean, data.std)


# Settings

@pytest.mark.parametrize("settings, message", [
    ({"epochs": 0}, "epochs must be a finite number >= 1, not 0"),
    ({"epochs": "3"}, "epochs must be of type int, not '3'"),
    ({"epochs": True}, "epochs must be of type int, not True"), ({"lr": "1"}, "lr must be of type float, not '1'"),
    ({"lr": float("nan")}, "lr must be a finite number >= 0, not nan"),
    ({"data": 5}, "data must be of type str, not 5"),
    ({"seed": -1}, "seed must be a finite number >= 0, not -1"),
    ({"label_smoothing": 1.0}, "label_smoothing must be a finite number >= 0 and < 1, not 1.0"),
    ({"optimizer": "adamww"}, r"unknown optimizer 'adamww': did you mean 'adamw'\?"),
    ({"schedule": "cosin"}, r"unknown schedule 'cosin': did you mean 'cosine'\?"),
    ({"schedule": "zzz"}, "unknown schedule 'zzz'; there are: constant, cosine, linear, step"),
    ({"model": "vit_nano_patch7_27"}, r"unknown model 'vit_nano_patch7_27': did you mean 'vit_nano_patch7_28'\?"),
], ids=str)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        TrainConfig(**settings)


@pytest.mark.parametrize("name", [field.name for field in fields(TrainConfig) if field.type is float])
def test_settings_must_be_finite(name):
    with pytest.raises(ValueError, match=f"^{name} must be a finite number .*, not inf$"):
        TrainConfig(**{name: float("inf")})


def test_whole_numbers_may_stand_for_fractions():
    assert type(TrainConfig(lr=1).lr) is float

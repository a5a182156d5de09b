"""Losses of training: with labels, and with a teacher, against PyTorch; in parts; and a student that learns from it."""
from dataclasses import replace

import numpy as np
import pytest
from runs import TINY, outcome, trainer

from minivit import Tensor
from minivit.cli import main
from minivit.data import Batch, mnist5k
from minivit.models import create
from minivit.streams import randomness
from minivit.train import Classification, Distillation, Teacher, TrainConfig, Workers
from minivit.train.gradients import correct, gradients
from minivit.weights import load

# loss, dlogits[1, 2] and dlogits'[2, 0] by PyTorch 2.15 in float64, as DeiT's losses.py computes them: cross_entropy
# with label_smoothing 0.1, kl_div with log_target; alpha 0.3; normal numbers of the seeds 0, 1, 2.
TORCH = [
    ("hard", 1.0, "numel", 0.945321716073, -0.083105488386, 0.011498998286),
    ("soft", 1.0, "numel", 0.661340290259, -0.083105488386, -0.000450684641),
    ("soft", 1.0, "batchmean", 0.689429400949, -0.083105488386, -0.001352053924),
    ("soft", 3.0, "numel", 0.666116617613, -0.083105488386, -0.000729098985),
    ("soft", 3.0, "batchmean", 0.703758383009, -0.083105488386, -0.002187296956)]
LABELS = np.array([0, 2, 1, 2])


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def batch_of(images, labels=LABELS):
    return Batch(images, labels, np.arange(len(labels)))


@pytest.mark.parametrize("kind, tau, reduction, loss, dlogits, dlogits_dist", TORCH)
def test_distillation_is_that_of_deit(kind, tau, reduction, loss, dlogits, dlogits_dist):
    logits, dist = (Tensor(normal(seed, 4, 3), requires_grad=True) for seed in (0, 1))
    distillation = Distillation(lambda images: normal(2, 4, 3), kind, 0.3, tau, reduction, label_smoothing=0.1)
    found = distillation((logits, dist), batch_of(np.zeros((4, 1, 2, 2))))
    found.backward()
    assert found.item() == pytest.approx(loss, abs=1e-11)
    assert logits.grad[1, 2] == pytest.approx(dlogits, abs=1e-11)
    assert dist.grad[2, 0] == pytest.approx(dlogits_dist, abs=1e-11)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_losses_of_parts_add_up_to_that_of_the_batch(kind):
    logits, dist, images = normal(0, 4, 3), normal(1, 4, 3), normal(3, 4, 1, 2, 2)
    distillation = Distillation(lambda images: images.reshape(len(images), 4)[:, :3], kind, tau=2.0)
    batch = batch_of(images)
    whole = distillation((Tensor(logits), Tensor(dist)), batch).item()
    parts = [distillation((Tensor(logits[cut]), Tensor(dist[cut])), batch[cut], images=4).item()
             for cut in (slice(0, 1), slice(1, 4))]
    assert sum(parts) == pytest.approx(whole, rel=1e-12)


def test_a_student_with_one_head_learns_both_from_it():
    logits, teacher = normal(0, 4, 3), lambda images: normal(2, 4, 3)
    batch = batch_of(np.zeros((4, 1, 2, 2)))
    assert Distillation(teacher, "soft")(Tensor(logits), batch).item() == \
        Distillation(teacher, "soft")((Tensor(logits), Tensor(logits)), batch).item()


def test_without_a_teacher_both_heads_learn_the_labels():
    first, second = Tensor(normal(0, 4, 3)), Tensor(normal(1, 4, 3))
    batch, loss = batch_of(np.zeros((4, 1, 2, 2))), Classification(0.1)
    assert loss((first, second), batch).item() == \
        pytest.approx((loss(first, batch).item() + loss(second, batch).item()) / 2, rel=1e-12)


def test_a_student_that_agrees_has_nothing_to_learn_from_a_soft_teacher():
    logits = Tensor(normal(0, 4, 3), requires_grad=True)
    loss = Distillation(lambda images: logits.data, "soft", 1.0, 3.0)(logits, batch_of(np.zeros((4, 1, 1, 1))))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-15) and np.abs(logits.grad).max() < 1e-16


def test_a_pair_is_right_where_its_mean_is():
    pair = Tensor(np.array([[3.0, 0], [0, 3]])), Tensor(np.array([[0.0, 2], [4, 0]]))
    assert correct(pair, np.array([0, 0])) == 2 and correct(pair, np.array([[0, 1.0], [1, 0]])) == 1
    assert correct(pair[0], np.array([0, 0])) == 1


@pytest.mark.parametrize("arguments, message", [
    (("herd",), "unknown kind of distillation 'herd': did you mean 'hard'"),
    (("soft", 0.5, 1.0, "mean"), "unknown kl_reduction 'mean'"), (("soft", 1.5), "0 <= alpha <= 1 .* not alpha 1.5"),
    (("soft", 0.5, 0.0), "temperature tau > 0, not .* tau 0.0")])
def test_what_is_wrong_with_a_distillation_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        Distillation(None, *arguments)


def test_a_teacher_of_other_classes_is_refused_by_the_loss():
    with pytest.raises(ValueError, match=r"teacher's logits are \(4, 5\), the student's \(4, 3\)"):
        Distillation(lambda images: normal(0, 4, 5))(Tensor(normal(0, 4, 3)), batch_of(np.zeros((4, 1, 2, 2))))


# A trained model as the teacher

CONFIG = TrainConfig(epochs=1, batch_size=500, label_smoothing=0.0, augment="")


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A teacher's folder."""
    folder = tmp_path_factory.mktemp("runs") / "teacher"
    trainer(folder, CONFIG, TINY).run()
    return folder


def test_a_teacher_sees_the_images_as_it_was_trained_to(taught):
    (model, _), data = load(taught / "last.safetensors"), mnist5k()
    pixels = data.test.images[:5].transpose(0, 3, 1, 2) / np.float32(255)
    other = replace(data, mean=(0.5,), std=(0.25,))
    expected = model(Tensor((pixels - model.card.mean[0]) / np.float32(model.card.std[0]))).data
    np.testing.assert_allclose(Teacher(model, other)((pixels - np.float32(0.5)) / np.float32(0.25)), expected,
                               rtol=1e-4, atol=1e-5)


def test_a_teacher_must_fit_the_data(taught):
    (model, _), data = load(taught / "last.safetensors"), mnist5k()
    with pytest.raises(ValueError, match=r"knows other classes, 10 \(0, 1, 2, ...\), than the data has, 10 \(a, b, c"):
        Teacher(model, replace(data, classes=tuple("abcdefghij")))
    wide = replace(data.train, images=np.zeros((4, 28, 32, 1), np.uint8), labels=np.zeros(4, np.int64))
    with pytest.raises(ValueError, match=r"teacher takes images of \(28, 28\) with 1 channel.* has \(28, 32\) with 1"):
        Teacher(model, replace(data, train=wide, test=wide))


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_distilled_gradients_have_the_same_bits_for_any_number_of_threads(taught, kind):
    data = mnist5k()
    loss = Distillation(Teacher(load(taught / "last.safetensors")[0], data), kind, tau=2.0)
    model, bits = create("deit_nano_distilled_patch7_28", zero_head=False, drop_rate=0.1), []
    batch = Batch(normal(0, 90, 1, 28, 28).astype(np.float32), data.train.labels[:90], np.arange(90))
    for threads in (1, 2, 3):
        model.zero_grad()
        with Workers(threads) as workers:
            result = gradients(model, loss, batch, 0, 0, workers)
        assert np.isfinite(result.loss)
        bits.append(b"".join(parameter.grad.tobytes() for parameter in model.parameters()))
    assert bits[0] == bits[1] == bits[2]
    teacher = loss.teacher.model
    assert all(parameter.grad is None for parameter in teacher.parameters()) and not teacher.training


def test_distillation_stops_and_resumes_bit_for_bit(taught, tmp_path):
    config = replace(CONFIG, model="deit_nano_distilled_patch7_28", teacher=str(taught), distillation="soft", epochs=2)
    trainer(tmp_path / "whole", config).run()
    assert not trainer(tmp_path / "stopped", config, stop_after=9).run()
    trainer(tmp_path / "stopped", config, resume=True).run()
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")


def test_a_run_is_not_resumed_with_another_teacher(taught, tmp_path):
    config = replace(CONFIG, model="deit_nano_distilled_patch7_28", teacher=str(taught))
    trainer(tmp_path / "run", config, TINY, stop_after=1).run()
    trainer(tmp_path / "other", replace(CONFIG, seed=1), TINY).run()
    with pytest.raises(ValueError, match="was begun with teacher = "):
        trainer(tmp_path / "run", replace(config, teacher=str(tmp_path / "other")), TINY, resume=True)


def test_the_command_trains_a_student(taught, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(taught.parent)
    flags = ["--model", "deit_nano_distilled_patch7_28", "--teacher", "teacher", "--alpha", "0.7", "--epochs", "1",
             "--batch-size", "500", "--embed-dim", "8", "--depth", "1", "--num-heads", "2"]
    assert main(["train", "--out", str(tmp_path / "student"), *flags]) == 0
    assert f'teacher = "{taught}"' in (tmp_path / "student" / "config.toml").read_text()
    assert main(["eval", str(tmp_path / "student")]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert main(["train", "--out", str(tmp_path / "none"), *flags[:3], "nothing-there"]) == 2
    assert "nothing-there" in capsys.readouterr().err


def test_dropout_of_the_student_does_not_reach_the_teacher(taught):
    data = mnist5k()
    teacher = Teacher(load(taught / "last.safetensors")[0], data)
    images = normal(0, 3, 1, 28, 28).astype(np.float32)
    with randomness(0, 0):
        np.testing.assert_array_equal(teacher(images), teacher(images))

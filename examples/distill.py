"""Distillation: a convolutional network teaches a DeiT (Touvron et al. 2020, arXiv 2012.12877).

    minivit data get cifar10                                    # or put the files where this tells you to
    python examples/distill.py                                  # 10 minutes on two cores
    python examples/distill.py cifar10-jpeg                     # another data set
    python examples/distill.py --fast                           # with images made by code, in seconds

Of 10,000 images a convolutional network learns more than a transformer. It teaches one: of a DeiT's two tokens one
learns the labels, the other what the teacher says, for images that were cropped and mirrored anew each time.
"""
import sys
import tempfile
from pathlib import Path

from minivit.train import evaluate, trainer_of
from minivit.weights import save

FAST = "--fast" in sys.argv
arguments = [word for word in sys.argv[1:] if not word.startswith("-")]
SETTINGS = {"data": arguments[0] if arguments else "cifar10", "train_images": 10_000, "seed": 0, "epochs": 15}
if FAST:
    SETTINGS |= {"data": "shapes:train=100,test=50", "train_images": 100, "epochs": 1}


def trained(trainer, name):
    """Train; say how good it is, and return the accuracy."""
    trainer.run()
    row = trainer.rows[-1]
    accuracy = row["test_accuracy"] if row["ema_accuracy"] is None else row["ema_accuracy"]
    print(f"{name}: {accuracy:.2%} of the test images, {trainer.model.num_parameters():,} parameters")
    return accuracy


teacher = trainer_of("cifar10-small", **(SETTINGS | {"model": "cnn_micro_32"}))
trained(teacher, "teacher, a CNN")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "teacher.safetensors"
    with teacher.ema.applied():
        save(teacher.model, path)

    alone = trained(trainer_of("deit-distill", **SETTINGS), "DeiT, of labels alone")
    student = trainer_of("deit-distill", **SETTINGS, teacher=str(path))
    taught = trained(student, "DeiT, of labels and teacher")
    print(f"gained by the teacher: {100 * (taught - alone):+.2f} points")

# How much each token knows by itself: in evaluation the model is the mean of two heads.
with student.ema.applied():
    model, data = student.model, student.data
    both = model.head.weight.data.copy(), model.head_dist.weight.data.copy()
    for token, silent in (("class", model.head_dist), ("distillation", model.head)):
        silent.weight.data[...], silent.bias.data[...] = 0, 0
        print(f"{token} token alone: {evaluate(model, data.test, data.mean, data.std)['accuracy']:.2%}")
        model.head.weight.data[...], model.head_dist.weight.data[...] = both

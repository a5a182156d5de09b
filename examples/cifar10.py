"""CIFAR-10 from scratch on two cores: a small hybrid, half convolution, half transformer.

    minivit data get cifar10                        # or put the files where this tells you to
    python examples/cifar10.py                      # 20 minutes
    python examples/cifar10.py cifar10-jpeg 110     # another data set, another number of epochs
    python examples/cifar10.py --fast               # a look at it with images made by code, in seconds

Ctrl-C stops the run after the step at hand; the same command goes on with it, to bit for bit the same end.
"""
import sys

from minivit.inspect import draw_curves, preflight
from minivit.train import RunFolder, TrainConfig, read_recipe, trainer_from

FAST = "--fast" in sys.argv
arguments = [word for word in sys.argv[1:] if word != "--fast"] + [None, None]
data, epochs = arguments[0] or "cifar10", arguments[1]

recipe = read_recipe("cifar10-small")
settings = recipe.train | {"data": data} | ({"epochs": int(epochs)} if epochs else {})
if FAST:
    settings |= {"data": "shapes:train=300,test=100", "epochs": 1}

folder = RunFolder("runs/cifar10-fast" if FAST else "runs/cifar10")
config = TrainConfig(**settings)
trainer = trainer_from(config, recipe.model, folder)

if folder.state.exists():
    trainer.resume()
else:
    # Twenty minutes are long: first look for the usual mistakes in data, model and settings.
    checks = list(preflight(trainer))
    print(*checks, sep="\n")
    if not all(check.ok for check in checks):
        sys.exit(1)
    folder.create(config, recipe.model)

if not trainer.run():
    sys.exit("stopped: the same command goes on")
draw_curves(trainer.rows, folder.curves)
best = max(row["ema_accuracy"] for row in trainer.rows)
print(f"test accuracy {trainer.rows[-1]['ema_accuracy']:.2%} with averaged weights (best {best:.2%}), curves in "
      f"{folder.curves}")

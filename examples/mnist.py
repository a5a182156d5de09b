"""MNIST-5k: two Vision Transformers and a convolutional network learn 4,000 handwritten digits.

    python examples/mnist.py            # some six minutes on two cores; needs no download
    python examples/mnist.py --fast     # a look at it, in seconds

The convolutional network knows from the start that neighbouring pixels belong together; a Vision Transformer on bare
patches has to find out, and on few images that shows. The hybrid has one convolution before its transformer.
"""
import sys

from minivit.inspect import draw_runs
from minivit.train import trainer_of
from minivit.weights import save

FAST = "--fast" in sys.argv

# A recipe is a whole run: data, model, optimizer, schedule, augmentation. `minivit recipes mnist` prints this one with
# the sources of its numbers. Whatever is named here goes before it.
settings = {"seed": 0} | ({"epochs": 1, "train_images": 300} if FAST else {})
hybrid = trainer_of("mnist", **settings)
trainers = {"hybrid": hybrid, "ViT": trainer_of("mnist", **({"epochs": 50} | settings), model="vit_nano_patch7_28"),
            "CNN": trainer_of("mnist", **settings, model="cnn_micro_28")}

for name, trainer in trainers.items():
    print(f"{name}: {trainer.model.num_parameters():,} parameters, {trainer.steps * trainer.epochs} steps")
    trainer.run()
    row = trainer.rows[-1]
    print(f"{name}: {row['test_accuracy']:.2%} of 1,000 digits that it has not seen, "
          f"{row['ema_accuracy']:.2%} with averaged weights, after {sum(r['seconds'] for r in trainer.rows):.0f} s")

# The last weights are in the model; the average of the weights over the last steps is often better.
with hybrid.ema.applied():
    save(hybrid.model, "digits.safetensors")
print(draw_runs({name: trainer.rows for name, trainer in trainers.items()}, "digits.png"))
print("next: minivit predict digits.safetensors your_digit.png")

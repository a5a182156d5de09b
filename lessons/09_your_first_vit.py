# %% [markdown]
# # Lesson 9: your first ViT
#
# All parts are there. Now they become a Vision Transformer: its forward pass in one function, its size counted, its
# training run, first piece by piece and then by one command, with your kernels inside.
#
# - **Time**: 35 minutes to read, 65 for the exercises. Computing: 3 minutes (fast mode: 7 s).
# - **Before**: tokens (lesson 6), the block (lesson 8), a training loop (lesson 3), the CNN of lesson 4 to compare
#   with.
# - **You will have written**: a ViT from images to logits, the count of its parameters, and a way to its worst
#   mistakes.

# %%
import csv
import io
import json
import math
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minivit import Tensor, learn, nn, ops, using
from minivit.cli import main
from minivit.data import Loader, ShiftRotate, Split, mnist5k, normalise
from minivit.inspect import summarise
from minivit.learn.catalogue import exercise
from minivit.learn.lesson import FAST, claim, show
from minivit.models import create, preset
from minivit.optim import SGD, AdamW, cosine, decay_groups
from minivit.train import Classification, Workers, evaluate, logits_of, train_epoch

data = mnist5k()

# %% [markdown]
# ## The whole model
#
# The model for this lesson is small: digits of 28 x 28 pixels, patches of 7 x 7, hence 16 tokens and the class token;
# tokens 64 numbers wide; 4 blocks with 4 heads. Everything else is as in ViT-B.
#
#     z0 = [x_class; patch_1 E; ...; patch_16 E] + positions
#     z' = z + Attention(LN(z))        z = z' + MLP(LN(z'))        four times
#     y  = LN(z)[class token]          logits = head(y)
#
# The third line is often read too fast: "the value of the class token is the output". The output y is the *layer norm*
# of the class token after the last block (eq. 4 of the paper), and what is classified is a linear function of that.

# %%
config = preset("vit_nano_patch7_28")
model = create("vit_nano_patch7_28", seed=0, zero_head=False).astype(np.float64)
digits = normalise(data.test.images[:8], data.mean, data.std).astype(np.float64)        # (B, C, Sy, Sx)
z = model.embed(Tensor(digits))
print(f"images {digits.shape} -> tokens {z.shape} -> {config.depth} blocks -> logits {model(Tensor(digits)).shape}")
for name in list(model.state_dict())[:8]:
    print(f"  {name:<26} {model.state_dict()[name].shape}")

# %% [markdown]
# The parameters have the names that timm gave them, so that checkpoints fit. `model.state_dict()` is a dictionary of
# names and arrays, and that is all a ViT needs to know.

# %% [markdown]
# **Exercise `vit_forward`** (40 min): from images and such a dictionary to logits, in NumPy. The functions of earlier
# lessons are given. `minivit learn check vit_forward`

# %%
vit_forward = learn.use("vit_forward")

logits = vit_forward(digits, model.state_dict(), config.depth, config.num_heads)
claim("your ViT computes what minivit's does", np.abs(logits - model(Tensor(digits)).data).max() < 1e-9)
for block in model.blocks:
    z = block(z)
unnormalised = model.head(z[:, 0]).data
claim("the head on the class token itself, without the layer norm, says something else",
      np.abs(unnormalised - logits).max() > 0.1)

# %% [markdown]
# ## How large is it?
#
# Counting parameters is a good test of whether one knows a model. Two things are easily forgotten: biases, and that the
# class token has a position too.

# %% [markdown]
# **Exercise `count_params`** (15 min): the number of parameters, from the sizes. `minivit learn check count_params`

# %%
count_params = learn.use("count_params")

nano = count_params((28, 28), (7, 7), 1, 64, 4, 256, 10)
print(f"nano {nano:,}   ViT-Ti/16 {count_params((224, 224), (16, 16), 3, 192, 12, 768, 1000):,}   "
      f"ViT-B/16 {count_params((224, 224), (16, 16), 3, 768, 12, 3072, 1000):,}")
claim("this lesson's model has 205,066 parameters", nano == model.num_parameters() == 205_066)
claim("ViT-B/16 has 86,567,656, as published", count_params((224, 224), (16, 16), 3, 768, 12, 3072, 1000) == 86_567_656)

# %% [markdown]
# Where are they, and where is the arithmetic? `summarise` sends an image through a model and notes what each part does;
# the command `minivit summary MODEL` prints it in full.

# %%
parts = summarise(create("vit_nano_patch7_28"))
for kind in ("patch_embed", "attn", "mlp", "head"):
    chosen = [part for part in parts if kind in part.path]
    print(f"{kind:>12}: {sum(part.parameters for part in chosen):>8,} parameters, "
          f"{sum(part.flop for part in chosen) / 1e6:5.2f} MFLOP for one image")
of_mlps = sum(part.parameters for part in parts if "mlp" in part.path) / nano
claim("the MLPs have about two thirds of the parameters, attention about one third", 0.6 < of_mlps < 0.7)

# %% [markdown]
# ## Class token, or mean?
#
# Some models have no class token: their head reads the mean of the patches (`pool="mean"`). Which is better is a matter
# of the learning rate that goes with it (the paper's appendix D.3), not of principle. What a class token costs is
# itself and its position.

# %%
with nn.no_init():                                      # shapes without memory: enough for counting
    with_token, without = (create(f"vit_small_patch16{kind}_224").num_parameters() for kind in ("", "_gap"))
claim("ViT-S/16 without a class token has 2 x 384 parameters less", with_token - without == 2 * 384)

# %% [markdown]
# ## Before the first step
#
# A check worth making before any training: what does the untrained model say, and where does the gradient go? minivit's
# head begins with zeros, as in Google's code. Then all logits are 0, every class has probability 1/10, and the loss is
# ln 10 exactly. A loss above that would mean that the model begins by being sure of something.
#
# And the gradient that passes the head is multiplied by its weights, which are 0. So the first step moves the head
# alone.

# %%
model = create("vit_nano_patch7_28", seed=0)
batch = next(Loader(data.train, 64, data.mean, data.std).epoch(0))
loss = ops.cross_entropy(model(Tensor(batch.images)), batch.labels)
loss.backward()
print(f"loss {loss.item():.6f}, ln 10 = {math.log(10):.6f}")
claim("the first loss is ln 10", abs(loss.item() - math.log(10)) < 1e-5)
body = [parameter for name, parameter in model.named_parameters() if not name.startswith("head.")]
claim("no gradient reaches the body of the network, exactly none", all((p.grad == 0).all() for p in body))
claim("the head has one", np.abs(model.head.weight.grad).max() > 1e-3)

# %% [markdown]
# ## Training, piece by piece
#
# Lesson 3 had a loop of four lines: batch, gradients, step, and again. A training run of a ViT has the same loop and a
# few more pieces.
#
# - `Loader` shuffles the digits, and in the full mode shifts and turns each a little, so that the model never sees the
#   same picture twice.
# - `Classification(0.1)` is cross-entropy with label smoothing: a tenth of each target is spread over all classes.
# - `decay_groups` gives weight decay to matrices alone; biases, norms, tokens and positions have none.
# - `cosine` lets the learning rate rise for a while (the warm-up) and then fall along half a cosine.
# - `train_epoch` is the loop; `Workers` are threads, each with a part of the batch. `evaluate` counts on test digits.
#
# Why each of them is there is the subject of lesson 10.

# %%
images, epochs, batch_size, warmup, augment = 4000, 50, 128, 2, ShiftRotate(2.5, 12)
if FAST:
    images, epochs, batch_size, warmup, augment = 800, 4, 40, 1, None
test = data.test if not FAST else Split(data.test.images[:500], data.test.labels[:500])


def train(name):
    """A model trained from scratch, and its (loss of training, accuracy on test digits) after each epoch."""
    model = create(name, seed=0)
    split = Split(data.train.images[:images], data.train.labels[:images])
    loader = Loader(split, batch_size, data.mean, data.std, seed=0, augment=augment)
    optimizer = AdamW(decay_groups(model, 0.1), lr=4e-3)
    schedule = cosine(4e-3, epochs * len(loader), warmup * len(loader), final=1e-5)
    curve, start = [], time.perf_counter()
    with Workers() as workers:
        for epoch in range(epochs):
            results = list(train_epoch(model, loader.epoch(epoch), Classification(0.1), optimizer, schedule,
                                       clip_norm=1.0, workers=workers))
            loss = sum(result.loss * result.images for result in results) / images
            curve.append((loss, evaluate(model, test, data.mean, data.std, workers)["accuracy"]))
    print(f"{name}: {model.num_parameters():,} parameters, {images:,} digits, {epochs} epochs, "
          f"{time.perf_counter() - start:.0f} s: {curve[-1][1]:.1%} of {len(test):,} test digits")
    return model, np.array(curve)


vit, vit_curve = train("vit_nano_patch7_28")
cnn, cnn_curve = train("cnn_nano_28")

# %%
vit_accuracy, cnn_accuracy = vit_curve[-1, 1], cnn_curve[-1, 1]
claim("your first ViT has learned to read" if FAST else "your first ViT reads more than 96 % of the digits",
      vit_accuracy > (0.35 if FAST else 0.96))
claim("the CNN of lesson 4, with a tenth of the parameters, is better",
      cnn_accuracy > vit_accuracy and cnn.num_parameters() < 0.11 * vit.num_parameters())

# %% [markdown]
# That is no accident, and honest tutorials say so. A convolution knows before it has seen a digit that neighbours
# belong together and that a stroke is a stroke anywhere. A ViT has to learn both from data, and thousands of digits are
# few. Given many more, it catches up, and goes past; lesson 11 measures how the gap shrinks.

# %%
figure = Figure(figsize=(9, 3.4), layout="constrained")
left, right = figure.subplots(1, 2)
for name, curve, color, style in (("ViT", vit_curve, "#0072b2", "-"), ("CNN", cnn_curve, "#d55e00", "--")):
    marker = "o" if FAST else None
    left.plot(range(1, epochs + 1), curve[:, 0], color=color, linestyle=style, marker=marker, label=name)
    right.plot(range(1, epochs + 1), 100 * curve[:, 1], color=color, linestyle=style, marker=marker, label=name)
left.set(xlabel="epoch", ylabel="training loss (nats), smoothed targets")
right.set(xlabel="epoch", ylabel="test accuracy (%)")
for axis in (left, right):
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.3)
    axis.legend()
show(figure, "09-curves", alt=f"Training loss and test accuracy over {epochs} epochs. The CNN needs fewer; at "
     f"the end the ViT reads {vit_accuracy:.1%} of the test digits, the CNN {cnn_accuracy:.1%}.")

# %% [markdown]
# ## With your kernels
#
# The gradients of attention, layer norm and GELU were exercises. Here they train a ViT, in place of minivit's: the
# `using` of lesson 7, with a pair for each operation. Each exercise knows how its function becomes such a pair.

# %%
yours = {}
for slug in ("attention_backward", "layernorm_backward", "gelu_backward"):
    yours |= exercise(slug).kernels(learn.use(slug))    # {operation: (forward, backward)}
print("laid over:", ", ".join(yours))


def first_losses(steps=10):
    """The losses of a ViT's first steps."""
    model = create("vit_nano_patch7_28", seed=0)
    loader, optimizer = Loader(data.train, 50, data.mean, data.std), SGD(model, lr=0.1)
    results = train_epoch(model, loader.epoch(0), Classification(), optimizer, lambda step: 0.1, workers=workers)
    return np.array([result.loss for _, result in zip(range(steps), results)])


with Workers() as workers:
    reference = first_losses()
    with using("array", yours):
        own = first_losses()
print("minivit's:", reference[-4:].round(5), "\nyours:    ", own[-4:].round(5))
claim("it learns, and with your kernels it learns the same", own.min() < 2.2 and np.abs(own - reference).max() < 1e-4)

# %% [markdown]
# A whole run with all the kernels that you have solved: `minivit train --kernels yours`.

# %% [markdown]
# ## What does it get wrong?
#
# Accuracy is one number. Look at the mistakes, the surest first: they show what the model has not learned, and now and
# then a label that one would not sign.

# %% [markdown]
# **Exercise `worst_mistakes`** (10 min): find them. `minivit learn check worst_mistakes`

# %%
worst_mistakes = learn.use("worst_mistakes")

with Workers() as workers:
    logits = logits_of(vit, data.test.images, data.mean, data.std, workers)
labels = data.test.labels
answers = logits.argmax(axis=1)
worst = worst_mistakes(logits, labels, 12)
p = np.exp(logits - logits.max(axis=1, keepdims=True))
p = (p / p.sum(axis=1, keepdims=True)).max(axis=1)

print(f"{(answers != labels).sum()} mistakes in 1,000 digits; the surest: {labels[worst[0]]}, read as "
      f"{answers[worst[0]]} with {p[worst[0]]:.0%}")
claim("no mistake outside the gallery is surer than those in it",
      (answers[worst] != labels[worst]).all() and
      p[worst].min() >= np.delete(p, worst)[np.delete(answers != labels, worst)].max(initial=0))

figure = Figure(figsize=(9, 3.6), layout="constrained")
for axis, number in zip(figure.subplots(2, 6).flat, worst):
    axis.imshow(data.test.images[number, :, :, 0], cmap="gray_r")
    axis.set(xticks=(), yticks=())
    axis.set_title(f"{labels[number]} read as {answers[number]}\n{p[number]:.0%}", fontsize=9)
show(figure, "09-mistakes", alt="Twelve digits that the ViT misread with the highest probabilities: "
     + ", ".join(f"{labels[number]} read as {answers[number]}" for number in worst) + ".")

# %% [markdown]
# ## The same by command
#
# All this is one command, and a folder remembers everything about the run:
#
#     minivit train                          the main job: 50 epochs of 4,000 digits
#     minivit eval runs/001                  accuracy on the test digits
#     minivit predict runs/001 digit.png     what it sees in a picture of yours
#
# Its defaults are the settings of this lesson's full mode, and so it comes to the same ViT: 97 % of the test digits,
# after a minute and a half on two cores. Here it runs with a much smaller one, for one epoch, from Python: `main` is
# what the command calls.

# %%
folder = Path(tempfile.mkdtemp()) / "run"
status = main(["train", "--quiet", "--epochs", "1", "--embed-dim", "16", "--depth", "1", "--out", str(folder)])
print("files:", ", ".join(sorted(path.name for path in folder.iterdir())))
main(["eval", str(folder), "--json", str(folder / "eval.json")])

# %%
rows = list(csv.DictReader(io.StringIO((folder / "metrics.csv").read_text())))
again = json.loads((folder / "eval.json").read_text())
claim("the command has trained, and written down how good the model was after each epoch",
      status == 0 and len(rows) == 1)
claim("the model that it left behind is just as good when it is read from its file",
      again["accuracy"] == float(rows[-1]["test_accuracy"]))
shutil.rmtree(folder.parent)

# %% [markdown]
# ## What you can do now
#
# Write a ViT from memory, with its names, so that published weights fit into it; say how large one is before it is
# built; train one, and read the curves and the mistakes. Every gradient on the way you have derived, and can put your
# own in.
#
# **Explains** `minivit/models/vit.py`, `minivit/inspect/summary.py`, `minivit/train/loop.py` and
# `minivit/train/gradients.py` (the workers).
#
# **Sources.** Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929, eq. 1-4, table 1, appendix
# D.3. LeCun et al. 1998 for the digits: MNIST, of which minivit holds 5,000.
#
# **Next**: lesson 10, a training recipe: what each piece of it is worth.

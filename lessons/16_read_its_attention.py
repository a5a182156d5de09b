# %% [markdown]
# # Lesson 16: fine-tune a DeiT at a higher resolution, and read its attention
#
# The last lesson puts everything to work on one model: a trained DeiT learns new classes at a higher resolution, and
# then it is opened. What have its filters, its positions and its heads become? Where does an answer come from? And how
# much of what a picture of attention seems to say is so?
#
# - **Time**: 50 minutes to read, 70 for the exercises. Computing: 3 minutes (fast mode: 7 s).
# - **Before**: attention (lesson 5), positions (6), the whole model (9); fine-tuning (14) and DeiT (15) help.
# - **You will have written**: attention rollout, attention distance, the components of filters, and the logit lens; and
#   a page for your browser in which you can look for yourself.
#
# There are six checks on the way, each with a tick when all of it holds. You can stop after any, and go on later.

# %%
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minivit import learn
from minivit.cli import main
from minivit.data import ShapesOptions, shapes
from minivit.inspect import first_filters, logit_lens, position_similarity, principal_filters, record, rollout
from minivit.inspect import attention_distance as distance_of_minivit
from minivit.inspect import token_cosine
from minivit.inspect.correlation import spearman
from minivit.inspect.distance import patch_distances, uniform_distance
from minivit.learn.lesson import FAST, claim, lab, show
from minivit.models import create
from minivit.models.positions import resize_pos_embed
from minivit.streams import stream
from minivit.train import TrainConfig, Workers, logits_of, trainer_from
from minivit.weights import card_of, load, save


def report(sentence, holds):
    """Print a statement of the paper's with what is found here. It need not hold in a model as small as this one."""
    print(f"{'shows here' if holds else 'does NOT show here'}: {sentence}")


def answers_of(model, images):
    """The logits (B, Y) of uint8 images, prepared as the model wants them."""
    card = card_of(model)
    with Workers() as workers:
        return logits_of(model, images, card.mean, card.std, workers)


# %% [markdown]
# ## The model
#
# A small distilled DeiT comes with minivit. A convolutional network taught it on CIFAR-10: 50,000 photographs of 32 x
# 32 pixels in ten classes (`python examples/results/run.py deit` makes it again). Its patches have 4 x 4 pixels, so
# there are 8 x 8 of them, and two tokens before them: the class token, and the distillation token that listened to the
# teacher (Touvron et al. 2020, section 4).

# %%
DEIT = learn.kept("deit_nano_distilled_cifar10.safetensors")
deit, _ = load(DEIT)
untrained = create("deit_nano_distilled_patch4_32", seed=0)
c = deit.config
print(f"images {c.image_size}, patches {c.patch_size}, grid {deit.patch_embed.grid}, width D = {c.embed_dim}, "
      f"{c.depth} blocks of {c.num_heads} heads\nclasses: {', '.join(deit.card.classes)}")
claim("check 1 of 6, the model: 208,852 parameters in less than 1 MB; 2 + 8 x 8 tokens",
      deit.num_parameters() == 208_852 and DEIT.stat().st_size < 1e6 and deit.token_shape == (66, 64))

# %% [markdown]
# ## A new task, at a higher resolution
#
# Five shapes on a plain background, anywhere in 48 x 48 pixels, with some noise: images that a program draws, so we
# know to the pixel where the object is. Later this will tell us whether attention finds it.
#
# Patches stay 4 x 4 pixels, so the grid becomes 12 x 12. Weights do not depend on the number of tokens. Two things do
# not fit:
#
# - **Positions**: there is one for each of 2 + 64 tokens, and 2 + 144 are needed. The 64 are a grid of 8 x 8 vectors;
#   they are stretched like a picture. The two tokens before the patches have no place in the picture, and keep theirs.
# - **Heads**: they know ten other classes. Both are replaced by zeros, so the first answer is "all alike".

# %%
SIZE = 48
tuned, changes = load(DEIT, head="zero", num_classes=5, image_size=(SIZE, SIZE))
print(f"new: {', '.join(changes.new)}\nstretched: {changes.resized}")
before, after = deit.pos_embed.data, tuned.pos_embed.data
print(f"positions {before.shape} -> {after.shape}")
stretched = resize_pos_embed(before, (8, 8), (12, 12), prefix_tokens=2)
data = shapes("shape", ShapesOptions(train=0, test=12 if FAST else 200, size=SIZE))
first = answers_of(tuned, data.test.images[:4])
claim("check 2 of 6, the resolution: class and distillation token keep their positions, the patches' are stretched in "
      "2-D, and the new heads say nothing yet",
      (after[:, :2] == before[:, :2]).all() and np.abs(after - stretched).max() < 1e-6 and (first == 0).all())

# %% [markdown]
# ## Fine-tuning, against starting from nothing
#
# Does it help here to have seen photographs of cats and trucks? Two models of the same architecture get the same
# 2,000 images three times over in the same order, with the same optimizer and the same learning rate; one starts from
# the DeiT, the other from random numbers. Fixed before the run: **over three seeds, the fine-tuned one is better each
# time, and by more than 10 points in the mean.** (The fast mode takes a few steps, and claims nothing of it.)
#
# `TrainConfig(start=...)` does what the cell above did; `minivit finetune` is the same as a command.

# %%
DATA = f"shapes:train={80 if FAST else 2000},test={20 if FAST else 200},size={SIZE}"
SEEDS = (0,) if FAST else (0, 1, 2)


def train(seed, **beginning):
    """A model after 120 steps (fast mode: 4), and its accuracy on test images."""
    trainer = trainer_from(TrainConfig(
        data=DATA, image_size=(SIZE, SIZE), seed=seed, epochs=1 if FAST else 3, batch_size=20 if FAST else 50, lr=3e-3,
        warmup_epochs=0.5, weight_decay=0.05, label_smoothing=0.0, augment="", **beginning), quiet=True)
    trainer.run()
    return trainer.model, trainer.rows[-1]["test_accuracy"]


runs = []
for seed in SEEDS:
    tuned, of_tuned = train(seed, start=str(DEIT), head="zero")
    scratch, of_scratch = train(seed, model="deit_nano_distilled_patch4_32")
    runs.append((tuned, scratch, of_tuned, of_scratch))
    print(f"seed {seed}: {of_tuned:.1%} of the test images from the DeiT, {of_scratch:.1%} from nothing")

# %%
accuracy = np.array([run[2:] for run in runs])
if not FAST:
    claim("fine-tuned is better than from scratch with all three seeds, and by more than 10 points in the mean",
          (accuracy[:, 0] > accuracy[:, 1]).all() and np.mean(accuracy[:, 0] - accuracy[:, 1]) > 0.1)
tuned, scratch, of_tuned, of_scratch = runs[0]
paths = {name: lab() / f"16-{name}.safetensors" for name in ("tuned", "scratch")}
lab().mkdir(parents=True, exist_ok=True)
for name, model in (("tuned", tuned), ("scratch", scratch)):
    save(model, paths[name])
again, _ = load(paths["tuned"])
claim("the fine-tuned model is in your folder, one file that knows its classes: " + ", ".join(again.card.classes),
      again.card.classes == data.classes and again.config.image_size == (SIZE, SIZE))

# %% [markdown]
# What is equal here is the number of steps, and nothing is said about many more of them, or about a learning rate that
# suits the model from scratch better: shapes are simple, and it may well catch up. What pre-training saves is the way.
#
# ## First look: the filters
#
# The first layer multiplies the 48 numbers of a patch (4 x 4 pixels, 3 channels) by D = 64 filters. Single filters look
# like noise, and that says little: other filters that span the same space would do about as well, since the next layers
# are learned, too. What counts is that space, and the directions in which the filters differ most are their principal
# components.

# %% [markdown]
# **Exercise `filter_pca`** (15 min): find them. `minivit learn check filter_pca`

# %%
filter_pca = learn.use("filter_pca")

filters = first_filters(deit).astype(np.float64)                # (D, C, Py, Px)
components, shares = filter_pca(filters, 12)
reference, its_shares = principal_filters(filters, 12)
claim("your components are minivit's, each of length 1, the largest first",
      np.abs(components - reference).max() < 1e-6 and np.abs(shares - its_shares).max() < 1e-9 and
      np.abs((components ** 2).sum(axis=(1, 2, 3)) - 1).max() < 1e-9 and (np.diff(shares) <= 0).all())
at_first = filter_pca(first_filters(untrained).astype(np.float64), 12)[1]
print(f"the first 8 of 48 components hold {shares[:8].sum():.0%} of the variance, before training "
      f"{at_first[:8].sum():.0%}")
report("the first 8 hold at least twice what they hold before training (our criterion for 'filters became a basis')",
       shares[:8].sum() >= 2 * at_first[:8].sum())

# %% [markdown]
# In the paper (figure 7, left) these components look like the waves and edges of a basis. That model had 300 million
# photographs and patches of 32 x 32 pixels. With 50,000 and 4 x 4 pixels there is a plane of one colour or a slope here
# and there, and much that is left from the random start; the picture below shows it.
#
# ## The positions
#
# Nobody told the model that patches lie in a grid: a position is D numbers, random at first. If it has found out, then
# near patches have similar positions. (Cosine of the two vectors; 1 is the same direction.)

# %%
similarity = position_similarity(deit).reshape(64, 64)
away = patch_distances((8, 8), (1, 1))                          # in patches
near, far = similarity[away == 1].mean(), similarity[away >= 4].mean()
pairs = np.triu_indices(64, 1)
correlation = spearman(similarity[pairs], -away[pairs])
same_line = np.equal(*np.indices((64, 64)) // 8) | np.equal(*np.indices((64, 64)) % 8)
alike = (away > 2.9) & (away < 3.2)                             # 3 along a row or column, or (1, 3), (3, 1)
print(f"mean cosine of neighbours {near:+.3f}, of patches 4 or more apart {far:+.3f}; rank correlation of similarity "
      f"and nearness {correlation:+.2f}")
claim("neighbouring patches have more similar positions than patches 4 or more apart", near > far)
report("rank correlation of similarity and nearness of at least 0.3", correlation >= 0.3)
report("patches in one row or column are more alike than others as far apart",
       similarity[alike & same_line].mean() > similarity[alike & ~same_line].mean())

# %% [markdown]
# ## What a map of attention contains
#
# Record one forward pass. A block's map has one row for each of the N = 2 + 144 tokens: how it divides its attention.
# Many recipes on the web cut off the first column and reshape the rest into a square. That was written for a ViT with
# one token in front. Here it leaves 145 numbers, which is not a square; and if an image size happened to make one, all
# patches would be shifted by one. Ask the model how many tokens are no patches (`rec.prefix`).

# %%
seen = data.test.images[:12 if FAST else 48]
labels = data.test.labels[:len(seen)]
with record(tuned) as rec:
    logits = answers_of(tuned, seen)
maps = np.stack(rec.attention)                                  # (L, B, H, N, N)
of_class_token = maps[-1][0, 0, 0]                              # last block, image 0, head 0: (N,)
print(f"maps {maps.shape}, grid {rec.grid}, prefix {rec.prefix}")
print(f"one token cut off: {of_class_token[1:].size} numbers; two: {of_class_token[2:].size} = 12 x 12")
print(f"of the class token's attention in the last block, {maps[-1][:, :, 0, :2].sum(axis=-1).mean():.1%} goes to the "
      f"two tokens in front")
claim("rows add up to 1 over all tokens, and in the mean to less over the patches alone",
      np.abs(maps.sum(axis=-1) - 1).max() < 1e-4 and maps[..., 2:].sum(axis=-1).mean() < 1)

# %% [markdown]
# ## How far do heads look?
#
# A convolution of 3 x 3 looks one pixel far, in every layer, by construction. A head can look anywhere from the first
# block on, and how far it does is learned. The measure is a mean of distances, weighted by attention; it needs two
# conventions, pixels (not patches) and weights made whole after the tokens in front are left out.

# %% [markdown]
# **Exercise `attention_distance`** (20 min): for each head of each block. `minivit learn check attention_distance`

# %%
attention_distance = learn.use("attention_distance")

distance = attention_distance(maps.astype(np.float64), rec.grid, rec.patch, rec.prefix)         # (L, H)
uniform = uniform_distance(rec.grid, rec.patch)
for block, heads in enumerate(distance):
    print(f"block {block}: {np.round(np.sort(heads), 1)} pixels")
print(f"attending to all patches alike: {uniform:.1f} pixels")
claim("your distances are minivit's",
      np.abs(distance - distance_of_minivit(list(maps), rec.grid, rec.patch, rec.prefix)).max() < 1e-4)
report("distance grows with depth (rank correlation of block and distance above 0: "
       f"{spearman(np.repeat(np.arange(4), 4), distance):+.2f})", spearman(np.repeat(np.arange(4), 4), distance) > 0)
report("some head of the first block is global, above 0.8 of uniform", distance[0].max() > 0.8 * uniform)
report("some head of the first block is local, below 0.6 of uniform", distance[0].min() < 0.6 * uniform)

# %% [markdown]
# The paper's figure (7, right) has both kinds of heads in the first block, and only far-looking ones in the last. Local
# heads are what a model finds with very much data. Always print the distance of uniform attention beside such a figure:
# a head at 23 of 25 pixels "looks far" by looking at nothing in particular.

# %%
farthest = patch_distances(rec.grid, rec.patch).max()
claim("check 3 of 6, the parts: shares of filters, similarities of positions and distances of heads are where they can "
      "be, and neighbours are alike", 0 < shares.sum() <= 1 and near > far and similarity.max() < 1 + 1e-9 and
      0 < distance.min() and distance.max() < farthest)

# %% [markdown]
# ## Rollout: through all blocks
#
# One map is one step. To ask how much of a *patch* is in the class token at the end, steps have to be multiplied, and
# the residual stream must not be forgotten: next to what attention brings, each token keeps itself.
#
#     A   = the block's maps, heads fused: mean, max or min          (N, N)
#     M   = A + I, each row divided by its sum
#     R_l = M_l R_(l-1),  R_0 = I
#
# Then R[0, n] is the share of token n in the class token, as far as attention and addition go.

# %% [markdown]
# **Exercise `attention_rollout`** (20 min): for all images at once. `minivit learn check attention_rollout`

# %%
attention_rollout = learn.use("attention_rollout")

some = maps[:, :3].astype(np.float64)
for fusion in ("mean", "max", "min"):
    R = attention_rollout(some, fusion)
    claim(f"{fusion}: your rollout is minivit's, and its rows add up to 1",
          np.abs(R - rollout(list(some), fusion)).max() < 1e-9 and np.abs(R.sum(axis=-1) - 1).max() < 1e-9)


# %% [markdown]
# A well-known tool divides A + I by its row sums along the wrong axis, and has done so for years (vit-explain, issue
# 16). Nobody saw it because of this:


# %%
def wrong_axis(maps, fusion):
    """Rollout with the division by A.sum(axis=-1), which NumPy lays along the columns."""
    R = np.eye(maps.shape[-1])
    for A in fusion(maps, axis=2):
        A = A + np.eye(A.shape[-1])
        R = A / A.sum(axis=-1)[:, None, :] @ R
    return R


off = {name: np.abs(wrong_axis(some, fuse) - rollout(list(some), name)).max() / rollout(list(some), name).max()
       for name, fuse in (("mean", np.mean), ("max", np.max))}
print({name: f"off by {error:.1e} of the largest number" for name, error in off.items()})
claim("with the mean of heads every row sum is 2, and the bug cannot be seen; with the max it can",
      off["mean"] < 1e-6 < 1e-4 < off["max"])

# %% [markdown]
# ## Does it find the object?
#
# We know where the object is. The measure: how much of the class token's rollout lies in the object's box, divided by
# the box's share of the image. Alike everywhere gives 1. A patch may be cut by the box, so we need its covered share.


# %%
def covered(boxes, grid, patch):
    """How much of each patch (B, Gy, Gx) lies in the box (B, 4) of its image: top, left, bottom, right in pixels."""
    shares = []
    for axis in (0, 1):
        start = patch[axis] * np.arange(grid[axis])
        stop = np.minimum(start + patch[axis], boxes[:, axis + 2, None])
        shares.append(np.maximum(stop - np.maximum(start, boxes[:, axis, None]), 0) / patch[axis])
    return shares[0][:, :, None] * shares[1][:, None, :]


boxes = data.test.boxes[:len(seen), 0]
inside = covered(boxes, rec.grid, rec.patch)
claim("the covered shares add up to the area of the box",
      np.abs(inside.sum(axis=(1, 2)) * 16 - (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).max() < 1e-9)


def focus(picture):
    """How much denser a picture (B, Gy, Gx) is in the boxes than everywhere, in the mean over the images."""
    share = (picture * inside).sum(axis=(1, 2)) / picture.sum(axis=(1, 2))
    return (share / inside.mean(axis=(1, 2))).mean()


def picture_of(model, fusion="mean"):
    """The rollout of the class token over the patches (B, Gy, Gx)."""
    with record(model) as its:
        answers_of(model, seen)
    return attention_rollout(np.stack(its.attention).astype(np.float64), fusion)[:, 0, its.prefix:].reshape(-1, 12, 12)


blank = create("deit_nano_distilled_patch4_32", seed=0, image_size=(SIZE, SIZE), num_classes=5)
rolled = picture_of(tuned)
grey = np.median(seen, axis=(1, 2), keepdims=True)              # the background's colour, image by image
contrast = ((seen - grey) ** 2).sum(axis=3).reshape(-1, 12, 4, 12, 4).sum(axis=(2, 4))      # no model at all
found = {"the fine-tuned model": [focus(picture_of(run[0])) for run in runs],
         "the model from scratch": [focus(picture_of(run[1])) for run in runs],
         "an untrained model": [focus(picture_of(blank))],
         "no model: squared difference from the background": [focus(contrast)]}
for name, numbers in found.items():
    print(f"{np.mean(numbers):.2f} times the area's share: {name} {np.round(numbers, 2)}")

# %% [markdown]
# The criterion, fixed before the run: at least 1.5 in the mean over three seeds, and more than an untrained model.
#
# Now read the other lines. An untrained model is above 1 as well: random filters answer to contrast, and the background
# has none. A bare "1.5 times" would say little; a control belongs beside every such number. The model from scratch
# gives fewer right answers; see whether its rollout lies on the object any less. And a formula that knows no classes,
# the squared difference from the background, does well too. So "it looks at the object" may be true, and is *not*
# evidence that the model has understood the object.

# %%
if not FAST:
    claim("rollout of the fine-tuned models lies on the object: at least 1.5 times its share of the area, and more "
          "than an untrained model's", np.mean(found["the fine-tuned model"]) >= 1.5 and
          np.mean(found["the fine-tuned model"]) > found["an untrained model"][0])
claim("check 4 of 6, the maps: an untrained model's rollout is denser in the box, too (more than 1.1 times), and plain "
      "contrast, without a model, more than 2 times", found["an untrained model"][0] > 1.1 and focus(contrast) > 2)

# %% [markdown]
# ## When does it know?
#
# Blocks only add to the tokens. So the final layer norm and the heads, made for the end, can read the tokens after any
# block: the logit lens. A distilled DeiT has two heads, on two tokens; its answer is the mean of their logits.

# %% [markdown]
# **Exercise `logit_lens`** (15 min): the probabilities after every block. `minivit learn check logit_lens`

# %%
lens = learn.use("logit_lens")(np.stack(rec.tokens).astype(np.float64), tuned.state_dict())     # (L + 1, B, Y)
own = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
for block, p in enumerate(lens):
    print(f"{'as embedded  ' if block == 0 else f'after block {block - 1}'}: right "
          f"{(p.argmax(axis=1) == labels).mean():4.0%}, mean probability of the label "
          f"{p[np.arange(len(labels)), labels].mean():.2f}")
claim("your lens is minivit's, and after the last block it is the model's own answer",
      np.abs(lens - logit_lens(rec)).max() < 1e-4 and np.abs(lens[-1] - own).max() < 1e-4)
claim("as embedded, the two tokens have not seen the image: the same answer for all",
      np.abs(lens[0] - lens[0][:1]).max() < 1e-6)

# %% [markdown]
# And the two tokens themselves? In the DeiT paper their cosine grows from 0.06 to 0.93 from the first to the last
# layer: they end alike, but not the same. Here:

# %%
cosine = token_cosine(rec).mean(axis=1)
print("cosine of class and distillation token:", np.round(cosine, 2))
report("it grows from the first tokens to the last, and stays below 0.99", cosine[0] < cosine[-1] < 0.99)

# %% [markdown]
# ## Doubt
#
# Attention is often shown as an explanation. Three checks of that, each of which you can repeat with any model.
#
# **1. Swap the heads' rows.** Exchange the classes in the heads. Every answer changes. Rollout is computed from q and k
# alone, before the heads: it cannot change by a bit. So rollout cannot say why *this* class was chosen.


# %%
def exchange_classes(model, by):
    for head in (model.head, model.head_dist):
        head.weight.data[...] = np.roll(head.weight.data, by, axis=0)
        head.bias.data[...] = np.roll(head.bias.data, by)


exchange_classes(tuned, 1)
other_answers = answers_of(tuned, seen).argmax(axis=1)
same_picture = picture_of(tuned)
exchange_classes(tuned, -1)
claim("the heads' classes are exchanged: every answer becomes another, and rollout stays the same to the last bit",
      (other_answers != logits.argmax(axis=1)).all() and (same_picture == rolled).all())

# %% [markdown]
# **2. Take something away.** What the answer depends on can be tried: paint a window of 2 x 2 patches in the
# background's colour, and see how much the label's probability falls. That is *occlusion*; it asks the model itself,
# values, MLPs, heads and all. Does rollout put the windows in the same order? (Rank correlation; 1 is the same order.)


# %%
def probability(model, images, labels):
    """Of each image the probability of its label."""
    logits = answers_of(model, images)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]


def painted(images, chosen):
    """Images with the chosen patches (B, 12, 12) in the background's colour."""
    pixels = chosen.repeat(4, axis=1).repeat(4, axis=2)[..., None]
    return np.where(pixels, np.median(images, axis=(1, 2), keepdims=True), images).astype(np.uint8)


def occlusion(model, images, labels):
    """How much the label's probability falls, (B, 6, 6), when a window of 2 x 2 patches is painted over."""
    windows = np.kron(np.eye(36).reshape(36, 6, 6), np.ones((2, 2))).astype(bool)               # (36, 12, 12)
    many = painted(images.repeat(36, axis=0), np.tile(windows, (len(images), 1, 1)))
    left = probability(model, many, labels.repeat(36))
    return probability(model, images, labels)[:, None, None] - left.reshape(-1, 6, 6)


count = 3 if FAST else 24
falls = occlusion(tuned, seen[:count], labels[:count])
windows = rolled[:count].reshape(-1, 6, 2, 6, 2).sum(axis=(2, 4))
agreement = np.array([spearman(*pair) for pair in zip(windows, falls)])
print(f"rank correlation of rollout and occlusion: {agreement.mean():+.2f} in the mean of {count} images, from "
      f"{agreement.min():+.2f} to {agreement.max():+.2f}")
claim("they do not agree: in the mean the rank correlation is below 0.9", agreement.mean() < 0.9)

# %% [markdown]
# **3. Take away what it points at.** Paint over the 22 patches (15 %) with the most rollout, or 22 at random, and look
# what is left of the label's probability. This is the best that can be said *for* rollout, and it was fixed before the
# run: what it points at matters more than random patches, in the mean and with at least two of three seeds. The
# contrast formula is tried beside it.


# %%
def most(picture, k=22):
    """The k patches (B, 12, 12) with the largest numbers."""
    order = np.argsort(-picture.reshape(len(picture), -1), axis=1, kind="stable")
    chosen = np.zeros((len(picture), 144), bool)
    np.put_along_axis(chosen, order[:, :k], True, axis=1)
    return chosen.reshape(-1, 12, 12)


dice = stream(0, place="lesson 16").random(rolled.shape)
left = []
for model, *_ in runs:
    left.append([probability(model, seen, labels).mean()] +
                [probability(model, painted(seen, most(picture)), labels).mean()
                 for picture in (picture_of(model), dice, contrast)])
    print("label's probability {:.2f}; without the most rollout {:.2f}, random patches {:.2f}, most contrast "
          "{:.2f}".format(*left[-1]))
left = np.array(left)
if not FAST:
    claim("without the patches that rollout points at less is left than without random ones",
          left[:, 1].mean() < left[:, 2].mean() and (left[:, 1] < left[:, 2]).sum() >= 2)
claim("check 5 of 6, doubt: rollout knows no class, and is not the order in which patches matter",
      (same_picture == rolled).all() and agreement.mean() < 0.9)

# %% [markdown]
# So: attention is where values came from in one step, and rollout a rough map of where information *can* have come
# from. It leaves out values, projections, MLPs and heads. Use it to find bugs and surprises; to say what an answer
# depends on, change the input and look.
#
# ## The picture

# %%
figure = Figure(figsize=(10, 8.6), layout="constrained")
(first, second), (third, fourth) = figure.subplots(2, 2)
tiles = np.full((3, 5, 4, 5, 3), 1.0)                           # components with white lines between
scaled = 0.5 + 0.5 * components / np.abs(components).max(axis=(1, 2, 3), keepdims=True)
tiles[:, :4, :, :4] = scaled.transpose(0, 2, 3, 1).reshape(3, 4, 4, 4, 3).transpose(0, 2, 1, 3, 4)
first.imshow(tiles.reshape(15, 20, 3)[:-1, :-1])
first.set(title=f"filters: 12 components, {shares.sum():.0%} of the variance", xticks=(), yticks=())
grid = np.full((8, 9, 8, 9), np.nan)
grid[:, :8, :, :8] = position_similarity(deit).transpose(0, 2, 1, 3)
drawn = second.imshow(grid.reshape(72, 72)[:-1, :-1], cmap="cividis", vmin=-0.5, vmax=1)
second.set(title=f"positions: similarity to each of 8 x 8 patches ({correlation:+.2f})", xticks=(), yticks=())
figure.colorbar(drawn, ax=second, label="cosine", shrink=0.8)
third.axhline(uniform, color="0.5", linestyle="--", label="all patches alike")
third.plot(np.repeat(np.arange(4), 4), distance.ravel(), "o", color="#0072b2", label="a head")
third.plot(np.arange(4), distance.mean(axis=1), color="#d55e00", label="mean of the heads")
third.set(title="attention distance", xlabel="block", ylabel="pixels", xticks=range(4),
          ylim=(0, 1.1 * max(uniform, distance.max())))
third.legend()
fourth.imshow(seen[0], extent=(0, SIZE, SIZE, 0))
fourth.imshow(rolled[0], cmap="cividis", alpha=0.7, extent=(0, SIZE, SIZE, 0))
fourth.add_patch(Rectangle(boxes[0, 1::-1], boxes[0, 3] - boxes[0, 1], boxes[0, 2] - boxes[0, 0], fill=False,
                           edgecolor="#d55e00", linewidth=2))
fourth.set(title=f"rollout of the class token: a {data.classes[labels[0]]}", xticks=(), yticks=())
show(figure, "16-internals", alt=f"Four panels. Twelve components of the DeiT's filters, of 4 by 4 pixels. How similar "
     f"positions are, a small picture for each of 8 by 8 patches. The attention distance of 4 heads in 4 blocks, "
     f"{distance.min():.0f} to {distance.max():.0f} pixels, where {uniform:.0f} would be uniform. A shape with its box "
     f"and the rollout of the class token over it.")

# %%
rows = {"image": seen, "rollout": rolled, "occlusion": falls, "contrast": contrast}
figure = Figure(figsize=(1.9 * 3 + 1, 8), layout="constrained")
for panels, (name, pictures) in zip(figure.subplots(4, 3), rows.items()):
    for axis, picture, box in zip(panels, pictures, boxes):
        axis.imshow(picture, cmap="cividis", extent=(0, SIZE, SIZE, 0))
        axis.add_patch(Rectangle(box[1::-1], box[3] - box[1], box[2] - box[0], fill=False, edgecolor="#d55e00"))
        axis.set(xticks=(), yticks=())
    panels[0].set_ylabel(name, fontsize=11)
show(figure, "16-doubt", alt="Three shapes, each with its box, and below each the rollout of the class token, the fall "
     "of the label's probability by occlusion, and the squared difference from the background, each from its "
     "least to its largest number. Each row is bright in other places; the last one, which needs no model, follows the "
     "shape best.")

# %% [markdown]
# ## The explorer
#
# All this in one file that a browser opens, without a server and without a network: hover over a patch to see where
# it looks, choose block and head, see rollout, distances, positions, filters and the logit lens, and the two models
# side by side. It is what `minivit explain` writes; `main` is that command.

# %%
page = lab() / "16-attention.html"
status = main(["explain", str(paths["tuned"]), "--compare", str(paths["scratch"]), "--data",
               f"shapes:train=0,test={1 if FAST else 3},size={SIZE}", "--out", str(page)])
text = page.read_text(encoding="utf-8")
claim("check 6 of 6, the explorer: one file of less than 5 MB that may load nothing",
      status == 0 and len(text) < 5e6 and "default-src 'none'" in text)

# %% [markdown]
# ## On your own
#
# Each of these runs as it stands (`KEPT` is the path of `learn.kept(...)` above, `FOLDER` a folder of images, a
# subfolder for each class):
#
#     minivit explain ~/minivit-lab/16-tuned.safetensors --report         everything about the model of this lesson
#     minivit finetune KEPT --data shapes-texture:train=2000,test=200,size=48 --image-size 48 --epochs 5
#     minivit finetune KEPT --data FOLDER --image-size 48                 your own pictures
#     minivit explain runs/001 photo.jpg                                  and where it looks in one of them
#
# ## What you can do now
#
# Take a trained Vision Transformer, give it other classes and a higher resolution, open it, and say with measures and
# controls what is in it; and say what a picture of attention does not show. From a scalar that remembered to here, you
# have written every gradient on the way.
#
# **Explains** `minivit/inspect/rollout.py`, `minivit/inspect/distance.py`, `minivit/inspect/filters.py`,
# `minivit/inspect/lens.py`, `minivit/inspect/record.py` and `minivit/weights/load.py`.
#
# **Sources.** Dosovitskiy et al. 2020, arXiv 2010.11929, section 3.2 (higher resolution), figures 6 and 7, appendix
# D.7. Touvron et al. 2020, "Training data-efficient image transformers", arXiv 2012.12877, section 4. Abnar and Zuidema
# 2020, "Quantifying attention flow in transformers", arXiv 2005.00928, section 3. nostalgebraist 2020, "interpreting
# GPT: the logit lens". Jain and Wallace 2019, "Attention is not explanation", arXiv 1902.10186; Wiegreffe and Pinter
# 2019, "Attention is not not explanation", arXiv 1908.04626. Zeiler and Fergus 2013, arXiv 1311.2901 (occlusion).
#
# **Next**: no lesson. The code is yours to read: `minivit/models/vit.py` has no line left that you have not met.

# %% [markdown]
# # Lesson 4: a CNN encoder
#
# Before transformers, an image was read by a convolutional network: small filters that slide over it, and pooling that
# makes it smaller. We write both with their gradients, train a network of them on digits, and measure what is said of
# it: that it does not mind where things are. The ViT of lesson 9 will be compared with this network.
#
# - **Time**: 45 minutes to read, 70 for the exercises. Computing: 20 s (fast mode: 5 s).
# - **Before**: lessons 2 and 3: broadcasting, the backward of a matrix product, softmax, cross-entropy, the training
#   loop.
# - **You will have written**: convolution forward and backward, and the backward of max pooling.

# %%
import time

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from minivit import Tensor, learn, no_grad, ops
from minivit.data import Loader, Split, mnist5k, normalise
from minivit.learn.lesson import FAST, claim, show
from minivit.models import create
from minivit.optim import AdamW

threadpool_limits(1)                    # small matrix products: more threads would only wait for each other
rng = np.random.default_rng(0)
data = mnist5k()
digits = normalise(data.test.images, data.mean, data.std)           # (1000, 1, 28, 28)

# %% [markdown]
# ## What a linear layer does not know
#
# The networks of lesson 3 took a digit as a list of 784 numbers. Shuffle the pixels of all digits in the same way, and
# nothing changes for them: shuffle the columns of the weight alike, and out come the same numbers. Such a network has
# never heard that two pixels are neighbours.

# %%
x, weight = digits.reshape(1000, 784).astype(np.float64), rng.standard_normal((10, 784))
order = rng.permutation(784)
claim("a linear layer gives the same for shuffled pixels, if its columns are shuffled too",
      np.allclose(x[:, order] @ weight[:, order].T, x @ weight.T))

# %% [markdown]
# But we do know two things about images. What belongs together lies close together, so a first look may be **local**.
# And a stroke is a stroke wherever it is, so the same weights may be used everywhere: they are **shared**. Knowledge
# that is built into a network, rather than learned by it, is called its inductive bias.
#
# ## Convolution
#
# Take a small window of the image, Ky x Kx pixels in all C channels. Multiply it, number by number, with weights of the
# same shape, sum up, and add a bias: that is one number. The weights are called a **kernel**, or a filter. Slide the
# window over the image, by `stride` pixels at a time, and the numbers make a new picture, a **feature map**. O filters
# make O maps:
#
#     y[b, o, gy, gx] = bias[o] + sum over c, ky, kx of weight[o, c, ky, kx] * x[b, c, row, column]
#                       row = gy * stride + ky        column = gx * stride + kx
#
# x is (B, C, Sy, Sx): B images of C channels. y is (B, O, Gy, Gx). To have windows at the edge too, the image first
# gets `padding` zeros on each side. How many windows fit?
#
#     Gy = (Sy + 2 * padding - Ky) // stride + 1

# %% [markdown]
# **Exercise `conv2d_forward`** (20 min): write it for a batch of images, with stride and padding; loops are welcome.
# `minivit learn check conv2d_forward`

# %%
conv2d_forward = learn.use("conv2d_forward")

x, weight, bias = rng.standard_normal((2, 3, 9, 7)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
for stride, padding in ((1, 0), (1, 1), (2, 1)):
    y = conv2d_forward(x, weight, bias, stride, padding)
    print(f"stride {stride}, padding {padding}: {x.shape} -> {y.shape}")
    claim("it equals minivit's, with this stride and padding",
          np.allclose(y, ops.conv2d(Tensor(x), Tensor(weight), Tensor(bias), stride, padding).data))

# %% [markdown]
# A statement to correct: this is not what mathematics calls a convolution, in which the kernel is flipped first. It is
# a *correlation*. Libraries have called it convolution from the beginning, and since the weights are learned, nobody
# misses the flip. It shows when a picture with a single bright pixel goes in: out comes the kernel, turned around.

# %%
pixel = np.zeros((1, 1, 5, 5))
pixel[0, 0, 2, 2] = 1
kernel = np.arange(9.0).reshape(1, 1, 3, 3)
print(conv2d_forward(pixel, kernel, np.zeros(1), 1, 0)[0, 0])
claim("one bright pixel gives the kernel 0, 1, ..., 8 turned by 180 degrees",
      np.array_equal(conv2d_forward(pixel, kernel, np.zeros(1), 1, 0), kernel[:, :, ::-1, ::-1]))

# %% [markdown]
# How much do locality and sharing save? For 16 maps of a digit, a linear layer has a weight for every pair of an input
# and an output. The convolution has 9 weights and a bias for each filter.

# %%
dense, convolution = 784 * 16 * 784 + 16 * 784, 16 * 9 + 16
print(f"784 pixels to 16 maps of 784: a linear layer has {dense:,} numbers, a 3 x 3 convolution {convolution}")
claim("a convolution needs less than a fifty-thousandth of the numbers", convolution < dense / 50_000)

# %% [markdown]
# ## As one matrix product
#
# Loops in Python are slow, and matrix products are fast. So write every window as a column of a matrix X. Each filter,
# written as a row, meets each column once:
#
#     y = W X        W (O, C * Ky * Kx)        X (C * Ky * Kx, B * Gy * Gx)
#
# The price is memory: with windows of 3 x 3, X holds every pixel 9 times. The trick is called **im2col**.


# %%
def columns(x, size):
    """The windows of images (B, C, Sy, Sx), one pixel apart, as the columns of a matrix."""
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))            # (B, C, Gy, Gx, Ky, Kx)
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * size[0] * size[1], -1)


def by_columns(x, weight, bias):
    """Convolution with stride 1 and no padding."""
    rows = weight.reshape(len(weight), -1) @ columns(x, weight.shape[2:])               # (O, B * Gy * Gx)
    Gy, Gx = x.shape[2] - weight.shape[2] + 1, x.shape[3] - weight.shape[3] + 1
    return rows.reshape(-1, len(x), Gy, Gx).swapaxes(0, 1) + bias[:, None, None]


def seconds(task, times=5):
    """The shortest of some runs."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        task()
        taken.append(time.perf_counter() - begin)
    return min(taken)


claim("one matrix product gives what the loops give",
      np.allclose(by_columns(x, weight, bias), conv2d_forward(x, weight, bias, 1, 0)))

some, filters = digits[:8], rng.standard_normal((16, 1, 3, 3), dtype=np.float32)
padded = np.pad(some, ((0, 0), (0, 0), (1, 1), (1, 1)))
loops = seconds(lambda: conv2d_forward(some, filters, np.zeros(16, np.float32), 1, 1), times=1)
product = seconds(lambda: by_columns(padded, filters, np.zeros(16, np.float32)))
print(f"8 digits, 16 filters: {1e3 * loops:.1f} ms by loops, {1e3 * product:.1f} ms by one product")
claim("the matrix of windows takes 9 times the memory of the digits",
      columns(padded, (3, 3)).nbytes == 9 * some.nbytes)

# %% [markdown]
# ## The way back
#
# y = W X is a matrix product, so lesson 2 knows its gradients. With dy as a matrix (O, B * Gy * Gx):
#
#     dW = dy X^T        dX = W^T dy        dbias = the sum of dy over images and places
#
# What remains is the way from dX to dx. X was made by copying pixels: a pixel in nine windows is there nine times. The
# backward of copying is adding up, as for broadcasting. So each number of dX is added to the pixel that it was copied
# from. (This is called col2im.)
#
# In the picture of windows: forward reads each window and makes a number; backward takes what arrives at that number,
# times the kernel, and adds it into the same window of dx. Where windows overlap, it adds up.

# %% [markdown]
# **Exercise `conv2d_backward`** (30 min): write dx, dweight and dbias, for any stride and padding. `minivit learn check
# conv2d_backward`

# %%
conv2d_backward = learn.use("conv2d_backward")

leaves = [Tensor(array, requires_grad=True) for array in (x, weight, bias)]
y = ops.conv2d(*leaves, stride=2, padding=1)
dy = rng.standard_normal(y.shape)
y.backward(dy)
found = conv2d_backward(dy, x, weight, 2, 1)
claim("dx, dweight and dbias equal minivit's",
      all(np.allclose(mine, leaf.grad) for mine, leaf in zip(found, leaves)))

# %% [markdown]
# Adding up is the heart of it. Here is in how many windows each pixel lies: with `=` in place of `+=`, the pixel in the
# middle would hear from one of its nine.

# %%
lies_in = np.zeros((5, 5))
for gy in range(3):
    for gx in range(3):
        lies_in[gy:gy + 3, gx:gx + 3] += 1
print(lies_in.astype(int))
received = conv2d_backward(np.ones((1, 1, 3, 3)), np.zeros((1, 1, 5, 5)), np.ones((1, 1, 3, 3)), 1, 0)[0]
claim("if every window sends 1 to each of its pixels, a pixel receives as much as there are windows over it",
      np.array_equal(received[0, 0], lies_in))

# %% [markdown]
# ## Max pooling
#
# After a first look, the exact place of a stroke matters less than that it is there. Pooling keeps the largest number
# of every 2 x 2 window, and moves on by 2: height and width are halved. There is nothing to learn in it.
#
#     y[b, c, gy, gx] = max over py, px of x[b, c, gy * stride + py, gx * stride + px]
#
# Backward: nudge the largest number of a window, and y moves as much. Nudge another, and nothing happens. So all of dy
# goes to the largest. And if two are equally large? Then the maximum has a kink, and no slope. Any division among the
# winners is as good as another, if it adds up to 1. minivit shares equally, so that no corner of a window is preferred;
# PyTorch gives all to the first, which is cheaper to remember. Is this hair-splitting? Count the ties:

# %%
windows = digits.reshape(1000, 14, 2, 14, 2)
ties = np.mean((windows == windows.max(axis=(2, 4), keepdims=True)).sum(axis=(2, 4)) > 1)
print(f"{ties:.0%} of the 2 x 2 windows of 1,000 digits have more than one largest pixel")
claim("in more than half of all windows several pixels tie: most of a digit is flat black", ties > 0.5)

# %% [markdown]
# **Exercise `maxpool_backward`** (20 min): write it, with equal shares for those that tie. `minivit learn check
# maxpool_backward`

# %%
maxpool_backward = learn.use("maxpool_backward")

x = Tensor(digits[:20].astype(np.float64), requires_grad=True)
y = ops.max_pool2d(x, size=3, stride=2)
dy = rng.standard_normal(y.shape)
y.backward(dy)
claim("it equals minivit's on digits, with windows of 3 x 3 that overlap and ties",
      np.allclose(maxpool_backward(dy, x.data, 3, 2), x.grad))
claim("nothing is lost: dx and dy have the same sum", np.isclose(x.grad.sum(), dy.sum()))

# %% [markdown]
# ## The encoder
#
# Now stack them. A **stage** is a convolution with padding 1, which keeps the size; max pooling, which halves it; and
# ReLU, max(x, 0), which keeps what a filter has found and drops the rest. Two stages make an **encoder**: images in,
# features out. While the maps get smaller, they get more: 16, then 32. At the end the features are laid out in a row
# (**flattened**), and a linear layer, the head, makes ten **logits** of them. Softmax makes probabilities of the
# logits.

# %%
model = create("cnn_nano_28", seed=0)
first, second = model.stages
images = Tensor(digits[:5])
with no_grad():
    shapes = {"image": images.shape, "stage 1: convolution": first.conv(images).shape,
              "stage 1: pooled, ReLU": first(images).shape, "stage 2: convolution": second.conv(first(images)).shape,
              "stage 2: pooled, ReLU": second(first(images)).shape}
    features, logits = model.features(images), model(images)
for name, shape in shapes.items():
    print(f"{name:<22} {shape[1:]}")
print(f"{'flattened':<22} {features.reshape(5, -1).shape[1:]}\n{'logits':<22} {logits.shape[1:]}")
probabilities = ops.softmax(logits).data
claim("each stage halves height and width: 28, 14, 7",
      [shapes[name][-1] for name in ("image", "stage 1: pooled, ReLU", "stage 2: pooled, ReLU")] == [28, 14, 7])
claim("before training every digit has probability 1/10 (the head begins at 0)", np.allclose(probabilities, 0.1))

# %%
for name, parameter in model.named_parameters():
    print(f"{name:<24} {str(parameter.shape):<16} {parameter.size:>7,}")
claim("of its 20,490 parameters three quarters are in the head, which is not shared",
      model.num_parameters() == 20_490 and model.head.weight.size > 0.75 * 20_490)

# %% [markdown]
# ## Training
#
# The loop is that of lesson 3: a batch, the loss, backward, a step.

# %%
count, epochs = (1000, 3) if FAST else (4000, 5)
train = Loader(Split(data.train.images[:count], data.train.labels[:count]), 50, data.mean, data.std, seed=0)
optimizer = AdamW(model, lr=3e-3)


def accuracy(images):
    """The share of the first test digits, as many as there are images, that the model names."""
    with no_grad():
        return np.mean(model(Tensor(images)).data.argmax(axis=1) == data.test.labels[:len(images)])


begin = time.perf_counter()
for epoch in range(epochs):
    for batch in train.epoch(epoch):
        optimizer.zero_grad()
        loss = ops.cross_entropy(model(Tensor(batch.images)), batch.labels)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.3f}, {accuracy(digits):.1%} of test digits right")
print(f"{count:,} digits, {epochs} epochs: {time.perf_counter() - begin:.1f} s")
reached = accuracy(digits)
wanted = 0.8 if FAST else 0.93
claim(f"more than {wanted:.0%} of 1,000 digits that it has not seen are right", reached > wanted)

# %% [markdown]
# What has it learned? A filter of the first stage is 3 x 3 numbers. If they add up to about 0, it says nothing to a
# flat piece of the image, and answers to edges. Here are the three filters of which that is most true, and what
# becomes of a digit: the map that each of them makes says *where* something was found. The second stage looks at all
# 16 maps at once. (The faint frame around the maps is padding: it is 0, and the black of a normalised digit is a
# little less.)

# %%
with no_grad():
    image = Tensor(digits[3:4])
    looked, pooled, deeper = first.conv(image).data[0], first(image).data[0], second(first(image)).data[0]
weights = first.conv.weight.data[:, 0]                                                      # (16, 3, 3)
edges = np.argsort(np.abs(weights.sum(axis=(1, 2))) / np.linalg.norm(weights, axis=(1, 2)))[:3]
deepest = np.argsort(-deeper.sum(axis=(1, 2)))[:3]

figure = Figure(figsize=(8.5, 6.6), layout="constrained")
panels = figure.subplots(3, 5, width_ratios=(28, 10, 28, 14, 7))
limit = np.abs(weights[edges]).max()
for row, edge, deep in zip(panels, edges, deepest):
    row[0].imshow(digits[3, 0], cmap="gray")
    row[1].imshow(weights[edge], cmap="PuOr_r", vmin=-limit, vmax=limit)
    for axes, picture in zip(row[2:], (looked[edge], pooled[edge], deeper[deep])):
        axes.imshow(picture, cmap="gray")
    for axes in row:
        axes.set(xticks=[], yticks=[])
for axes, title in zip(panels[0], ("digit\n28 x 28", "filter\n3 x 3", "its map\n28 x 28", "pooled, ReLU\n14 x 14",
                                   "stage 2\n7 x 7")):
    axes.set_title(title, fontsize=10)
for axes in panels[1:, 0]:
    axes.set_visible(False)
show(figure, "04-feature-maps", alt="A handwritten 3; three filters of 3 x 3 weights, positive in orange and negative "
     "in purple; for each its map of the digit, in which edges of one direction are bright and those of the other "
     "dark; the map pooled to half its side; and three coarse maps of 7 x 7 from the second stage.")

# %% [markdown]
# ## Equivariant, not invariant
#
# "A CNN is translation invariant", one reads: move the digit, and the result stays. That mixes up two things.
#
# - **Equivariant**: move the image, and the map moves along. f(move(x)) = move(f(x)).
# - **Invariant**: move the image, and the result does not change. f(move(x)) = f(x).
#
# Convolution is equivariant, exactly, away from the edges: its weights are the same everywhere. It is not invariant at
# all. Pooling by 2 is equivariant only for moves by an even number of pixels, since its windows begin at even places.
# After two stages it takes multiples of 4. Let us measure: digits on a large black canvas, moved to the right by s
# pixels, against the map moved by the whole number of places that fits best. The edge of the canvas is left out.

# %%
black = digits.min()
canvas = np.pad(digits[:100], ((0, 0), (0, 0), (14, 14), (14, 14)), constant_values=black)          # 56 x 56
STRIDES = {"convolution": 1, "stage 1": 2, "stage 2": 4}                    # pixels from one place to the next
SHIFTS = range(9)


def maps_of(images):
    """What convolution and stages make of images (B, 1, Sy, Sx)."""
    with no_grad():
        x = Tensor(images)
        halved = first(x)
        return {"convolution": first.conv(x).data, "stage 1": halved.data, "stage 2": second(halved).data}


def middle(array, stride):
    """A map without the places that are within 12 pixels of the edge."""
    cut = 12 // stride
    return array[:, :, cut:-cut, cut:-cut]


still, errors, changes = maps_of(canvas), {name: [] for name in STRIDES}, {}
for s in SHIFTS:
    moved = maps_of(np.roll(canvas, s, axis=3))
    for name, stride in STRIDES.items():
        scale = np.linalg.norm(middle(still[name], stride))
        off = [np.linalg.norm(middle(moved[name] - np.roll(still[name], places, axis=3), stride)) / scale
               for places in (s // stride, -(-s // stride))]
        errors[name].append(min(off))
        if s == 1:
            spread = middle(still[name] - still[name].mean(axis=(0, 2, 3), keepdims=True), stride)
            changes[name] = np.linalg.norm(middle(moved[name] - still[name], stride)) / np.linalg.norm(spread)
for name, row in errors.items():
    print(f"{name:<12} " + "  ".join(f"{error:5.3f}" for error in row))
claim("convolution moves with the image, whatever the shift", max(errors["convolution"]) < 1e-5)
claim("after one pooling that holds for even shifts, and for no odd one",
      all((error < 1e-5) == (s % 2 == 0) for s, error in zip(SHIFTS, errors["stage 1"])))
claim("after two poolings it holds for multiples of 4, and for no others",
      all((error < 1e-5) == (s % 4 == 0) for s, error in zip(SHIFTS, errors["stage 2"])))

# %% [markdown]
# So what is true of "invariant"? Pooling makes small shifts matter *less*: where the largest of a window moves within
# the window, nothing changes. Here is how much the maps change when the digit moves by one pixel, in units of their own
# spread:

# %%
for name, change in changes.items():
    print(f"{name:<12} changes by {change:.2f}")
claim("a shift by one pixel changes the maps less after each pooling, but it does change them",
      changes["convolution"] > changes["stage 1"] > changes["stage 2"] > 0.1)

# %% [markdown]
# And the network as a whole? Its head has weights of its own for every place, so it knows only the places where it has
# seen strokes. Move 500 test digits to the right, and see:

# %%
wide = np.pad(digits[:500], ((0, 0), (0, 0), (0, 0), (8, 8)), constant_values=black)
right = [accuracy(np.ascontiguousarray(wide[:, :, :, 8 - s:36 - s])) for s in SHIFTS]
print("  ".join(f"{s} px: {share:.0%}" for s, share in zip(SHIFTS, right)))
claim("moved by 1 pixel, digits are still read, within 15 points", right[1] > right[0] - 0.15)
claim("moved by 4 pixels, at least 20 points are lost: the network is not translation invariant",
      right[4] < right[0] - 0.2)

# %%
figure = Figure(figsize=(9.5, 3.6), layout="constrained")
left, axes = figure.subplots(1, 2)
for (name, row), marker, style, colour in zip(errors.items(), "os^", ("-", "--", ":"),
                                              ("#000000", "#0072b2", "#d55e00")):
    left.plot(SHIFTS, row, marker=marker, linestyle=style, color=colour, label=name)
left.set(xlabel="shift of the image (pixels)", ylabel="error of equivariance",
         title="does the map move with the image?")
left.legend(loc="upper left", ncols=3, fontsize=8, bbox_to_anchor=(0, 0.98))
left.set_ylim(-0.03, 1.25 * max(errors["stage 2"]))
axes.plot(SHIFTS, [100 * share for share in right], marker="o", color="#000000")
axes.axhline(10, color="0.5", linewidth=1)
axes.text(0, 12, "guessing", color="0.4", fontsize=9)
axes.set(xlabel="shift of the test digits (pixels)", ylabel="accuracy (%)", ylim=(0, 100),
         title="does the answer stay?")
show(figure, "04-equivariance", alt="Left: error of equivariance against the shift of the image. It is 0 everywhere "
     "for a convolution, 0 at even shifts after one pooling, 0 at shifts 0, 4 and 8 after two. Right: accuracy on test "
     "digits against their shift, falling from above 80 percent to that of guessing at 8 pixels.")

# %% [markdown]
# A CNN that shall not mind shifts needs more: the mean of each map instead of a head with a weight for every place, or
# shifted digits in training (`minivit train` does the latter). What convolution does give it is this: a filter that has
# learned a stroke in one place knows it in all places. A ViT looks at every patch with the same weights, but within a
# patch each place has its own, and who is whose neighbour it has to learn. Lesson 11 measures what that costs.
#
# ## What you can do now
#
# You can write a convolution as loops and as one matrix product, and its gradients; you know why overlapping windows
# add up, and what happens where the maximum ties. You can say what is equivariant, what is invariant, and check it.
#
# And your three functions train a network: `minivit train --model cnn_nano_28 --kernels yours --epochs 1` puts those
# that have passed in the place of minivit's.
#
# **Read in minivit**: `minivit/ops/conv.py` (the matrix of windows, cut into blocks that fit the cache),
# `minivit/ops/pool.py`, `minivit/ops/windows.py` (padding), `minivit/models/cnn.py` (the network).
#
# **Sources**: LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition" (convolution, learned);
# LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II (the network); Chellapilla et
# al. 2006, "High performance convolutional neural networks for document processing" (the matrix of windows); Scherer,
# Mueller and Behnke 2010, "Evaluation of pooling operations in convolutional architectures" (max pooling); Azulay and
# Weiss 2019, "Why do deep convolutional networks generalize so poorly to small image transformations?", arXiv
# 1805.12177 (not invariant).
#
# **Next**: lesson 5. A convolution looks at its neighbours. What if every place could look at every other one? And why
# does nobody do that with pixels?

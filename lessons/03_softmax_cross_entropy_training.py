# %% [markdown]
# # Lesson 3: softmax, cross-entropy, and a training loop
#
# Ten scores become ten probabilities, a label becomes a loss, and a loop of a few lines learns to read handwriting:
# first with nothing but functions of yours, then with minivit's modules and optimizers.
#
# - **Time**: 45 minutes to read, 60 for the exercises. Computing: 10 s (fast mode: 4 s).
# - **Before**: lessons 1 and 2; logarithms; what a probability is.
# - **You will have written**: a log-softmax that no number breaks, the gradient of cross-entropy, and a step of
#   gradient descent with momentum and one of AdamW.

# %%
import math
import time

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from minivit import Tensor, learn, no_grad, ops, using
from minivit.data import Loader, mnist5k, normalise
from minivit.learn.lesson import FAST, claim, show
from minivit.nn import Linear, Module, Parameter
from minivit.ops.cross_entropy import CrossEntropy
from minivit.optim import SGD, Adam, AdamW

threadpool_limits(1)            # these matrices are small: one thread is faster than two that wait for each other
rng = np.random.default_rng(0)
digits = mnist5k()
Y = len(digits.classes)
print(f"{len(digits.train):,} digits to learn from, {len(digits.test):,} to be tested on; one is "
      f"{digits.train.images.shape[1:]} (Sy, Sx, C)")

# %% [markdown]
# ## From scores to probabilities
#
# A classifier gives each of Y classes a score, a **logit**: any number. To be read as probabilities they must be
# positive and add up to 1. Exponentials are positive; dividing by their sum does the rest. That is **softmax**:
#
#     p_y = exp(x_y) / sum_j exp(x_j)
#
# Only differences between logits count: add 5 to all of them, and exp(5) cancels.
#
# A loss needs the logarithm of p. Written down as it stands, it breaks for logits that a network can easily produce:

# %%
x = np.array([0.0, 1000.0])
with np.errstate(all="ignore"):
    naive = np.log(np.exp(x) / np.exp(x).sum())
    shifted = np.log(np.exp(x - x.max()) / np.exp(x - x.max()).sum())
print(f"as it stands: {naive}; with the maximum subtracted first: {shifted}; it should be [-1000, 0]")
claim("as it stands log softmax of (0, 1000) gives nan", np.isnan(naive).any())
claim("with the maximum subtracted it still gives -inf: 0 was rounded off before the log", shifted[0] == -np.inf)

# %% [markdown]
# **Exercise `log_softmax`** (15 min): write log-softmax so that it is finite wherever its input is.
# `minivit learn check log_softmax`

# %%
log_softmax = learn.use("log_softmax")
claim("yours gives (-1000, 0)", np.array_equal(log_softmax(x), [-1000, 0]))
logits = rng.standard_normal((4, Y))
claim("it equals minivit's", np.allclose(log_softmax(logits), ops.log_softmax(Tensor(logits)).data, atol=1e-12))

# %% [markdown]
# ## Surprise as a loss
#
# How wrong is a row of probabilities, when the label says what is true? Measure the surprise: -log p of the label. It
# is 0 if the label was certain, log 2 if it was one of two equal guesses, and grows without bound as the label was
# thought impossible. With the natural logarithm its unit is the **nat**. The mean over B images is the
# **cross-entropy**:
#
#     loss = -1/B sum_b log p[b, label_b]
#
# It is handy to write the label as a row t of probabilities, 1 at the label and 0 elsewhere. Then t need not be so
# certain, and lessons 10 and 15 will make use of that:
#
#     loss = -1/B sum_b sum_y t[b, y] log p[b, y]

# %%
labels = np.array([3, 1, 4, 1])
rows = np.eye(Y)[labels]
loss = -(rows * log_softmax(logits)).sum() / len(logits)
claim("it equals minivit's", abs(loss - ops.cross_entropy(Tensor(logits), labels).item()) < 1e-12)

undecided = ops.cross_entropy(Tensor(np.zeros((4, Y))), labels).item()
print(f"ten equal scores: {undecided:.4f} nats")
claim("with all scores equal the loss is ln 10", abs(undecided - math.log(10)) < 1e-12)

score = rng.standard_normal(5)
two_classes = ops.cross_entropy(Tensor(np.stack([0 * score, score], axis=1)), np.ones(5, int)).item()
claim("the loss of lesson 1, log(1 + exp(-score)), is cross-entropy of two classes with logits 0 and score",
      abs(two_classes - np.log(1 + np.exp(-score)).mean()) < 1e-12)

# %% [markdown]
# That is the first thing to check in any training: before it starts, the loss should be near ln Y. If it is far above,
# the network begins with firm opinions that are wrong.
#
# ## Its gradient
#
# For one image with label l, the loss is -x_l + log sum_j exp(x_j). The first term's slope by x_l is -1. The second's
# slope by x_j is exp(x_j) / sum_i exp(x_i), which is p_j. So
#
#     dx_j = p_j - t_j        for one image;  for the mean over B images, (p - t) / B
#
# It could not be simpler: what was said, minus what is true. It is the same with soft targets, as long as each row of t
# adds up to 1.

# %% [markdown]
# **Exercise `cross_entropy_backward`** (15 min): write this gradient, for any dloss that arrives at the loss.
# `minivit learn check cross_entropy_backward`

# %%
cross_entropy_backward = learn.use("cross_entropy_backward")
leaf = Tensor(logits, requires_grad=True)
ops.cross_entropy(leaf, labels).backward()
dx = cross_entropy_backward(1.0, logits, rows)
claim("it equals minivit's", np.allclose(dx, leaf.grad, atol=1e-12))
claim("each row adds up to 0: what one class gains, others lose", np.abs(dx.sum(axis=1)).max() < 1e-12)

# %% [markdown]
# ## Downhill, with momentum
#
# From here on p is a parameter, no probability, and g its gradient. A step against the gradient, p - lr * g, is
# **gradient descent**; with the gradient of a **batch**, a few images instead of all, *stochastic* gradient descent
# (SGD). lr is the **learning rate**. Batches disagree, and in a narrow valley the gradient points across rather than
# along. A heavy ball rolls better: let a velocity b gather the gradients,
#
#     b = momentum * b + g        p = p - lr * b
#
# **Weight decay** pulls every parameter a little towards 0, so that it stays away only if the data insist. Here it is
# a part of the gradient: in place of g stands g + weight_decay * p.
#
# **Exercise `sgd_momentum_step`** (10 min): write this step, with weight decay. `minivit learn check sgd_momentum_step`

# %%
sgd_momentum_step = learn.use("sgd_momentum_step")
matmul_backward, unbroadcast = learn.use("matmul_backward"), learn.use("unbroadcast")

# %% [markdown]
# ## A network of your own functions
#
# The simplest classifier: each class has a weight for each of the 784 pixels and a bias, and its score is the weighted
# sum. There is no engine in the next cell. Forward, backward and step are functions that you wrote. An **epoch** is one
# pass over all training images, batch by batch.

# %%
epochs, batch_size = (3, 100) if FAST else (10, 100)


def batches(epochs, order=slice(None)):
    """The training digits, shuffled anew in each epoch, as pixels (B, 784) and labels (B,); order: of the pixels."""
    loader = Loader(digits.train, batch_size, digits.mean, digits.std, seed=0)
    for epoch in range(epochs):
        for batch in loader.epoch(epoch):
            yield batch.images.reshape(len(batch), -1)[:, order], batch.labels


weight, bias = np.zeros((784, Y), np.float32), np.zeros(Y, np.float32)
weight_velocity, bias_velocity = np.zeros_like(weight), np.zeros_like(bias)
own_losses = []
for pixels, labels in batches(epochs):
    rows = np.eye(Y, dtype=np.float32)[labels]
    logits = pixels @ weight + bias
    own_losses.append(-(rows * log_softmax(logits)).sum() / len(rows))
    dlogits = cross_entropy_backward(1.0, logits, rows)
    _, dweight = matmul_backward(dlogits, pixels, weight)
    dbias = unbroadcast(dlogits, bias.shape)
    weight, weight_velocity = sgd_momentum_step(weight, dweight, weight_velocity, 0.01, 0.9, 0.0)
    bias, bias_velocity = sgd_momentum_step(bias, dbias, bias_velocity, 0.01, 0.9, 0.0)

test_pixels = normalise(digits.test.images, digits.mean, digits.std).reshape(len(digits.test), -1)
linear_accuracy = np.mean((test_pixels @ weight + bias).argmax(axis=1) == digits.test.labels)
print(f"loss: first {own_losses[0]:.4f}, mean of the last epoch {np.mean(own_losses[-40:]):.3f}; "
      f"accuracy on 1,000 digits that it never saw: {linear_accuracy:.1%}")
claim("the first loss is ln 10, since all weights began at 0", abs(own_losses[0] - math.log(10)) < 1e-5)
claim("it reads more than 85 % of new digits", linear_accuracy > 0.85)

# %% [markdown]
# The weights of a class are a picture: bright where ink speaks for it, dark where ink speaks against it. A linear
# classifier lays this one template over every digit.

# %%
figure = Figure(figsize=(9, 4), layout="constrained")
limit = np.abs(weight).max()
panels = figure.subplots(2, 5)
for label, axes in enumerate(panels.flat):
    image = axes.imshow(weight[:, label].reshape(28, 28), cmap="gray", vmin=-limit, vmax=limit)
    axes.set_title(label)
    axes.axis("off")
figure.colorbar(image, ax=panels, label="weight")
show(figure, "03-templates", alt="Ten small pictures of weights, one a digit. The 0 has a dark hole in the middle of a "
                                 "bright ring; the others are blurred, with traces of strokes.")

# %% [markdown]
# ## The same with modules
#
# Carrying every array by hand does not scale. A `Module` is a function with parameters: it finds them among its
# attributes, by name. An optimizer takes the module and keeps velocities for all of them. `loss.backward()` is the walk
# of lesson 1. What remains is the loop that trains everything in minivit, vision transformers included.


# %%
class LinearClassifier(Module):
    """Scores (B, Y) of images (B, 784): one weighted sum for each class."""

    def __init__(self):
        self.weight = Parameter(np.zeros((Y, 784), np.float32))     # stored (out, in), as PyTorch does
        self.bias = Parameter(np.zeros(Y, np.float32))

    def forward(self, pixels):
        return ops.linear(pixels, self.weight, self.bias)


def train(model, optimizer, epochs, order=slice(None)):
    """The losses of all steps."""
    losses = []
    for pixels, labels in batches(epochs, order):
        optimizer.zero_grad()
        loss = ops.cross_entropy(model(Tensor(pixels)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def accuracy(model):
    """The share of test digits that the model reads rightly."""
    with no_grad():
        return np.mean(model(Tensor(test_pixels)).data.argmax(axis=1) == digits.test.labels)


model = LinearClassifier()
losses = train(model, SGD(model, lr=0.01, momentum=0.9), epochs)
claim("the losses of all steps are those of your own functions", np.allclose(losses, own_losses, atol=1e-3))
claim("... and so are the weights", np.allclose(model.weight.data, weight.T, atol=1e-3))

# %% [markdown]
# The parameters of a module, by name, are its **state**: all that needs to be saved, and all that another module of the
# same shape needs to be the same.

# %%
for name, array in model.state_dict().items():
    print(f"{name:<8} {array.shape}")
copy = LinearClassifier()
copy.load_state_dict(model.state_dict())
claim("it has 784 * 10 + 10 = 7,850 parameters", model.num_parameters() == 7850)
claim("a new module with this state scores as the old one", accuracy(copy) == accuracy(model))

# %% [markdown]
# In minivit an operation is a pair of functions, forward and backward (lesson 2), and for a block of code another pair
# can be laid over it. So your gradient can train minivit's module:


# %%
def backward(ctx, dloss):
    logp, rows = ctx.saved                          # logits too: only differences count, and softmax of log p is p
    return cross_entropy_backward(float(dloss), logp, rows), None


model = LinearClassifier()
with using("array", {"cross_entropy": (CrossEntropy.forward, backward)}):
    losses_with_yours = train(model, SGD(model, lr=0.01, momentum=0.9), 1)
claim("minivit trains the same with your gradient of cross-entropy",
      np.allclose(losses_with_yours, losses[:len(losses_with_yours)], atol=1e-4))

# %% [markdown]
# ## Adam, and what its decay should be
#
# With SGD, a parameter whose gradient is a thousand times smaller moves a thousand times less. Adam asks of each
# parameter only in which *direction* it should go, and how sure that is: a running mean m of the gradient, divided by
# the root of a running mean v of its square. If the gradient is steady, m / sqrt(v) is near 1 or -1, whatever its size.
# If it is noise, m is near 0. (m and v begin at 0, so in the first steps both are too small; the exercise says by what
# they are divided to mend that.)
#
# There are two ways to write weight decay. **They are the same for SGD without momentum, and not for Adam**,
# although many tutorials and some frameworks call both "weight decay":
#
#     L2           g = g + weight_decay * p,  then Adam        the pull is divided by sqrt(v) as well
#     decoupled    Adam,  then p = p - lr * weight_decay * p   the pull is the same for all: this is AdamW

# %% [markdown]
# **Exercise `adamw_step`** (20 min): write a step of AdamW. `minivit learn check adamw_step`

# %%
adamw_step = learn.use("adamw_step")
p, m, v = rng.standard_normal(6), np.zeros(6), np.zeros(6)
parameter = Parameter(p.copy())
optimizer = AdamW([("p", parameter)], lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.5)
for t in range(1, 21):
    g = rng.standard_normal(6)
    p, m, v = adamw_step(p, g, m, v, t, 0.1, 0.9, 0.999, 1e-8, 0.5)
    parameter.grad = g
    optimizer.step()
claim("after 20 steps it is where minivit's AdamW is", np.allclose(p, parameter.data, atol=1e-12))

# %% [markdown]
# The difference, on two parameters that begin at the same place and see the same noise as gradients, but a hundred
# times larger for the first. Neither is of any use, so decay should shrink both, and by as much.


# %%
def after_noise(kind, weight_decay):
    """Where two parameters end that begin at 1, after 300 steps of noise: a hundred times larger for the first."""
    parameter = Parameter(np.ones(2))
    optimizer = kind([("p", parameter)], lr=0.01, weight_decay=weight_decay)
    for number in np.random.default_rng(1).standard_normal(300):
        parameter.grad = number * np.array([10.0, 0.1])
        optimizer.step()
    return parameter.data


lost = {kind: after_noise(kind, 0.0) - after_noise(kind, 0.3) for kind in (Adam, AdamW)}
for kind, (large, small) in lost.items():
    print(f"{kind.__name__:<6} decay takes {large:.3f} from the one with large gradients, {small:.3f} from the other")
claim("decoupled, both lose the same", abs(lost[AdamW][0] - lost[AdamW][1]) < 1e-3)
claim("as L2, the one with large gradients loses less than a fifth of what the other does",
      lost[Adam][0] < 0.2 * lost[Adam][1])


# %% [markdown]
# ## A hidden layer, and the learning rate
#
# One template for each digit is too few: there are many ways to write a 4. A **multi-layer perceptron** (MLP) looks for
# 128 patterns first, keeps what is positive (`relu`), and lets each class weigh these instead of pixels.
#
# No number matters more than the learning rate. Five of them, each ten times the last:


# %%
class MLP(Module):
    """Scores (B, Y) of images (B, 784), by way of 128 patterns."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.fc1, self.fc2 = Linear(784, 128, rng), Linear(128, Y, rng)

    def forward(self, pixels):
        return self.fc2(ops.relu(self.fc1(pixels)))


class Watched(AdamW):
    """AdamW that notes how far each step moves a weight matrix, relative to the matrix."""

    def __init__(self, model, lr):
        super().__init__(model, lr)
        self.watched, self.ratios = model.fc1.weight, []

    def step(self):
        before = self.watched.data.copy()
        super().step()
        self.ratios.append(np.linalg.norm(self.watched.data - before) / np.linalg.norm(before))


began, curves, moved = time.perf_counter(), {}, {}
for rate in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
    model = MLP(seed=0)
    optimizer = Watched(model, rate)
    curves[rate] = train(model, optimizer, 1 if FAST else 3)
    moved[rate] = np.median(optimizer.ratios)
    print(f"lr {rate:.0e}: loss of the last 20 steps {np.mean(curves[rate][-20:]):6.3f}; "
          f"a step moves the weights by {moved[rate]:.0e} of their size")
print(f"{sum(map(len, curves.values()))} steps in {time.perf_counter() - began:.1f} s")

# %%
figure = Figure(figsize=(7, 4.2))
axes = figure.subplots()
for (rate, curve), style in zip(curves.items(), (":", "--", "-", "-.", (0, (1, 4)))):
    smooth = np.convolve(curve, np.full(5, 0.2), mode="valid")
    axes.semilogy(smooth, linestyle=style, linewidth=2, label=f"{rate:.0e}")
axes.axhline(math.log(10), color="0.6", linewidth=1)
axes.text(len(smooth), math.log(10), "ln 10", ha="right", va="top", color="0.4")
axes.set(xlabel="step", ylabel="loss (nats, mean of 5 steps)", title="The same network, five learning rates")
axes.legend(title="learning rate")
show(figure, "03-learning-rates", alt="Loss against step, five curves: 1e-5 hardly falls; 1e-4 falls slowly; 1e-3 and "
                                      "1e-2 fall fast; 1e-1 jumps far above ln 10 and ends far above these.")

last = {rate: np.mean(curve[-20:]) for rate, curve in curves.items()}
claim("1e-3 and 1e-2 learn fastest: too small a rate crawls, too large a one throws the network off",
      max(last[1e-3], last[1e-2]) < 0.75 * min(last[1e-5], last[1e-4], last[1e-1]))
claim("1e-1 jumps to more than twice ln 10", max(curves[1e-1]) > 2 * math.log(10))

# %% [markdown]
# The last column is the **update-to-weight ratio**: how far a step moves a matrix, relative to the matrix. It has no
# unit, and can be read from the first steps, without another run to compare with. A rule of thumb (from the course
# CS231n) says about one thousandth. Here, early in training, the rates that work move the weights by some thousandths
# to some hundredths, and one that moves them by a ten-thousandth is asleep. The ratio does not warn of 1e-1: there the
# weights have grown with the steps. That, the loss shows.

# %%
claim("with lr = 1e-3 a step moves the weights by 0.1 % to 3 %", 1e-3 < moved[1e-3] < 3e-2)
claim("with lr = 1e-5 it moves them by less than 0.05 %", moved[1e-5] < 5e-4)

# %% [markdown]
# Now train one properly, and compare it with the linear classifier. 1,000 test digits are a sample: an accuracy a has
# the standard error sqrt(a (1 - a) / 1000), so a difference of a point may be luck.

# %%
model = MLP(seed=0)
losses = train(model, AdamW(model, lr=3e-3), 8 if FAST else 20)
mlp_accuracy = accuracy(model)
error = math.sqrt(mlp_accuracy * (1 - mlp_accuracy) / len(digits.test))
print(f"first loss {losses[0]:.2f}, mean of the last epoch {np.mean(losses[-40:]):.3f}; accuracy {mlp_accuracy:.1%} "
      f"+- {error:.1%}, against {linear_accuracy:.1%} of the linear one")
claim("the MLP reads more than 91 % of new digits", mlp_accuracy > 0.91)
claim("it reads at least one in a hundred more than the linear classifier", mlp_accuracy > linear_accuracy + 0.01)

# %% [markdown]
# Its first loss was well above ln 10: minivit's `Linear` begins with random weights, so the untrained network has
# opinions. And what does it still mistake for what?

# %%
with no_grad():
    said = model(Tensor(test_pixels)).data.argmax(axis=1)
confusion = np.zeros((Y, Y), int)
np.add.at(confusion, (digits.test.labels, said), 1)
mistakes = confusion - np.diag(np.diag(confusion))
for truth, answer in list(zip(*np.unravel_index(np.argsort(-mistakes, axis=None), mistakes.shape)))[:3]:
    print(f"{truth} taken for {answer}: {mistakes[truth, answer]} of 100")
claim("the table of mistakes adds up", mistakes.sum() == round((1 - mlp_accuracy) * len(digits.test)))

# %% [markdown]
# ## What these networks do not see
#
# Shuffle the 784 pixels, all digits in the same way, until no person can read them. To these networks nothing has
# changed: a weight belongs to a pixel, wherever that pixel is. Neighbours mean nothing to them.

# %%
model = LinearClassifier()
shuffled = train(model, SGD(model, lr=0.01, momentum=0.9), 1, order=rng.permutation(784))
claim("with shuffled pixels the linear classifier learns just as before",
      np.allclose(shuffled, own_losses[:len(shuffled)], atol=1e-4))

# %% [markdown]
# ## What you can do now
#
# You can turn scores into probabilities without overflow, say what a loss of 2.3026 means, write the gradient of
# cross-entropy from memory, and train a network with a loop that you understand to the last line. You know which
# learning rate to suspect, and from what.
#
# **Read in minivit**: `minivit/ops/softmax.py`, `minivit/ops/cross_entropy.py`, `minivit/nn/module.py`,
# `minivit/optim/optimizers.py`, `minivit/train/loop.py` (this loop, as `minivit train` runs it).
#
# **Sources**: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs" (softmax with
# cross-entropy); Sutskever et al. 2013, "On the importance of initialization and momentum"; Kingma and Ba 2014, arXiv
# 1412.6980, algorithm 1 (Adam); Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2 (AdamW); LeCun, Cortes and
# Burges, "The MNIST database of handwritten digits".
#
# **Next**: lesson 4. A network that knows what is next to what: convolution.

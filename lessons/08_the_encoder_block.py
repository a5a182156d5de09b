# %% [markdown]
# # Lesson 8: the encoder block
#
# A Vision Transformer is one block, repeated. Attention you know; here come the other parts, layer norm, GELU and the
# two skips, with the gradients of the first two. Then we take parts away and look at what breaks.
#
# - **Time**: 35 minutes to read, 55 for the exercises. Computing: 50 s (fast mode: 6 s).
# - **Before**: attention and its gradient (lessons 5 and 7), the chain rule for arrays (lesson 2).
# - **You will have written**: layer norm and its gradient, GELU's gradient, and the block.

# %%
import math

import numpy as np
from matplotlib.figure import Figure

from minivit import Tensor, learn, ops
from minivit.data import Loader, Split, mnist5k
from minivit.learn.lesson import FAST, claim, show
from minivit.models import ViTConfig, create
from minivit.optim import AdamW
from minivit.train import Classification, Workers, train_epoch

rng = np.random.default_rng(8)

# %% [markdown]
# ## Layer norm
#
# A token is a row of D numbers. Layer norm shifts it to mean 0, scales it to variance 1, and then gives each of the D
# places a learned scale gamma and a learned offset beta:
#
#     xhat = (x - mean) / sqrt(var + eps)        mean and var over the D numbers of one token
#     y    = xhat * gamma + beta
#
# var is the mean of (x - mean)^2, divided by D, not by D - 1. The small eps, 1e-6 in ViT, keeps a token of equal
# numbers from dividing 0 by 0. No other token is asked, and no other image: what comes out for an image does not depend
# on its neighbours in the batch.

# %% [markdown]
# **Exercise `layernorm_forward`** (10 min): the two lines above. `minivit learn check layernorm_forward`

# %%
layernorm_forward = learn.use("layernorm_forward")

B, N, D, eps = 2, 3, 8, 1e-6
x = 3 * rng.standard_normal((B, N, D)) + 5
gamma, beta = rng.standard_normal((2, D))

plain = layernorm_forward(x, np.ones(D), np.zeros(D), eps)
claim("each token comes out with mean 0 and variance 1",
      np.abs(plain.mean(axis=-1)).max() < 1e-12 and np.abs(plain.var(axis=-1) - 1).max() < 1e-5)
y = layernorm_forward(x, gamma, beta, eps)
claim("with gamma and beta it is minivit's",
      np.abs(y - ops.layernorm(Tensor(x), Tensor(gamma), Tensor(beta), eps).data).max() < 1e-9)
claim("a token that is doubled and shifted gives (but for eps) the same",
      np.abs(layernorm_forward(2 * x + 100, gamma, beta, eps) - y).max() < 1e-5)

# %% [markdown]
# ## Backward through layer norm
#
# From y to xhat and the parameters it is lesson 2: a product and a sum. gamma and beta serve every token, so their
# gradients gather from all of them.
#
#     dxhat = dy * gamma        dgamma = sum of dy * xhat over all tokens        dbeta = sum of dy over all tokens
#
# From xhat to x there are three ways. With rstd = 1 / sqrt(var + eps), an x_j of a token moves
#
#     its own xhat_j      by rstd
#     the mean            by 1 / D, and with it every xhat_i by -rstd / D
#     the variance        by 2 (x_j - mean) / D, so rstd by -rstd^2 xhat_j / D, and so xhat_i by -rstd xhat_i xhat_j / D
#
# In one line, and then summed over i, as for softmax in lesson 7:
#
#     dxhat_i / dx_j = rstd (delta_ij - 1 / D - xhat_i xhat_j / D)        delta_ij is 1 for i = j, else 0
#
#     dx = rstd (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat))        both means over the token

# %% [markdown]
# **Exercise `layernorm_backward`** (25 min): dx, dgamma and dbeta. `minivit learn check layernorm_backward`

# %%
layernorm_backward = learn.use("layernorm_backward")

rstd = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
xhat = (x - x.mean(axis=-1, keepdims=True)) * rstd
dy = rng.standard_normal((B, N, D))
dx, dgamma, dbeta = layernorm_backward(dy, xhat, rstd, gamma)

leaves = [Tensor(array, requires_grad=True) for array in (x, gamma, beta)]
ops.layernorm(*leaves, eps).backward(dy)
for name, own, leaf in zip(("dx", "dgamma", "dbeta"), (dx, dgamma, dbeta), leaves):
    claim(f"{name} is minivit's", np.abs(own - leaf.grad).max() < 1e-9)

# %% [markdown]
# Look at dx as a vector of D numbers. Subtracting mean(dxhat) takes away its part along (1, ..., 1), subtracting xhat *
# mean(dxhat * xhat) its part along xhat. It must be so: layer norm does not see a shift of a token, nor a scaling, so
# no gradient may ask for one. What a function ignores, its gradient is orthogonal to. (The row of zeros in softmax's
# gradient was the same.)

# %%
claim("dx has no part along (1, ..., 1)", np.abs(dx.sum(axis=-1)).max() < 1e-9)
claim("and none along xhat, but for eps", np.abs((dx * xhat).sum(axis=-1)).max() < 1e-5)
lazy = dy * gamma * rstd                                # mean and variance taken for constants
error = np.linalg.norm(lazy - dx) / np.linalg.norm(dx)
print(f"without the two mean terms, dx is off by {error:.0%} of its length")
claim("leaving out the two mean terms is no small matter", error > 0.2)

# %% [markdown]
# ## GELU
#
# Between the two layers of the MLP stands a function of one number. ReLU lets a number pass or not. GELU multiplies it
# with the probability that a standard normal number is smaller:
#
#     y = x Phi(x)        Phi(x) = (1 + erf(x / sqrt(2))) / 2
#
# Phi goes smoothly from 0 to 1, so GELU is ReLU with the corner rounded off. Its slope is that of a product, with the
# bell curve phi, the derivative of Phi:
#
#     dy/dx = Phi(x) + x phi(x)        phi(x) = exp(-x^2 / 2) / sqrt(2 pi)

# %% [markdown]
# **Exercise `gelu_backward`** (10 min): dx from dy and x. `minivit learn check gelu_backward`

# %%
gelu_backward = learn.use("gelu_backward")

grid = np.linspace(-6, 6, 12001)
leaf = Tensor(grid, requires_grad=True)
exact = ops.gelu(leaf)
exact.backward(np.ones_like(grid))
slope = gelu_backward(np.ones_like(grid), grid)
claim("your slope is minivit's, on 12,001 numbers from -6 to 6", np.abs(slope - leaf.grad).max() < 1e-12)
claim("the slope of GELU goes beyond 1, to 1.13, and below 0, to -0.13",
      1.128 < slope.max() < 1.13 and -0.13 < slope.min() < -0.128)

# %% [markdown]
# There are two GELUs. erf used to be slow, so the paper gave an approximation with tanh, and Google's ViT uses that
# one, while timm (the library of most published weights), DeiT and Hugging Face use erf. Weights that were trained with
# one run with the other without an error, and give slightly different results. minivit has both: `gelu="none"` (no
# approximation) and `gelu="tanh"`.

# %%
tanh = ops.gelu(Tensor(grid), approximate="tanh").data
difference = np.abs(exact.data - tanh)
print(f"largest difference {difference.max():.2e}, at x = {abs(grid[difference.argmax()]):.2f}")
claim("the two differ by at most 4.74e-4", 4.72e-4 < difference.max() < 4.74e-4)

figure = Figure(figsize=(9, 3.2), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(grid, exact.data, color="#0072b2", label="GELU")
left.plot(grid, np.maximum(grid, 0), color="black", linestyle=":", label="ReLU")
left.plot(grid, slope, color="#d55e00", linestyle="--", label="slope of GELU")
left.set(xlim=(-4, 3), ylim=(-0.6, 3), xlabel="x")
left.legend()
right.plot(grid, 1e4 * difference, color="#0072b2")
right.set(xlabel="x", ylabel="|erf form - tanh form|, in 1e-4", ylim=(0, None))
for axis in (left, right):
    axis.grid(alpha=0.3)
show(figure, "08-gelu", alt="Left: GELU follows ReLU except near 0, where it dips a little below 0; its slope rises "
     "from 0 past 1 and returns to 1. Right: the difference of the two forms, four humps below 5e-4.")

# %% [markdown]
# The MLP of a block is then: a linear layer from D to F numbers (F = 4 D in ViT), GELU, a linear layer back to D, on
# every token by itself. Attention moves things between tokens, the MLP works on what has arrived.
#
# One reads of "GELU in the MLP head" of ViT. The MLP in each *block* has GELU. The hidden layer that the *head* has
# during pre-training uses tanh, in Google's code as in the paper's appendix D.3; after fine-tuning there is no hidden
# layer at all. So minivit's default is no hidden layer, and tanh if there is one.

# %%
print(f"hidden layer of the head: {ViTConfig().representation_size}, with {ViTConfig().representation_act}")
claim("in minivit the head's hidden layer, where one is asked for, has tanh", ViTConfig().representation_act == "tanh")

# %% [markdown]
# ## The block
#
# Now all parts in their places (the paper's eq. 2 and 3):
#
#     z'  = z + Attention(LN(z))
#     z'' = z' + MLP(LN(z'))
#
# z is called the residual stream. Each branch reads a normalised copy of it and adds what it has found; nothing stands
# in the stream itself. "The skip occurs after the MLP", say some tutorials. There are two skips in a block, one around
# attention and one around the MLP, and we shall see what becomes of a ViT that has only the second.

# %% [markdown]
# **Exercise `block_forward`** (10 min): these two lines, from the four parts. `minivit learn check block_forward`

# %%
block_forward = learn.use("block_forward")

block = create("vit_nano_patch7_28", seed=0).astype(np.float64).blocks[0]
z = rng.standard_normal((2, 17, 64))


def on_arrays(module):
    """A module as a function from array to array."""
    return lambda array: module(Tensor(array)).data


own = block_forward(z, on_arrays(block.norm1), on_arrays(block.attn), on_arrays(block.norm2), on_arrays(block.mlp))
claim("your block is minivit's", np.abs(own - block(Tensor(z)).data).max() < 1e-12)

# %% [markdown]
# ## What norms do, and what skips do
#
# Twelve blocks in a row, fresh from their random start, in five versions. Post-norm is the block of 2017: the norms
# stand in the stream, after the additions.


# %%
def pre_norm(z, block):
    z = z + block.attn(block.norm1(z))
    return z + block.mlp(block.norm2(z))


def post_norm(z, block):
    z = block.norm1(z + block.attn(z))
    return block.norm2(z + block.mlp(z))


def norms_alone(z, block):
    return block.mlp(block.norm2(block.attn(block.norm1(z))))


def skips_alone(z, block):
    z = z + block.attn(z)
    return z + block.mlp(z)


def neither(z, block):
    return block.mlp(block.attn(z))


# %% [markdown]
# We send 32 digits through, and a gradient back, and measure two things before each block. How large is the gradient
# that arrives there, compared with the last block's? And how different are the tokens of an image from each other? That
# is, how much of them is left when their mean is taken away:
#
#     spread(z) = |z - mean over tokens of z| / |z|


# %%
def spread(z):
    return np.linalg.norm(z - z.mean(axis=1, keepdims=True)) / np.linalg.norm(z)


DEPTH = 12
data = mnist5k()
batch = next(Loader(data.train, 32, data.mean, data.std).epoch(0))


def measure(version):
    """(norms of the gradient, spreads) before each of the 12 blocks."""
    model = create("vit_nano_patch7_28", seed=0, depth=DEPTH, zero_head=False)
    streams = [model.embed(Tensor(batch.images)).retain_grad()]
    for block in model.blocks:
        streams.append(version(streams[-1], block).retain_grad())
    ops.cross_entropy(model.classify(streams[-1]), batch.labels).backward()
    norms = np.array([np.linalg.norm(z.grad) for z in streams[:-1]])
    return norms / norms[-1], np.array([spread(z.data) for z in streams[:-1]])


with Workers(1):                                        # small products: one thread for each is fastest
    found = {version.__name__: measure(version) for version in (pre_norm, post_norm, norms_alone, skips_alone, neither)}
print("                gradient, first : last block    spread before the last block")
for name, (norms, spreads) in found.items():
    print(f"{name:>14} {norms[0]:>26.2g} {spreads[-1]:>30.2g}")

# %% [markdown]
# With neither, the gradient shrinks block by block until almost nothing arrives at the first: the vanishing gradient of
# the textbooks. Skips alone turn it round: the stream grows with every block, and so does the gradient. Norms alone do
# keep the gradient's size: dividing by a small deviation on the way forward multiplies the gradient on the way back. So
# a fresh transformer, which has its norms, does not need skips lest the gradient vanish, though one reads that.
# Something else goes wrong, and the second column shows it: without skips all tokens of an image become one and the
# same, after a few blocks. Attention takes means, and means of means are all alike. What the patches had to say is
# lost; for attention alone, Dong et al. 2021 prove that it is lost doubly exponentially in the depth.
#
# Skips keep the tokens apart, norms keep the numbers in size. A block needs both.

# %%
gradient = {name: norms[0] for name, (norms, _) in found.items()}
apart = {name: spreads[-1] for name, (_, spreads) in found.items()}
claim("with neither, less than a hundredth of the gradient reaches the first block", gradient["neither"] < 0.01)
claim("with skips alone, it grows more than a thousandfold", gradient["skips_alone"] > 1000)
claim("with norms, it stays within a factor of 50, with skips or without",
      all(0.02 < gradient[name] < 50 for name in ("pre_norm", "post_norm", "norms_alone")))
claim("without skips, the tokens of an image differ by less than a thousandth",
      max(apart["norms_alone"], apart["neither"]) < 1e-3)
claim("pre-norm keeps them apart, and better than post-norm",
      apart["pre_norm"] > 0.2 and apart["pre_norm"] > 2 * apart["post_norm"])

# %% [markdown]
# ## Does it learn?
#
# Three versions are models that minivit can build, by switches of `ViTConfig`: pre-norm, post-norm, and a ViT that has
# only the skip "after the MLP", none around attention. Each gets 32 digits to learn by heart, which takes no talent,
# only a gradient that says something: a check worth making of any new model. The learning rate, 8e-3, is large for a
# transformer, and there is no warm-up. (In the full mode, two smaller ones too.)

# %%
rates, steps = ((8e-3,), 20) if FAST else ((5e-4, 2e-3, 8e-3), 80)
switches = {"pre-norm": {}, "post-norm": {"norm_first": False}, "only the skip after the MLP": {"attn_residual": False}}
few = Split(data.train.images[:32], data.train.labels[:32])
losses = {}
with Workers() as workers:
    for name, changes in switches.items():
        for rate in rates:
            model = create("vit_nano_patch7_28", seed=0, depth=DEPTH, **changes)
            loader, optimizer = Loader(few, 32, data.mean, data.std), AdamW(model)
            losses[name, rate] = [result.loss for step in range(steps) for result in train_epoch(
                model, loader.epoch(step), Classification(), optimizer, lambda _: rate, workers=workers)]
            print(f"{name:>28} at {rate:.0e}: loss {losses[name, rate][-1]:.3f} after {steps} steps")

# %%
last = {key: np.mean(curve[-4:]) for key, curve in losses.items()}
claim("pre-norm learns them by heart", last["pre-norm", 8e-3] < (1.6 if FAST else 0.5))
for name in ("post-norm", "only the skip after the MLP"):
    claim(f"{name}: at this rate it does little better than guessing", last[name, 8e-3] > 1.6)
if not FAST:
    claim("at a sixteenth of the rate all three learn", max(last[name, 5e-4] for name in switches) < 1.5)

# %% [markdown]
# That is what two skips and the norms' place are worth: not that nothing else could ever learn, but that this one
# learns at rates at which the others do not. Post-norm can be trained with a warm-up, during which the rate rises from
# almost 0 (Xiong et al. 2020); that is how the transformer of 2017 did it. ViT and most of its successors are pre-norm.

# %%
styles = {"pre_norm": ("#0072b2", "-"), "post_norm": ("#d55e00", "--"), "norms_alone": ("#009e73", "-."),
          "skips_alone": ("#cc79a7", ":"), "neither": ("black", (0, (1, 3)))}
figure = Figure(figsize=(11, 3.6), layout="constrained")
size, spreading, learning = figure.subplots(1, 3)
for name, (norms, spreads) in found.items():
    color, line = styles[name]
    for axis, values in ((size, norms), (spreading, spreads)):
        axis.semilogy(range(DEPTH), values, color=color, linestyle=line, label=name.replace("_", " "))
size.set(xlabel="block", ylabel="gradient before it, last block = 1")
spreading.set(xlabel="block", ylabel="spread of the tokens before it")
size.legend(fontsize=8)
for name, (color, line) in zip(switches, (styles["pre_norm"], styles["post_norm"], ("#777777", "-."))):
    learning.plot(losses[name, 8e-3], color=color, linestyle=line, label=name)
learning.axhline(math.log(10), color="black", linewidth=0.5)
learning.set(xlabel="step", ylabel="cross-entropy (nats)", ylim=(0, 4))
learning.legend(fontsize=8)
for axis in (size, spreading, learning):
    axis.grid(alpha=0.3)
show(figure, "08-depth", alt="Left: gradient before each of 12 blocks, level with norms, rising to the left with skips "
     "alone, falling to the left with neither. Middle: spread of tokens, which drops to nothing without skips. Right: "
     "loss of 32 digits, falling for pre-norm, flat at ln 10 for post-norm and without the skip around attention.")

# %% [markdown]
# ## What you can do now
#
# Write layer norm and its gradient, and say where its two mean terms come from; tell the two GELUs apart; put a block
# together, and say what its norms are for and what its skips are for.
#
# **Explains** `minivit/ops/layernorm.py`, `minivit/ops/gelu.py`, `minivit/nn/transformer.py` (the MLP) and
# `minivit/models/blocks.py`.
#
# **Sources.** Ba, Kiros and Hinton 2016, "Layer normalization", arXiv 1607.06450, eq. 4. Hendrycks and Gimpel 2016,
# "Gaussian error linear units", arXiv 1606.08415, section 2. Dosovitskiy et al. 2020, arXiv 2010.11929, eq. 2-3. Xiong
# et al. 2020, "On layer normalization in the transformer architecture", arXiv 2002.04745 (pre-norm and post-norm). Dong
# et al. 2021, "Attention is not all you need", arXiv 2103.03404 (tokens that become alike).
#
# **Next**: lesson 9, your first ViT: all of it together, and trained.

# %% [markdown]
# # Lesson 7: attention's backward, by hand
#
# Autograd carries gradients back through attention, step by step. Here you do it yourself, on paper and in NumPy, and
# find that the many steps become few: the kernel with which minivit trains.
#
# - **Time**: 30 minutes to read, 55 for the exercises. Computing: 15 s (fast mode: 4 s).
# - **Before**: the gradient of a matrix product (lesson 2), softmax (lesson 3), attention forward (lesson 5).
# - **You will have written**: the gradients of softmax, of attention, and of splitting tokens into heads.

# %%
import math

import numpy as np
from matplotlib.figure import Figure

from minivit import Tensor, learn, ops, tape, using
from minivit.data import Loader, Split, mnist5k
from minivit.gradcheck import compare, gradcheck
from minivit.gradcheck.cases import CASES
from minivit.learn.lesson import FAST, claim, show
from minivit.models import create
from minivit.ops.attention import Attention
from minivit.optim import AdamW
from minivit.train import Classification, Workers, train_epoch

rng = np.random.default_rng(7)

# %% [markdown]
# ## The way forward
#
# Lesson 5 in three lines. Queries q look at keys k; what they find is a weighted mean of the values v:
#
#     S = q k^T / sqrt(K)        scores
#     P = softmax(S)             weights: a row for each query, over the keys, adding up to 1
#     y = P v                    the result
#
# All of q, k, v are (B, H, N, K): B images, H heads, N tokens, K numbers for each token in each head. S and P are (B,
# H, N, N). The matrices are the last two axes; B and H only say how many there are.

# %%
B, H, N, K = 2, 3, 5, 4
q, k, v, dy = rng.standard_normal((4, B, H, N, K))      # dy: the gradient that arrives at y, some day


def transposed(matrices):
    """The last two axes exchanged."""
    return matrices.swapaxes(-1, -2)


scale = 1 / math.sqrt(K)
S = q @ transposed(k) * scale
P = np.exp(S - S.max(axis=-1, keepdims=True))
P /= P.sum(axis=-1, keepdims=True)
y = P @ v

leaves = [Tensor(array, requires_grad=True) for array in (q, k, v)]
claim("these lines compute minivit's attention", np.abs(ops.attention(*leaves).data - y).max() < 1e-12)

# %% [markdown]
# ## What autograd does with it
#
# Written in Tensor arithmetic, attention leaves a node on the tape for every step. `using("composed")` asks for that
# form. Its gradients are right, because each step's is, and they are what we shall compare with.

# %%
with using("composed"):
    result = ops.attention(*leaves)
steps = [node.name for node in tape.walk(result.edge)]
result.backward(dy)
true_dq, true_dk, true_dv = (leaf.grad for leaf in leaves)

print(f"{len(steps)} nodes, from the last to the first: {', '.join(steps)}")
claim("composed attention goes back in eight steps, minivit's kernel in one",
      len(steps) == 8 and len(tape.walk(ops.attention(*leaves).edge)) == 1)

# %% [markdown]
# ## The last step first: y = P v
#
# A product of two matrices. Lesson 2 has the rule: each factor's gradient is the arriving one times the other factor,
# transposed so that the shapes fit.
#
#     dP = dy v^T        dv = P^T dy
#
# In words: value m went into the result of every query n, P[n, m] times. So its gradient gathers from every query, with
# the same weights. Forward, query n reads row n of P; backward, value m reads column m. That is all the transpose says.

# %%
dP = dy @ transposed(v)
dv = transposed(P) @ dy

claim("dv = P^T dy is what autograd found", np.abs(dv - true_dv).max() < 1e-12)
claim("with P in place of P^T it is something else, of the same shape",
      (P @ dy).shape == dv.shape and np.abs(P @ dy - true_dv).max() > 0.1)

# %% [markdown]
# ## Through softmax
#
# Now one row: scores s, weights p, with p_i = exp(s_i) / sum_j exp(s_j). Raise one score, and its own weight rises. But
# a row adds up to 1, so all the other weights must fall. The derivatives are a whole matrix:
#
#     dp_i / ds_j = p_i (1 - p_i)     for i = j
#                 = -p_i p_j          for all others
#
# "The derivative of softmax is p (1 - p)", one can read. That is the diagonal alone, the derivative of a sigmoid.

# %%
p = P[0, 0, 0]
jacobian = np.diag(p) - np.outer(p, p)
print(jacobian.round(3))
claim("every row and every column of it adds up to 0",
      max(np.abs(jacobian.sum(axis=axis)).max() for axis in (0, 1)) < 1e-12)

# %% [markdown]
# With a slash, d means a derivative; without one, dp is a gradient, here the one that arrives at the weights. What
# arrives at score j is the sum over all the weights that it moved:
#
#     ds_j = sum_i dp_i dp_i/ds_j = p_j (dp_j - sum_i dp_i p_i)
#
# The second term is one number for the whole row: the mean of dp, weighted by p. What counts for a score is how far its
# own dp lies from this mean. So there is no need to build the matrix.

# %% [markdown]
# **Exercise `softmax_backward`** (15 min): write this for the last axis of an array of any shape.
# `minivit learn check softmax_backward`

# %%
softmax_backward = learn.use("softmax_backward")

dS = softmax_backward(dP, P)
claim("a row of it is the matrix above times a row of dP", np.abs(dS[0, 0, 0] - jacobian @ dP[0, 0, 0]).max() < 1e-12)
claim("each row of dS adds up to 0: attention can be moved from key to key, but not made more",
      np.abs(dS.sum(axis=-1)).max() < 1e-12)
claim("where dP is 1 everywhere, dS is 0 everywhere", np.abs(softmax_backward(np.ones_like(P), P)).max() < 1e-12)

# %% [markdown]
# The last claim has a sting. Who checks a softmax by the gradient of `weights.sum()` sends in a dP of ones, and any
# answer that returns zeros passes. Hence the random dy of minivit's gradient checker, and in this lesson.
#
# What if the row's mean is left out? The picture shows one head. The error is P times the mean: it is everywhere, and
# largest where the head looks most.

# %%
head = (0, 1)
panels = {"dS": dS[head], "without the row's mean": (P * dP)[head], "error": (P * dP - dS)[head]}
limit = max(np.abs(panel).max() for panel in panels.values())
figure = Figure(figsize=(9, 3.2), layout="constrained")
for axis, (title, panel) in zip(figure.subplots(1, 3), panels.items()):
    drawn = axis.imshow(panel, cmap="PuOr", vmin=-limit, vmax=limit)
    axis.set(title=title, xlabel="key", ylabel="query", xticks=range(N), yticks=range(N))
    for n, m in np.ndindex(panel.shape):
        axis.text(m, n, f"{panel[n, m]:.2f}", ha="center", va="center", fontsize=7,
                  color="white" if abs(panel[n, m]) > 0.6 * limit else "black")
figure.colorbar(drawn, ax=figure.axes, shrink=0.8, label="gradient of a score")
show(figure, "07-scores", alt="Three 5 by 5 maps, queries by keys, with numbers: the gradient of the scores of one "
     "head, the same without the row's mean, and the difference, which has one sign along each row.")
claim("the error of a score is its weight times the row's mean",
      np.abs((P * dP - dS) - P * (dP * P).sum(axis=-1, keepdims=True)).max() < 1e-12)

# %% [markdown]
# ## The mean is already there
#
# The row's mean of dP seems to need one more pass over all N x N weights. But look at what dP is:
#
#     sum_m dP_nm P_nm  =  sum_m (dy_n . v_m) P_nm  =  dy_n . (sum_m P_nm v_m)  =  dy_n . y_n
#
# So it is a dot product of two rows of K numbers, and y was computed anyway. FlashAttention (Dao et al. 2022) lives
# from this line: the mean was the only thing that tied one block of keys to the others.

# %%
claim("sum(dP * P) over the keys is dy . y", np.abs((dP * P).sum(axis=-1) - (dy * y).sum(axis=-1)).max() < 1e-12)
print(f"products for a query of ViT-B at 384 pixels: {24 * 24 + 1} by the first way, 64 by the second")

# %% [markdown]
# ## Through the scores
#
# One step is left, a product again, with a factor: S = q k^T / sqrt(K). The factor goes along with the gradient.
#
#     dq = dS k / sqrt(K)        dk = dS^T q / sqrt(K)
#
# Query n gathers from the keys it looked at, by row n of dS. Key m gathers from the queries that looked at it, by
# column m. And each contains the other factor: dq has k in it, dk has q.

# %% [markdown]
# **Exercise `attention_backward`** (25 min): put the steps together. `minivit learn check attention_backward`

# %%
attention_backward = learn.use("attention_backward")

dq, dk, dv = attention_backward(dy, q, k, v, P)
for name, own, true in (("dq", dq, true_dq), ("dk", dk, true_dk), ("dv", dv, true_dv)):
    claim(f"{name} is what autograd found in {len(steps)} steps", np.abs(own - true).max() < 1e-12)
claim("dk adds up to 0 over the keys: the same vector added to every key changes no weight",
      np.abs(dk.sum(axis=2)).max() < 1e-12)

# %% [markdown]
# ## Laid over minivit's
#
# An operation of minivit is a pair, forward and backward, and `using` lays another pair over it for a block of code.
# `ctx.saved` is what the forward pass has kept. So your function can stand where minivit's stands, and minivit's
# gradient checker, which knows only numbers, can look at it there.


# %%
def backward(ctx, dy):
    q, k, v, P, _, _ = ctx.saved
    return attention_backward(dy, q, k, v, P)


with using("array", {"attention": (Attention.forward, backward)}):
    report = gradcheck(ops.attention, {"q": q, "k": k, "v": v})
print(report)
claim("numerical differences agree with it, to a relative error of 1e-6", bool(report))

# %% [markdown]
# What was gained by hand? Fewer nodes, hence fewer arrays that are kept for the way back and fewer passes over memory.
# The same numbers for any operation: `minivit compare attention`. (Times depend on what else the machine does;
# minivit's kernel has the rows' means from dy . y, and works in place.)

# %%
reports = compare(CASES["attention"], (8, 4, 65, 16), forms=("composed", "array"))
forms = {report.form: report for report in reports}
for form in forms.values():
    print(f"{form.form:>9}: {form.nodes:2d} nodes, {form.saved_bytes / 1e6:.2f} MB kept, {form.milliseconds:.1f} ms")
claim("the kernel keeps less than 60 % of the bytes", forms["array"].saved_bytes < 0.6 * forms["composed"].saved_bytes)

# %% [markdown]
# ## Heads are views
#
# Where do q, k and v come from? Lesson 5 cut the result of a linear layer in three and split each into heads. The layer
# gives qkv (B, N, 3 * D), all of it at once, and D is H * K. So it takes no cutting, only another look: name the parts
# of the last axis, and move the axes.
#
#     (B, N, 3 * D)  reshape->  (B, N, 3, H, K)  transpose->  (3, B, H, N, K)

# %%
D = H * K
qkv = rng.standard_normal((B, N, 3 * D))
parts = qkv.reshape(B, N, 3, H, K).transpose(2, 0, 3, 1, 4)
claim("no number was copied: q, k and v are views of qkv", all(np.shares_memory(part, qkv) for part in parts))

# %% [markdown]
# Reshaping straight to (3, B, H, N, K) gives the same shape, no error, and another thing. Follow the tokens: give every
# number the number of its token, and look at the first head's queries.

# %%
tokens = np.broadcast_to(np.arange(N)[:, None], (B, N, 3 * D))
right = tokens.reshape(B, N, 3, H, K).transpose(2, 0, 3, 1, 4)[0, 0, 0]
wrong = tokens.reshape(3, B, H, N, K)[0, 0, 0]
print(f"with transpose, row n is of token {right[:, 0]}; without, of token {wrong[:, 0]}")
claim("with the transpose, row n of a head belongs to token n", (right == np.arange(N)[:, None]).all())
claim("without it, all rows of the first head's queries belong to token 0", (wrong == 0).all())

# %% [markdown]
# Splitting computes nothing, so its gradient computes nothing: every number goes back to its place. The other end of
# attention is the reverse: the heads' results (B, H, N, K) are merged into rows (B, N, D), and the gradient of merging
# is a split.

# %% [markdown]
# **Exercise `split_heads_backward`** (15 min): dqkv from dq, dk and dv. `minivit learn check split_heads_backward`

# %%
split_heads_backward = learn.use("split_heads_backward")
leaf = Tensor(qkv, requires_grad=True)
merged = ops.attention(*leaf.reshape(B, N, 3, H, K).transpose(2, 0, 3, 1, 4).unbind(0)).swapaxes(1, 2).reshape(B, N, D)
dmerged = rng.standard_normal((B, N, D))
merged.backward(dmerged)

q, k, v = parts
P = np.exp(q @ transposed(k) * scale)
P /= P.sum(axis=-1, keepdims=True)
dy = dmerged.reshape(B, N, H, K).swapaxes(1, 2)         # the gradient of merging
dqkv = split_heads_backward(*attention_backward(dy, q, k, v, P))
claim("from the merged result to qkv, three functions do what autograd does", np.abs(dqkv - leaf.grad).max() < 1e-12)

# %% [markdown]
# ## What the gradient asks of attention
#
# dS is worth looking at. Where it is negative, a higher score would lower the loss: "look here more". We train a small
# ViT for a moment (lesson 9 does it properly) and then catch P and dS in its last block, with a backward of our own
# that writes down what passes. There only the class token asks, since the head reads only its row. The digit in the
# picture is the one of twenty with the largest loss.

# %%
data = mnist5k()
model = create("vit_nano_patch7_28", seed=0)
count, epochs = (500, 3) if FAST else (4000, 5)
loader = Loader(Split(data.train.images[:count], data.train.labels[:count]), 25, data.mean, data.std)
optimizer = AdamW(model)
with Workers() as workers:
    for epoch in range(epochs):
        results = train_epoch(model, loader.epoch(epoch), Classification(), optimizer, schedule=lambda step: 2e-3,
                              workers=workers)
        losses = [result.loss for result in results]
print(f"loss of the last epoch: {np.mean(losses):.2f}")
claim("it has begun to learn: the loss is well below ln 10 = 2.30", np.mean(losses) < 1.9)

# %%
seen = []


def watched(ctx, dy):
    q, k, v, P, _, _ = ctx.saved
    seen.append((P, softmax_backward(dy @ transposed(v), P)))
    return attention_backward(dy, q, k, v, P)


batch = next(Loader(data.test, 1000, data.mean, data.std, shuffle=False).epoch(0))[:20]
with using("array", {"attention": (Attention.forward, watched)}):
    logits = model(Tensor(batch.images))
    ops.cross_entropy(logits, batch.labels).backward()
P, dS = seen[0]                                         # the last block comes first on the way back
print("P and dS of the class token:", P.shape, dS.shape)
claim("what one key gains the others lose: each row of dS adds up to 0", np.abs(dS.sum(axis=-1)).max() < 1e-6)

# %%
worst = int(np.argmax(-np.log(ops.softmax(logits).data[np.arange(20), batch.labels])))
image = batch.images[worst, 0]
figure = Figure(figsize=(9, 4.2), layout="constrained")
for row, (maps, title) in enumerate(((P, "weight"), (-dS, "wanted change"))):
    grids = maps[worst, :, 0, 1:].reshape(-1, 4, 4)     # of the 17 tokens, the 16 patches
    limit = np.abs(grids).max()
    for column, grid in enumerate(grids):
        axis = figure.add_subplot(2, 5, 5 * row + column + 1)
        axis.imshow(image, cmap="gray_r", extent=(0, 28, 28, 0))
        drawn = axis.imshow(grid, cmap=("Blues", "PuOr_r")[row], vmin=(0, -limit)[row], vmax=limit, alpha=0.75,
                            extent=(0, 28, 28, 0))
        for gy, gx in zip(*np.nonzero(abs(grid) > limit / 5) if row else ((), ())):
            sign = "+" if grid[gy, gx] > 0 else "\N{MINUS SIGN}"
            axis.text(7 * gx + 3.5, 7 * gy + 3.5, sign, ha="center", va="center")
        axis.set(xticks=(), yticks=())
        axis.set_title(f"head {column}: {title}", fontsize=9)
    figure.colorbar(drawn, ax=figure.axes[-4:], shrink=0.8)
show(figure, "07-heads", alt=f"A digit {batch.labels[worst]} in eight small pictures: above, for each of four heads, "
     "how much the class token looks at each of 16 patches; below, where the loss asks for more (+) and for less.")

# %% [markdown]
# ## What you can do now
#
# Derive the gradient of attention from two products and a softmax, write it in seven lines, say why a row of dS adds up
# to 0 and where the row's mean comes from for free, and lay a kernel of your own over minivit's.
#
# **Explains** `minivit/ops/softmax.py` (the backward of softmax), `minivit/ops/attention.py`, and the heads of
# `minivit/nn/transformer.py`. In the kernel there is also a mask and dropout, which multiply P and therefore dP.
#
# **Sources.** Vaswani et al., "Attention is all you need", arXiv 1706.03762, eq. 1: of 2017, though one reads "2023",
# which is when its seventh version was uploaded. Dosovitskiy et al. 2020, arXiv 2010.11929, eq. 5-8. Dao et al. 2022,
# "FlashAttention", arXiv 2205.14135, appendix B.2. Bridle 1990 for softmax.
#
# **Next**: lesson 8, the encoder block: layer norm, GELU, and why there are two skips.

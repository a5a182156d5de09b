# %% [markdown]
# # Lesson 5: why not attend to every pixel?
#
# A convolution looks at its neighbours. Attention lets everything look at everything else, and learns where to look. We
# write it, split it into heads, and then ask what it costs: that question is the reason why a Vision Transformer cuts
# images into patches.
#
# - **Time**: 35 minutes to read, 40 for the exercises. Computing: 5 s (fast mode: 3 s).
# - **Before**: lesson 3: softmax. Lesson 4 is what we compare with.
# - **You will have written**: attention forward, the split into heads, and the bill for both.

# %%
import math
import time
import tracemalloc

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from minivit import Tensor, learn, nn, no_grad, ops
from minivit.function import Context
from minivit.inspect import summarise
from minivit.learn.lesson import FAST, claim, show
from minivit.models import create
from minivit.ops.attention import Attention

threadpool_limits(1)                    # for timings that can be compared
rng = np.random.default_rng(0)

# %% [markdown]
# ## Looking something up
#
# Attention works on a set of **tokens**: rows of numbers, one for each thing in the set (a word, a pixel, a patch of an
# image). Think of a dictionary in which nothing matches exactly. Each token brings
#
# - a **query**: what it is looking for,
# - a **key**: what it can be found by,
# - a **value**: what it has to say,
#
# each a row of K numbers. How well does query n match key m? By their inner product, the **score**. Softmax over the
# keys makes positive weights of the scores, which add up to 1, and the answer is the weighted mean of the values:
#
#     S = q k^T / sqrt(K)        P = softmax(S) over the keys        y = P v
#
# q is (N, K), k and v are (M, K): N queries look at M keys. S and P are (N, M), y is (N, K). In self-attention, which
# is all that ViT needs, the queries come from the same tokens as keys and values, and N = M. The paper is Vaswani et
# al., "Attention is all you need". It is of 2017: some tutorials cite it as 2023, the year of its latest upload.
#
# Written out, number by number:


# %%
def by_loops(q, k, v):
    """y (N, K), for queries (N, K), keys and values (M, K)."""
    y = np.zeros_like(q)
    for n, query in enumerate(q):
        scores = [sum(a * b for a, b in zip(query, key)) / math.sqrt(len(key)) for key in k]
        weights = [math.exp(score - max(scores)) for score in scores]
        for weight, value in zip(weights, v):
            y[n] += weight / sum(weights) * value
    return y


q, k, v = (rng.standard_normal((6, 4)) for _ in range(3))
print(by_loops(q, k, v).round(3))

# %% [markdown]
# All of it is matrix products and a softmax, so it can be written without a loop, and for many images and heads at
# once: axes in front of the last two only say how many there are.

# %% [markdown]
# **Exercise `attention_forward`** (15 min): write it for q (..., N, K) and k, v (..., M, K). `minivit learn check
# attention_forward`

# %%
attention_forward = learn.use("attention_forward")

claim("without loops it gives what the loops give", np.allclose(attention_forward(q, k, v), by_loops(q, k, v)))

q, k, v = (rng.standard_normal((2, 3, 5, 4)) for _ in range(3))         # 2 images, 3 heads, 5 tokens
claim("it equals minivit's attention",
      np.allclose(attention_forward(q, k, v), ops.attention(*map(Tensor, (q, k, v))).data))

# %% [markdown]
# A weighted mean cannot leave the range of what it is a mean of. And since each query looks at all keys, it does not
# matter in which order they are: attention reads a *set*. Keep this in mind for the next lesson.

# %%
y, order = attention_forward(q, k, v), rng.permutation(5)
claim("every number of y lies between the smallest and the largest of its column of v",
      np.all(y <= v.max(axis=2, keepdims=True) + 1e-12) and np.all(y >= v.min(axis=2, keepdims=True) - 1e-12))
claim("keys and values in another order give the same y",
      np.allclose(attention_forward(q, k[:, :, order], v[:, :, order]), y))

# %% [markdown]
# Its gradients come from autograd, the walk back of lesson 1, if we write it with Tensors. minivit has them by hand,
# and lesson 7 derives those. They agree:


# %%
def by_tensors(q, k, v):
    """Attention in Tensor arithmetic."""
    return ops.softmax(q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])) @ v


dy, gradients = rng.standard_normal(y.shape), []
for function in (by_tensors, ops.attention):
    leaves = [Tensor(array, requires_grad=True) for array in (q, k, v)]
    function(*leaves).backward(dy)
    gradients.append([leaf.grad for leaf in leaves])
claim("dq, dk and dv of minivit's attention are those of its definition", np.allclose(*gradients))

# %% [markdown]
# ## Why the root of K
#
# A score is a sum of K products. If the numbers in q and k are independent, of mean 0 and variance 1, each product has
# variance 1 and the sum has variance K: scores grow like sqrt(K). And softmax of large numbers is no mean any more, it
# picks the largest. Divided by sqrt(K), scores have variance 1 whatever K is.


# %%
def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


print("        K   std of q.k   / sqrt(K)   largest of 49 weights, mean: without and with the scale")
spread, picked = {}, {}
for K in (4, 16, 64, 256, 1024):
    scores = rng.standard_normal((400, K)) @ rng.standard_normal((49, K)).T
    spread[K] = scores.std() / math.sqrt(K)
    picked[K] = [softmax(s).max(axis=-1).mean() for s in (scores, scores / math.sqrt(K))]
    print(f"{K:9}   {scores.std():10.1f}   {spread[K]:9.3f}   {picked[K][0]:.2f}   {picked[K][1]:.2f}")
claim("the standard deviation of q . k is sqrt(K), to 15 %", all(abs(ratio - 1) < 0.15 for ratio in spread.values()))
claim("with K = 256, softmax gives over 80 % to one key of 49 without the scale, and under 30 % with it",
      picked[256][0] > 0.8 and picked[256][1] < 0.3)

# %%
scores = rng.standard_normal((12, 256)) @ rng.standard_normal((12, 256)).T
figure = Figure(figsize=(8.2, 3.8), layout="constrained")
for axes, (title, weights) in zip(figure.subplots(1, 2), (("softmax(q k^T)", softmax(scores)),
                                                          ("softmax(q k^T / sqrt(K))", softmax(scores / 16)))):
    image = axes.imshow(weights, cmap="cividis", vmin=0, vmax=1)
    axes.set(title=title, xlabel="key", ylabel="query", xticks=[0, 11], yticks=[0, 11])
figure.colorbar(image, ax=figure.axes, label="weight", shrink=0.9)
show(figure, "05-scale", alt="Two tables of attention weights, 12 queries by 12 keys of 256 numbers. Without the scale "
     "nearly every row has a single bright cell and the rest is dark; with it all cells are dim, and some a little "
     "brighter.")

# %% [markdown]
# ## Heads
#
# One set of weights can look for one thing. A token wants to know several: what is left of me, what has my colour. So
# its D numbers are divided among H **heads**, K = D / H for each, and each head attends by itself. Afterwards the
# results lie side by side again. For this the axes have to be brought into order, with the two that a matrix product
# works on at the end:
#
#     x (B, N, D)  ->  y (B, H, N, K)        y[b, h, n, i] = x[b, n, h * K + i]

# %% [markdown]
# **Exercise `split_heads`** (10 min): bring (B, N, D) to (B, H, N, K). `minivit learn check split_heads`

# %%
split_heads = learn.use("split_heads")

B, N, D, H = 2, 7, 12, 3
layer = nn.Attention(D, H, rng=0).astype(np.float64)
x = rng.standard_normal((B, N, D))

qkv = x @ layer.qkv.weight.data.T + layer.qkv.bias.data                 # one linear layer makes all three: (B, N, 3 D)
q, k, v = (split_heads(part, H) for part in np.split(qkv, 3, axis=-1))  # (B, H, N, K)
y = attention_forward(q, k, v).swapaxes(1, 2).reshape(B, N, D)          # heads side by side again
y = y @ layer.proj.weight.data.T + layer.proj.bias.data                 # and a linear layer that mixes them
claim("these four lines are minivit's multi-head attention", np.allclose(y, layer(Tensor(x)).data))

# %% [markdown]
# ## The bill
#
# Every query has a score with every key. N tokens make N^2 scores, in each head. Twice as many tokens, four times the
# scores. An image of Sy x Sx pixels cut into patches of P x P has
#
#     N = Sy * Sx / P^2
#
# tokens, and with P = 1 a token is a pixel. The arithmetic is two matrix products, q k^T and P v: each is N * N * K
# multiplications and as many additions, in each of H heads. Such operations, counted together, are called flop. (In the
# table and below, ViT-B and ViT-S are published sizes: D = 768 with 12 heads, and 384 with 6. "/16" is the patch.)

# %% [markdown]
# **Exercise `attention_cost`** (15 min): tokens, bytes of the scores in float32, and multiplications and additions.
# `minivit learn check attention_cost`

# %%
attention_cost = learn.use("attention_cost")

print("image     patch    tokens     scores in a head    their bytes   in 12 heads")
for side, P in ((28, 1), (28, 4), (32, 1), (32, 4), (224, 1), (224, 16), (384, 16)):
    tokens, one, _ = attention_cost(side, side, P, 64, 1)
    twelve = attention_cost(side, side, P, 768, 12)[1]
    print(f"{side:3} x {side:<3} {P:6}  {tokens:8,}   {tokens ** 2:18,}   {one / 1e6:9,.2f} MB   "
          f"{twelve / 1e6:9,.1f} MB")

claim("every pixel of 224 x 224 attending to every other: 2,517,630,976 scores in each head, 2.5e9",
      attention_cost(224, 224, 1, 64, 1)[0] ** 2 == 2_517_630_976)
claim("in float32 they take more than 10 GB, and the 12 heads of ViT-B more than 120 GB, in every layer",
      attention_cost(224, 224, 1, 64, 1)[1] > 10e9 and attention_cost(224, 224, 1, 768, 12)[1] > 120e9)
claim("patches of 16 x 16 make that 16^4 = 65,536 times less",
      attention_cost(224, 224, 1, 64, 1)[1] == 65_536 * attention_cost(224, 224, 16, 64, 1)[1])
claim("for a digit, 784 pixels against 49 patches of 4 x 4: 256 times",
      attention_cost(28, 28, 1, 64, 1)[1] == 256 * attention_cost(28, 28, 4, 64, 1)[1])

# %% [markdown]
# Is the formula what minivit does? `summarise` sends an image through a model and counts the arithmetic of each matrix
# product. A model without a class token has exactly N tokens.

# %%
with nn.no_init():                                                      # shapes are enough for counting
    vit = create("vit_small_patch16_gap_224")
parts = {part.path: part for part in summarise(vit)}
tokens, memory, flop = attention_cost(224, 224, 16, 384, 6)
print(f"ViT-S/16, one layer: {flop:,} multiplications and additions in attention, {memory:,} bytes of scores")
claim("the formula equals the count", flop == parts["blocks.0.attn"].flop)
claim("heads cost memory, and no arithmetic: twice the heads are twice the bytes, and the same flop",
      attention_cost(224, 224, 16, 384, 12)[1:] == (2 * memory, flop))

# %% [markdown]
# ## Measured
#
# One head, K = 64, more and more tokens. Both axes of the picture are logarithmic: what grows like N^a is a straight
# line there, with slope a.

# %%
SIZES = (128, 256, 512, 1024, 2048) if FAST else (128, 256, 512, 1024, 2048, 4096)


def tokens_of(N):
    """Random queries, keys and values, (1, 1, N, 64) each."""
    return [Tensor(rng.standard_normal((1, 1, N, 64), dtype=np.float32)) for _ in range(3)]


def seconds(function, inputs, rounds=9):
    """For each of several inputs the shortest of some runs. They take turns, so that noise meets all of them alike."""
    taken = np.empty((rounds, len(inputs)))
    for times in taken:
        for k, arguments in enumerate(inputs):
            begin = time.perf_counter()
            function(*arguments)
            times[k] = time.perf_counter() - begin
    return taken.min(axis=0)


def peak(function, arguments):
    """The most bytes that were in use at once, besides the arguments."""
    tracemalloc.start()
    function(*arguments)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def table_bytes(q, k, v):
    """The bytes of the weights P that attention keeps for its backward."""
    ctx = Context(needs=(True, True, True), recording=True)
    Attention.forward(ctx, q.data, k.data, v.data)
    return max(array.nbytes for array in ctx.saved if array is not None and array.shape[-1] == q.shape[2])


def slope(sizes, values):
    """Of the straight line through the points, both axes logarithmic."""
    return np.polyfit(np.log(sizes), np.log(values), 1)[0]


with no_grad():
    inputs = [tokens_of(N) for N in SIZES]
    kept = [table_bytes(*qkv) for qkv in inputs]
    took = seconds(ops.attention, inputs)
for N, size, duration in zip(SIZES, kept, took):
    print(f"{N:5} tokens: table {size / 1e6:7.2f} MB, {1e3 * duration:7.2f} ms")
last = slice(-3, None)
print(f"slopes: bytes {slope(SIZES, kept):.3f}, time {slope(SIZES[last], took[last]):.2f} over the last three")
claim("the bytes of the table grow with slope 2, exactly", abs(slope(SIZES, kept) - 2) < 1e-9)
claim("time grows with a slope of at least 1.5 over the last three sizes", slope(SIZES[last], took[last]) >= 1.5)

# %% [markdown]
# ## What must be quadratic, and what need not
#
# "Attention takes quadratic memory" is true of the code above, and not of attention. A query needs its own row of
# scores, and nobody else's. So take a block of queries at a time, and throw each block of scores away after use: the
# memory is then that of one block, which grows like N. The arithmetic stays what it was. (A backward pass has to make
# the scores again. Lesson 12 goes on from here: GPU kernels cut the keys into blocks too.)


# %%
def by_blocks(q, k, v, rows=64):
    """Attention for `rows` queries at a time."""
    return ops.concat([ops.attention(q[:, :, n:n + rows], k, v) for n in range(0, q.shape[2], rows)], axis=2)


with no_grad():
    whole, blocks = ([peak(function, qkv) for qkv in inputs] for function in (ops.attention, by_blocks))
    same = np.allclose(by_blocks(*inputs[0]).data, ops.attention(*inputs[0]).data, rtol=1e-4, atol=1e-6)
print(f"peak for {SIZES[-1]:,} tokens: {whole[-1] / 1e6:.1f} MB at once, {blocks[-1] / 1e6:.1f} MB in blocks")
print(f"slopes over the last three: {slope(SIZES[last], whole[last]):.2f} at once, "
      f"{slope(SIZES[last], blocks[last]):.2f} in blocks")
claim("blocks of queries give the same result", same)
claim("the memory of blocks grows with a slope of at most 1.2, that of the whole table with more than 1.8",
      slope(SIZES[last], blocks[last]) <= 1.2 and slope(SIZES[last], whole[last]) > 1.8)

# %%
figure = Figure(figsize=(10, 4.4), layout="constrained")
memory_axes, time_axes = figure.subplots(1, 2)
far = np.array([SIZES[-1], 224 * 224])
line = np.polyfit(np.log(SIZES[last]), np.log(took[last]), 1)
memory_axes.loglog(far, 4.0 * far ** 2, color="0.6", linestyle="--")
memory_axes.loglog(SIZES, kept, "o-", color="#000000", label=f"table of weights, slope {slope(SIZES, kept):.2f}")
memory_axes.loglog(SIZES, blocks, "s:", color="#d55e00",
                   label=f"peak in blocks of 64, slope {slope(SIZES[last], blocks[last]):.2f}")
time_axes.loglog(far, np.exp(np.polyval(line, np.log(far))), color="0.6", linestyle="--")
time_axes.loglog(SIZES, took, "o-", color="#000000", label=f"measured, slope {line[0]:.2f}")
for axes in (memory_axes, time_axes):
    for tokens, height, text in ((196, 0.98, "224 px, patches of 16"), (784, 0.98, "28 px, every pixel"),
                                 (224 * 224, 0.6, "224 px, every pixel")):
        axes.axvline(tokens, color="0.8", linewidth=1, zorder=0)
        axes.text(tokens, height, text, rotation=90, fontsize=8, color="0.3", ha="right", va="top",
                  transform=axes.get_xaxis_transform())
    axes.set_xlabel("tokens N")
    axes.legend(loc="lower right", bbox_to_anchor=(0.94, 0), fontsize=9)
memory_axes.set(ylabel="bytes in one head", title="memory")
time_axes.set(ylabel="seconds for one head", title="time")
print(f"if it goes on like this, one head with 50,176 tokens takes {np.exp(np.polyval(line, math.log(50_176))):.0f} s")
show(figure, "05-cost", alt="Two plots with logarithmic axes against the number of tokens. Left: the bytes of the "
     "table of weights rise with slope 2, the peak of attention in blocks of queries with slope 1. Right: the time "
     "rises with a slope of about 2. Dashed lines go on to the 50,176 pixels of a 224 by 224 image, at ten gigabytes.")

# %% [markdown]
# ## Quadratic, but from where on?
#
# One more statement to put right: "a transformer's cost is quadratic in the number of tokens". Attention's is. But
# around it stand linear layers, whose cost grows with N alone: queries, keys, values and the mixing of heads have 4 D^2
# weights, the MLP (lesson 8) 8 D^2, and each token meets each weight in a multiplication and an addition, 24 N D^2 in
# all. Attention is 4 N^2 D, so its share is
#
#     4 N^2 D / (4 N^2 D + 24 N D^2) = N / (N + 6 D)
#
# and it takes over only where N > 6 D. For patches of an ordinary photograph it is a small part:

# %%
tokens, D = 196, 384
share = tokens / (tokens + 6 * D)
counted = parts["blocks.0.attn"].flop / sum(part.flop for path, part in parts.items() if path.startswith("blocks.0."))
print(f"ViT-S/16 at 224 pixels: attention is {share:.1%} of a block's arithmetic, the linear layers {1 - share:.1%}")
for side in (384, 512, 1024):
    n = (side // 16) ** 2
    print(f"          at {side:4} pixels, {n:5,} tokens: {n / (n + 6 * D):.1%}")
claim("the share N / (N + 6 D) is what was counted", abs(share - counted) < 1e-12)
claim("at 224 pixels it is less than a tenth", counted < 0.1)
claim("with a token for every pixel it would be more than 95 %", 50_176 / (50_176 + 6 * D) > 0.95)

# %% [markdown]
# So this is the answer to the title. Not the pixels themselves are too many, but their *pairs*. Cut the image into
# patches of 16 x 16, let each be a token, and the pairs are 65,536 times fewer: that is all it takes. The price is paid
# inside the patch, where nothing attends to anything.
#
# ## What you can do now
#
# You can write attention, with heads; you can say why scores are divided by sqrt(K), and why softmax runs over the
# keys. You can work out, before you run it, what attention will cost for an image, and which part of it could be
# saved.
#
# **Read in minivit**: `minivit/ops/attention.py` (with a mask and dropout, tuned for NumPy), `minivit/ops/softmax.py`,
# `minivit/nn/transformer.py` (the layer with its linear maps), `minivit/inspect/summary.py` (the count).
#
# **Sources**: Vaswani et al. 2017, "Attention is all you need", arXiv 1706.03762, eq. 1 and section 3.2; Dosovitskiy et
# al. 2020, "An image is worth 16x16 words", arXiv 2010.11929, section 1 (why not pixels) and appendix A (heads); Rabe
# and Staats 2021, "Self-attention does not need O(n^2) memory", arXiv 2112.05682.
#
# **Next**: lesson 6. Patches become tokens, tokens get a place, and one more token comes in front.

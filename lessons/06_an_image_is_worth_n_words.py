# %% [markdown]
# # Lesson 6: an image is worth N words
#
# A transformer reads a sequence of tokens. An image is a grid of pixels. This lesson is the bridge: cut, flatten,
# project, add a token that will speak for the whole image, and tell each token where it was. It ends with what happens
# if one does not.
#
# - **Time**: 35 minutes to read, 55 for the exercises. Computing: 3 s.
# - **Before**: lesson 4 (convolution) and lesson 5 (attention).
# - **You will have written**: patches and their inverse, the patch embedding as a convolution, and the first tokens
#   of a Vision Transformer.

# %%
import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from minivit import Tensor, learn, nn, no_grad, ops
from minivit.data import mnist5k, normalise
from minivit.learn.lesson import claim, show
from minivit.models import create
from minivit.models.positions import sincos_2d

threadpool_limits(1)                    # small matrix products: more threads would only wait for each other
rng = np.random.default_rng(0)
data = mnist5k()
digits = normalise(data.test.images[:8], data.mean, data.std).astype(np.float64)        # (8, 1, 28, 28)

# %% [markdown]
# ## From an image to a sequence
#
# Lesson 5 ruled out a token for every pixel. So cut the image into patches of P x P pixels, and make a token of each.
# An image of Sy x Sx pixels has a grid of Gy = Sy / P rows and Gx = Sx / P columns of patches:
#
#     N = Gy * Gx = Sy * Sx / P^2
#
# The patches come in the order in which one reads, row by row. A patch has P * P pixels in each of C channels, and its
# numbers are laid out in a row: the first channel, pixel row by pixel row, then the next. So (B, C, Sy, Sx) becomes
# (B, N, C * P * P).

# %% [markdown]
# **Exercise `patchify`** (15 min): write it. Images need not be square. `minivit learn check patchify`

# %%
patchify = learn.use("patchify")

print("image        P    grid       N    numbers in a patch")
for C, Sy, Sx, P in ((1, 28, 28, 7), (1, 28, 28, 4), (3, 32, 48, 8), (3, 224, 224, 16), (3, 224, 320, 16)):
    images = rng.standard_normal((1, C, Sy, Sx))
    patches = patchify(images, P)
    theirs = ops.extract_patches(Tensor(images), P).data                # (B, Gy, Gx, C * P * P)
    same = np.array_equal(patches, theirs.reshape(1, -1, C * P * P))
    print(f"{Sy} x {Sx:<5} {P:4}   {Sy // P:2} x {Sx // P:<2} {patches.shape[1]:6} {patches.shape[2]:10}")
    claim(f"it equals minivit's, and N is {Sy} * {Sx} / {P}^2", same and patches.shape[1] * P ** 2 == Sy * Sx)

# %% [markdown]
# "An image is worth 16x16 words" is the title of the paper. The 16 x 16 is the size of a word, not their number: an
# image of 224 x 224 has 14 x 14 = 196 of them, as the table says.

# %%
P = 7
patches = patchify(digits, P)                                           # (8, 16, 49)
order = rng.permutation(16)

figure = Figure(figsize=(9, 4.9), layout="constrained")
pictures, strip = figure.subfigures(2, 1, height_ratios=(3.2, 1))
dark, bright = digits.min(), digits.max()
whole, apart, mixed = pictures.subplots(1, 3)
whole.imshow(digits[3, 0], cmap="gray")
for line in range(P, 28, P):
    whole.axhline(line - 0.5, color="#d55e00")
    whole.axvline(line - 0.5, color="#d55e00")
for axes, sequence in ((apart, patches[3]), (mixed, patches[3, order])):
    gaps = np.full((4, 9, 4, 9), np.nan)                                # not drawn: the background shows
    gaps[:, 1:8, :, 1:8] = sequence.reshape(4, 4, 7, 7).transpose(0, 2, 1, 3)
    axes.imshow(gaps.reshape(36, 36), cmap="gray", vmin=dark, vmax=bright)
    axes.set_facecolor("#d55e00")
for axes, title in ((whole, "28 x 28 pixels"), (apart, "a grid of 4 x 4 patches"), (mixed, "the same, shuffled")):
    axes.set(title=title, xticks=[], yticks=[])
for number, axes in enumerate(strip.subplots(1, 16)):
    axes.imshow(patches[3, number].reshape(7, 7), cmap="gray", vmin=dark, vmax=bright)
    axes.set(title=number, xticks=[], yticks=[])
strip.suptitle("a sequence of 16 patches of 49 numbers", fontsize=11)
show(figure, "06-patches", alt="A handwritten 3 with a grid drawn over it; the same cut into 4 by 4 patches with gaps "
     "between them; the 16 patches in another order, in which the digit cannot be recognised; and below them the 16 "
     "patches one after the other, numbered from 0 to 15 row by row.")

# %% [markdown]
# ## And back
#
# The inverse puts each patch in its place. It has to be told the size of the image: 16 patches may be 4 x 4 or 2 x 8,
# and nothing in the patches says which. Much code takes the square root of N instead. It runs for years, until somebody
# has an image that is not square.

# %% [markdown]
# **Exercise `unpatchify`** (15 min): put the patches together. `minivit learn check unpatchify`

# %%
unpatchify = learn.use("unpatchify")

images = rng.standard_normal((2, 3, 32, 48))
cut = patchify(images, 8)
claim("cut and put together, an image is what it was", np.array_equal(unpatchify(cut, 8, (32, 48)), images))
claim("it equals minivit's", np.array_equal(unpatchify(cut, 8, (32, 48)), ops.merge_patches(
      Tensor(cut.reshape(2, 4, 6, -1)), (32, 48), 8).data))

wide = rng.standard_normal((1, 3, 16, 64))                              # 2 x 8 patches
guessed = unpatchify(patchify(wide, 8), 8, (32, 32))                    # sqrt(16) = 4, so 4 x 4?
claim("16 patches of a wide image fit into a square one, without an error, in the wrong places",
      guessed.shape == (1, 3, 32, 32) and np.array_equal(guessed[..., 8:16, :], wide[..., :8, 32:]))

# %% [markdown]
# ## From a patch to a token
#
# A patch of 16 x 16 pixels in three channels has 768 numbers, and they are raw. One linear map, the same for all
# patches, makes a token of D numbers of it:
#
#     tokens = patches E^T + bias        E (D, C * P * P)
#
# This is the **patch embedding**. Each of the D rows of E looks at a patch through a pattern of its own.
#
# In which order the numbers of a patch are laid out does not matter for learning, since the columns of E can be in any
# order. It matters a lot when weights come from elsewhere: PyTorch's are (C, P, P), TensorFlow's are (P, P, C).

# %%
D = 10
E, bias = rng.standard_normal((D, 3 * 8 * 8)) / np.sqrt(3 * 8 * 8), rng.standard_normal(D)
tokens = cut @ E.T + bias                                               # (2, 24, 10)

channels_last = cut.reshape(2, 24, 3, 64).swapaxes(2, 3).reshape(2, 24, 192)            # (P, P, C)
E_too = E.reshape(D, 3, 64).swapaxes(1, 2).reshape(D, 192)
claim("with the columns of E in the same order as the numbers of a patch, tokens are the same",
      np.allclose(channels_last @ E_too.T + bias, tokens))
claim("with E in one order and patches in the other, they are not, and no error says so",
      not np.allclose(channels_last @ E.T + bias, tokens))

# %% [markdown]
# ## It is a convolution
#
# A window that slides by its own size: that was lesson 4. With stride P, a convolution's windows are the patches, and
# a row of E, in the shape (C, P, P), is a filter. So the patch embedding is a convolution with kernel size P and
# stride P, and that is how most code writes it. "ViT uses no convolution" is not quite true, then. But windows that
# do not overlap share nothing, and there is a single layer of it.

# %% [markdown]
# **Exercise `embed_as_conv`** (15 min): tokens by one call of a convolution. `minivit learn check embed_as_conv`

# %%
embed_as_conv = learn.use("embed_as_conv")
conv2d_forward = learn.use("conv2d_forward")

for P in (4, 7, 8, 16):
    images = rng.standard_normal((2, 3, 2 * P, 3 * P))
    E = rng.standard_normal((D, 3 * P * P)) / np.sqrt(3 * P * P)
    off = {}
    for dtype in (np.float64, np.float32):
        x, weight, b = images.astype(dtype), E.astype(dtype), bias.astype(dtype)
        linear = patchify(x, P) @ weight.T + b
        off[dtype] = np.abs(embed_as_conv(x, weight, b, P, conv2d_forward) - linear).max()
    print(f"P = {P:2}: largest difference {off[np.float64]:.0e} in float64, {off[np.float32]:.0e} in float32")
    claim(f"patches of {P}, cut and multiplied, are a convolution with stride {P}",
          off[np.float64] < 1e-10 and off[np.float32] < 1e-5)

# %%
embed = nn.PatchEmbed((32, 48), P, 3, D, rng=0).astype(np.float64)      # P is 16 now
images = Tensor(rng.standard_normal((2, 3, 32, 48)))
tokens = embed(images)
dy = rng.standard_normal(tokens.shape)
tokens.backward(dy)

kernel = Tensor(embed.proj.weight.data, requires_grad=True)             # (D, C, P, P)
y = ops.conv2d(images, kernel, embed.proj.bias, stride=P)               # (B, D, Gy, Gx)
y.backward(np.ascontiguousarray(dy.swapaxes(1, 2)).reshape(y.shape))
claim("minivit's PatchEmbed gives the tokens of a convolution",
      np.allclose(tokens.data, y.data.reshape(2, D, -1).swapaxes(1, 2)))
claim("... and its kernel the same gradient", np.allclose(embed.proj.weight.grad, kernel.grad))

# %% [markdown]
# ## One more token, and a place for each
#
# In the end a head has to say what the image shows: a linear layer that makes logits, as in lesson 4, and not one of
# attention's heads. Which token should it read? None of the patches is special. So one more token is put in front, the
# **class token**: a row of D learned numbers, the same for every image. The tokens then pass through **blocks**, each
# of attention and an MLP (lesson 8). In each the class token asks the others, and so gathers what the head will need.
#
# And each token gets its **position**: a row of D learned numbers, added to it. From here on N counts the class token
# as well, N = Gy * Gx + 1, and
#
#     z = [class token; patch 1; patch 2; ...] + positions
#
# is what enters the first block.

# %% [markdown]
# **Exercise `add_cls_pos`** (10 min): put the class token in front and add positions. `minivit learn check add_cls_pos`

# %%
add_cls_pos = learn.use("add_cls_pos")

model = create("vit_nano_patch7_28", seed=0, zero_head=False).astype(np.float64)
x = Tensor(digits)
with no_grad():
    from_patches = model.patch_embed(x).data                            # (8, 16, 64)
    first = model.embed(x).data                                         # (8, 17, 64)
z = add_cls_pos(from_patches, model.cls_token.data, model.pos_embed.data)
claim("these are the tokens that enter minivit's ViT: 16 patches and a class token", np.allclose(z, first))
claim("all images begin with the same token", np.allclose(z[:, 0], z[0, 0]))

# %% [markdown]
# A statement to correct: "the class token's value is the output y of the model". After the last block comes a layer
# norm (lesson 8), and y is the *normalised* class token. The logits are a linear map of y, the head. Leave out the
# norm, and they are others:


# %%
def encode(model, z):
    """What the blocks make of tokens."""
    for block in model.blocks:
        z = block(z)
    return z


with no_grad():
    last = encode(model, Tensor(first))                                 # (8, 17, 64)
    logits, class_token = model(x).data, last[:, 0]
    claim("logits = head(LayerNorm(class token after the last block))",
          np.allclose(model.head(model.norm(class_token)).data, logits))
    claim("without the norm they are not", not np.allclose(model.head(class_token).data, logits, atol=0.1))

# %% [markdown]
# ## Without positions
#
# What are positions for? Attention reads a set (lesson 5): with keys and values in another order, each query finds the
# same. The rest of a block, layer norms and MLP, works on each token alone. So if the tokens enter in another order,
# they leave in that order, and are otherwise unchanged. The encoder is **permutation-equivariant**:
#
#     encoder(shuffle(z)) = shuffle(encoder(z))
#
# The class token stays in front, and reads the same set. For a ViT without positions, the shuffled digit in the picture
# above *is* the digit.


# %%
def shuffled(images):
    """Images with their 16 patches in another order."""
    return unpatchify(patchify(images, 7)[:, order], 7, (28, 28))


rows = np.concatenate([[0], 1 + order])                                 # the class token stays in front
differences = {}
for positions in ("none", "learned", "sincos-2d"):
    model = create("vit_nano_patch7_28", seed=0, zero_head=False, pos_embed=positions).astype(np.float64)
    with no_grad():
        as_it_is, mixed = (encode(model, model.embed(Tensor(images))).data for images in (digits, shuffled(digits)))
        answers = [model(Tensor(images)).data for images in (digits, shuffled(digits))]
    differences[positions] = np.abs(mixed - as_it_is[:, rows]).max(), np.abs(answers[0] - answers[1]).max()
    print(f"positions {positions:<10} tokens differ by {differences[positions][0]:.1e}, logits by "
          f"{differences[positions][1]:.1e}")
claim("without positions, shuffled patches leave as shuffled tokens, and nothing else changes",
      differences["none"][0] < 1e-5)
claim("... so the logits of a digit and of its shuffled patches are the same", differences["none"][1] < 1e-5)
claim("with positions, learned or fixed, they are not",
      min(differences["learned"] + differences["sincos-2d"]) > 0.01)

# %% [markdown]
# Such a ViT is a **bag of patches**. It can still learn something, since which patches an image has says a lot. But it
# cannot tell a digit from its own pieces in a heap.
#
# ## What a position may be
#
# Learned positions begin as random numbers. Nothing tells the model that patch 5 lies below patch 1; it finds out, if
# there are enough images. Or one can say it: with waves. For a patch at row y and column x, and D / 4 frequencies w,
#
#     position = [sin(x w), cos(x w), sin(y w), cos(y w)]        w_i = 10000^(-i / (D / 4))
#
# The inner product of two such positions is the sum of cos((x - x') w) and cos((y - y') w) over all w: it depends on
# how far apart the patches are, not on where they are. In the picture each small map belongs to one patch of a grid
# of 7 x 7, and shows how similar (by the cosine) the positions of all patches are to its own.

# %%
G, D = (7, 7), 64
waves = sincos_2d(G, D).astype(np.float64)
similar = waves @ waves.T / (D / 2)                                     # each row has the length sqrt(D / 2)
y, x = np.indices(G).reshape(2, -1)
distance = np.hypot(y[:, None] - y, x[:, None] - x)

w = 10000 ** (-np.arange(D // 4) / (D // 4))
by_formula = sum(np.cos((a[:, None] - a)[..., None] * w).sum(axis=2) for a in (x, y)) / (D / 2)
claim("the similarity depends on the differences of rows and columns alone",
      np.allclose(similar, by_formula, atol=1e-6))
near, far = similar[distance == 1].mean(), similar[distance >= 4].mean()
print(f"mean similarity: of neighbours {near:.3f}, of patches at least 4 apart {far:.3f}")
claim("neighbours are more similar than patches that are far apart", near > far + 0.1)
in_line = similar[(distance == 4) & ((y[:, None] == y) | (x[:, None] == x))].mean()
aslant = similar[np.isclose(distance, np.sqrt(13))].mean()              # 3 rows and 2 columns, or the reverse
print(f"4 apart in the same row or column: {in_line:.3f}; nearer, but aslant (3 and 2): {aslant:.3f}")
claim("patches of the same row or column are more similar than others at such a distance", in_line > aslant)

# %%
tiles = np.full((7, 8, 7, 8), np.nan)                                   # a line of nothing between the small maps
tiles[:, :7, :, :7] = similar.reshape(7, 7, 7, 7).transpose(0, 2, 1, 3)
figure = Figure(figsize=(6.6, 5.4), layout="constrained")
axes = figure.subplots()
image = axes.imshow(tiles.reshape(56, 56)[:-1, :-1], cmap="cividis")
axes.set(xlabel="column of the patch", ylabel="row of the patch", xticks=range(3, 56, 8), xticklabels=range(7),
         yticks=range(3, 56, 8), yticklabels=range(7))
figure.colorbar(image, label="cosine similarity of positions", shrink=0.9)
show(figure, "06-positions", alt="Seven by seven small maps. Each is brightest at the place of its own patch, and "
     "fades with the distance, less along the patch's own row and column. From map to map the pattern moves along.")

# %% [markdown]
# The paper tried learned positions, for one dimension and for two, and found no difference between them worth naming,
# but a clear one to none at all. minivit's `pos_embed` takes `learned`, `learned-2d`, `sincos-2d` and `none`. Learned
# positions end up looking much like this picture: lesson 16 looks at them in a trained model.
#
# ## What you can do now
#
# You can turn an image into the tokens of a ViT and back, square or not; you can say why the patch embedding is a
# convolution, what the class token is for and where the output comes from, and what a transformer without positions
# cannot see.
#
# **Read in minivit**: `minivit/ops/patches.py` (overlapping patches too, and the gradient), `minivit/nn/transformer.py`
# (`PatchEmbed`), `minivit/models/positions.py`, `minivit/models/vit.py` (`embed` and `classify`).
#
# **Sources**: Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929, section 3.1, eq. 1 and 4, and
# appendix D.4 (positions); Vaswani et al. 2017, arXiv 1706.03762, section 3.5 (waves); Chen, Xie and He 2021, arXiv
# 2104.02057, and He et al. 2021, arXiv 2111.06377 (waves in two dimensions, for images).
#
# **Next**: lesson 7. Attention's backward by hand, and with it the last gradient that a transformer needs and that is
# not a matrix product.

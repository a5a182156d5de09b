"""Checks of vit_forward."""
import math
from functools import partial

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.vit_forward import gelu, layernorm, linear, softmax, vit_forward
from minivit.models import ViTConfig, VisionTransformer
from minivit.modes import no_grad, using
from minivit.tensor import Tensor


def model_of(images, D, F, Y, patch, depth, heads):
    """minivit's model of such sizes for images (B, C, Sy, Sx)."""
    return VisionTransformer(ViTConfig(images.shape[2:], patch, images.shape[1], Y, D, depth, heads, F / D))


@no_grad()
def oracle(images, weights, depth, heads):
    """minivit's model with these weights."""
    D, _, *patch = weights["patch_embed.proj.weight"].shape
    F, Y = len(weights["blocks.0.mlp.fc1.bias"]), len(weights["head.bias"])
    model = model_of(images, D, F, Y, patch, depth, heads).astype(images.dtype)
    model.load_state_dict(weights)
    with using("composed"):
        return model(Tensor(images)).data


def case(rng, image, patch, D, F, Y, depth, heads):
    images = rng.standard_normal((2,) + image)
    model = model_of(images, D, F, Y, patch, depth, heads)
    weights = {name: rng.standard_normal(parameter.shape) / math.sqrt(max(parameter.size // len(parameter), 1))
               for name, parameter in model.named_parameters()}
    return f"images {'x'.join(map(str, images.shape))}, patches {patch[0]}x{patch[1]}", (images, weights, depth, heads)


def cases(rng):
    return [case(rng, (2, 4, 6), (2, 2), D=6, F=12, Y=4, depth=2, heads=3),
            case(rng, (1, 6, 4), (3, 2), D=4, F=6, Y=3, depth=1, heads=2),
            case(rng, (3, 4, 4), (4, 2), D=8, F=8, Y=5, depth=1, heads=1)]


def order_of_patches(function, rng):
    """Where patches and their positions are exchanged together, the class token sees no difference."""
    images, weights, depth, heads = case(rng, (1, 4, 2), (2, 2), D=6, F=12, Y=3, depth=2, heads=3)[1]
    flipped = np.concatenate([images[:, :, 2:], images[:, :, :2]], axis=2)
    others = weights | {"pos_embed": weights["pos_embed"][:, [0, 2, 1]]}
    if np.abs(function(images, weights, depth, heads) - function(flipped, others, depth, heads)).max() > 1e-9:
        return ("two patches were exchanged together with their positions (rows 1 and 2 of pos_embed): nothing may "
                "change, since attention reads a set; yours gives other logits")


def patch_tokens(images, weights):
    """The class token and the patches, with positions."""
    kernel = weights["patch_embed.proj.weight"]
    D, C, Py, Px = kernel.shape
    B, _, Sy, Sx = images.shape
    windows = images.reshape(B, C, Sy // Py, Py, Sx // Px, Px)
    tokens = np.einsum("bcyixj,dcij->byxd", windows, kernel).reshape(B, -1, D) + weights["patch_embed.proj.bias"]
    return np.concatenate([weights["cls_token"].repeat(B, axis=0), tokens], axis=1) + weights["pos_embed"]


def attention(x, weights, block, heads, scale=True, names="qkv", axis=-1, split=True):
    """The attention of a block, with switches for what may be done otherwise."""
    B, N, D = x.shape
    parts = dict(zip(names, np.split(linear(x, weights, block + ".attn.qkv"), 3, axis=-1)))
    if split:
        q, k, v = (parts[name].reshape(B, N, heads, -1).swapaxes(1, 2) for name in "qkv")
    else:
        q, k, v = (parts[name].reshape(B, heads, N, -1) for name in "qkv")
    scores = np.einsum("bhnk,bhmk->bhnm", q, k) * (1 / math.sqrt(q.shape[-1]) if scale else 1.0)
    P = softmax(scores) if axis == -1 else softmax(scores.swapaxes(-1, -2)).swapaxes(-1, -2)
    y = np.einsum("bhnm,bhmk->bnhk", P, v)
    return y.reshape(B, N, D)


def mlp(x, weights, block, act=gelu):
    return linear(act(linear(x, weights, block + ".mlp.fc1")), weights, block + ".mlp.fc2")


def block_of(z, weights, block, heads, attend=attention, act=gelu, project=True):
    found = attend(layernorm(z, weights, block + ".norm1"), weights, block, heads)
    z = z + (linear(found, weights, block + ".attn.proj") if project else found)
    return z + mlp(layernorm(z, weights, block + ".norm2"), weights, block, act)


def post_norm(z, weights, block, heads):
    z = z + linear(attention(z, weights, block, heads), weights, block + ".attn.proj")
    z = layernorm(z, weights, block + ".norm1")
    return layernorm(z + mlp(z, weights, block), weights, block + ".norm2")


def without_skips(z, weights, block, heads):
    z = linear(attention(layernorm(z, weights, block + ".norm1"), weights, block, heads), weights, block + ".attn.proj")
    return mlp(layernorm(z, weights, block + ".norm2"), weights, block)


def of_class_token(z, weights):
    return linear(layernorm(z, weights, "norm")[:, 0], weights, "head")


def variant(images, weights, depth, heads, embed=patch_tokens, block=block_of, read=of_class_token):
    """The steps one by one, each of which may be done otherwise."""
    z = embed(images, weights)
    for number in range(depth):
        z = block(z, weights, f"blocks.{number}", heads)
    return read(z, weights)


def image_by_image(images, weights, depth, heads):
    """A correct answer with one image at a time."""
    return np.concatenate([variant(images[b:b + 1], weights, depth, heads) for b in range(len(images))])


def without_positions(images, weights):
    return patch_tokens(images, weights | {"pos_embed": 0 * weights["pos_embed"]})


def class_token_last(images, weights):
    z = patch_tokens(images, weights | {"pos_embed": 0 * weights["pos_embed"]})
    return np.concatenate([z[:, 1:], z[:, :1]], axis=1) + weights["pos_embed"]


def class_token_without_position(images, weights):
    pos = weights["pos_embed"].copy()
    pos[:, 0] = 0
    return patch_tokens(images, weights | {"pos_embed": pos})


def channels_last(images, weights):
    kernel = weights["patch_embed.proj.weight"]
    shuffled = np.moveaxis(kernel.reshape(len(kernel), *kernel.shape[2:], kernel.shape[1]), -1, 1)
    return patch_tokens(images, weights | {"patch_embed.proj.weight": shuffled})


def column_by_column(images, weights):
    Py, Px = weights["patch_embed.proj.weight"].shape[2:]
    Gy, Gx = images.shape[2] // Py, images.shape[3] // Px
    pos, grid = weights["pos_embed"], np.arange(Gy * Gx).reshape(Gx, Gy).T.ravel()
    return patch_tokens(images, weights | {"pos_embed": np.concatenate([pos[:, :1], pos[:, 1:][:, grid]], axis=1)})


def tanh_gelu(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))) / 2


def with_attention(**switches):
    return partial(variant, block=partial(block_of, attend=partial(attention, **switches)))


EXERCISE = Exercise(
    slug="vit_forward", lesson=9, minutes=40, difficulty=3,
    task="Write the whole forward pass of a Vision Transformer, from images and a dictionary of weights to logits.",
    solution=vit_forward, oracle=oracle, cases=cases, outputs=("logits",),
    properties=(Property("order of the patches", order_of_patches),),
    wrong=(
        Wrong("no-final-norm", partial(variant, read=lambda z, w: linear(z[:, 0], w, "head")), "the final layer norm "
              "is missing: the head reads LN(z) of the class token. In a pre-norm model nothing else has normalised "
              "the stream.", specific=True),
        Wrong("mean-of-patches", partial(variant, read=lambda z, w: linear(layernorm(z, w, "norm")[:, 1:].mean(axis=1),
                                                                           w, "head")),
              "the head reads the mean of the patches: this model reads its class token, z[:, 0].", specific=True),
        Wrong("last-token", partial(variant, read=lambda z, w: linear(layernorm(z, w, "norm")[:, -1], w, "head")),
              "the head reads the last token: the class token is the first, z[:, 0].", specific=True),
        Wrong("no-positions", partial(variant, embed=without_positions), "pos_embed is not added: the model could not "
              "tell where a patch is.", specific=True),
        Wrong("class-token-last", partial(variant, embed=class_token_last, read=lambda z, w: linear(
              layernorm(z, w, "norm")[:, -1], w, "head")), "the class token was put after the patches, so all "
              "positions are off by one: it comes first, [class_token, tokens], and is read as z[:, 0].",
              specific=True),
        Wrong("class-token-without-position", partial(variant, embed=class_token_without_position),
              "positions were added to the patches alone: pos_embed has a row for the class token too, its first. "
              "Concatenate, axis=1, and then + weights[\"pos_embed\"].", specific=True),
        Wrong("channels-last", partial(variant, embed=channels_last), "the numbers of a patch are in the order (Py, "
              "Px, C): the weight is (D, C, Py, Px), so a patch is (C, Py, Px): .transpose(0, 2, 4, 1, 3, 5).",
              specific=True),
        Wrong("column-by-column", partial(variant, embed=column_by_column), "the patches are counted column by column: "
              "they are counted row by row, Gy before Gx: .transpose(0, 2, 4, 1, 3, 5).", specific=True),
        Wrong("no-scale", with_attention(scale=False), "the scores are not divided by sqrt(K)."),
        Wrong("softmax-over-queries", with_attention(axis=-2), "softmax runs over the queries: the weights of one "
              "query must add up to 1 over the keys, axis=-1."),
        Wrong("keys-before-queries", with_attention(names="kqv"), "queries and keys are exchanged: qkv has q first, "
              "then k, then v: q, k, v = ..."),
        Wrong("values-first", with_attention(names="vqk"), "the thirds of qkv were taken as v, q, k: they are q, k, "
              "v = ..."),
        Wrong("heads-not-transposed", with_attention(split=False), "tokens and heads are mixed up: reshape to (B, N, "
              "heads, K) first, then transpose to (B, heads, N, K).", specific=True),
        Wrong("one-head", partial(variant, block=lambda z, w, name, heads: block_of(z, w, name, 1)),
              "it has one head, as with heads = 1: q, k and v must be cut into `heads` parts of width K = D // heads.",
              specific=True),
        Wrong("no-projection", partial(variant, block=partial(block_of, project=False)), "attn.proj is missing: what "
              "the heads found goes through one more linear layer before it is added.", specific=True),
        Wrong("tanh-gelu", partial(variant, block=partial(block_of, act=tanh_gelu)), "this is the tanh form of GELU: "
              "with timm's weights it is the exact one, by erf."),
        Wrong("relu", partial(variant, block=partial(block_of, act=lambda x: np.maximum(x, 0))),
              "the MLP has gelu(...) between its layers, not ReLU, the maximum with 0."),
        Wrong("post-norm", partial(variant, block=post_norm), "the norms of a block stand after the additions: in ViT "
              "they stand before attention and before the MLP: layernorm(z, weights, ...norm1) goes into qkv, "
              "layernorm(z, weights, ...norm2) into fc1, and z = z + linear(...) is all there is to each addition."),
        Wrong("no-skips", partial(variant, block=without_skips), "the blocks replace the stream where they should add "
              "to it: z = z + linear(...), after attention and after the MLP."),
        Wrong("one-block", lambda images, weights, depth, heads: variant(images, weights, 1, heads), "only one block "
              "was run: there are `depth` of them.")),
    correct=(variant, image_by_image),
    hints=(
        "Write it in three parts, and look at the shape after each: images to tokens (B, 1 + Gy * Gx, D); the blocks, "
        "which keep that shape; one token to logits (B, Y).",
        "Patches: reshape to (B, C, Gy, Py, Gx, Px), transpose to (B, Gy, Gx, C, Py, Px). Heads: reshape qkv to (B, N, "
        "3, heads, K), transpose to (3, B, heads, N, K). A block: z = z + proj(attention), z = z + fc2(gelu(fc1)), "
        "each reading a norm of z.",
        "kernel.reshape(D, -1) is a linear layer's weight for flattened patches. np.concatenate the class token, "
        "broadcast to (B, 1, D), before the tokens, then add pos_embed. for number in range(depth): ... with names "
        "such as f'blocks.{number}.attn.qkv'. At the end the layer norm of z[:, 0], then the head."),
    why="This is all of ViT: some twenty lines, and every published checkpoint of the family runs through them. What "
        "the class token's row holds after the last block is not the result yet: y is its layer norm (eq. 4 of the "
        "paper), and the logits are a linear function of that.")

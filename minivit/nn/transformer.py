"""The parts of a transformer for images: patches to tokens, attention between tokens, an MLP on each."""
from minivit import ops
from minivit.nn import init
from minivit.nn.layers import Dropout, Linear
from minivit.nn.module import Module, Parameter
from minivit.ops.patches import geometry, pair


class Attention(Module):
    """Multi-head self-attention: x (B, N, D) -> (B, N, D), with H heads of width K = D / H.

    Source: Dosovitskiy et al. 2020, arXiv 2010.11929, appendix A.
    """

    def __init__(self, D, heads, rng, qkv_bias=True, attn_drop=0.0, proj_drop=0.0):
        if D % heads:
            raise ValueError(f"width {D} is not divisible by {heads} heads: each head has D / H numbers")
        self.heads, self.attn_drop = heads, attn_drop
        self.qkv = Linear(D, 3 * D, rng, bias=qkv_bias)
        self.qkv.weight = Parameter(init.xavier_uniform(rng, (3 * D, D), D, D))     # three matrices, D by D each
        self.proj = Linear(D, D, rng)
        self.proj_drop = Dropout(proj_drop)

    def split(self, qkv):
        """Queries, keys and values, (B, H, N, K) each, of what the layer `qkv` returns, (B, N, 3 D)."""
        B, N, width = qkv.shape
        qkv = qkv.reshape(B, N, 3, self.heads, width // (3 * self.heads))
        return qkv.transpose(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x, rows=None):
        """rows: a slice of the tokens, if only theirs are wanted of the result."""
        B, N, D = x.shape
        q, k, v = self.split(self.qkv(x))
        if rows is not None:
            q = q[:, :, rows]
        y = ops.attention(q, k, v, dropout=self.attn_drop if self.training else 0.0)
        y = y.swapaxes(1, 2).reshape(B, -1, D)                              # heads side by side again
        return self.proj_drop(self.proj(y))


class Mlp(Module):
    """Two linear layers with a GELU between them, on every token alone: (B, N, D) -> (B, N, D), F wide inside."""

    def __init__(self, D, F, rng, drop=0.0, gelu="none"):
        self.gelu = gelu
        self.fc1 = Linear(D, F, rng)
        self.drop1 = Dropout(drop)
        self.fc2 = Linear(F, D, rng)
        self.drop2 = Dropout(drop)

    def forward(self, x):
        return self.drop2(self.fc2(self.drop1(ops.gelu(self.fc1(x), self.gelu))))


class PatchProjection(Module):
    """The linear map from a flattened patch to a token; weight (D, C, Py, Px), as a convolution stores it."""

    def __init__(self, C, patch, D, rng):
        self.weight = Parameter(init.lecun_normal(rng, (D, C) + patch, C * patch[0] * patch[1]))
        self.bias = Parameter(init.zeros((D,)))

    def forward(self, patches):
        return ops.linear(patches, self.weight.reshape(len(self.weight), -1), self.bias)


class PatchEmbed(Module):
    """Images (B, C, Sy, Sx) to tokens (B, Gy * Gx, D), row by row: cut into patches, then one linear map for all.

    Source: Dosovitskiy et al. 2020, arXiv 2010.11929, eq. 1. It is a convolution whose stride is its size.
    """

    def __init__(self, image_size, patch_size, C, D, rng):
        self.image, self.patch, self.channels = pair(image_size, "image_size"), pair(patch_size, "patch_size"), C
        if any(size % side for size, side in zip(self.image, self.patch)):
            raise ValueError(f"images of {self.image} pixels cannot be cut into patches of {self.patch}: choose a "
                             f"patch size that divides the image size, or pad the images")
        self.grid = geometry(self.image, self.patch).grid                   # (Gy, Gx)
        self.proj = PatchProjection(C, self.patch, D, rng)

    def forward(self, images):
        if images.ndim != 4 or images.shape[1:] != (self.channels,) + self.image:
            raise ValueError(f"the model was built for images (B, {self.channels}, {self.image[0]}, {self.image[1]}), "
                             f"not {images.shape}: resize or convert the images, or build the model for theirs")
        patches = ops.extract_patches(images, self.patch)                   # (B, Gy, Gx, C * Py * Px)
        B, Gy, Gx, size = patches.shape
        return self.proj(patches.reshape(B, Gy * Gx, size))

"""The number of parameters of a Vision Transformer.

Images of S = (Sy, Sx) pixels and C channels, patches of P = (Py, Px) pixels that lie side by side, tokens of width D, L
blocks whose MLPs are F wide, and Y classes. In order:

    a linear layer from a patch to a token, with bias           a class token, and a position for every token
    in each block:  layer norm, qkv (D -> 3 * D), projection (D -> D), layer norm, MLP (D -> F -> D)
    a final layer norm                                          a linear head (D -> Y)

Every linear layer has a bias; a layer norm has a scale and an offset.
"""


def count_params(S, P, C, D, L, F, Y):
    """How many numbers are learned, an integer. S and P are pairs (y, x), the others integers."""
    Gy, Gx = S[0] // P[0], S[1] // P[1]
    patches = C * P[0] * P[1] * D + D
    tokens = D + (1 + Gy * Gx) * D
    norm = 2 * D
    attention = D * 3 * D + 3 * D + D * D + D
    mlp = D * F + F + F * D + D
    head = D * Y + Y
    return patches + tokens + L * (norm + attention + norm + mlp) + norm + head

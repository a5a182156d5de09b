"""One block of the encoder, from its parts.

    z'  = z + attention(norm1(z))
    z'' = z' + mlp(norm2(z'))

z (B, N, D) is the residual stream. Each branch reads a normalised copy of it and adds what it found.
"""


def block_forward(z, norm1, attention, norm2, mlp):
    """z'' (B, N, D). norm1, attention, norm2 and mlp are functions from such an array to another."""
    z = z + attention(norm1(z))
    return z + mlp(norm2(z))

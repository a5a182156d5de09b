"""What attention costs: tokens, bytes and arithmetic for one image.

An image of Sy rows and Sx columns of pixels is cut into patches of P x P pixels, each of which becomes a token of D
numbers; P = 1 makes a token of every pixel. There is no class token, and P divides Sy and Sx. Attention has H heads of
width K = D / H:

    scores = q k^T / sqrt(K)        weights = softmax(scores)        y = weights v

in each head, with q, k, v, y (N, K) and scores, weights (N, N).

Wanted are

    tokens    N
    memory    the bytes of the scores of all heads, in float32, which takes 4 bytes for a number
    flop      the multiplications and additions of the two matrix products, q k^T and weights v, in all heads. An inner
              product of n numbers counts n multiplications and n additions. Scale and softmax are not counted.
"""


def attention_cost(Sy, Sx, P, D, H):
    """tokens, memory and flop, as whole numbers."""
    tokens = (Sy // P) * (Sx // P)
    K = D // H
    memory = 4 * H * tokens * tokens
    scores = 2 * K * tokens * tokens
    means = 2 * tokens * tokens * K
    return tokens, memory, H * (scores + means)

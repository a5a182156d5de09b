"""The gradient of a batch, from the gradients of its parts.

W workers have computed the gradient of the mean loss, each over its own images: worker r over sizes[r] of them. The
mean over all images weighs every image alike, so

    g = sum_r sizes[r] / B * g_r        B = sizes[0] + ... + sizes[W - 1]

A gradient is a list of arrays, one for each parameter of the model, in the same order at every worker. A worker may
have had no image: the mean of nothing is nan, so its gradients hold nothing, and count for nothing.
"""


def average_gradients(gradients, sizes):
    """The list of arrays g, one for each parameter. gradients: W such lists; sizes: W integers."""
    B = sum(sizes)
    parts = [(own, size / B) for own, size in zip(gradients, sizes) if size > 0]
    return [sum(weight * own[k] for own, weight in parts) for k in range(len(gradients[0]))]

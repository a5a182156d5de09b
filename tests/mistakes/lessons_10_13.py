"""Lessons 10 to 13: the recipe, inductive bias, and many workers."""

RISE, FALL = "lr * (step + 1) / warmup", "final + (lr - final) * (1 + math.cos(math.pi * t)) / 2"
MIXED_LOSS = "return -np.sum(targets * logp) / B, (np.exp(logp) - targets) / B"
NORM = "math.sqrt(sum(np.sum(g * g) for g in gradients))"
CUT = "f(images[:, :, dy:, dx:]), f(images[:, :, :Sy - dy, :Sx - dx])"
A = "still[:, :, margin:Gy - margin - ty, margin:Gx - margin - tx]"
B = "moved[:, :, margin + ty:Gy - margin, margin + tx:Gx - margin]"
ERROR = "np.sqrt(((b - a) ** 2).sum(axis=axes)) / np.sqrt((a ** 2).sum(axis=axes))"
LOOP = "    for k, old in enumerate(order):\n"
IN_PATCHES = """    B, C, Sy, Sx = images.shape
    patches = images.reshape(B, C, Sy // P, P, Sx // P, P).swapaxes(3, 4).reshape(B, C, -1, P, P)
"""
ORDER = 'stream(seed, epoch, "shuffle").permutation(n)'
WITH_NUMPY = ("from minivit.streams", "import numpy as np\n\nfrom minivit.streams")
CHUNKS = "[np.array_split(array, W) for array in arrays]"
ALL_GATHER = """    for step in range(W - 1):
        for rank in range(W):
            right, k = (rank + 1) % W, (rank + 1 - step) % W
            chunks[right][k] = send(rank, right, chunks[rank][k])
"""
FIRST_ROUND = f"{CHUNKS}\n    for step in range("
SECOND_ROUND = "send(rank, right, chunks[rank][k])\n    for step in range("

MISTAKES = {
    "cosine_warmup": {
        "first-step-at-zero": (RISE, "lr * step / warmup"),
        "never-arrives": ("steps - 1 - warmup", "steps - warmup"),
        "cosine-from-the-start": ("(step - warmup) / (steps - 1 - warmup)", "step / (steps - 1)"),
        "warm-up-as-a-factor": """    t = step / (steps - 1)
    rate = final + (lr - final) * (1 + math.cos(math.pi * t)) / 2
    if step < warmup:
        rate *= (step + 1) / warmup
    return rate
""",
        "warm-up-too-long": (RISE, "lr * (step + 1) / (warmup + 1)"),
        "warm-up-from-final": (RISE, "final + (lr - final) * (step + 1) / warmup"),
        "falls-to-zero": ("final + (lr - final)", "lr"),
        "final-on-top": ("(lr - final)", "lr"),
        "cut-off-at-final": (FALL, "max(final, lr * (1 + math.cos(math.pi * t)) / 2)"),
        "not-halved": (" / 2", ""),
        "no-pi": ("math.pi * t", "t"),
        "whole-cosine": ("math.pi * t", "2 * math.pi * t"),
        "quarter-cosine": ("(1 + math.cos(math.pi * t)) / 2", "math.cos(math.pi * t / 2)"),
        "straight-line": (FALL, "lr + (final - lr) * t"),
    },
    "drop_path": {
        "not-scaled": ("x / (1 - p)", "x"),
        "on-in-evaluation": ("    if not training:\n        return x\n", ""),
        "scaled-in-evaluation": ("return x\n", "return x * (1 - p)\n", "x / (1 - p)", "x"),
        "scaled-in-both": ("return x\n", "return x / (1 - p)\n"),
        "divided-by-p": ("(1 - p)", "p"),
        "multiplied": ("x / (1 - p)", "x * (1 - p)"),
        "dropped-for-kept": ("uniform >= p", "uniform < p"),
        "other-end": ("uniform >= p", "uniform < 1 - p"),
        "whole-batch": ("uniform >= p", "uniform[0] >= p"),
        "identity-for-dropped": (", 0)", ", x)"),
        "share-in-this-batch": ("(1 - p)", "keep.mean()"),
    },
    "clip_grad_norm": {
        "each-by-itself": f"""    norm = {NORM}
    for g in gradients:
        own = math.sqrt(np.sum(g * g))
        if own > max_norm:
            g *= max_norm / own
    return norm
""",
        "by-value": ("    if norm > max_norm:\n        for g in gradients:\n            g *= max_norm / norm\n",
                     "    for g in gradients:\n        np.clip(g, -max_norm, max_norm, out=g)\n"),
        "sum-of-norms": (NORM, "sum(math.sqrt(np.sum(g * g)) for g in gradients)"),
        "scales-up": ("norm > max_norm", "norm > 0"),
        "to-length-one": ("max_norm / norm", "1 / norm"),
        "no-root": (NORM, "sum(np.sum(g * g) for g in gradients)"),
        "largest-number": (NORM, "max(np.max(np.abs(g)) for g in gradients)"),
        "largest-norm": (NORM, "max(math.sqrt(np.sum(g * g)) for g in gradients)"),
        "mean-square": (NORM, "math.sqrt(sum(np.sum(g * g) for g in gradients) / sum(g.size for g in gradients))"),
        "sum-of-magnitudes": (NORM, "sum(np.sum(np.abs(g)) for g in gradients)"),
        "norm-afterwards": ("return norm", f"return {NORM}"),
        "not-in-place": ("g *= max_norm / norm", "g = g * max_norm / norm"),
    },
    "mixup_loss": {
        "same-class-overwritten": ("others] +=", "others] ="),
        "lam-swapped": ("labels] += lam", "labels] += 1 - lam", "others] += 1 - lam", "others] += lam"),
        "labels-only": ("others] +=", "labels] +="),
        "second-loss-missing": ("    targets[np.arange(B), others] += 1 - lam\n", "",
                                "(np.exp(logp) - targets)", "(lam * np.exp(logp) - targets)"),
        "not-weighted": ("+= lam", "+= 1", "+= 1 - lam", "+= 1", "(np.exp(logp) - t", "(2 * np.exp(logp) - t"),
        "softmax-for-each": ("(np.exp(logp) - targets)", "(2 * np.exp(logp) - targets)"),
        "of-mixed-probability": (MIXED_LOSS, """p = np.exp(logp)
    mixed = np.sum(p * targets, axis=1, keepdims=True)
    return -np.mean(np.log(mixed)), (p - p * targets / mixed) / B"""),
        "no-mean": ("* logp) / B", "* logp)", "- targets) / B", "- targets)"),
        "no-mean-in-dx": ("- targets) / B", "- targets)"),
        "sign": ("np.exp(logp) - targets", "targets - np.exp(logp)"),
        "no-max-shift": ("x - x.max(axis=1, keepdims=True)", "x"),
    },
    "hybrid_embed": {
        "reshape-alone": (".transpose(0, 2, 3, 1)", ""),
        "column-by-column": ("transpose(0, 2, 3, 1)", "transpose(0, 3, 2, 1)"),
        "pooled": ("features.transpose(0, 2, 3, 1).reshape(B, Gy * Gx, C)",
                   "np.repeat(features.mean(axis=(2, 3))[:, None], Gy * Gx, axis=1)"),
        "no-bias": (" + bias", ""),
        "bias-for-the-class-token": ("+ bias", "", "tokens], axis=1)", "tokens], axis=1) + bias"),
        "class-token-last": ("[first, tokens]", "[tokens, first]"),
        "no-positions": (" + positions", ""),
        "no-position-for-the-class-token": ("E.T + bias", "E.T + bias + positions[1:]", "axis=1) + positions",
                                            "axis=1)"),
        "positions-one-off": ("+ positions", "+ np.roll(positions, 1, axis=0)"),
        "positions-by-columns": ("    return", "    grid = positions[1:].reshape(Gx, Gy, -1).swapaxes(0, 1)\n"
                                 "    positions = np.concatenate([positions[:1], grid.reshape(Gy * Gx, -1)])\n"
                                 "    return"),
        "map-upside-down": ("features.transpose", "features[:, :, ::-1].transpose"),
    },
    "permute_pixels": {
        "inverse": ("k, old in", "old, k in"),
        "column-by-column": ("Gx = images.shape[3]", "Gy = images.shape[2]",
                             "P * (k // Gx), P * (k % Gx)", "P * (k % Gy), P * (k // Gy)",
                             "P * (old // Gx), P * (old % Gx)", "P * (old % Gy), P * (old // Gy)"),
        "another-for-each-image": (LOOP, "    for b, k in np.ndindex(len(images), len(order)):\n"
                                   "        old = np.roll(order, b)[k]\n", "result[:,", "result[b,", "= images[:,",
                                   "= images[b,"),
        "another-for-each-channel": (LOOP, "    for c, k in np.ndindex(images.shape[1], len(order)):\n"
                                     "        old = np.roll(order, c)[k]\n", "result[:, :,", "result[:, c,",
                                     "= images[:, :,", "= images[:, c,"),
        "transposed-within": ("x:x + P]", "x:x + P].swapaxes(2, 3)"),
        "not-joined": f"{IN_PATCHES}    return patches[:, :, order].reshape(images.shape)\n",
        "not-cut": """    B, C, Sy, Sx = images.shape
    patches = images.reshape(B, C, len(order), P * P)
    return patches[:, :, order].reshape(images.shape)
""",
        "within-the-patch": f"""{IN_PATCHES}    pixels = np.arange(P * P)[::-1]
    if len(order) >= P * P:
        pixels = np.argsort(order[:P * P])
    patches = patches.reshape(B, C, Sy // P, Sx // P, P * P)[..., pixels]
    return patches.reshape(B, C, Sy // P, Sx // P, P, P).swapaxes(3, 4).reshape(images.shape)
""",
        "unchanged": ("images[:, :, y:y + P, x:x + P]", "images[:, :, to_y:to_y + P, to_x:to_x + P]"),
    },
    "shift_test": {
        "edge-included": (A, "still[:, :, :Gy - ty, :Gx - tx]", B, "moved[:, :, ty:, tx:]"),
        "map-not-moved": (A, "still[:, :, margin:Gy - margin, margin:Gx - margin]",
                          B, "moved[:, :, margin:Gy - margin, margin:Gx - margin]"),
        "wrong-way": (A, B.replace("moved", "still"), B, A.replace("still", "moved")),
        "stride-forgotten": ("dy // stride, dx // stride", "dy, dx"),
        "axes-exchanged": ("ty, tx = dy", "tx, ty = dy"),
        "rolled": (CUT, "f(images), f(np.roll(images, (dy, dx), axis=(2, 3)))"),
        "filled-with-zeros": (f"    still, moved = {CUT}", "    filled = np.zeros_like(images)\n"
                              "    filled[:, :, dy:, dx:] = images[:, :, :Sy - dy, :Sx - dx]\n"
                              "    still, moved = f(images), f(filled)"),
        "margin-in-pixels": ("    Gy, Gx", "    margin = margin // stride\n    Gy, Gx"),
        "margin-on-one-side": (A, "still[:, :, margin:Gy - ty, margin:Gx - tx]",
                               B, "moved[:, :, margin + ty:, margin + tx:]"),
        "not-relative": (" / np.sqrt((a ** 2).sum(axis=axes))", ""),
        "squared": (ERROR, "((b - a) ** 2).sum(axis=axes) / (a ** 2).sum(axis=axes)"),
        "one-for-all-images": (ERROR, "np.full(len(a), np.sqrt(((b - a) ** 2).sum()) / np.sqrt((a ** 2).sum()))"),
    },
    "shard_indices": {
        "own-shuffle": ("stream(seed,", "stream(seed + rank,"),
        "same-order-each-epoch": ("stream(seed, epoch,", "stream(seed, 0,"),
        "seed-plus-epoch": ("stream(seed, epoch,", "stream(seed + epoch, 0,"),
        "seed-and-epoch-exchanged": ("stream(seed, epoch,", "stream(epoch, seed,"),
        "not-shuffled": (*WITH_NUMPY, ORDER, "np.arange(n)"),
        "dealt-before-shuffling": (*WITH_NUMPY, f"order = {ORDER}\n    return order[rank::world]", "own = np.arange(n)"
                                   "[rank::world]\n    return " + ORDER.replace("(n)", "(own)")),
        "tail-lost": ("order[rank", "order[:n // world * world][rank"),
        "tail-padded": (*WITH_NUMPY, "order[rank", "np.resize(order, -(-n // world) * world)[rank"),
        "blocks": (*WITH_NUMPY, "order[rank::world]", "np.array_split(order, world)[rank]"),
        "ranks-from-one": ("order[rank::", "order[rank - 1::"),
        "one-further": ("order[rank::", "order[rank + 1::"),
    },
    "average_gradients": {
        "unweighted": ("size / B", "1 / len(sizes)"),
        "sum": ("size / B", "1"),
        "not-divided": ("size / B", "size"),
        "divided-by-workers": ("B = sum(sizes)", "B = len(sizes)"),
        "divided-twice": ("size / B", "size / B / len(sizes)"),
        "weights-upside-down": ("B = sum(sizes)", "B = sum(1 / size for size in sizes if size > 0)", "size / B",
                                "1 / size / B"),
        "last-worker-lost": ("    B = sum", "    if len(sizes) > 1:\n        sizes = sizes[:-1]\n    B = sum"),
        "first-worker-only": "    return gradients[0]\n",
        "two-by-two": """    total = None
    for own, size in zip(gradients, sizes):
        if size > 0:
            total = own if total is None else [(a + b) / 2 for a, b in zip(total, own)]
    return total
""",
        "by-largest": ("B = sum(sizes)", "B = max(sizes)"),
        "mean-over-parameter": ("weight * own[k]", "weight * (own[k].mean() + 0 * own[k])"),
        "nan-of-the-idle": (" if size > 0", ""),
    },
    "ring_all_reduce": {
        "overwritten": ("= chunks[right][k] + send", "= send"),
        "added-again": ("= send", "= chunks[right][k] + send"),
        "tail-lost": (CHUNKS, "[[array[k * n:(k + 1) * n] for k in range(W)] for array in arrays]",
                      "    chunks = ", "    n = len(arrays[0]) // W\n    chunks = ",
                      "np.concatenate(own) for own in chunks",
                      "np.concatenate(own + [array[W * n:]]) for own, array in zip(chunks, arrays)"),
        "mean": ("np.concatenate(own) for", "np.concatenate(own) / W for"),
        "no-all-gather": (ALL_GATHER, ""),
        "scatter-too-short": (f"{FIRST_ROUND}W - 1", f"{FIRST_ROUND}W - 2"),
        "gather-too-short": (f"{SECOND_ROUND}W - 1", f"{SECOND_ROUND}W - 2"),
        "scatter-too-long": (f"{FIRST_ROUND}W - 1", f"{FIRST_ROUND}W"),
        "same-chunk-every-step": ("(rank - step) % W", "rank"),
        "unfinished-chunk": ("(rank + 1 - step) % W", "(rank - step) % W"),
        "to-the-left": ("(rank + 1) % W, (rank - step)", "(rank - 1) % W, (rank - step)",
                        "(rank + 1) % W, (rank + 1 - step)", "(rank - 1) % W, (rank + 1 - step)"),
        "no-ring": f"""    W = len(arrays)
    chunks = {CHUNKS}
    for step in range(W - 1):
        for rank in range(W - 1):
            k = (rank - step) % W
            chunks[rank + 1][k] = chunks[rank + 1][k] + send(rank, rank + 1, chunks[rank][k])
    for step in range(W - 1):
        for rank in range(W - 1):
            k = (rank + 1 - step) % W
            chunks[rank + 1][k] = send(rank, rank + 1, chunks[rank][k])
    return [np.concatenate(own) for own in chunks]
""",
        "whole-arrays": """    W = len(arrays)
    totals, passing = list(arrays), list(arrays)
    for step in range(W - 1):
        passing = [send((rank - 1) % W, rank, passing[rank - 1]) for rank in range(W)]
        totals = [total + arrived for total, arrived in zip(totals, passing)]
    return totals
""",
        "through-one-worker": """    total = arrays[0]
    for rank in range(1, len(arrays)):
        total = total + send(rank, 0, arrays[rank])
    return [total] + [send(0, rank, total) for rank in range(1, len(arrays))]
""",
        "nothing-sent": "    return [sum(arrays) for _ in arrays]\n",
    },
}

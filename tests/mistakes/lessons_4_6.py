"""Lessons 4 to 6: convolutions, attention, patches and their embedding."""

STEP, PAD = "top, left = gy * stride, gx * stride", "x = np.pad(x, ((0, 0), (0, 0), border, border))"
DX = "dx[:, :, padding:padding + Sy, padding:padding + Sx]"
LARGEST = "largest = x[window] == x[window].max(axis=(2, 3), keepdims=True)"
TOKENS, FLOP = "(Sy // P) * (Sx // P)", "H * (scores + means)"
SOFTMAX = """    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
"""
SPLIT = "x[:, :, h * K:(h + 1) * K]"
PLACE_LOOPS = "for top in range(0, Sy, P):\n        for left in range(0, Sx, P):"

MISTAKES = {
    "conv2d_forward": {
        "stride-forgotten": (STEP, "top, left = gy, gx"),
        "kernel-flipped": ("window, weight)", "window, weight[:, :, ::-1, ::-1])"),
        "kernel-transposed": ("    Ky, Kx = weight", "    weight = weight.swapaxes(2, 3)\n    Ky, Kx = weight"),
        "no-bias": (" + bias", ""),
        "bias-for-each-channel": ("+ bias", "+ C * bias"),
        "one-channel": ("window, weight)", "window[:, -1:], weight[:, -1:])"),
        "mean-for-sum": ("window, weight)", "window, weight) / weight[0].size"),
        "padding-after-the-image": ("border = (padding, padding)", "border = (0, 2 * padding)"),
        "padding-repeats-the-edge": ("border, border))", 'border, border), mode="edge")'),
        "no-padding": (f"    border = (padding, padding)\n    {PAD}\n", "", "Sy + 2 * padding", "Sy",
                       "Sx + 2 * padding", "Sx"),
        "one-window-short": ("Ky) // stride + 1", "Ky) // stride", "Kx) // stride + 1", "Kx) // stride"),
        "inputs-before-outputs": ('"bcyx,ocyx->bo", window, weight)',
                                  '"bcyx,coyx->bo", window, weight.reshape(C, len(weight), Ky, Kx))'),
    },
    "conv2d_backward": {
        "windows-overwrite": ("dx[window] +=", "dx[window] ="),
        "stride-forgotten": (STEP, "top, left = gy, gx"),
        "kernel-flipped": ("arrives, weight)", "arrives, weight[:, :, ::-1, ::-1])"),
        "border-kept": (DX, "dx"),
        "cropped-at-the-end": (DX, "dx[:, :, :Sy, :Sx]"),
        "image-without-border": (PAD, "x = np.pad(x, ((0, 0), (0, 0), (0, 2 * padding), (0, 2 * padding)))"),
        "last-window-only": ("dweight +=", "dweight ="),
        "dweight-flipped": ("], dweight, dbias", "], dweight[:, :, ::-1, ::-1], dbias"),
        "mean-over-the-batch": ("], dweight, dbias", "], dweight / len(dy), dbias / len(dy)"),
        "dbias-a-mean": ("dy.sum", "dy.mean"),
        "dbias-of-one-image": ("dy.sum(axis=(0, 2, 3))", "dy[0].sum(axis=(1, 2))"),
        "one-filter": ("arrives, weight)", "arrives[:, -1:], weight[-1:])"),
    },
    "maxpool_backward": {
        "all-ties-get-all": (" / largest.sum(axis=(2, 3))", ""),
        "first-gets-all": ("            share", "            flat = largest.reshape(*largest.shape[:2], -1)\n"
                           "            largest = (np.cumsum(flat, axis=-1) * flat == 1).reshape(largest.shape)\n"
                           "            share"),
        "windows-overwrite": ("dx[window] +=", "dx[window] ="),
        "mean-pooling": (LARGEST, "largest = np.ones(x[window].shape)"),
        "stride-forgotten": (STEP, "top, left = gy, gx"),
        "stride-is-size": (STEP, "top, left = gy * size, gx * size"),
        "one-winner-for-all-channels": ("max(axis=(2, 3)", "max(axis=(1, 2, 3)"),
        "one-winner-for-all-images": ("max(axis=(2, 3)", "max(axis=(0, 2, 3)"),
        "values-for-slopes": ("largest * share", "largest * x[window] * share"),
        "smallest": ("x[window].max", "x[window].min"),
    },
    "attention_forward": {
        "no-scale": (" / math.sqrt(q.shape[-1])", ""),
        "scale-by-K": ("math.sqrt(q.shape[-1])", "q.shape[-1]"),
        "scale-of-the-width": ("math.sqrt(q.shape[-1])", "math.sqrt((q.shape[-3] if q.ndim > 2 else 1) * "
                               "q.shape[-1])"),
        "scale-of-the-keys": ("math.sqrt(q.shape[-1])", "math.sqrt(k.shape[-2])"),
        "scale-turned-over": ("/ math.sqrt", "* math.sqrt"),
        "scale-after-softmax": (" / math.sqrt(q.shape[-1])", "", "weights @ v",
                                "weights / math.sqrt(q.shape[-1]) @ v"),
        "softmax-over-queries": ("max(axis=-1", "max(axis=-2", "sum(axis=-1", "sum(axis=-2"),
        "softmax-over-everything": ("max(axis=-1", "max(axis=(-1, -2)", "sum(axis=-1", "sum(axis=(-1, -2)"),
        "no-softmax": (f"{SOFTMAX}    return weights", "    return scores"),
        "not-normalised": ("    weights = weights / weights.sum(axis=-1, keepdims=True)\n", ""),
        "no-row-maximum": ("scores - scores.max(axis=-1, keepdims=True)", "scores"),
        "keys-for-values": ("weights @ v", "weights @ k"),
    },
    "attention_cost": {
        "one-score-table": ("4 * H * tokens", "4 * tokens"),
        "flop-times-heads": ("K = D // H", "K = D"),
        "flop-of-one-head": (FLOP, "scores + means"),
        "half-the-flop": (FLOP, "H * scores"),
        "no-first-addition": ("2 * K * tokens", "(2 * K - 1) * tokens", "2 * tokens * tokens * K",
                              "tokens * (2 * tokens - 1) * K"),
        "linear-layers-too": (FLOP, f"{FLOP} + 8 * tokens * D * D"),
        "linear-in-tokens": ("4 * H * tokens * tokens", "4 * tokens * D"),
        "double-precision": ("memory = 4", "memory = 8"),
        "divided-by-P-once": (TOKENS, "Sy * Sx // P"),
        "rows-plus-columns": (TOKENS, "(Sy // P) + (Sx // P)"),
        "square-image": (TOKENS, "(Sy // P) ** 2"),
        "class-token": (TOKENS, f"{TOKENS} + 1"),
    },
    "split_heads": {
        "no-transpose": "    return x.reshape(len(x), H, x.shape[1], -1)\n",
        "heads-innermost": (SPLIT, "x[:, :, h::H]"),
        "heads-after-tokens": "    B, N, D = x.shape\n    return x.reshape(B, N, H, D // H)\n",
        "numbers-before-tokens": ("np.empty((B, H, N, K)", "np.empty((B, H, K, N)", SPLIT, f"{SPLIT}.swapaxes(1, 2)"),
        "images-and-heads-exchanged": ("np.empty((B, H, N, K)", "np.empty((H, B, N, K)", "y[:, h]", "y[h]"),
        "heads-overlap": ("h * K:(h + 1) * K", "h:h + K"),
        "first-head-everywhere": ("h * K:(h + 1) * K", ":K"),
        "heads-backwards": ("y[:, h]", "y[:, H - 1 - h]"),
    },
    "patchify": {
        "reshape-alone": "    B, C, Sy, Sx = images.shape\n    return images.reshape(B, -1, C * P * P)\n",
        "channels-last": ("patch.reshape", "patch.transpose(0, 2, 3, 1).reshape"),
        "column-by-column": (PLACE_LOOPS, "for left in range(0, Sx, P):\n        for top in range(0, Sy, P):"),
        "patches-transposed": ("patch.reshape", "patch.swapaxes(2, 3).reshape"),
        "grid-exchanged": """    B, C, Sy, Sx = images.shape
    cut = images.reshape(B, C, Sx // P, P, Sy // P, P)
    return cut.transpose(0, 2, 4, 1, 3, 5).reshape(B, -1, C * P * P)
""",
        "channels-apart": """    B, C, Sy, Sx = images.shape
    cut = images.reshape(B, C, Sy // P, P, Sx // P, P)
    return cut.transpose(0, 1, 2, 4, 3, 5).reshape(B, -1, C * P * P)
""",
        "rows-not-cut": """    B, C, Sy, Sx = images.shape
    cut = images.reshape(B, C, Sy // P, P, Sx // P, P)
    return cut.transpose(0, 2, 1, 3, 4, 5).reshape(B, -1, C * P * P)
""",
        "one-pixel-apart": ("range(0, Sy, P)", "range(Sy // P)", "range(0, Sx, P)", "range(Sx // P)"),
    },
    "unpatchify": {
        "reshape-alone": "    return patches.reshape(len(patches), -1, *S)\n",
        "channels-last": ("reshape(B, C, P, P)", "reshape(B, P, P, C).transpose(0, 3, 1, 2)"),
        "column-by-column": ("gy, gx = divmod(n, Sx // P)", "gx, gy = divmod(n, Sy // P)"),
        "patches-transposed": ("reshape(B, C, P, P)", "reshape(B, C, P, P).swapaxes(2, 3)"),
        "grid-exchanged": ("C, (Sy, Sx) =", "C, (Sx, Sy) =", "return images", "return images.reshape(B, C, *S)"),
        "square-grid": """    B, C, side = len(patches), patches.shape[2] // P ** 2, int(patches.shape[1] ** 0.5)
    cut = patches.reshape(B, side, side, C, P, P)
    return cut.transpose(0, 3, 1, 4, 2, 5).reshape(B, C, side * P, side * P)
""",
        "axes-not-moved": """    B, (Sy, Sx) = len(patches), S
    cut = patches.reshape(B, Sy // P, Sx // P, -1, P, P)
    return cut.transpose(0, 3, 1, 2, 4, 5).reshape(B, -1, Sy, Sx)
""",
        "upside-down": ("return images", "return images[:, :, ::-1]"),
        "first-patch-everywhere": ("patches[:, n]", "patches[:, 0]"),
    },
    "embed_as_conv": {
        "not-transposed": ("y.reshape(B, D, -1).swapaxes(1, 2)", "y.reshape(B, -1, D)"),
        "channels-last": ("E.reshape(D, C, P, P)", "E.reshape(D, P, P, C).transpose(0, 3, 1, 2)"),
        "kernel-transposed": ("E.reshape(D, C, P, P)", "E.reshape(D, C, P, P).swapaxes(2, 3)"),
        "kernel-flipped": ("E.reshape(D, C, P, P)", "E.reshape(D, C, P, P)[:, :, ::-1, ::-1]"),
        "E-turned": ("E.reshape", "E.T.reshape"),
        "column-by-column": ("y.reshape", "y.swapaxes(2, 3).reshape"),
        "stride-of-one": ("bias, P, 0)", "bias, 1, 0)"),
        "no-bias": ("kernel, bias,", "kernel, 0 * bias,"),
        "bias-twice": (".swapaxes(1, 2)", ".swapaxes(1, 2) + bias"),
        "channels-exchanged": ("conv2d(images,", "conv2d(images[:, ::-1],"),
    },
    "add_cls_pos": {
        "class-token-last": ("z[:, :1] =", "z[:, -1:] =", "z[:, 1:] =", "z[:, :-1] ="),
        "no-position-for-the-class-token": ("= patches\n", "= patches + pos_embed[:, 1:]\n", "z + pos_embed", "z"),
        "positions-off-by-one": ("= patches\n", "= patches + pos_embed[:, :-1]\n", "z + pos_embed", "z"),
        "no-positions": ("z + pos_embed", "z"),
        "one-position-for-all": ("z + pos_embed", "z + pos_embed[:, :1]"),
        "positions-multiplied": ("z + pos_embed", "z * pos_embed"),
        "first-image-alone": ("z[:, :1] = cls_token", "z[:, 0] = 0\n    z[0, 0] = cls_token[0, 0]"),
        "instead-of-the-first-patch": """    z = patches + pos_embed[:, 1:]
    z[:, 0] = cls_token[0, 0] + pos_embed[0, 0]
    return z
""",
        "added-to-every-patch": "    return patches + cls_token + pos_embed[:, 1:]\n",
        "no-class-token": ("= cls_token", "= 0"),
    },
}

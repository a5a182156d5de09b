"""The named wrong answers as a learner has them in their file: minivit's solution with a part of it written otherwise.

    MISTAKES[slug][name] = (before, after, before, after ...)       each `before` is once in the code of the solution
    MISTAKES[slug][name] = text                                     all that the function does

The exercises hold functions that compute the same; these are other texts for them, so that the checker must know a
mistake by what it does. Wrong answers in CUDA are texts already.
"""

LOG_SUM = "shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))"
SUM_OVER_NEW_AXES = "    gradient = gradient.sum(axis=tuple(range(added)))\n"
LOOP_OVER_AXES = """    for axis, size in enumerate(shape):
        if size == 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
"""
DB, COMPARED = "a.reshape(-1, a.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])", "np.abs(backward(dy, x) - measured).max()"
STEP, PAD = "top, left = gy * stride, gx * stride", "x = np.pad(x, ((0, 0), (0, 0), border, border))"
DX = "dx[:, :, padding:padding + Sy, padding:padding + Sx]"
LARGEST = "largest = x[window] == x[window].max(axis=(2, 3), keepdims=True)"
TOKENS, FLOP, MEANS = "(Sy // P) * (Sx // P)", "H * (scores + means)", "(dxhat - along_one - xhat * along_xhat)"
SOFTMAX = """    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
"""
ROW_SUM, SPLIT = "np.sum(dy * y, axis=-1, keepdims=True)", "x[:, :, h * K:(h + 1) * K]"
PLACE_LOOPS = "for top in range(0, Sy, P):\n        for left in range(0, Sx, P):"
READ = 'layernorm(z[:, 0], weights, "norm")'

MISTAKES = {
    "scalar_backward": {
        "overwrites": ("parent.grad +=", "parent.grad ="),
        "inner-not-reset": ("    for node in order:\n        if node.parents:\n            node.grad = 0.0\n", "",
                            "order[-1].grad = 1.0", "order[-1].grad += 1.0"),
        "leaves-reset": ("        if node.parents:\n            node.grad = 0.0\n", "        node.grad = 0.0\n"),
        "oldest-first": ("reversed(order)", "order"),
        "no-start": ("    order[-1].grad = 1.0\n", ""),
        "start-from-data": ("order[-1].grad = 1.0", "order[-1].grad = order[-1].data"),
        "adds-slopes": ("slope * node.grad", "slope + node.grad"),
        "slope-forgotten": ("slope * node.grad", "node.grad"),
        "gradient-forgotten": ("slope * node.grad", "slope"),
        "each-parent-once": ("zip(node.parents, node.slopes)", "dict(zip(node.parents, node.slopes)).items()"),
    },
    "scalar_backward_rules": {
        "mul-own-operand": ("return b, a", "return a, b"),
        "sub-like-add": ("return 1.0, -1.0", "return 1.0, 1.0"),
        "div-sign": ("-a / b ** 2", "a / b ** 2"),
        "div-not-squared": ("-a / b ** 2", "-a / b"),
        "pow-same-exponent": ("b * a ** (b - 1)", "b * a ** b"),
        "pow-no-factor": ("b * a ** (b - 1)", "a ** (b - 1)"),
        "exp-by-power-rule": ("math.exp(a)", "a * math.exp(a - 1)"),
        "log-itself": ("(1 / a,)", "(math.log(a),)"),
        "tanh-of-operand": ("math.tanh(a) ** 2", "a ** 2"),
        "tanh-not-squared": ("math.tanh(a) ** 2", "math.tanh(a)"),
    },
    "topological_order": {
        "no-memory": ("        elif node not in seen:\n            seen.add(node)\n", "        else:\n",
                      "in node.parents)", "in reversed(node.parents))"),
        "by-distance": """    order = [end]
    for node in order:
        order += [parent for parent in dict.fromkeys(node.parents) if parent not in order]
    return order[::-1]
""",
        "listed-on-arrival": """    order, stack = [], [end]
    while stack:
        node = stack.pop()
        if node not in order:
            order.append(node)
            stack.extend(node.parents)
    return order[::-1]
""",
        "seen-when-found": ("        elif node not in seen:\n            seen.add(node)\n", "        else:\n",
                            "            stack.extend((parent, False) for parent in node.parents)\n",
                            "            for parent in node.parents:\n                if parent not in seen:\n"
                            "                    seen.add(parent)\n"
                            "                    stack.append((parent, False))\n"),
        "backwards": ("return order", "return order[::-1]"),
        "without-end": ("return order", "return order[:-1]"),
        "without-leaves": ("            order.append(node)\n",
                           "            if node.parents:\n                order.append(node)\n"),
    },
    "unbroadcast": {
        "new-axes-not-summed": (SUM_OVER_NEW_AXES, "", "axis=axis,", "axis=added + axis,"),
        "new-axes-first-only": (SUM_OVER_NEW_AXES, "    gradient = gradient[(0,) * added]\n"),
        "stretched-not-summed": (LOOP_OVER_AXES, ""),
        "stretched-first-only": ("gradient.sum(axis=axis, keepdims=True)", "gradient.take([0], axis=axis)"),
        "size-1-axis-lost": (LOOP_OVER_AXES, "    gradient = gradient.sum(axis=tuple(axis for axis, size in "
                             "enumerate(shape) if size == 1))\n"),
        "mean-for-sum": ("gradient.sum(axis=tuple", "gradient.mean(axis=tuple",
                         "gradient.sum(axis=axis", "gradient.mean(axis=axis"),
        "aligned-left": ("range(added)", "range(len(shape), gradient.ndim)"),
        "sum-of-everything": """    if gradient.shape == shape:
        return gradient
    total = gradient.sum()
    while gradient.ndim > len(shape):
        gradient = gradient[0]
    return 0 * gradient[tuple(slice(0, size) for size in shape)] + total
""",
    },
    "matmul_backward": {
        "db-not-summed": (DB, "a.swapaxes(-1, -2) @ dy"),
        "db-transposed": (DB, "dy.reshape(-1, dy.shape[-1]).T @ a.reshape(-1, a.shape[-1])"),
        "db-reshaped": (DB, "(dy.reshape(-1, dy.shape[-1]).T @ a.reshape(-1, a.shape[-1])).reshape(b.shape)"),
        "da-reshaped": ("dy @ b.T", "dy @ b.reshape(b.shape[::-1])"),
        "db-mean": (DB, "(a.swapaxes(-1, -2) @ dy).mean(axis=tuple(range(a.ndim - 2)))"),
        "db-product-of-sums": (DB, "a.reshape(-1, *a.shape[-2:]).sum(axis=0).T @ "
                                   "dy.reshape(-1, *dy.shape[-2:]).sum(axis=0)"),
        "dy-ignored": ("    da = dy", "    dy = 0 * dy + 1\n    da = dy"),
        "swapped": ("return da, db", "return db, da"),
        "sign": ("return da, db", "return -da, -db"),
    },
    "gradcheck": {
        "blind-to-sums": ("rng.standard_normal(forward(x).shape)", "np.ones(forward(x).shape)"),
        "forward-difference": ("forward(x - nudge)", "forward(x)", "(2 * h)", "h"),
        "divided-by-h": ("(2 * h)", "h"),
        "step-too-large": ("h = 1e-5", "h = 0.1"),
        "step-too-small": ("h = 1e-5", "h = 1e-13"),
        "absolute-tolerance": ("1e-5 * np.abs(measured).max()", "1e-5"),
        "too-tolerant": ("<= 1e-5", "<= 0.05"),
        "first-element-only": (COMPARED, "abs(backward(dy, x).flat[0] - measured.flat[0])"),
        "compares-sums": (COMPARED, "abs(backward(dy, x).sum() - measured.sum())"),
        "compares-sizes": (COMPARED, "np.abs(np.abs(backward(dy, x)) - np.abs(measured)).max()"),
    },
    "log_softmax": {
        "no-max-shift": ("x - x.max(axis=-1, keepdims=True)", "x"),
        "log-of-rounded-softmax": (f"    return {LOG_SUM}", "    e = np.exp(shifted)\n"
                                   "    return np.log(e / e.sum(axis=-1, keepdims=True))"),
        "max-of-everything": ("x.max(axis=-1, keepdims=True)", "x.max()"),
        "max-not-put-back": ("return shifted", "return x"),
        "softmax": (LOG_SUM, "np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)"),
        "wrong-axis": ("x.max(axis=-1", "x.max(axis=0", "sum(axis=-1", "sum(axis=0"),
        "one-sum-for-all": ("sum(axis=-1, keepdims=True)", "sum()"),
        "mean-for-sum": ("sum(axis=-1", "mean(axis=-1"),
        "bits": (LOG_SUM, f"({LOG_SUM}) / np.log(2)"),
        "sign": (LOG_SUM, "np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted"),
    },
    "cross_entropy_backward": {
        "no-mean": (" / len(x)", ""),
        "mean-over-all": ("len(x)", "x.size"),
        "mean-over-classes": ("len(x)", "x.shape[1]"),
        "sign": ("p - rows", "rows - p"),
        "dloss-ignored": ("return dloss * ", "return "),
        "softmax-twice": ("    return dloss * (p - rows) / len(x)", "    dp = (p - rows) / len(x)\n"
                          "    return dloss * p * (dp - np.sum(dp * p, axis=1, keepdims=True))"),
        "by-probabilities": ("dloss * (p - rows)", "-dloss * rows / np.maximum(p, 1e-300)"),
        "target-only": ("(p - rows)", "rows * (p - 1)"),
        "logits-for-probabilities": ("p - rows", "x - rows"),
        "wrong-axis": ("x.max(axis=1", "x.max(axis=0", "p.sum(axis=1", "p.sum(axis=0"),
        "no-max-shift": ("x - x.max(axis=1, keepdims=True)", "x"),
    },
    "sgd_momentum_step": {
        "rate-in-velocity": ("g + weight_decay * p", "lr * (g + weight_decay * p)", "p - lr * b", "p - b"),
        "damped": ("g + weight_decay * p", "(1 - momentum) * (g + weight_decay * p)"),
        "nesterov": ("p - lr * b", "p - lr * (g + weight_decay * p + momentum * b)"),
        "old-velocity": ("    b = momentum * b + g + weight_decay * p\n    return p - lr * b, b",
                         "    return p - lr * b, momentum * b + g + weight_decay * p"),
        "no-momentum": ("momentum * b + g", "g"),
        "gradient-step": ("p - lr * b", "p - lr * (g + weight_decay * p)"),
        "decoupled": ("g + weight_decay * p", "g", "p - lr * b", "p - lr * weight_decay * p - lr * b"),
        "no-decay": (" + weight_decay * p", ""),
        "uphill": ("p - lr * b", "p + lr * b"),
    },
    "adamw_step": {
        "no-bias-correction": ("m / (1 - beta1 ** t)", "m", "v / (1 - beta2 ** t)", "v"),
        "only-m-corrected": ("v / (1 - beta2 ** t)", "v"),
        "corrected-stored": ("return p, m, v", "return p, mhat, vhat"),
        "t-plus-one": ("beta1 ** t", "beta1 ** (t + 1)", "beta2 ** t", "beta2 ** (t + 1)"),
        "l2-instead-of-decay": ("    m = beta1 * m", "    g = g + weight_decay * p\n    m = beta1 * m",
                                " - lr * weight_decay * p", ""),
        "decay-without-lr": ("lr * weight_decay * p", "weight_decay * p"),
        "decay-of-the-new-p": (" - lr * weight_decay * p", "\n    p = p - lr * weight_decay * p"),
        "no-decay": (" - lr * weight_decay * p", ""),
        "eps-inside-root": ("np.sqrt(vhat) + eps", "np.sqrt(vhat + eps)"),
        "no-root": ("np.sqrt(vhat)", "vhat"),
        "not-squared": ("g ** 2", "np.abs(g)"),
        "weight-one": ("(1 - beta1) * g", "g", "(1 - beta2) * g ** 2", "g ** 2"),
        "sign": ("p - lr * mhat", "p + lr * mhat"),
    },
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
    "softmax_backward": {
        "no-row-sum": (f"(dy - {ROW_SUM})", "dy"),
        "diagonal-only": (f"(dy - {ROW_SUM})", "(1 - y) * dy"),
        "sum-over-axis-0": ("axis=-1", "axis=0"),
        "sum-over-everything": (", axis=-1, keepdims=True", ""),
        "mean-for-sum": ("np.sum", "np.mean"),
        "no-leading-y": (f"y * (dy - {ROW_SUM})", f"dy - {ROW_SUM}"),
        "sign": ("return y", "return -y"),
        "sum-of-dy": ("np.sum(dy * y", "np.sum(dy"),
    },
    "split_heads_backward": {
        "no-transpose": ("part.transpose(0, 2, 1, 3)", "part"),
        "heads-innermost": ("transpose(0, 2, 1, 3)", "transpose(0, 2, 3, 1)"),
        "parts-inside-heads": """    B, H, N, K = dq.shape
    parts = np.concatenate([dq, dk, dv], axis=-1)
    return parts.transpose(0, 2, 1, 3).reshape(B, N, 3 * H * K)
""",
        "parts-innermost": ("np.concatenate(merged, axis=-1)", "np.stack(merged, axis=-1).reshape(B, N, 3 * H * K)"),
        "joined-along-tokens": ("merged, axis=-1)", "merged, axis=1).reshape(B, N, 3 * H * K)"),
        "keys-first": ("(dq, dk, dv)]", "(dk, dq, dv)]"),
        "values-first": ("(dq, dk, dv)]", "(dv, dk, dq)]"),
    },
    "attention_backward": {
        "no-scale": ("1 / math.sqrt(q.shape[-1])", "1"),
        "scale-in-dq-alone": ("@ q * scale", "@ q"),
        "scale-twice": ("math.sqrt(q.shape[-1])", "q.shape[-1]"),
        "scale-of-the-width": ("math.sqrt(q.shape[-1])", "math.sqrt(q.shape[1] * q.shape[-1])"),
        "scale-turned-over": ("1 / math.sqrt", "math.sqrt"),
        "weights-not-transposed": ("P.swapaxes(-1, -2) @ dy", "P @ dy"),
        "scores-not-transposed": ("dS.swapaxes(-1, -2) @ q", "dS @ q"),
        "no-row-sum": ("(dP - np.sum(dP * P, axis=-1, keepdims=True))", "dP"),
        "no-softmax": ("P * (dP - np.sum(dP * P, axis=-1, keepdims=True))", "dP"),
        "sum-over-queries": ("axis=-1", "axis=-2"),
        "operands-exchanged": ("dS @ k", "dS @ q", "dS.swapaxes(-1, -2) @ q", "dS.swapaxes(-1, -2) @ k"),
        "dq-and-dk-exchanged": ("return dq, dk", "return dk, dq"),
    },
    "worst_mistakes": {
        "least-sure-first": ("argsort(-p", "argsort(p"),
        "numbers-among-mistakes": ("mistakes[surest_first[:n]]", "surest_first[:n]"),
        "right-ones-too": ("np.flatnonzero(p.argmax(axis=1) != labels)", "np.arange(len(labels))"),
        "by-logit": ("-p[mistakes].max", "-logits[mistakes].max"),
        "by-probability-of-label": ("-p[mistakes].max(axis=1)", "p[mistakes, labels[mistakes]]"),
        "by-margin": ("argsort(-p[mistakes].max(axis=1))", "argsort(np.sort(p[mistakes], axis=1) @ (np.arange(p.shape"
                      "[1]) == p.shape[1] - 2) - p[mistakes].max(axis=1))"),
        "in-order-of-images": ("mistakes[surest_first[:n]]", "mistakes[:n]"),
        "all-of-them": ("surest_first[:n]", "surest_first"),
    },
    "layernorm_forward": {
        "variance-by-D-1": ("np.mean(centred * centred, axis=-1, keepdims=True)",
                            "np.var(x, axis=-1, keepdims=True, ddof=1)"),
        "eps-outside-the-root": ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
        "no-eps": ("var + eps", "var"),
        "no-root": ("np.sqrt(var + eps)", "(var + eps)"),
        "no-mean": ("return centred", "return x"),
        "rms": ("x - np.mean(x, axis=-1, keepdims=True)", "x"),
        "over-tokens": ("x, axis=-1", "x, axis=-2", "centred, axis=-1", "centred, axis=-2"),
        "over-everything": ("x, axis=-1, keepdims=True", "x", "centred, axis=-1, keepdims=True", "centred"),
        "beta-before-gamma": ("centred / np.sqrt(var + eps) * gamma + beta",
                              "(centred / np.sqrt(var + eps) + beta) * gamma"),
        "no-beta": (" + beta", ""),
    },
    "layernorm_backward": {
        "no-mean-terms": (MEANS, "dxhat"),
        "no-mean-of-dxhat": (" - along_one", ""),
        "no-mean-along-xhat": (" - xhat * along_xhat", ""),
        "sign-of-a-mean-term": ("- xhat * along_xhat", "+ xhat * along_xhat"),
        "sums-for-means": ("np.mean(dxhat,", "np.sum(dxhat,", "np.mean(dxhat * xhat", "np.sum(dxhat * xhat"),
        "means-over-tokens": ("(dxhat, axis=-1", "(dxhat, axis=-2", "xhat, axis=-1", "xhat, axis=-2"),
        "gamma-too-late": ("dxhat = dy * gamma", "dxhat = dy", "dx = rstd", "dx = gamma * rstd"),
        "no-gamma": ("dxhat = dy * gamma", "dxhat = dy"),
        "no-rstd": ("dx = rstd * ", "dx = "),
        "divided-by-rstd": (f"rstd * {MEANS}", f"{MEANS} / rstd"),
        "dgamma-without-xhat": ("np.sum(dy * xhat", "np.sum(dy"),
        "dgamma-of-y": ("np.sum(dy * xhat", "np.sum(dy * xhat * gamma"),
        "means-over-the-batch": ("np.sum(dy * xhat", "np.mean(dy * xhat", "np.sum(dy,", "np.mean(dy,"),
    },
    "gelu_backward": {
        "no-density-term": ("(Phi + x * phi)", "Phi"),
        "density-alone": ("Phi + x * phi", "x * phi"),
        "density-without-x": ("x * phi", "phi"),
        "density-not-scaled": (" / math.sqrt(2 * math.pi)", ""),
        "no-half-in-the-exponent": ("-x * x / 2", "-x * x"),
        "erf-of-x": ("x / math.sqrt(2)", "x"),
        "sign": ("Phi + x", "Phi - x"),
        "tanh-form": """    slope, cubic = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(slope * (x + cubic * x ** 3))
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope * (1 + 3 * cubic * x * x))
""",
        "sigmoid-form": """    s = 1 / (1 + np.exp(-1.702 * x))
    return dy * (s + 1.702 * x * s * (1 - s))
""",
        "forward": ("Phi + x * phi", "x * Phi"),
    },
    "block_forward": {
        "one-skip": "    return z + mlp(norm2(attention(norm1(z))))\n",
        "no-skip-around-attention": ("z + attention", "attention"),
        "no-skip-around-mlp": ("z + mlp", "mlp"),
        "no-skips": ("z + attention", "attention", "z + mlp", "mlp"),
        "second-skip-from-the-start": "    return z + mlp(norm2(z + attention(norm1(z))))\n",
        "post-norm": ("z + attention(norm1(z))", "norm1(z + attention(z))", "z + mlp(norm2(z))", "norm2(z + mlp(z))"),
        "norm-after-branch": ("attention(norm1(z))", "norm1(attention(z))", "mlp(norm2(z))", "norm2(mlp(z))"),
        "skips-of-normalised": """    z = norm1(z)
    z = norm2(z + attention(z))
    return z + mlp(z)
""",
        "mlp-reads-unnormalised": ("norm2(z)", "z"),
        "attention-reads-unnormalised": ("norm1(z)", "z"),
        "parallel": "    return z + attention(norm1(z)) + mlp(norm2(z))\n",
        "one-norm-for-both": ("norm2(z)", "norm1(z)"),
        "mlp-first": ("z + attention(norm1(z))", "z + mlp(norm2(z))", "return z + mlp(norm2(z))",
                      "return z + attention(norm1(z))"),
    },
    "vit_forward": {
        "no-final-norm": (READ, "z[:, 0]"),
        "mean-of-patches": (READ, 'layernorm(z, weights, "norm")[:, 1:].mean(axis=1)'),
        "last-token": ("z[:, 0]", "z[:, -1]"),
        "no-positions": (' + weights["pos_embed"]', ""),
        "class-token-last": ("[class_token, tokens]", "[tokens, class_token]", "z[:, 0]", "z[:, -1]"),
        "class-token-without-position": ('tokens], axis=1) + weights["pos_embed"]',
                                         'tokens + weights["pos_embed"][:, 1:]], axis=1)'),
        "channels-last": ("transpose(0, 2, 4, 1, 3, 5)", "transpose(0, 2, 4, 3, 5, 1)"),
        "column-by-column": ("transpose(0, 2, 4, 1, 3, 5)", "transpose(0, 4, 2, 1, 3, 5)"),
        "no-scale": (" / math.sqrt(K)", ""),
        "softmax-over-queries": ("softmax(q @ k.swapaxes(-1, -2) / math.sqrt(K))",
                                 "softmax(k @ q.swapaxes(-1, -2) / math.sqrt(K)).swapaxes(-1, -2)"),
        "keys-before-queries": ("q, k, v =", "k, q, v ="),
        "values-first": ("q, k, v =", "v, q, k ="),
        "heads-not-transposed": ("qkv.reshape(B, -1, 3, heads, K).transpose(2, 0, 3, 1, 4)",
                                 "(part.reshape(B, heads, -1, K) for part in np.split(qkv, 3, axis=-1))"),
        "one-head": ("    B, _, Sy, Sx", "    heads = 1\n    B, _, Sy, Sx"),
        "no-projection": ('linear(y, weights, block + ".attn.proj")', "y"),
        "tanh-gelu": ("erf(x / math.sqrt(2))", "np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))"),
        "relu": ("hidden = gelu(", "hidden = np.maximum(0, "),
        "post-norm": ('layernorm(z, weights, block + ".norm1")', "z", 'layernorm(z, weights, block + ".norm2")', "z",
                      'z + linear(y, weights, block + ".attn.proj")',
                      'layernorm(z + linear(y, weights, block + ".attn.proj"), weights, block + ".norm1")',
                      'z + linear(hidden, weights, block + ".mlp.fc2")',
                      'layernorm(z + linear(hidden, weights, block + ".mlp.fc2"), weights, block + ".norm2")'),
        "no-skips": ("z + linear(y", "linear(y", "z + linear(hidden", "linear(hidden"),
        "one-block": ("range(depth)", "range(1)"),
    },
    "count_params": {
        "no-class-token": ("D + (1 + Gy * Gx) * D", "(1 + Gy * Gx) * D"),
        "no-class-token-no-position": ("D + (1 + Gy * Gx) * D", "Gy * Gx * D"),
        "no-positions": ("D + (1 + Gy * Gx) * D", "D"),
        "no-bias-of-qkv": ("D * 3 * D + 3 * D", "D * 3 * D"),
        "no-projection": (" + D * D + D", ""),
        "one-norm-a-block": ("norm + attention + norm", "norm + attention"),
        "norms-without-offset": ("norm = 2 * D", "norm = D"),
        "no-biases-in-blocks": ("D * 3 * D + 3 * D + D * D + D", "D * 3 * D + D * D", "D * F + F + F * D + D",
                                "D * F + F * D"),
        "no-biases-of-the-mlp": ("D * F + F + F * D + D", "D * F + F * D"),
        "no-bias-of-the-head": ("D * Y + Y", "D * Y"),
        "no-channels": ("C * P[0]", "P[0]"),
        "pixels-for-patches": ("Gy * Gx", "S[0] * S[1]"),
        "one-block": ("L * (norm + attention + norm + mlp)", "norm + attention + norm + mlp"),
    },
}

"""Lessons 1 to 3: gradients, losses and steps of training."""

LOG_SUM = "shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))"
SUM_OVER_NEW_AXES = "    gradient = gradient.sum(axis=tuple(range(added)))\n"
LOOP_OVER_AXES = """    for axis, size in enumerate(shape):
        if size == 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
"""
DB, COMPARED = "a.reshape(-1, a.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])", "np.abs(backward(dy, x) - measured).max()"

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
}

"""Lesson 16: what is inside."""

NORM, MORE = 'layernorm(tokens, weights, "norm")', """    if "head_dist.weight" in weights:
        logits = (logits + linear(y[:, :, 1], weights, "head_dist")) / 2
"""
DISTANCE, WEIGHTS = "np.sqrt(down ** 2 + across ** 2)", "maps[..., prefix:, prefix:]"
FUSE, ROW_SUMS = '{"mean": np.mean, "max": np.max, "min": np.min}[fusion]', "np.sum(A, axis=-1, keepdims=True)"
SVD = "U, s, V = np.linalg.svd(W - np.mean(W, axis=0), full_matrices=False)\n    shares = s ** 2 / np.sum(s ** 2)"
EIGH = "variances, V = np.linalg.eigh(np.cov(W.T, bias=True).reshape(W.shape[1], -1))\n    "
CENTRED = "W - np.mean(W, axis=0)"

MISTAKES = {
    "logit_lens": {
        "no-norm": (NORM, "tokens"),
        "norm-without-weights": (NORM, "tokens - tokens.mean(axis=-1, keepdims=True)\n"
                                 "    y = y / np.sqrt((y * y).mean(axis=-1, keepdims=True) + 1e-6)"),
        "norm-of-all-tokens": (NORM, "tokens - tokens.mean(axis=(2, 3), keepdims=True)\n"
                               "    y = y / np.sqrt((y * y).mean(axis=(2, 3), keepdims=True) + 1e-6)\n"
                               '    y = y * weights["norm.weight"] + weights["norm.bias"]'),
        "head-dist-not-read": (MORE, ""),
        "heads-added": (MORE, MORE.replace(" / 2", "")),
        "probabilities-averaged": ('logits = linear(y[:, :, 0], weights, "head")',
                                   'p = softmax(linear(y[:, :, 0], weights, "head"))',
                                   'logits = (logits + linear(y[:, :, 1], weights, "head_dist")) / 2',
                                   'p = (p + softmax(linear(y[:, :, 1], weights, "head_dist"))) / 2',
                                   "return softmax(logits)", "return p"),
        "both-heads-on-token-0": ("y[:, :, 1]", "y[:, :, 0]"),
        "tokens-exchanged": ("y[:, :, 0]", "y[:, :, -1]", "y[:, :, 1]", "y[:, :, 0]", "y[:, :, -1]", "y[:, :, 1]"),
        "mean-of-tokens": (NORM, f"{NORM}.mean(axis=2)", "y[:, :, 0]", "y", "y[:, :, 1]", "y"),
        "last-token": ("y[:, :, 0]", "y[:, :, -1]"),
        "what-blocks-add": (NORM, 'layernorm(np.diff(tokens, axis=0, prepend=0), weights, "norm")'),
        "logits": ("return softmax(logits)", "return logits"),
        "softmax-over-images": ("return softmax(logits)", "return softmax(logits.swapaxes(1, 2)).swapaxes(1, 2)"),
    },
    "attention_distance": {
        "in-patches": ("patch[0] * (row[:, None] - row)", "row[:, None] - row",
                       "patch[1] * (column[:, None] - column)", "column[:, None] - column"),
        "pixels-exchanged": ("patch[0] * (row", "patch[1] * (row", "patch[1] * (column", "patch[0] * (column"),
        "grid-exchanged": ("np.indices(grid)", "np.indices(grid[::-1])"),
        "prefix-at-the-end": (WEIGHTS, "maps[..., :len(row), :len(row)]"),
        "one-token-cut-off": (WEIGHTS, "maps[..., 1:1 + len(row), 1:1 + len(row)]"),
        "not-made-whole": (" / np.sum(a, axis=-1)", ""),
        "all-tokens": (DISTANCE, f"np.pad({DISTANCE}, (prefix, 0))", WEIGHTS, "maps"),
        "columns": ("distance, axis=-1", "distance, axis=-2", "(a, axis=-1", "(a, axis=-2"),
        "squared": (DISTANCE, "down ** 2 + across ** 2"),
        "blockwise": (DISTANCE, "np.abs(down) + np.abs(across)"),
        "most-attended-alone": ("    of_patch", "    a = a == np.max(a, axis=-1, keepdims=True)\n    of_patch"),
        "not-weighted": (WEIGHTS, "np.ones_like(maps[..., prefix:, prefix:])"),
        "of-the-mean-map": (WEIGHTS, "np.mean(maps, axis=1, keepdims=True)[..., prefix:, prefix:]"),
        "summed-over-patches": ("np.mean(of_patch, axis=(1, 3))", "np.sum(np.mean(of_patch, axis=1), axis=-1)"),
    },
    "attention_rollout": {
        "divided-by-sums-of-other-rows": (ROW_SUMS, "np.sum(A, axis=-1)[:, None]"),
        "columns-normalised": ("axis=-1", "axis=-2"),
        "no-identity": (" + np.eye(N)", ""),
        "not-normalised": (f" / {ROW_SUMS}", ""),
        "identity-after-normalising": (" + np.eye(N)", "", f"A / {ROW_SUMS} @", f"(A / {ROW_SUMS} + np.eye(N)) @"),
        "halved-for-normalised": (ROW_SUMS, "2"),
        "normalised-once": (f" / {ROW_SUMS}", "", "return R", "return R / np.sum(R, axis=-1, keepdims=True)"),
        "reverse-order": (f"A / {ROW_SUMS} @ R", f"R @ (A / {ROW_SUMS})"),
        "heads-summed": ("np.mean", "np.sum"),
        "each-head-alone": """    fuse = {"mean": np.mean, "max": np.max, "min": np.min}[fusion]
    N = maps.shape[-1]
    R = np.eye(N)
    for block in maps:
        A = block + np.eye(N)
        R = A / np.sum(A, axis=-1, keepdims=True) @ R
    return fuse(R, axis=1)
""",
        "last-block-alone": ("in maps:", "in maps[-1:]:"),
        "mean-of-blocks": ("R = np.eye(N)", "R = 0", f"R = A / {ROW_SUMS} @ R", f"R = R + A / {ROW_SUMS} / len(maps)"),
        "always-the-mean": (FUSE, "np.mean"),
    },
    "filter_pca": {
        "not-centred": (CENTRED, "W"),
        "each-filter-centred": (CENTRED, "W - np.mean(W, axis=1, keepdims=True)"),
        "one-mean-for-all": (CENTRED, "W - np.mean(W)"),
        "standardised": (CENTRED, "(W - np.mean(W, axis=0)) / np.std(W, axis=0)"),
        "rows-of-eigh": (SVD, f"{EIGH}V = V[::-1]\n    shares = variances[::-1] / np.sum(variances)"),
        "smallest-first": (SVD, f"{EIGH}V = V.T\n    shares = variances / np.sum(variances)"),
        "shares-not-squared": ("s ** 2 / np.sum(s ** 2)", "s / np.sum(s)"),
        "shares-of-those-shown": ("np.sum(s ** 2)", "np.sum(s[:count] ** 2)"),
        "signs-as-they-come": ("component * np.sign(largest)", "component"),
        "first-number-positive": ("component[np.argmax(np.abs(component))]", "component[0]"),
        "not-of-length-1": ("for component in V[:count]", "for component, size in zip(V[:count], s)",
                            "np.sign(largest)", "np.sign(largest) * size"),
        "channels-last": ("np.reshape(components, (count, *weights.shape[1:]))",
                          "np.reshape(components, (count, *weights.shape[2:], len(weights[0]))).transpose(0, 3, 1, 2)"),
    },
}

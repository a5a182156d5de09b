"""Lessons 14 and 15: fine-tuning, and learning from a teacher."""

NEW_WEIGHT, NEW_BIAS = "np.zeros((num_classes, len(norm)), norm.dtype)", "np.zeros(num_classes, norm.dtype)"
STANDARDISED = """    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    X = (features - mean) / std
"""
WEIGHT, BIAS = "(W / std[:, None]).T", "T_mean - weight @ mean"
PATCHES, PLACES = "    patches = pos[0, ", "(np.arange(new) + 0.5) * old / new - 0.5"
CLIPPED = "        places = np.clip(places, 0, old - 1)\n"
BETWEEN = """        below = np.floor(places).astype(int)
        above = np.minimum(below + 1, old - 1)
        t = np.expand_dims(places - below, (1, 2) if axis == 0 else (0, 2))
        patches = (1 - t) * patches.take(below, axis) + t * patches.take(above, axis)
"""
ALONG_A_LIST = """    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, old - 1)
    t = (places - below)[:, None]
"""
JOINED, ANSWER = 'np.concatenate(own + [tokens], axis=1) + weights["pos_embed"]', "(of_class + of_teacher) / 2"
HEADS = 'linear(z[:, 0], weights, "head"), linear(z[:, 1], weights, "head_dist")'
RIGHT, CHOICE = "np.eye(Y, dtype=of_class.dtype)[labels]", "np.eye(Y, dtype=of_class.dtype)[teacher.argmax(axis=1)]"
HARD_LOSS = "right * log_softmax(of_class) + answers * log_softmax(of_teacher)"
RATIO, SOFT_LOSS = "log_softmax(teacher / T) - log_softmax(student / T)", "(1 - alpha) * of_labels + alpha * T ** 2"
GRADIENT, TEACHER_GRADIENT = "(1 - alpha) * (softmax(student) - right) + alpha * T * (q - p)", "alpha * T * (q - p)"

MISTAKES = {
    "swap_head": {
        "hidden-layer-kept": ('not in ("head", "pre_logits")', '!= "head"'),
        "width-of-the-old-head": ("len(norm))", 'state["head.weight"].shape[1])'),
        "transposed": ("(num_classes, len(norm))", "(len(norm), num_classes)"),
        "old-rows-kept": (NEW_WEIGHT, 'state["head.weight"][:num_classes]', NEW_BIAS,
                          'state["head.bias"][:num_classes]'),
        "old-bias-kept": (NEW_BIAS, 'state["head.bias"][:num_classes]'),
        "kept-where-it-fits": ("    new = ", '    if len(state["head.weight"]) == num_classes:\n'
                               "        return dict(state)\n    new = "),
        "given-dictionary-changed": """    for name in list(state):
        if name.split(".")[0] in ("head", "pre_logits"):
            del state[name]
    norm = state["norm.weight"]
    state["head.weight"] = np.zeros((num_classes, len(norm)), norm.dtype)
    state["head.bias"] = np.zeros(num_classes, norm.dtype)
    return state
""",
        "zeros-written-into-the-old-head": """    new = dict(state)
    new["head.weight"][:] = 0
    new["head.bias"][:] = 0
    return new
""",
        "no-bias": (f'    new["head.bias"] = {NEW_BIAS}\n', ""),
        "norm-lost": ('"pre_logits")', '"pre_logits", "norm")'),
        "bias-minus-log": (NEW_BIAS, "np.full(num_classes, -np.log(num_classes), norm.dtype)"),
    },
    "ridge_probe": {
        "no-bias": (BIAS, "np.zeros(num_classes)"),
        "bias-without-the-features-mean": (BIAS, "T_mean"),
        "bias-without-the-targets-mean": (BIAS, "-weight @ mean"),
        "weight-of-X": (WEIGHT, "W.T"),
        "not-centred": ("(features - mean) / std", "features / std", BIAS, "T_mean"),
        "not-divided-by-std": ("(features - mean) / std", "features - mean", WEIGHT, "W.T"),
        "divided-by-variance": ("features.std", "features.var"),
        "std-by-n-minus-one": ("features.std(axis=0)", "features.std(axis=0, ddof=1)"),
        "no-1e-6": (" + 1e-6", ""),
        "each-image-normalised": (STANDARDISED, """    mean, std = features.mean(axis=1), features.std(axis=1) + 1e-6
    X = (features - mean[:, None]) / std[:, None]
""", WEIGHT, "W.T", BIAS, "T_mean"),
        "strength-times-n": ("strength * np.eye", "len(X) * strength * np.eye"),
        "no-strength": (" + strength * np.eye(X.shape[1])", ""),
        "strength-everywhere": ("strength * np.eye(X.shape[1])", "strength"),
        "targets-0-and-1": ("1.0, -1.0", "1.0, 0.0"),
        "bias-held-small": """    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    X = np.concatenate([(features - mean) / std, np.ones((len(features), 1))], axis=1)
    T = np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)
    W = np.linalg.solve(X.T @ X + strength * np.eye(X.shape[1]), X.T @ T)
    weight = (W[:-1] / std[:, None]).T
    return weight, W[-1] - weight @ mean
""",
        "transposed": (WEIGHT, "W / std[:, None]", BIAS, "T_mean - mean @ weight"),
    },
    "resize_pos_embed": {
        "as-a-list": f"""    old, new = old_grid[0] * old_grid[1], new_grid[0] * new_grid[1]
    patches = pos[0, num_prefix:]
{ALONG_A_LIST}    patches = (1 - t) * patches[below] + t * patches[above]
    return np.concatenate([pos[:, :num_prefix], patches[None].astype(pos.dtype)], axis=1)
""",
        "prefix-interpolated": f"""    old, new = pos.shape[1], num_prefix + new_grid[0] * new_grid[1]
{ALONG_A_LIST}    return ((1 - t) * pos[:, below] + t * pos[:, above]).astype(pos.dtype)
""",
        "untouched-where-the-count-agrees": (PATCHES, "    if old_grid[0] * old_grid[1] == new_grid[0] * new_grid[1]:"
                                             f"\n        return pos.copy()\n{PATCHES}"),
        "square-guessed": (PATCHES,
                           f"    side = int((pos.shape[1] - num_prefix) ** 0.5)\n    old_grid = side, side\n{PATCHES}"),
        "transposed": ("(*old_grid", "(*old_grid[::-1]", "old_grid[axis], new_grid[axis]", "old_grid[1 - axis], "
                       "new_grid[1 - axis]"),
        "counted-by-columns": ("patches.reshape(1", "patches.swapaxes(0, 1).reshape(1"),
        "one-class-token-assumed": ("pos[0, num_prefix:]", "pos[0, -old_grid[0] * old_grid[1]:]",
                                    "pos[:, :num_prefix]", "pos[:, :1]"),
        "prefix-lost": ("np.concatenate([pos[:, :num_prefix], patches], axis=1)", "patches"),
        "corners-aligned": (PLACES, "np.arange(new) * (old - 1) / max(new - 1, 1)"),
        "half-forgotten": (PLACES, "np.arange(new) * old / new"),
        "scale-plus-a-tenth": ("old / new", "old / (new + 0.1)"),
        "not-clipped": (CLIPPED, ""),
        "extrapolated": (CLIPPED, "", "np.floor(places).astype(int)",
                         "np.clip(np.floor(places).astype(int), 0, max(old - 2, 0))"),
        "nearest": (BETWEEN, """        nearest = np.floor(places + 0.5).astype(int)
        patches = patches.take(nearest, axis)
"""),
    },
    "deit_forward": {
        "position-of-the-class-token": ('weights["pos_embed"]', 'weights["pos_embed"][:, [0, 0, *range(2, 2 + '
                                        'tokens.shape[1])]]'),
        "no-position-of-its-own": (f"z = {JOINED}", """pos = weights["pos_embed"].copy()
    pos[:, 1] = 0
    z = np.concatenate(own + [tokens], axis=1) + pos"""),
        "positions-of-patches-alone": (JOINED, 'np.concatenate(own + [tokens + weights["pos_embed"][:, 2:]], axis=1)'),
        "no-positions": (' + weights["pos_embed"]', ""),
        "tokens-exchanged": ('("cls_token", "dist_token")', '("dist_token", "cls_token")'),
        "distillation-token-last": ("own + [tokens]", "own[:1] + [tokens] + own[1:]", "z[:, :2]", "z", "z[:, 1]",
                                    "z[:, -1]"),
        "heads-exchanged": (HEADS, HEADS.replace("1", "2").replace("0", "1").replace("2", "0")),
        "one-head-for-both": ('"head_dist"', '"head"'),
        "one-token-for-both": ("z[:, 1]", "z[:, 0]"),
        "class-token-twice": ('"dist_token"', '"cls_token"'),
        "no-final-norm": ('    z = layernorm(z[:, :2], weights, "norm")\n', ""),
        "mean-before-the-norm": ("    z = layernorm", '    mean = layernorm(z[:, :2].mean(axis=1), weights, "norm")\n'
                                 "    z = layernorm", ANSWER,
                                 '(linear(mean, weights, "head") + linear(mean, weights, "head_dist")) / 2'),
        "answer-of-the-class-head": (ANSWER, "of_class"),
        "answer-of-the-distillation-head": (ANSWER, "of_teacher"),
        "sum-of-logits": (ANSWER, "of_class + of_teacher"),
        "mean-of-probabilities": (ANSWER, "(softmax(of_class) + softmax(of_teacher)) / 2"),
        "two-passes": """    tokens = patches(images, weights)
    B, _, D = tokens.shape
    logits = []
    for row, (name, head) in enumerate((("cls_token", "head"), ("dist_token", "head_dist"))):
        first = np.broadcast_to(weights[name] + weights["pos_embed"][:, row:row + 1], (B, 1, D))
        z = np.concatenate([first, tokens + weights["pos_embed"][:, 2:]], axis=1)
        for number in range(depth):
            z = block(z, weights, f"blocks.{number}", heads)
        logits.append(linear(layernorm(z[:, 0], weights, "norm"), weights, head))
    return *logits, sum(logits) / 2
""",
        "one-block": ("range(depth)", "range(1)"),
    },
    "hard_distill_loss": {
        "no-half": (".sum() / (2 * B)", ".sum() / B", "- right) / (2 * B)", "- right) / B", "- answers) / (2 * B)",
                    "- answers) / B"),
        "half-in-the-loss-alone": ("- right) / (2 * B)", "- right) / B", "- answers) / (2 * B)", "- answers) / B"),
        "half-for-the-teacher-alone": ("-(right *", "-(2 * right *", "- right) / (2 * B)", "- right) / B"),
        "soft-teacher": (CHOICE, "softmax(teacher)"),
        "heads-exchanged": (HARD_LOSS, "answers * log_softmax(of_class) + right * log_softmax(of_teacher)",
                            "(of_class) - right", "(of_class) - answers", "(of_teacher) - answers",
                            "(of_teacher) - right"),
        "labels-for-both": (CHOICE, RIGHT),
        "teacher-for-both": (RIGHT, CHOICE),
        "student-s-own-choice": ("[teacher.argmax", "[of_teacher.argmax"),
        "choice-of-the-class-head": ("[teacher.argmax", "[of_class.argmax"),
        "least-likely": ("teacher.argmax", "teacher.argmin"),
        "loss-of-averaged-logits": ("    B, Y", "    of_class = of_teacher = (of_class + of_teacher) / 2\n    B, Y",
                                    "return loss, dclass, ddist", "return loss, (dclass + ddist) / 2, "
                                    "(dclass + ddist) / 2"),
        "gradients-exchanged": ("return loss, dclass, ddist", "return loss, ddist, dclass"),
        "no-mean": (".sum() / (2 * B)", ".sum() / 2", "- right) / (2 * B)", "- right) / 2", "- answers) / (2 * B)",
                    "- answers) / 2"),
        "mean-over-all": (".sum() / (2 * B)", ".sum() / (2 * B * Y)", "- right) / (2 * B)", "- right) / (2 * B * Y)",
                          "- answers) / (2 * B)", "- answers) / (2 * B * Y)"),
        "sign": ("(softmax(of_class) - right)", "(right - softmax(of_class))", "(softmax(of_teacher) - answers)",
                 "(answers - softmax(of_teacher))"),
    },
    "soft_distill_loss": {
        "no-T-squared": ("alpha * T ** 2 *", "alpha *", TEACHER_GRADIENT, "alpha / T * (q - p)"),
        "T-for-T-squared": ("alpha * T ** 2 *", "alpha * T *", TEACHER_GRADIENT, "alpha * (q - p)"),
        "T-squared-in-the-loss-alone": (TEACHER_GRADIENT, "alpha / T * (q - p)"),
        "gradient-forgets-1/T": (TEACHER_GRADIENT, "alpha * T ** 2 * (q - p)"),
        "KL-the-other-way-round": ("    of_teacher = (p", "    ratio = log_softmax(student / T) - log_softmax(teacher "
                                   "/ T)\n    of_teacher = (q", f"({RATIO})", "ratio", "(q - p)",
                                   "q * (ratio - (q * ratio).sum(axis=1, keepdims=True))"),
        "mean-over-classes": (f"(p * ({RATIO})).sum() / B", f"(p * ({RATIO})).mean()", TEACHER_GRADIENT,
                              "alpha * T * (q - p) / Y"),
        "T-on-the-student-alone": (" softmax(teacher / T)", " softmax(teacher)", "log_softmax(teacher / T)",
                                   "log_softmax(teacher)"),
        "T-on-the-teacher-alone": (" softmax(student / T)", " softmax(student)", "log_softmax(student / T)",
                                   "log_softmax(student)", TEACHER_GRADIENT, "alpha * T ** 2 * (q - p)"),
        "logits-times-T": (" softmax(teacher / T), softmax(student / T)", " softmax(teacher * T), softmax(student * T)",
                           RATIO, RATIO.replace("/", "*"), TEACHER_GRADIENT, "alpha * T ** 3 * (q - p)"),
        "T-for-the-labels-too": ("right * log_softmax(student)", "right * log_softmax(student / T)",
                                 "(softmax(student) - right)", "(q - right) / T"),
        "cross-entropy-for-KL": (f"(p * ({RATIO}))", "-(p * log_softmax(student / T))"),
        "alpha-exchanged": (SOFT_LOSS, "alpha * of_labels + (1 - alpha) * T ** 2", GRADIENT,
                            "alpha * (softmax(student) - right) + (1 - alpha) * T * (q - p)"),
        "labels-not-weighed": ("(1 - alpha) * of_labels", "of_labels", "(1 - alpha) * (softmax", "(softmax"),
        "no-mean": ("(student)).sum() / B", "(student)).sum()", "/ T))).sum() / B", "/ T))).sum()", "(q - p)) / B",
                    "(q - p))"),
        "logits-for-probabilities": (f"(p * ({RATIO})).sum() / B", "((student - teacher) ** 2).mean()",
                                     "alpha * T ** 2 *", "alpha *", TEACHER_GRADIENT,
                                     "alpha * 2 * (student - teacher) / Y"),
        "teacher-alone": (SOFT_LOSS, "alpha * T ** 2", GRADIENT, TEACHER_GRADIENT),
        "sign": ("dstudent = (", "dstudent = -("),
    },
}

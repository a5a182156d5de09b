"""How PyTorch computes each op of ops.npz, with the arguments that `golden_cases` gives it."""

import torch
import torch.nn.functional as F


def evaluate(*arrays, names, text):
    return eval(text, {"__builtins__": {}}, dict(zip(names, arrays)))


def attention(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def extract_patches(images, size, stride=None, padding="VALID", dilation=1):
    """F.unfold, laid out (B, Gy, Gx, C*Py*Px)."""
    size, stride, dilation = pair(size), pair(size if stride is None else stride), pair(dilation)
    border = borders(images.shape[2:], size, stride, padding, dilation)
    padded = pad(images, [(0, 0), (0, 0), *border])
    columns = F.unfold(padded, size, dilation=dilation, stride=stride)  # (B, C*Py*Px, Gy*Gx)
    grid = [(n - (p - 1) * d - 1) // s + 1
            for n, p, s, d in zip(padded.shape[2:], size, stride, dilation)]
    return columns.transpose(1, 2).reshape(len(images), *grid, -1)


def merge_patches(patches, image_size, size, stride=None, padding="VALID", dilation=1):
    """F.fold adds up the patches over each pixel; dividing by their number makes that a mean."""
    size, stride, dilation = pair(size), pair(size if stride is None else stride), pair(dilation)
    border = borders(image_size, size, stride, padding, dilation)
    padded = [n + before + after for n, (before, after) in zip(image_size, border)]
    columns = patches.flatten(1, 2).transpose(1, 2)  # (B, C*Py*Px, Gy*Gx)
    total, count = (F.fold(c, padded, size, dilation=dilation, stride=stride)
                    for c in (columns, torch.ones_like(columns)))
    (top, _), (left, _) = border
    merged = total / count.clamp(min=1)
    return merged[:, :, top:top + image_size[0], left:left + image_size[1]]


def borders(lengths, size, stride, padding, dilation):
    """Zeros before and after each of the two axes: none, or as TensorFlow has it for "SAME"."""
    widths = []
    for n, p, s, d in zip(lengths, size, stride, dilation):
        grid = -(-n // s)
        total = max((grid - 1) * s + (p - 1) * d + 1 - n, 0) if padding == "SAME" else 0
        widths.append((total // 2, total - total // 2))
    return widths


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def pad(x, widths):
    """NumPy's order of widths (first axis first) to F.pad's (last axis first)."""
    return F.pad(x, [w for axis in reversed(widths) for w in axis])


TORCH = {
    "softmax": lambda x, axis: torch.softmax(x, axis),
    "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
    "gelu": lambda x, approximate: F.gelu(x, approximate=approximate),
    "layernorm": lambda x, gamma, beta, eps: F.layer_norm(x, x.shape[-1:], gamma, beta, eps),
    "attention": attention,
    "cross_entropy": F.cross_entropy,
    "linear": F.linear,
    "extract_patches": extract_patches,
    "expression": evaluate,
    "sum": lambda x, axis, keepdims: torch.sum(x, axis, keepdim=keepdims),
    "mean": lambda x, axis, keepdims: torch.mean(x, axis, keepdim=keepdims),
    "max": lambda x, axis, keepdims: torch.amax(x, axis, keepdim=keepdims),
    "min": lambda x, axis, keepdims: torch.amin(x, axis, keepdim=keepdims),
    "var": lambda x, axis, keepdims: torch.var(x, axis, correction=0, keepdim=keepdims),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "transpose": lambda x, axes: torch.permute(x, axes),
    "expand": lambda x, shape: x.expand(*shape),
    "pad": pad,
    "reverse": lambda x: torch.flip(x, (0, 2)),  # x[::-1, :, ::-1]; torch has no negative steps
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "stack": lambda *xs, axis: torch.stack(xs, axis),
    "split": lambda x, sizes, axis: torch.split(x, sizes, axis),
    "where": torch.where,
    "unbind": lambda x, axis: torch.unbind(x, axis),
    "merge_patches": merge_patches,
}

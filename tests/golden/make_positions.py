"""Write positions.npz: position embeddings for other grids, as PyTorch, timm and SciPy compute them.

Recreate it (some seconds) in the scratch environment that make_golden.py describes, with scipy==1.17.1:

    /tmp/golden/bin/python tests/golden/make_positions.py

Every case of CASES holds `old`, a grid (Gy, Gx, D) in float64, and `new`: the grids that come out of it, one for each
of `modes`. `timm-*` are whole position embeddings in float32, with tokens that are no patches before the grid. Two
runs with the same versions write the same bytes. Numbers that go in are rounded to float32 first.
"""
import json
from pathlib import Path

import numpy as np
import scipy
import timm
import torch
from timm.layers import build_sincos2d_pos_embed, resample_abs_pos_embed
from torch.nn.functional import interpolate

SEED = 21
CASES = {
    "up": ((4, 4), (7, 7)),
    "down": ((7, 7), (4, 4)),
    "far-down": ((9, 9), (2, 2)),
    "non-square": ((3, 5), (6, 4)),
    "same-count": ((2, 8), (4, 4)),
    "one-axis": ((4, 5), (4, 8)),
    "from-one": ((1, 1), (3, 2)),
    "to-one": ((3, 4), (1, 1)),
    "one-row": ((1, 6), (1, 4)),
}
TORCH = {
    "bilinear": dict(mode="bilinear", align_corners=False),
    "bicubic": dict(mode="bicubic", align_corners=False),
    "bicubic_antialias": dict(mode="bicubic", align_corners=False, antialias=True),
}
PREFIXES = (0, 1, 2, 5)
D = 2


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    arrays = {}
    for name, (old, new) in CASES.items():
        grid = normal(rng, *old, D)
        image = torch.from_numpy(grid.transpose(2, 0, 1).copy())[None]
        factors = (new[0] / old[0], new[1] / old[1], 1)
        corners = scipy.ndimage.zoom(grid, factors, order=1, mode="nearest")
        others = [interpolate(image, new, **options)[0].permute(1, 2, 0).numpy() for options in TORCH.values()]
        arrays[f"{name}/old"], arrays[f"{name}/new"] = grid, np.stack([corners, *others])
    for prefix in PREFIXES:
        pos = normal(rng, 1, prefix + 5 * 4, D).astype(np.float32)
        arrays[f"timm-{prefix}/old"] = pos
        arrays[f"timm-{prefix}/new"] = resample_abs_pos_embed(
            torch.from_numpy(pos), [7, 3], old_size=[5, 4], num_prefix_tokens=prefix).numpy()
    arrays["sincos"] = build_sincos2d_pos_embed([3, 5], 16).numpy()
    versions = {module.__name__: module.__version__ for module in (np, scipy, timm, torch)}
    provenance = {"call": "python tests/golden/make_positions.py", "seed": SEED, "versions": versions}
    path = Path(__file__).parent / "positions.npz"
    np.savez_compressed(path, provenance=json.dumps(provenance), modes=["bilinear_corners", *TORCH], **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(arrays)} arrays")


def normal(rng, *shape):
    """Standard normal numbers that float32 holds exactly, as float64."""
    return rng.standard_normal(shape).astype(np.float32).astype(np.float64)


if __name__ == "__main__":
    main()

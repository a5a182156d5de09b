"""Position embeddings on other grids: as PyTorch, timm and SciPy have them, and without the mistakes of published code.

Golden values: golden/positions.npz, written by golden/make_positions.py.
"""
import json
import math
from pathlib import Path

import numpy as np
import pytest

from minivit.models.positions import MODES, interpolation_matrix, resize_pos_embed, sincos_2d

with np.load(Path(__file__).parent / "golden" / "positions.npz") as file:
    GOLDEN = {key: file[key] for key in file.files}
CASES = [key.removesuffix("/old") for key in GOLDEN if key.endswith("/old") and not key.startswith("timm")]

modes = pytest.mark.parametrize("mode", MODES)


def positions(prefix, *grid, D=3, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal((1, prefix + math.prod(grid), D)).astype(dtype)


def ramp(Gy, Gx):
    """Positions (1, Gy * Gx, 2) that say where they are: the row and the column, each from 0 to 1."""
    y, x = np.meshgrid(np.linspace(0, 1, Gy), np.linspace(0, 1, Gx), indexing="ij")
    return np.stack([y, x], axis=-1).reshape(1, -1, 2)


@modes
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("case", CASES)
def test_every_mode_is_that_of_pytorch_or_scipy(case, mode, dtype, tolerance):
    old, new = GOLDEN[f"{case}/old"], GOLDEN[f"{case}/new"][GOLDEN["modes"].tolist().index(mode)]
    pos = old.reshape(1, -1, old.shape[2]).astype(dtype)
    out = resize_pos_embed(pos, old.shape[:2], new.shape[:2], 0, mode)
    assert out.dtype == dtype
    np.testing.assert_allclose(out.reshape(new.shape), new, rtol=0, atol=tolerance)


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
def test_whole_embeddings_are_those_of_timm(prefix):
    """timm computes in float32, its weights too; 1e-5 is what that costs it."""
    old, new = GOLDEN[f"timm-{prefix}/old"], GOLDEN[f"timm-{prefix}/new"]
    out = resize_pos_embed(old, (5, 4), (7, 3), prefix, "bicubic_antialias")
    np.testing.assert_allclose(out, new, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(out[:, :prefix], old[:, :prefix])


@pytest.mark.parametrize("new, mode, expected", [
    (7, "bilinear_corners", [0, .5, 1, 2.5, 4, 6.5, 9]),
    (7, "bilinear", [0, .357143, .928571, 2.5, 4.357143, 7.214286, 9]),
    (7, "bicubic", [-.099216, .15625, .804209, 2.125, 4.424654, 7.480776, 9.496082]),
    (7, "bicubic_antialias", [-.079327, .187511, .86257, 2.25, 4.318488, 7.604276, 9.396635]),
    (2, "bilinear_corners", [0, 9]), (2, "bilinear", [.5, 6.5]), (2, "bicubic", [.21875, 6.78125]),
    (2, "bicubic_antialias", [.603306, 6.082645])])
def test_the_modes_differ_along_an_axis(new, mode, expected):
    np.testing.assert_allclose(interpolation_matrix(4, new, mode) @ [0, 1, 4, 9], expected, atol=1e-6)


@modes
@pytest.mark.parametrize("old", [1, 2, 3, 14])
@pytest.mark.parametrize("new", [1, 2, 5, 14, 24])
def test_weights_add_up_to_one_and_do_not_know_left_from_right(old, new, mode):
    matrix = interpolation_matrix(old, new, mode)
    assert matrix.shape == (new, old)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-14)
    if (mode, new) != ("bilinear_corners", 1):                      # one position cannot be both corners
        np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-13)


@modes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
def test_the_same_grid_gives_an_equal_copy(prefix, dtype, mode):
    pos = positions(prefix, 4, 5, dtype=dtype)
    out = resize_pos_embed(pos, (4, 5), (4, 5), prefix, mode)
    assert out.dtype == dtype and not np.shares_memory(out, pos)
    np.testing.assert_array_equal(out, pos)


# ------------------------------------------------------------------------ mistakes of published code, one test for each


@pytest.mark.parametrize("new", [(3, 6), (6, 3), (2, 9), (5, 4)])
def test_the_new_grid_need_not_be_square(new):
    """facebookresearch/dino issues 8 and 36: the scale was sqrt(new patches / old), as if the new image were square."""
    out = resize_pos_embed(ramp(4, 4), (4, 4), new, 0, "bilinear_corners")
    np.testing.assert_allclose(out, ramp(*new), atol=1e-15)


@pytest.mark.parametrize("old", [(3, 6), (6, 3), (2, 9), (5, 4)])
def test_the_old_grid_need_not_be_square(old):
    """facebookresearch/dinov2 issues 333 and 506, timm issue 2190: the old grid was taken to be sqrt(N) by sqrt(N)."""
    out = resize_pos_embed(ramp(*old), old, (4, 7), 0, "bilinear_corners")
    np.testing.assert_allclose(out, ramp(4, 7), atol=1e-15)


@modes
@pytest.mark.parametrize("old, new", [(14, 61), (14, 115), (14, 122), (37, 39), (37, 43), (37, 78), (37, 86)])
def test_the_new_grid_has_the_size_that_was_asked_for(old, new, mode):
    """facebookresearch/dinov2 pull request 378: floor(old * (new / old)) is new - 1 for these sizes. Adding 0.1 to new
    before the division, the remedy of dino issue 8, moved every position a little to one side."""
    assert resize_pos_embed(positions(1, old, 1), (old, 1), (new, 2), 1, mode).shape == (1, 1 + 2 * new, 3)
    matrix = interpolation_matrix(old, new, mode)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-13)


@modes
@pytest.mark.parametrize("old, new", [((2, 8), (4, 4)), ((4, 4), (2, 8)), ((3, 4), (4, 3))])
def test_as_many_patches_in_another_grid_are_interpolated(old, new, mode):
    """timm pull request 2737: (2, 8) came back as (4, 4) unchanged, because the number of tokens was the same."""
    pos = np.concatenate([np.zeros((1, 1, 2)), ramp(*old)], axis=1)
    out = resize_pos_embed(pos, old, new, 1, mode)
    assert out.shape == pos.shape and not np.array_equal(out, pos)
    np.testing.assert_allclose(out[0, 1:].reshape(*new, 2)[:, 0, 1], out[0, 1, 1], atol=1e-15)  # a column is a column


@pytest.mark.parametrize("prefix", [0, 1])
def test_a_class_token_is_never_guessed(prefix):
    """google-research/vision_transformer pull request 317: 196 positions, 14 by 14, were taken for a class token and
    195 patches, for 195 is divisible by int(sqrt(195)) = 13."""
    pos = positions(prefix, 14, 14)
    assert resize_pos_embed(pos, 14, 24, prefix).shape == (1, prefix + 24 * 24, 3)
    with pytest.raises(ValueError, match=f"those of {196 + prefix} tokens, but {1 - prefix} \\+ 14 \\* 14 are "):
        resize_pos_embed(pos, 14, 24, 1 - prefix)


@modes
def test_no_token_before_the_patches_is_interpolated(mode):
    """timm issue 426: DeiT's distillation token stayed among the patches, of which there were then one too many."""
    pos = positions(2, 4, 4)
    pos[:, :2] = np.nan
    out = resize_pos_embed(pos, (4, 4), (5, 6), 2, mode)
    assert out[:, :2].tobytes() == pos[:, :2].tobytes()
    assert np.isfinite(out[:, 2:]).all()
    with pytest.raises(ValueError, match=r"18 tokens, but 1 \+ 4 \* 4 are 17: .* 2 for a distilled DeiT"):
        resize_pos_embed(pos, (4, 4), (5, 6), 1, mode)


@modes
def test_rows_are_rows(mode):
    """princeton-vl/WAFT issue 2: (x, y) where (y, x) was meant, in two places, which is right for squares only."""
    pos = positions(1, 3, 5)
    out = resize_pos_embed(pos, (3, 5), (6, 4), 1, mode)
    turned = pos[:, [0, *(1 + np.arange(15).reshape(3, 5).T.ravel())]]
    turned = resize_pos_embed(turned, (5, 3), (4, 6), 1, mode)
    np.testing.assert_allclose(turned[:, [0, *(1 + np.arange(24).reshape(4, 6).T.ravel())]], out, atol=1e-6)


def test_corners_stay_corners_only_where_that_is_meant():
    """facebookresearch/dinov2 issue 468: with align_corners=False the outermost new positions lie beyond the old ones,
    and are not interpolated but repeated."""
    assert interpolation_matrix(4, 8, "bilinear_corners")[[0, -1]].tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(np.diff(interpolation_matrix(4, 8, "bilinear") @ np.arange(4.0)),
                                  [.25, .5, .5, .5, .5, .5, .25])


def test_the_last_position_is_not_zero():
    """scipy issues 4922 and 6713: for some sizes rounding puts zoom's last place beyond the edge, where it reads 0."""
    assert interpolation_matrix(28, 24, "bilinear_corners")[-1, -1] == 1


def test_every_old_position_counts_where_a_grid_shrinks():
    """openvinotoolkit/openvino.genai pull request 4444: without antialias=True a small grid leaves positions out."""
    assert (interpolation_matrix(24, 4, "bicubic")[:, 0] == 0).all()
    assert (interpolation_matrix(24, 4, "bicubic_antialias") != 0).any(0).all()


@pytest.mark.parametrize("call, match", [
    (lambda: resize_pos_embed(positions(1, 4, 4), 4, 6, 1, "bicubik"),
     "unknown mode of interpolation 'bicubik': did you mean 'bicubic'"),
    (lambda: resize_pos_embed(positions(1, 2, 8), 4, (4, 2.0)), "new_grid must be a positive integer or a pair"),
    (lambda: resize_pos_embed(positions(1, 3, 4), 3, 6), r"13 tokens, but 1 \+ 3 \* 3 are 10: .* it is not square"),
    (lambda: resize_pos_embed(positions(0, 4, 4)[0], 4, 6, 0), r"array \(1, N, D\) of floats, not float32 of shape"),
    (lambda: resize_pos_embed(np.ones((2, 16, 3)), 4, 6, 0), r"not float64 of shape \(2, 16, 3\)"),
    (lambda: resize_pos_embed(np.ones((1, 16, 3), int), 4, 6, 0), r"floats, not int64"),
    (lambda: sincos_2d((2, 2), 6), "divisible by 4, .* not 6"), (lambda: sincos_2d((2, 2), 0), "not 0")],
    ids=["mode", "grid", "square", "two-axes", "two-models", "integers", "width", "no-width"])
def test_errors_name_what_was_given(call, match):
    with pytest.raises(ValueError, match=match):
        call()


# --------------------------------------------------------------------------------------------------- sines and cosines


def test_sincos_2d_is_that_of_timm():
    """timm puts rows first, and all sines before all cosines: [sin y, sin x, cos y, cos x]."""
    parts = GOLDEN["sincos"].reshape(15, 4, 4)[:, [1, 3, 0, 2]]
    np.testing.assert_allclose(sincos_2d((3, 5), 16), parts.reshape(15, 16), rtol=0, atol=1e-6)


@pytest.mark.parametrize("grid, D, temperature", [((3, 5), 8, 10000), ((1, 1), 4, 10000), ((14, 14), 32, 100)])
def test_sincos_2d_by_its_formula(grid, D, temperature):
    table = sincos_2d(grid, D, temperature)
    assert table.dtype == np.float32 and table.shape == (grid[0] * grid[1], D)
    for n, (y, x) in enumerate(np.ndindex(grid)):
        for part, (function, place) in enumerate([(math.sin, x), (math.cos, x), (math.sin, y), (math.cos, y)]):
            row = [function(place / temperature ** (i / (D / 4))) for i in range(D // 4)]
            np.testing.assert_allclose(table[n].reshape(4, -1)[part], row, atol=1e-6)


def test_provenance():
    provenance = json.loads(str(GOLDEN["provenance"]))
    assert provenance["call"] == "python tests/golden/make_positions.py" and "torch" in provenance["versions"]
    assert sorted(GOLDEN["modes"]) == sorted(MODES)

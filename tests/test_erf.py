"""erf and GELU on dense grids: float64 against Python's math, float32 against float64, and the ends of the line."""
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from minivit import Tensor, ops, using
from minivit.ops.gelu import ODD
from minivit.primitives.erf import erf

GRID = np.concatenate([np.linspace(-7, 7, 20001), [0.0, -0.0, 1e-30, -1e-30, 0.46875, 4.0, 1e4, -1e4, 1e300, -1e300]])
GRID32 = np.concatenate([np.linspace(-13, 13, 20001), [0, 1e-30, -1e-30, 1e4, -1e4, 3e38, -3e38]]).astype(np.float32)


def value_and_slope(function, x):
    t = Tensor(x, requires_grad=True)
    y = function(t)
    y.backward(np.ones_like(x))
    return y.data, t.grad


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")          # 1e300 ** 2, on its way to exp(-inf) = 0
class TestErf:
    def test_float64_is_the_error_function(self):
        expected = [math.erf(x) for x in GRID]
        assert np.abs(erf(GRID) - expected).max() <= 1e-15

    def test_small_numbers_keep_their_digits(self):
        x = np.array([1e-30, -1e-30, 1e-300, 1e-5])
        assert erf(x) == pytest.approx(2 / math.sqrt(math.pi) * x, rel=1e-10, abs=0)

    def test_float32_is_close_to_float64(self):
        value, slope = value_and_slope(Tensor.erf, GRID32)
        exact, exact_slope = value_and_slope(Tensor.erf, GRID32.astype(np.float64))
        assert value.dtype == slope.dtype == np.float32
        assert np.abs(value - exact).max() <= 2e-7 and np.abs(slope - exact_slope).max() <= 5e-7

    @pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
    def test_beyond_all_numbers(self, dtype):
        value, slope = value_and_slope(Tensor.erf, np.array([-np.inf, np.inf, np.nan], dtype))
        assert np.array_equal(value, [-1, 1, np.nan], equal_nan=True)
        assert np.array_equal(slope, [0, 0, np.nan], equal_nan=True)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
class TestGELU:
    def test_float64_is_x_times_phi(self):
        x = GRID[np.abs(GRID) < 1e5]
        value, slope = value_and_slope(ops.gelu, x)
        phi = np.array([0.5 * math.erfc(-t / math.sqrt(2)) for t in x])
        density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        assert np.abs(value - x * phi).max() <= 5e-15
        assert np.abs(slope - (phi + x * density)).max() <= 5e-15

    @pytest.mark.parametrize("approximate, tolerance", [("none", 1e-6), ("tanh", 2e-6)], ids=["none", "tanh"])
    def test_float32_is_close_to_float64(self, approximate, tolerance):
        x = GRID32[np.abs(GRID32) < 1e5]
        value, slope = value_and_slope(lambda t: ops.gelu(t, approximate), x)
        exact, exact_slope = value_and_slope(lambda t: ops.gelu(t, approximate), x.astype(np.float64))
        assert value.dtype == slope.dtype == np.float32
        assert (np.abs(value - exact) / np.maximum(np.abs(exact), 1)).max() <= 1e-6
        assert np.abs(slope - exact_slope).max() <= tolerance

    def test_the_two_approximations_differ_by_what_the_docstring_says(self):
        x = np.linspace(-6, 6, 100001)
        difference = np.abs(ops.gelu(Tensor(x)).data - ops.gelu(Tensor(x), "tanh").data)
        assert difference.max() == pytest.approx(4.73e-4, rel=1e-2)
        assert abs(x[difference.argmax()]) == pytest.approx(2.70, abs=0.01)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
    @pytest.mark.parametrize("form", ["array", "composed"])
    def test_infinity_and_nan(self, form, dtype):
        with using(form):
            value, slope = value_and_slope(ops.gelu, np.array([np.inf, np.nan], dtype))
        assert np.array_equal(value, [np.inf, np.nan], equal_nan=True) and np.isnan(slope[1])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
    @pytest.mark.parametrize("form", ["array", "composed"])
    def test_minus_infinity_is_not_a_number_in_either_form(self, form, dtype):
        with using(form), np.errstate(invalid="ignore"):
            value, _ = value_and_slope(ops.gelu, np.array([-np.inf], dtype))
        assert np.isnan(value[0])           # x Phi(x) is -inf * 0 there: PyTorch says nan too

    @pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
    def test_large_numbers(self, dtype):
        value, slope = value_and_slope(ops.gelu, np.array([-1e30, -1e4, 1e4, 1e30], dtype))
        assert np.array_equal(value, np.array([0, 0, 1e4, 1e30], dtype)) and np.array_equal(slope, [0, 0, 1, 1])


def test_the_constants_of_gelu_are_those_that_their_script_finds():
    path = Path(__file__).parent.parent / "examples" / "fit_gelu.py"
    fit = runpy.run_path(str(path))["fit"]
    constants, error = fit()
    np.testing.assert_allclose(constants, ODD, rtol=2e-4)           # the error is flat around the best
    assert error < 7e-8

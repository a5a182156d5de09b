"""What goes around an optimizer's step: gradients are clipped before it, and the schedule says how far it goes."""
import math

import numpy as np
import pytest

from minivit import nn
from minivit.optim import SCHEDULES, clip_grad_norm, constant, cosine, linear, staircase


def parameter(*values, dtype=np.float32):
    return nn.Parameter(np.array(values, dtype))


# Clipping

@pytest.mark.parametrize("max_norm", [0.1, 1.0, 4.9])
def test_clipping_scales_the_joint_norm_and_keeps_the_direction(max_norm):
    a, b = parameter(0.0), parameter(0.0)
    a.grad, b.grad = np.float32([3]), np.float32([4])
    assert clip_grad_norm([a, b], max_norm) == pytest.approx(5)
    assert math.hypot(a.grad[0], b.grad[0]) == pytest.approx(max_norm, rel=1e-5)
    assert a.grad[0] / b.grad[0] == pytest.approx(3 / 4)


def test_clipping_leaves_small_gradients_and_missing_ones():
    a, b = parameter(0.0), parameter(0.0)
    a.grad = np.float32([3])
    assert clip_grad_norm([a, b], 5.0) == 3 and a.grad[0] == 3 and b.grad is None


@pytest.mark.parametrize("size", [1e20, 1e38])
def test_clipping_a_huge_gradient_keeps_its_direction(size):
    """Its square overflows in float32."""
    p = parameter(0.0, 0.0)
    p.grad = np.float32([0.6 * size, -0.8 * size])
    assert clip_grad_norm([p], 1.0) == pytest.approx(size)
    np.testing.assert_allclose(p.grad, [0.6, -0.8], rtol=1e-5)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused_and_nothing_changes(number):
    a, b = parameter(0.0), parameter(0.0, 0.0)
    a.grad, b.grad = np.float32([3]), np.float32([1, number])
    with pytest.raises(FloatingPointError, match=f"^the norm of the gradient is {abs(number)}: lower the"):
        clip_grad_norm([a, b], 1.0)
    assert a.grad[0] == 3 and np.array_equal(b.grad, np.float32([1, number]), equal_nan=True)


@pytest.mark.parametrize("max_norm", [0, -1.0, np.nan])
def test_clipping_to_nothing_is_refused(max_norm):
    with pytest.raises(ValueError, match=f"^max_norm must be > 0, not {max_norm}$"):
        clip_grad_norm([parameter(0.0)], max_norm)


# Schedules

@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_rises_in_equal_steps_to_the_learning_rate(name):
    schedule = SCHEDULES[name](0.8, steps=100, warmup=4)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])


@pytest.mark.parametrize("name", SCHEDULES)
def test_after_the_warm_up_the_rate_never_rises(name):
    schedule = SCHEDULES[name](0.8, steps=40, warmup=4)
    rates = [schedule(step) for step in range(4, 60)]
    assert rates == sorted(rates, reverse=True) and rates[-1] >= 0


@pytest.mark.parametrize("schedule, step, rate", [
    (cosine(1.0, 11, final=0.2), 5, 0.6), (cosine(1.0, 11, final=0.2), 10, 0.2),
    (cosine(1.0, 13, warmup=2), 7, 0.5), (cosine(1.0, 9), 2, 0.5 + 0.25 * math.sqrt(2)),
    (linear(1.0, 11, final=0.5), 5, 0.75), (linear(1.0, 11, final=0.5), 99, 0.5),
    (staircase(1.0, 12), 2, 1.0), (staircase(1.0, 12), 3, 0.1), (staircase(1.0, 12), 11, 1e-3),
    (staircase(1.0, 12), 99, 1e-3), (staircase(1.0, 10, drops=1, factor=0.5), 5, 0.5),
    (constant(1.0, 10), 9, 1.0),
], ids=["cosine half-way", "cosine end", "cosine after warm-up", "cosine quarter", "linear half-way", "linear past end",
        "before a stair", "at a stair", "last stair", "past the stairs", "one stair", "constant"])
def test_the_rate_at_a_step(schedule, step, rate):
    assert schedule(step) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize("make", [cosine, linear])
@pytest.mark.parametrize("steps, warmup", [(10, 0), (10, 4), (2, 0), (10, 8)])
def test_the_last_step_is_the_first_at_the_final_rate(make, steps, warmup):
    schedule = make(1.0, steps, warmup, final=0.25)
    assert schedule(steps - 1) == 0.25 and schedule(steps - 2) > 0.25


@pytest.mark.parametrize("steps, warmup", [(0, 0), (10, 11), (10, -1)])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_must_lie_within_the_steps(name, steps, warmup):
    with pytest.raises(ValueError, match=f"not {steps} steps with {warmup} of warm-up"):
        SCHEDULES[name](1.0, steps, warmup)

"""racecheck against a definition of a race that knows nothing of clocks, on random kernels.

A random kernel is a list of steps that all threads go through: one thread accesses a place in shared memory, some lanes
of a warp meet at __syncwarp(), or the block meets at __syncthreads(). From such a list follows what may race: two
accesses of one place race unless word of the first has come to the thread of the second, from meeting to meeting.
"""
import random

import numpy as np
import pytest

from minivit.cuda import checking, emulate, why_no_checks

pytestmark = pytest.mark.skipif(why_no_checks() is not None, reason=str(why_no_checks()))


def steps(rng):
    """A list of ("barrier",), ("warp", number, mask) and (a read, write or atomic, thread, place)."""
    places, found = rng.choice([1, 2, 3]), []
    for _ in range(rng.randint(4, 14)):
        kind = rng.choices(["barrier", "warp", "access"], [12, 22, 66])[0]
        if kind == "barrier":
            found.append(("barrier",))
        elif kind == "warp":
            masks = [0xffffffff, 0xffffffff, 0xffff, 0xffff0000, rng.getrandbits(32) | 1]
            found.append(("warp", rng.randrange(2), rng.choice(masks)))
        else:
            found.append((rng.choice(["read", "read", "write", "write", "atomic"]),
                          rng.choice([0, 1, 2, 16, 17, 31, 32, 33, 48]), rng.randrange(places)))
    return found


def text_of(name, listed):
    """A kernel with each step in a line of its own, the first of them in line 2 of the file `name`."""
    lines = [f'#line 1 "{name}"', f'extern "C" __global__ void {name}(float* y) {{ __shared__ int s[4]; '
             "int t = threadIdx.x; if (t < 4) s[t] = 0; __syncthreads();"]
    for number, (kind, *which) in enumerate(listed):
        if kind == "barrier":
            lines.append("__syncthreads();")
        elif kind == "warp":
            lines.append("if (t / 32 == {0} && {1}u >> t % 32 & 1) __syncwarp({1}u);".format(*which))
        else:
            thread, place = which
            does = {"read": "y[t] += s[{0}]", "write": "s[{0}] = {1}", "atomic": "atomicAdd(&s[{0}], 1)"}[kind]
            lines.append(f"if (t == {thread}) {does.format(place, number)};")
    return "\n".join([*lines, "__syncthreads(); if (t < 4) y[t] += s[t]; }", ""])


def races_of(listed):
    """{(number of a step, number of a later step, place)}."""
    found = set()
    for one, (kind, *which) in enumerate(listed):
        if kind in ("barrier", "warp"):
            continue
        knows = {which[0]}                                      # threads that come after the access
        for two, (later, *other) in enumerate(listed[one + 1:], one + 1):
            if later == "barrier":
                break
            if later == "warp":
                lanes = {32 * other[0] + lane for lane in range(32) if other[1] >> lane & 1}
                knows |= lanes if knows & lanes else set()
            elif other[1] == which[1] and other[0] not in knows and {kind, later} not in ({"read"}, {"atomic"}):
                found.add((one, two, which[1]))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_racecheck_finds_each_place_that_races_and_names_true_pairs_of_lines(seed):
    rng = random.Random(seed)
    kernels = {f"k{number}": steps(rng) for number in range(60)}
    built, racing = emulate(code="".join(text_of(name, listed) for name, listed in kernels.items())), 0
    for name, listed in kernels.items():
        true = races_of(listed)
        racing += bool(true)
        for order in ("ascending", "descending", "random"):
            with checking(order=order) as report:
                built.get_function(name)((1,), (64,), (np.zeros(64, np.float32),))
            assert {finding.kind for finding in report.findings} <= {"racecheck"}, (name, listed, report)
            pairs = [sorted((finding.line - 2, finding.other_line - 2)) for finding in report.findings]
            found = {(one, two, listed[one][2]) for one, two in pairs}
            assert found <= true and {place for *_, place in found} == {place for *_, place in true}, (order, listed)
    assert 20 < racing < 60

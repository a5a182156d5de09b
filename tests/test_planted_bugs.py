"""Bugs planted in six working kernels, one at a time: checked mode names the kind and the line of each.

A bug is a small change of the text. Each kernel also runs unbroken, in three orders of its threads: nothing is found.
"""
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from kernel_bugs import BUGS, CUDA, FILE, LAUNCHES, line_of, planted

from minivit.cuda import checking, emulate, why_no_checks

pytestmark = pytest.mark.skipif(why_no_checks() is not None, reason=str(why_no_checks()))
NAMES = [f"{kernel}: {what}" for kernel, what, *_ in BUGS]


def run(kernel, built, number, order="ascending"):
    """The report of one launch, and what it computed beside what it should have."""
    name, _, grid, block, args, shared, result = LAUNCHES[kernel]()
    with checking(order=order, seed=1) as report:
        built.get_function(f"{name}_{number}")(grid, block, args, shared_mem=shared)
    return report, result


def variants(kernel):
    """One module with the kernel unbroken (number 0) and with each of its bugs, in the order of the table."""
    texts = [(CUDA / FILE[kernel]).read_text(), *(planted(bug) for bug in BUGS if bug[0] == kernel)]
    parts = []
    for number, text in enumerate(texts):
        text = re.sub(r"(__global__ void \w+)", rf"\1_{number}", text)
        text = f'\n#line 1 "{FILE[kernel]}"\n{text}'
        if "extern __shared__" not in text:                 # its other functions are there several times
            text = f"namespace variant_{number} {{{text}}} using namespace variant_{number};"
        parts.append(text)
    return emulate(code="".join(parts), constants=LAUNCHES[kernel]()[1], checked=True, seconds=0.5)


@pytest.fixture(scope="module")
def built():
    """The modules of all kernels; two compilers at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(LAUNCHES, pool.map(variants, LAUNCHES)))


@pytest.mark.parametrize("bug", BUGS, ids=NAMES)
def test_a_planted_bug_is_found(bug, built):
    kernel, _, _, _, kind, where, *other = bug
    text = planted(bug)
    report, _ = run(kernel, built[kernel], [other for other in BUGS if other[0] == kernel].index(bug) + 1)
    lines = [(found.kind, found.line, found.other_line) for found in report.findings]
    expected = kind, line_of(where, text)
    assert any(line[:2] == expected and (not other or line[2] == line_of(other[0], text)) for line in lines), report
    for found in report.findings:
        assert found.message.startswith(f"{found.kind}: {FILE[kernel]}:{found.line}: ")


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
@pytest.mark.parametrize("kernel", LAUNCHES)
def test_nothing_is_found_in_a_kernel_without_bugs(kernel, order, built):
    report, (got, expected) = run(kernel, built[kernel], 0, order)
    assert report.findings == []
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


def test_there_are_enough_bugs():
    assert len(BUGS) >= 30 and len({bug[4] for bug in BUGS}) == 5

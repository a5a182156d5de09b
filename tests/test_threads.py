"""Threads: a new one starts with the defaults, and a copied context carries no_grad and using along."""
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minivit import Tensor, no_grad, ops, using
from minivit.function import FUNCTIONS
from minivit.modes import choose, grad_enabled


def state():
    """(whether the tape is kept, the form that softmax runs in) here."""
    y = ops.softmax(Tensor([1.0, 2.0], requires_grad=True))
    assert y.requires_grad == grad_enabled()
    return grad_enabled(), choose(FUNCTIONS["softmax"], [y.data])[0]


def in_new_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_a_new_thread_starts_with_the_defaults():
    with no_grad(), using("composed"):
        assert in_new_thread(state) == (True, "array")


def test_a_copied_context_carries_the_block_along():
    with no_grad(), using("composed"):
        context = contextvars.copy_context()
    assert in_new_thread(lambda: context.run(state)) == (False, "composed")


def test_an_overlay_reaches_workers():
    with using("array", {"softmax": (lambda ctx, x, axis: 2 * x, None)}):
        context = contextvars.copy_context()
    y = in_new_thread(lambda: context.run(ops.softmax, Tensor([1.0, 2.0])))
    assert y.data.tolist() == [2, 4]


def test_blocks_in_two_threads_do_not_meet():
    inside, done, seen = threading.Event(), threading.Event(), []

    def other():
        with no_grad():
            inside.set()
            done.wait(10)
            seen.append(grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    assert grad_enabled()           # while the other thread is in its no_grad block
    done.set()
    thread.join()
    assert seen == [False]


def test_threads_build_and_use_separate_tapes():
    def gradient(k):
        x = Tensor(np.full(50, k, np.float64), requires_grad=True)
        y = x
        for _ in range(50):
            y = y + x
        (y * x).sum().backward()
        return x.grad

    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(gradient, range(40))):
            assert (found == 2 * 51 * k).all()

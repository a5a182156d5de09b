"""Random streams: numbers depend on their address alone, and the documented formula is the one."""
import contextvars
import hashlib
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivit.streams import Draw, next_draw, randomness, stream

WORD = (1 << 64) - 1
words = st.integers(0, WORD)


def philox4x64(counter, key):
    """One block of Philox4x64-10 in plain Python, from the paper (Salmon et al. 2011, figure 2)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c[0], 1 << 64)
        high1, low1 = divmod(0xCA5A826395121157 * c[2], 1 << 64)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B97F4A7C15) & WORD, (k[1] + 0xBB67AE8584CAA73B) & WORD]
    return c


def documented_number(seed, step, place, image, per_image, e):
    """Number e of `image`, as the docstring of streams.py promises it to CUDA kernels."""
    place_hash = int.from_bytes(hashlib.blake2b(place.encode(), digest_size=8).digest(), "little")
    blocks = -(-per_image // 8)
    block = philox4x64([image * blocks + e // 8 + 1, 0, step, 0], [seed, place_hash])
    half = block[e % 8 // 2] >> (32 * (e % 2)) & 0xFFFFFFFF
    return np.float32((half >> 8) * 2.0 ** -24)


def test_philox_known_answer():
    """The known-answer vectors of Random123 (kat_vectors, philox4x64 10)."""
    assert philox4x64([0] * 4, [0] * 2) == [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC,
                                            0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox4x64([WORD] * 4, [WORD] * 2) == [0x87B092C3013FE90B, 0x438C3C67BE8D0224,
                                                  0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0]


@given(seed=words, step=words, place=st.text(max_size=8), first=st.integers(0, 1 << 40),
       images=st.integers(1, 3), per_image=st.integers(1, 20))
def test_uniform_is_the_documented_formula(seed, step, place, first, images, per_image):
    numbers = Draw(seed, step, place, first).uniform((images, per_image))
    assert numbers.dtype == np.float32
    for b in range(images):
        for e in range(per_image):
            expected = documented_number(seed, step, place, first + b, per_image, e)
            assert numbers[b, e] == expected


@given(cut=st.integers(1, 7), shape=st.lists(st.integers(1, 5), max_size=3))
def test_masks_do_not_depend_on_micro_batches(cut, shape):
    whole = Draw(3, 5, "mask 1").uniform((8, *shape))
    parts = [Draw(3, 5, "mask 1", first).uniform((count, *shape))
             for first, count in ((0, cut), (cut, 8 - cut))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_uniform_is_uniform():
    numbers = Draw(0, 0, "mask 1").uniform((64, 1003)).astype(np.float64)
    assert 0 <= numbers.min() and numbers.max() < 1
    np.testing.assert_allclose([numbers.mean(), numbers.var()], [1 / 2, 1 / 12], atol=0.005)


def test_each_part_of_the_address_matters():
    base = {"seed": 0, "step": 0, "place": "a", "first_image": 0}
    others = [{"seed": 1}, {"step": 1}, {"place": "b"}, {"first_image": 1}]
    drawn = [Draw(**(base | other)).uniform((1, 16)) for other in [{}, *others]]
    for i, numbers in enumerate(drawn):
        for other in drawn[:i]:
            assert not np.isin(numbers, other).any()


@pytest.mark.parametrize("name", ["seed", "step", "first_image"])
@pytest.mark.parametrize("value", [-1, 1 << 64, 0.5, None])
def test_stream_names_a_wrong_argument(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer from 0 .* not {value}"):
        stream(**({"seed": 0} | {name: value}))


def test_numpy_integers_are_integers():
    same = stream(np.int64(1), np.uint8(2), "a").random(4)
    np.testing.assert_array_equal(same, stream(1, 2, "a").random(4))


def test_a_block_draws_the_same_masks_again():
    def masks():
        with randomness(seed=1, step=2):
            return [next_draw("dropout").uniform((2, 4)) for _ in range(3)]
    first, again = masks(), masks()
    np.testing.assert_array_equal(first, again)
    assert not np.isin(first[0], first[1]).any()


def test_blocks_nest_and_restore():
    with randomness(seed=1):
        assert next_draw("outer").place == "mask 1"
        with randomness(seed=2, step=3, first_image=4):
            assert next_draw("inner") == Draw(2, 3, "mask 1", 4)
        assert next_draw("outer") == Draw(1, 0, "mask 2", 0)
        with pytest.raises(ZeroDivisionError):
            with randomness(seed=5):
                1 / 0
        assert next_draw("outer") == Draw(1, 0, "mask 3", 0)


def test_outside_a_block_the_error_names_who_asked_and_the_fix():
    with pytest.raises(RuntimeError, match=r"dropout needs .*randomness\(seed=0\).*model.eval"):
        next_draw("dropout")


def test_randomness_names_a_wrong_seed():
    with pytest.raises(ValueError, match="seed must be an integer"):
        with randomness(seed=-1):
            pass


def in_thread(function):
    """What `function` returns or raises in a new thread."""
    result = []

    def run():
        try:
            result.append(function())
        except RuntimeError as error:
            result.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


def test_a_thread_sees_the_block_through_a_copied_context_only():
    with randomness(seed=1, step=2):
        assert isinstance(in_thread(lambda: next_draw("dropout")), RuntimeError)
        context = contextvars.copy_context()
        there = in_thread(lambda: context.run(next_draw, "dropout"))
    assert there == Draw(1, 2, "mask 1", 0)


def test_a_block_entered_in_a_worker_stays_there():
    def worker(first):
        with randomness(seed=1, step=2, first_image=first):
            return next_draw("dropout")
    with randomness(seed=9):
        drawn = [in_thread(lambda first=first: contextvars.copy_context().run(worker, first))
                 for first in (0, 4)]
        assert next_draw("dropout") == Draw(9, 0, "mask 1", 0)
    assert drawn == [Draw(1, 2, "mask 1", 0), Draw(1, 2, "mask 1", 4)]


def test_copied_contexts_count_their_masks_apart():
    with randomness(0):
        one, other = contextvars.copy_context(), contextvars.copy_context()
        assert one.run(next_draw, "a") == other.run(next_draw, "a") == next_draw("a")


def test_first_image_without_per_image_is_refused():
    with pytest.raises(ValueError, match="needs per_image"):
        stream(0, 0, "a", first_image=5)

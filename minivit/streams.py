"""Random numbers that depend on what they are for, never on who asks first.

- `stream(seed, step, place, ...)`: an independent NumPy Generator for one purpose
- `randomness(seed, step, first_image)`: a block in which dropout and its like may draw
- `next_draw(what)`: the address of the next random mask in that block; `Draw.uniform(shape)` is its numbers

A mask must be the same however a batch is cut into micro-batches, whichever thread computes it and on whichever
device. So numbers are not taken from one shared generator, one after the other: they are *addressed*. The generator is
counter-based (Philox4x64-10: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): block `c` of a stream
is a pure function of (key, c) and yields 4 words of 64 bits = 8 words of 32 bits. We set

    key     = (seed, hash of place)
    counter = (first_image * blocks_per_image, 0, step, 0)      blocks_per_image = ceil(per_image / 8)

so image i owns blocks i * blocks_per_image + 1 ... (i + 1) * blocks_per_image (NumPy counts up *before* it draws), and
number e of image i is the half e % 2 (low half first) of word (e % 8) // 2 of its block e // 8. A float32 in [0, 1) is
that half, shifted right by 8, times 2**-24. A CUDA kernel that follows these three lines draws the same bits.

Nothing in minivit draws from global state.
"""
import contextlib
import hashlib
import math
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import numpy as np

HALVES = 8              # 32-bit numbers in one block of Philox4x64
_WORD = (1 << 64) - 1


def _word(name, value):
    """`value` as an unsigned 64-bit integer, or an error that names the argument."""
    if not isinstance(value, (int, np.integer)) or not 0 <= value <= _WORD:
        raise ValueError(f"{name} must be an integer from 0 to 2**64 - 1, not {value!r}")
    return int(value)


def stream(seed, step=0, place="", first_image=0, per_image=0):
    """A Generator over the numbers of `place` at `step`, starting at image `first_image`.

    seed, step, first_image: integers >= 0. place: what the numbers are for, any string.
    per_image: 32-bit numbers that each image uses (0 where numbers do not belong to images).
    Raises ValueError for a negative or non-integer seed, step or first_image.
    """
    seed, place, first_block, step = _address(seed, step, place, first_image, per_image)
    counter, key = np.array([first_block, 0, step, 0], np.uint64), np.array([seed, place], np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))


def _address(seed, step, place, first_image, per_image):
    """(seed, hash of place, first block, step): the words that key and counter are made of."""
    digest = hashlib.blake2b(str(place).encode(), digest_size=8).digest()
    start = _word("first_image", first_image) * math.ceil(_word("per_image", per_image) / HALVES)
    if first_image and not per_image:
        raise ValueError("first_image says where a stream starts in images, so it needs per_image, the numbers that "
                         "each of them uses")
    return (_word("seed", seed), int.from_bytes(digest, "little"), _word("first_image * blocks_per_image", start),
            _word("step", step))


@dataclass(frozen=True)
class Draw:
    """The address of one random mask: whoever holds it can draw the same numbers again.

    counter: the step as an array of one uint64 on a GPU, for a kernel that is recorded once and draws at other steps.
    """

    seed: int
    step: int
    place: str
    first_image: int = 0
    counter: object = field(default=None, compare=False)

    def address(self, per_image):
        """(seed, hash of place, first block, step) of a mask of so many numbers an image: what a kernel draws from."""
        return _address(self.seed, self.step, self.place, self.first_image, per_image)

    def uniform(self, shape):
        """float32 numbers in [0, 1) of `shape` (B, ...); row b belongs to image first_image + b."""
        images, per_image = shape[0], math.prod(shape[1:])
        padded = math.ceil(per_image / HALVES) * HALVES
        generator = stream(self.seed, self.step, self.place, self.first_image, per_image)
        numbers = generator.random((images, padded), dtype=np.float32)
        return numbers[:, :per_image].reshape(shape)


@dataclass(frozen=True)             # frozen: two threads that copied a context must each count for themselves
class _Randomness:
    seed: int
    step: int
    first_image: int
    counter: object = None
    drawn: int = 0                  # masks handed out so far: the n-th mask of a forward pass is its place


_randomness = ContextVar("minivit_randomness", default=None)


@contextlib.contextmanager
def randomness(seed, step=0, first_image=0, counter=None):
    """A block in which layers may draw masks: `with randomness(seed=0, step=3): model(images)`.

    Entering it again with the same numbers draws the same masks. first_image: index, in the whole batch, of the first
    image that the block's forward pass sees, so that a micro-batch draws its own part of the batch's masks. counter:
    see Draw.
    """
    _word("seed", seed), _word("step", step), _word("first_image", first_image)
    token = _randomness.set(_Randomness(seed, step, first_image, counter))
    try:
        yield
    finally:
        _randomness.reset(token)


def next_draw(what):
    """The address of the next mask of the enclosing `randomness` block; `what` names who asks, for the error.

    Raises RuntimeError outside such a block.
    """
    state = _randomness.get()
    if state is None:
        raise RuntimeError(f"{what} needs random numbers, and minivit has no global generator: wrap the call in "
                           f"`with minivit.randomness(seed=0):`, or switch the model to evaluation with model.eval()")
    state = replace(state, drawn=state.drawn + 1)
    _randomness.set(state)
    return Draw(state.seed, state.step, f"mask {state.drawn}", state.first_image, state.counter)

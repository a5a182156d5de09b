"""Random images, and random numbers that a test chooses, for the tests of augmentation."""
import numpy as np


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


class Numbers:
    """Stands for a Draw: gives the numbers that it was made with."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers, np.float32)

    def uniform(self, shape):
        assert shape == self.numbers.shape
        return self.numbers

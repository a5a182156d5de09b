"""Rows of the table of cases for operations on images, as (name, shapes, make): see cases.py, which enters them."""
from minivit import ops
from minivit.tensor import Tensor

IMAGES = ((2, 2, 6, 5), (1, 1, 4, 4), (1, 3, 5, 9))
CHANNELS = ((2, 4, 3, 2), (3, 2, 1, 5), (1, 6, 4, 4))


def patches(merge, **options):
    """A row's `make` for extraction, or for merging what was extracted."""
    def make(rng, shape):
        images = rng.standard_normal(shape)
        extracted = ops.extract_patches(Tensor(images), **options)
        if merge:
            return (lambda x: ops.merge_patches(x, shape[2:], **options)), {"patches": extracted.data}
        return (lambda x: ops.extract_patches(x, **options)), {"images": images}
    return make


def conv2d(size, **options):
    """A row's `make` for a convolution of three filters."""
    def make(rng, shape):
        inputs = {"x": rng.standard_normal(shape), "weight": rng.standard_normal((3, shape[1]) + size),
                  "bias": rng.standard_normal(3)}
        return (lambda x, weight, bias: ops.conv2d(x, weight, bias, **options)), inputs
    return make


def pool(operation, *window):
    """A row's `make` for pooling."""
    def make(rng, shape):
        return (lambda x: operation(x, *window)), {"x": rng.standard_normal(shape)}
    return make


def groupnorm(groups, offset=0.0):
    """A row's `make` for group norm."""
    def make(rng, shape):
        inputs = {"x": offset + rng.standard_normal(shape), "gamma": 1 + 0.5 * rng.standard_normal(shape[1]),
                  "beta": rng.standard_normal(shape[1])}
        return (lambda x, gamma, beta: ops.groupnorm(x, groups, gamma, beta)), inputs
    return make


OVERLAP = dict(size=(3, 2), stride=(1, 2), padding="SAME", dilation=(1, 2))

ROWS = (
    ("extract_patches", IMAGES, patches(False, size=2)),
    ("extract_patches:overlap", IMAGES, patches(False, **OVERLAP)),
    ("merge_patches", IMAGES, patches(True, size=2)),
    ("merge_patches:overlap", IMAGES, patches(True, **OVERLAP)),
    ("conv2d", IMAGES, conv2d((3, 2), padding=(1, 0))),
    ("conv2d:stride", IMAGES, conv2d((3, 3), stride=(2, 1), padding="SAME")),
    ("conv2d:border", IMAGES, conv2d((2, 3), padding=3)),
    ("conv2d:pixel", IMAGES, conv2d((1, 1))),
    ("max_pool2d", IMAGES, pool(ops.max_pool2d, 2)),
    ("max_pool2d:overlap", IMAGES, pool(ops.max_pool2d, (3, 2), (2, 1), "SAME")),
    ("avg_pool2d", IMAGES, pool(ops.avg_pool2d, 2)),
    ("avg_pool2d:overlap", IMAGES, pool(ops.avg_pool2d, 3, 2, 1)),
    ("groupnorm", CHANNELS, groupnorm(2)),
    ("groupnorm:image", CHANNELS, groupnorm(1)),
    ("groupnorm:offset", CHANNELS, groupnorm(1, offset=100.0)),
)

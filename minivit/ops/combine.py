"""Several tensors into one: joined, stacked, or picked from place by place."""
from minivit.primitives import Concat, Maximum, Minimum, Where
from minivit.tensor import Tensor, apply


def concat(tensors, axis=0):
    """Tensors one after the other along an existing axis."""
    return apply(Concat, *tensors, axis=axis)


def stack(tensors, axis=0):
    """Tensors of one shape beside each other along a new axis."""
    shapes = {tensor.shape for tensor in tensors}
    if len(shapes) != 1:
        raise ValueError(f"stack needs tensors of one shape, not {sorted(shapes) or 'none at all'}: concat joins along "
                         f"an axis that is there")
    shape = list(tensors[0].shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return concat([tensor.reshape(shape) for tensor in tensors], axis)


def where(condition, a, b):
    """a where the boolean array `condition` holds, else b."""
    return apply(Where, a, b, condition=condition.data if isinstance(condition, Tensor) else condition)


def maximum(a, b):
    """The larger at each place; where a and b are equal, each receives half of the gradient."""
    return apply(Maximum, a, b)


def minimum(a, b):
    """The smaller at each place; where a and b are equal, each receives half of the gradient."""
    return apply(Minimum, a, b)

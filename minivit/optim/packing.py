"""Many parameters as one flat array.

Every `parameter.data` becomes a view of it, and likewise the gradients of another. The views never move, so loading
weights copies into them.
"""
import numpy as np

from minivit.backend import copy_into, on, xp_of

BLOCK = 1 << 15         # elements, so that the temporaries of a step stay in the cache


class Group:
    """Parameters that share their options, packed: `data`, `grad` and each array of `state` are flat."""

    def __init__(self, named, options, slots):
        self.named = [(name, p) for name, p in named if p.requires_grad]
        self.options = options
        dtypes = {p.dtype for _, p in self.named}
        if len(dtypes) != 1:
            raise TypeError(f"the parameters of a group must have one dtype, and these have "
                            f"{', '.join(sorted(map(str, dtypes))) or 'none: there is nothing to train'}")
        xp, size = xp_of(*(p.data for _, p in self.named)), sum(p.size for _, p in self.named)
        dtype, = dtypes
        with on(self.named[0][1].data):
            self.data, self.grad = xp.empty(size, dtype), xp.zeros(size, dtype)
            self.state = {slot: xp.zeros_like(self.data) for slot in slots}
        self.views = []         # (parameter, its view of data, its view of grad)
        for (name, p), place in self.places():
            view = self.data[place].reshape(p.shape)
            copy_into(view, p.data)
            p.data, p.grad = view, self.grad[place].reshape(p.shape)
            self.views.append((p, p.data, p.grad))

    def zero_grad(self):
        """Forget every gradient. On a GPU they become 0 in the flat array, where backward adds to them: there is
        nothing to gather then."""
        if isinstance(self.grad, np.ndarray):
            for p, _, _ in self.views:
                p.grad = None
        else:
            with on(self.grad):
                self.grad[...] = 0
            for p, _, grad in self.views:
                p.grad = grad

    def blocks(self):
        """Slices of the flat arrays that follow one another: BLOCK elements at a time, and on a GPU all at once."""
        size = BLOCK if isinstance(self.data, np.ndarray) else self.data.size
        return [slice(start, start + size) for start in range(0, self.data.size, size)]

    def places(self):
        """((name, parameter), slice of the flat arrays) for each parameter."""
        start = 0
        for name, p in self.named:
            yield (name, p), slice(start, start + p.size)
            start += p.size

    def gather(self):
        """Bring the gradients together in the flat array, of which each `.grad` is then a view; None counts as 0."""
        with on(self.grad):
            for (name, p), (_, data, grad) in zip(self.named, self.views):
                if p.data is not data:
                    raise RuntimeError(f"the array of {name} was replaced after the optimizer packed it: assign into "
                                       f"it, p.data[...] = values, or build the optimizer anew")
                if p.grad is not grad:
                    grad[...] = 0 if p.grad is None else p.grad
                    p.grad = grad

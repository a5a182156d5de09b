"""The layers that every network is made of. `rng`: a NumPy Generator or a seed, for the first values."""
from minivit import ops
from minivit.nn import init
from minivit.nn.module import Module, Parameter


class Linear(Module):
    """y = x W^T + b of x (..., inputs): weight (outputs, inputs), Xavier-uniform; bias (outputs,), 0."""

    def __init__(self, inputs, outputs, rng, bias=True):
        self.weight = Parameter(init.xavier_uniform(rng, (outputs, inputs), inputs, outputs))
        self.bias = Parameter(init.zeros((outputs,))) if bias else None

    def forward(self, x):
        return ops.linear(x, self.weight, self.bias)


class LayerNorm(Module):
    """Layer norm over the last axis, with scale `weight` (gamma, 1) and offset `bias` (beta, 0), both (size,)."""

    def __init__(self, size, eps=1e-6):
        self.weight = Parameter(init.ones((size,)))
        self.bias = Parameter(init.zeros((size,)))
        self.eps = eps

    def forward(self, x):
        return ops.layernorm(x, self.weight, self.bias, self.eps)


class LayerScale(Module):
    """x (..., size) times learned factors `gamma` (size,), which begin at `value`: one for each number of a token."""

    def __init__(self, size, value):
        self.gamma = Parameter(init.ones((size,)) * value)

    def forward(self, x):
        return x * self.gamma


class GELU(Module):
    """GELU, "none" (exact) or "tanh"."""

    def __init__(self, approximate="none"):
        self.approximate = approximate

    def forward(self, x):
        return ops.gelu(x, self.approximate)


class Dropout(Module):
    """In training, a share p of the elements set to 0 and the rest divided by 1 - p."""

    def __init__(self, p):
        self.p = p

    def forward(self, x):
        return ops.dropout(x, self.p) if self.training and self.p else x


class DropPath(Module):
    """In training, a share p of the images set to 0 and the rest divided by 1 - p: stochastic depth."""

    def __init__(self, p):
        self.p = p

    def forward(self, x):
        return ops.drop_path(x, self.p) if self.training and self.p else x

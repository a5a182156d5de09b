"""Recording: what a model computes on the way, kept while it runs.

    with record(model) as rec:
        model(images)
    rec.attention[3][0, 1]          # of block 3, image 0, head 1: (N, N), how each token divides its attention

Nothing is computed in another way for it. Modules are watched and what they return is kept; an attention map is found
from the kept queries and keys by the definition, softmax(q k^T / sqrt(K)), so it is the same map in every form.

The last block of a model computes only the tokens that its head reads. The others are computed again, for the record
alone (in training with dropout, by masks of their own): tokens and maps are whole, and the model's result has the bits
that it has without a record.
"""
import contextlib
import fnmatch
import math
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np

from minivit.backend import to_host
from minivit.errors import unknown
from minivit.models.cnn import Stage as CNNStage
from minivit.models.resnet import Stage, Stem
from minivit.modes import holding, no_grad
from minivit.nn import watching
from minivit.ops.softmax import composed as softmax
from minivit.streams import randomness
from minivit.tensor import Tensor
from minivit.train.workers import turn

_passes = ContextVar("minivit_passes", default={})          # Record -> the Pass that is under way in this thread


@contextlib.contextmanager
def record(model, also=(), gradients=False):
    """A block that records every call of `model` in it, in worker threads too: `with record(model) as rec: ...`.

    also: paths of further modules whose results are kept: ("norm", "blocks.*.mlp.drop1"); within the last block these
    are of the tokens that the head reads. gradients: keep the gradient of all that is kept when a backward comes by, be
    it after the block.

    Raises ValueError for a path that the model does not have, RuntimeError at the end of a block that recorded nothing.
    """
    rec = Record(model, also, gradients)
    with watching(rec.watch):
        yield rec
    if not rec.passes:
        raise RuntimeError(f"nothing was recorded: this {type(model).__name__} was not called in the block. Call the "
                           f"model itself, model(images), not a copy of it, nor its parts alone")


@dataclass
class Pass:
    """One call of the model: {path: array} of what its modules returned, on the model's device, and of the gradients.

    turn: where the call stands among all.
    """

    turn: int
    outputs: dict = field(default_factory=dict)
    gradients: dict = field(default_factory=dict)


class Record:
    """What was recorded, as NumPy arrays; the images of several calls stand one after the other, in order.

    image_size: (Sy, Sx) in pixels. Of a transformer also grid: (Gy, Gx), its patches; patch: (Py, Px), the pixels of
    one; prefix: how many tokens stand before the patches. Paths of modules: streams, those that return tokens; blocks;
    stages, of convolutions; also, those asked for.
    """

    def __init__(self, model, also=(), gradients=False):
        named = {path: module for path, module in model.named_modules() if path}
        self.model, self.with_gradients, self.passes = model, gradients, []
        self.image_size = model.config.image_size
        self.blocks = [f"blocks.{i}" for i in range(len(getattr(model, "blocks", ())))]
        self.stages = [path for path, module in named.items() if isinstance(module, (CNNStage, Stage, Stem))]
        self.streams = ["pos_drop"] + self.blocks if self.blocks else []        # whose results are tokens (B, N, D)
        self.also = []
        for pattern in (also,) if isinstance(also, str) else also:
            found = fnmatch.filter(named, pattern)
            if not found:
                raise ValueError(unknown("module", pattern, named))
            self.also += found
        paths = self.stages + self.streams + [f"{block}.attn.qkv" for block in self.blocks] + self.also
        self.paths = {id(named[path]): path for path in paths}
        if self.blocks:
            self.grid, self.prefix = model.patch_embed.grid, model.num_prefix
            self.patch = tuple(side / patches for side, patches in zip(self.image_size, self.grid))

    def watch(self, module, call):
        """See nn.watching."""
        if module is self.model:
            current = Pass(turn())
            with holding(_passes, _passes.get() | {self: current}):
                result = call()
            self.passes.append(current)
            return result
        path, current = self.paths.get(id(module)), _passes.get().get(self)
        result = call()
        if path is not None and current is not None:
            rows = self.model.head_rows if path in self.blocks[-1:] else None
            current.outputs[path] = result.data if rows is None else self._whole(current, module, result.data, rows)
            if self.with_gradients and result.requires_grad:
                self._keep_gradient(result, current, path, rows)
        return result

    def _whole(self, current, block, computed, rows):
        """All tokens after the last block, `rows` of which the model has computed."""
        with no_grad(), watching(None), randomness(0):
            tokens = to_host(block(Tensor(current.outputs[self.streams[-2]])).data)
        tokens[:, rows] = to_host(computed)
        return tokens

    def _keep_gradient(self, result, current, path, rows):
        def keep(gradient):
            current.gradients[path] = gradient
            if rows is not None:                            # nothing was computed from the other tokens
                current.gradients[path] = np.zeros_like(current.outputs[path])
                current.gradients[path][:, rows] = to_host(gradient)
        result.register_hook(keep)

    @property
    def tokens(self):
        """The residual stream: L + 1 arrays (B, N, D), the embedded tokens and those after each block."""
        self._check(self.blocks, "tokens", "its feature maps are rec.features")
        return [self.output(path) for path in self.streams]

    @property
    def qkv(self):
        """Of each block its queries, keys and values, arrays (B, H, N, K)."""
        self._check(self.blocks, "attention", "its feature maps are rec.features")
        return [tuple(part.data for part in block.attn.split(Tensor(self.output(f"{path}.attn.qkv"))))
                for path, block in zip(self.blocks, self.model.blocks)]

    @property
    def q(self):
        """The queries of each block, arrays (B, H, N, K)."""
        return [q for q, k, v in self.qkv]

    @property
    def k(self):
        """The keys of each block, arrays (B, H, N, K)."""
        return [k for q, k, v in self.qkv]

    @property
    def attention(self):
        """The attention map of each block, (B, H, N, N): how each token (row) divides its attention among all.

        They are computed at every look at this property. Dropout of attention weights, in training, is not in them.
        """
        return [softmax(Tensor(q) @ Tensor(k).swapaxes(-1, -2) * (1 / math.sqrt(q.shape[-1]))).data
                for q, k, v in self.qkv]

    @property
    def features(self):
        """{path: feature maps (B, C, Gy, Gx)} of each stage of a convolutional network, or of a hybrid's first half."""
        self._check(self.stages, "feature maps", "its tokens are rec.tokens")
        return {path: self.output(path) for path in self.stages}

    def _check(self, paths, what, instead):
        if not paths:
            raise AttributeError(f"a {type(self.model).__name__} has no {what}: {instead}")

    def output(self, path):
        """What the module at `path` returned."""
        return self._joined(path, "outputs")

    def gradient(self, path):
        """The gradient of what the module at `path` returned: like output(path).

        Raises RuntimeError where none was kept.
        """
        if not all(one.gradients for one in self.passes):
            raise RuntimeError("no gradients were kept: record(model, gradients=True), not under no_grad(), and call "
                               "backward() on a loss of what the model returned")
        return self._joined(path, "gradients")

    def _joined(self, path, kind):
        passes = [vars(one)[kind] for one in sorted(self.passes, key=lambda one: one.turn)]
        if passes and path not in passes[0]:
            raise KeyError(unknown("recorded module", path, passes[0]))
        return np.concatenate([to_host(arrays[path]) for arrays in passes])

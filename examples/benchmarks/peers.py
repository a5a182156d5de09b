"""The other side of a benchmark: the same Vision Transformer in PyTorch, MyGrad, HIPS autograd and tinygrad.

Every side is a class with `step()` (one training step with AdamW, returns the loss), `gradient(name)` (of the step just
taken), `infer()` (the logits, without gradients) and `running()`, a block that sets the threads of its own libraries.
"""
import contextlib
import math

import numpy as np

from minivit import Tensor, ops
from minivit.data import Batch
from minivit.modes import no_grad
from minivit.optim import AdamW
from minivit.train.gradients import gradients
from minivit.train.losses import Classification
from minivit.train.workers import Workers, parts

LR, WEIGHT_DECAY = 1e-4, 0.01
CHECKED = ("pos_embed", "blocks.0.mlp.fc1.weight")      # the gradients on which both sides must agree


class Minivit:
    """This project."""

    def __init__(self, model, images, labels, threads):
        self.model, self.batch = model, Batch(images, labels, np.arange(len(labels)))
        self.optimizer, self.workers = AdamW(model, lr=LR, weight_decay=WEIGHT_DECAY), Workers(threads)

    def running(self):
        return self.workers

    def step(self):
        self.optimizer.zero_grad()
        result = gradients(self.model, Classification(), self.batch, 0, 0, self.workers)
        self.optimizer.step()
        return result.loss

    def gradient(self, name):
        return dict(self.model.named_parameters())[name].grad

    @no_grad()
    def infer(self):
        self.model.eval()
        cuts = parts(len(self.batch), self.model.token_shape)
        return np.concatenate(self.workers.map(lambda cut: self.model(Tensor(self.batch.images[cut])).data, cuts))


class Torch:
    """PyTorch eager: scaled_dot_product_attention and AdamW over all parameters at once (foreach)."""

    def __init__(self, model, images, labels, threads):
        import torch
        self.torch, self.F, self.config, self.threads = torch, torch.nn.functional, model.config, threads
        self.p = {name: torch.nn.Parameter(torch.from_numpy(array.copy())) for name, array in
                  model.state_dict().items()}
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.optimizer = torch.optim.AdamW(self.p.values(), lr=LR, weight_decay=WEIGHT_DECAY, foreach=True)
        self.call = self.forward

    @contextlib.contextmanager
    def running(self):
        before = self.torch.get_num_threads()
        self.torch.set_num_threads(self.threads)
        yield self
        self.torch.set_num_threads(before)

    def forward(self, x):
        c, p, F = self.config, self.p, self.F
        B, D, H = len(x), c.embed_dim, c.num_heads
        x = F.conv2d(x, p["patch_embed.proj.weight"], p["patch_embed.proj.bias"], stride=c.patch_size)
        x = x.flatten(2).transpose(1, 2)
        x = self.torch.cat([p["cls_token"].expand(B, -1, -1), x], 1) + p["pos_embed"]
        for k in range(c.depth):
            def linear(x, name):
                return F.linear(x, p[f"blocks.{k}.{name}.weight"], p[f"blocks.{k}.{name}.bias"])

            def norm(x, name):
                return F.layer_norm(x, (D,), p[f"blocks.{k}.{name}.weight"], p[f"blocks.{k}.{name}.bias"], 1e-6)

            q, key, v = linear(norm(x, "norm1"), "attn.qkv").reshape(B, -1, 3, H, D // H).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, key, v).transpose(1, 2).reshape(B, -1, D)
            x = x + linear(y, "attn.proj")
            x = x + linear(F.gelu(linear(norm(x, "norm2"), "mlp.fc1")), "mlp.fc2")
        x = F.layer_norm(x[:, 0], (D,), p["norm.weight"], p["norm.bias"], 1e-6)
        return F.linear(x, p["head.weight"], p["head.bias"])

    def step(self):
        self.optimizer.zero_grad()
        loss = self.F.cross_entropy(self.call(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def gradient(self, name):
        return self.p[name].grad.numpy()

    def infer(self):
        with self.torch.inference_mode():
            return self.call(self.images).numpy()


class TorchCompiled(Torch):
    """PyTorch through torch.compile, which needs a C++ compiler."""

    def __init__(self, model, images, labels, threads):
        super().__init__(model, images, labels, threads)
        self.call = self.torch.compile(self.forward)


class _NumPyAdamW:
    """AdamW for the engines that have none, over a dictionary of arrays."""

    def __init__(self, arrays):
        self.arrays, self.t = arrays, 0
        self.m = {name: np.zeros_like(a) for name, a in arrays.items()}
        self.v = {name: np.zeros_like(a) for name, a in arrays.items()}

    def step(self, grads):
        self.t += 1
        for name, p in self.arrays.items():
            g, m, v = grads[name], self.m[name], self.v[name]
            p *= 1 - LR * WEIGHT_DECAY
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= LR / (1 - 0.9 ** self.t) * m / (np.sqrt(v / (1 - 0.999 ** self.t)) + 1e-8)


def _forward(p, patches, config, xp, gelu):
    """The model over a NumPy-like module `xp`, on patches (B, Gy * Gx, C * Py * Px), with tanh GELU."""
    B, D, H = len(patches), config.embed_dim, config.num_heads

    def linear(x, name):
        weight = p[name + ".weight"]
        return xp.matmul(x, xp.reshape(weight, (weight.shape[0], -1)).T) + p[name + ".bias"]

    def norm(x, name):
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        return centred / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + 1e-6) * p[name + ".weight"] \
            + p[name + ".bias"]

    cls_token = p["cls_token"] * np.ones((B, 1, 1), np.float32)
    x = xp.concatenate([cls_token, linear(patches, "patch_embed.proj")], axis=1) + p["pos_embed"]
    for k in range(config.depth):
        block = f"blocks.{k}."
        qkv = xp.reshape(linear(norm(x, block + "norm1"), block + "attn.qkv"), (B, -1, 3, H, D // H))
        qkv = xp.transpose(qkv, (2, 0, 3, 1, 4))
        scores = xp.matmul(qkv[0], xp.transpose(qkv[1], (0, 1, 3, 2))) * np.float32(1 / math.sqrt(D // H))
        weights = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
        weights = weights / xp.sum(weights, axis=-1, keepdims=True)
        y = xp.reshape(xp.transpose(xp.matmul(weights, qkv[2]), (0, 2, 1, 3)), (B, -1, D))
        x = x + linear(y, block + "attn.proj")
        x = x + linear(gelu(linear(norm(x, block + "norm2"), block + "mlp.fc1")), block + "mlp.fc2")
    return linear(norm(x[:, 0], "norm"), "head")


class _NumPyPeer:
    """What the NumPy engines share: patches cut beforehand, AdamW in NumPy, BLAS with all threads."""

    def __init__(self, model, images, labels, threads):
        self.config, self.labels, self.threads = model.config, labels, threads
        self.arrays = {name: array.copy() for name, array in model.state_dict().items()}
        patches = ops.extract_patches(Tensor(images), model.config.patch_size).data
        self.patches = patches.reshape(len(images), -1, patches.shape[-1])
        self.optimizer, self.grads = _NumPyAdamW(self.arrays), {}

    def running(self):
        from threadpoolctl import threadpool_limits         # not at the top: a GPU's benchmarks do without
        return threadpool_limits(self.threads, user_api="blas")

    def gradient(self, name):
        return self.grads[name]


class MyGrad(_NumPyPeer):
    """MyGrad: autograd on NumPy with the interface of NumPy; tanh GELU, since it has no erf."""

    def __init__(self, *arguments):
        import mygrad
        self.mg = mygrad
        super().__init__(*arguments)

    def gelu(self, x):
        return 0.5 * x * (1 + self.mg.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

    def step(self):
        from mygrad.nnet.losses import softmax_crossentropy
        p = {name: self.mg.tensor(array, copy=False) for name, array in self.arrays.items()}
        loss = softmax_crossentropy(_forward(p, self.patches, self.config, self.mg, self.gelu), self.labels)
        loss.backward()
        self.grads = {name: tensor.grad for name, tensor in p.items()}
        self.optimizer.step(self.grads)
        return float(loss)

    def infer(self):
        with self.mg.no_autodiff:
            return np.asarray(_forward(self.arrays, self.patches, self.config, self.mg, self.gelu))


class Autograd(_NumPyPeer):
    """HIPS autograd."""

    def __init__(self, *arguments):
        import autograd
        import autograd.numpy as anp
        self.autograd, self.anp = autograd, anp
        super().__init__(*arguments)

    def gelu(self, x):
        return 0.5 * x * (1 + self.anp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

    def loss(self, p):
        logits = _forward(p, self.patches, self.config, self.anp, self.gelu)
        shifted = logits - self.anp.max(logits, axis=1, keepdims=True)
        logp = shifted - self.anp.log(self.anp.sum(self.anp.exp(shifted), axis=1, keepdims=True))
        return -self.anp.mean(logp[np.arange(len(self.labels)), self.labels])

    def step(self):
        loss, self.grads = self.autograd.value_and_grad(self.loss)(self.arrays)
        self.optimizer.step(self.grads)
        return float(loss)

    def infer(self):
        return _forward(self.arrays, self.patches, self.config, self.anp, self.gelu)


class Tinygrad:
    """tinygrad on its CPU device, its step captured by TinyJit; it has its own threads."""

    def __init__(self, model, images, labels, threads):
        import tinygrad
        from tinygrad.nn.optim import AdamW as TinyAdamW
        self.tg, self.config = tinygrad, model.config
        self.p = {name: tinygrad.Tensor(array.copy()) for name, array in model.state_dict().items()}
        for tensor in self.p.values():
            tensor.requires_grad = True
        self.images, self.labels = tinygrad.Tensor(images), tinygrad.Tensor(labels.astype(np.int32))
        self.optimizer = TinyAdamW(list(self.p.values()), lr=LR, weight_decay=WEIGHT_DECAY)
        self.jitted = tinygrad.TinyJit(self.train)
        self.jitted_infer = tinygrad.TinyJit(lambda: self.forward(self.images).realize())

    def running(self):
        return contextlib.nullcontext(self)

    def forward(self, x):
        c, p = self.config, self.p
        B, D, H = x.shape[0], c.embed_dim, c.num_heads

        def linear(x, name):
            return x.linear(p[name + ".weight"].T, p[name + ".bias"])

        def norm(x, name):
            return x.layernorm(eps=1e-6) * p[name + ".weight"] + p[name + ".bias"]

        x = x.conv2d(p["patch_embed.proj.weight"], p["patch_embed.proj.bias"], stride=c.patch_size[0])
        x = p["cls_token"].expand(B, 1, D).cat(x.flatten(2).transpose(1, 2), dim=1) + p["pos_embed"]
        for k in range(c.depth):
            block = f"blocks.{k}."
            qkv = linear(norm(x, block + "norm1"), block + "attn.qkv").reshape(B, -1, 3, H, D // H)
            q, key, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
            y = q.scaled_dot_product_attention(key, v).transpose(1, 2).reshape(B, -1, D)
            x = x + linear(y, block + "attn.proj")
            x = x + linear(linear(norm(x, block + "norm2"), block + "mlp.fc1").gelu(), block + "mlp.fc2")
        return linear(norm(x[:, 0], "norm"), "head")

    def train(self):
        from tinygrad.helpers import TRAINING, Context
        with Context(**{TRAINING.key: 1}):
            self.optimizer.zero_grad()
            loss = self.forward(self.images).sparse_categorical_crossentropy(self.labels)
            loss.backward()
            grads = [self.p[name].grad for name in CHECKED]             # these and the loss before the weights change
            return loss.realize(*grads, *self.optimizer.schedule_step())

    def step(self):
        return self.jitted().item()

    def gradient(self, name):
        return self.p[name].grad.numpy()

    def infer(self):
        return self.jitted_infer().numpy()


PEERS = {"torch": Torch, "torch-compile": TorchCompiled, "mygrad": MyGrad, "autograd": Autograd, "tinygrad": Tinygrad}
TANH_GELU = ("mygrad", "autograd", "tinygrad")          # these are compared with tanh GELU on both sides

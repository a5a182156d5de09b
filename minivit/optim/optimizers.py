"""Optimizers: from gradients to new parameters.

- `SGD`, `Adam`, `AdamW`: in order of increasing complexity
- `decay_groups(model, weight_decay)`: no decay for biases, norms, tokens and positions
- `clip_grad_norm(parameters, max_norm)`

An optimizer packs the parameters of a group (see `packing`), so that a step is a few passes over long arrays instead of
many over short ones.
"""
import math

import numpy as np

from minivit.nn.module import Module
from minivit.optim.packing import Group

BLOCK = 1 << 15         # elements at a time, so that the temporaries of a step stay in the cache
NO_DECAY = ("cls_token", "dist_token", "reg_token", "pos_embed")


def decay_groups(model, weight_decay):
    """Two groups for an optimizer: matrices, which decay, and biases, norms, tokens and positions, which do not."""
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        plain = parameter.ndim <= 1 or any(part in NO_DECAY for part in name.split("."))    # pos_embed.y is one too
        (free if plain else decayed).append((name, parameter))
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def clip_grad_norm(parameters, max_norm):
    """Scale all gradients down so that their joint norm is at most max_norm; returns the norm before that.

    Raises FloatingPointError, and changes nothing, where a gradient is not finite.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be > 0, not {max_norm}")
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    squares = [float(np.vdot(gradient, gradient)) for gradient in gradients]
    if not math.isfinite(sum(squares)):             # perhaps only float32's squares overflowed
        squares = [float(np.square(gradient, dtype=np.float64).sum()) for gradient in gradients]
    norm = math.sqrt(sum(squares))
    if not math.isfinite(norm):
        raise FloatingPointError(f"the norm of the gradient is {norm}: lower the learning rate, or look for the "
                                 f"operation whose gradient overflows")
    if norm > max_norm:
        for gradient in gradients:
            gradient *= max_norm / (norm + 1e-6)
    return norm


class Optimizer:
    """Base: `params` is a Module, pairs (name, Parameter), or groups {"params": pairs, option: value, ...}.

    A subclass names its `slots` (arrays of state, one number per parameter) and `defaults`, and writes `update`.
    Groups may set any option, and `lr_scale`, a factor on the learning rate. A parameter without a gradient counts as
    one whose gradient is 0.
    """

    slots = ()

    def __init__(self, params, lr, **defaults):
        if not lr >= 0:
            raise ValueError(f"the learning rate must be >= 0, not {lr}")
        params = params.named_parameters() if isinstance(params, Module) else params
        groups = list(params)
        if not groups:
            raise ValueError("the optimizer was given no parameters")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.lr, self.steps, self.groups, seen = lr, 0, [], set()
        for group in groups:
            named, own = list(group["params"]), {k: v for k, v in group.items() if k != "params"}
            for key in own:
                if key not in defaults and key != "lr_scale":
                    raise ValueError(f"{type(self).__name__} has no option {key!r}; it has "
                                     f"{', '.join([*defaults, 'lr_scale'])}")
            if any(not isinstance(pair, tuple) for pair in named):
                raise TypeError("parameters are given as (name, parameter), since the state is saved by name: use "
                                "model.named_parameters()")
            for name, parameter in named:
                if name in seen or id(parameter) in seen:
                    raise ValueError(f"{name} is given to the optimizer twice: each parameter needs one group, and "
                                     f"each its own name")
                seen |= {name, id(parameter)}
            self.groups.append(Group(named, {"lr_scale": 1.0} | defaults | own, self.slots))

    def zero_grad(self):
        """Forget every gradient."""
        for group in self.groups:
            for p, _, _ in group.views:
                p.grad = None

    def step(self, lr=None):
        """Change every parameter by its gradient. lr: the learning rate of this step (default: self.lr)."""
        self.lr = self.lr if lr is None else lr
        self.steps += 1
        for group in self.groups:
            group.gather()
            lr = self.lr * group.options["lr_scale"]
            for start in range(0, group.data.size, BLOCK):
                block = slice(start, start + BLOCK)
                state = [group.state[slot][block] for slot in self.slots]
                self.update(group.data[block], group.grad[block], *state, lr, group.options)

    def update(self, p, g, *state_lr_options):
        """Change p in place by its gradient g; state is flat arrays, options the group's."""
        raise NotImplementedError

    def state_dict(self):
        """{"steps": array, "<slot>/<parameter name>": array}: all that `step` depends on besides the parameters."""
        state = {"steps": np.array(self.steps)}
        for group in self.groups:
            for (name, p), place in group.places():
                state |= {f"{slot}/{name}": group.state[slot][place].reshape(p.shape) for slot in self.slots}
        return state

    def load_state_dict(self, state):
        """The inverse of `state_dict`. Raises KeyError or ValueError, and changes nothing, where it does not fit."""
        own = self.state_dict()
        if own.keys() != state.keys():
            missing, unexpected = sorted(own.keys() - state.keys())[:3], sorted(state.keys() - own.keys())[:3]
            raise KeyError(f"not the state of this {type(self).__name__}: missing {missing}, unexpected {unexpected}")
        for name, array in own.items():
            if array.shape != state[name].shape:
                raise ValueError(f"{name} has shape {state[name].shape}, expected {array.shape}")
        self.steps = int(state["steps"])
        for name, array in own.items():
            array[...] = state[name]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

        b = momentum * b + g        p = p - lr * b, or with Nesterov p - lr * (g + momentum * b)

    weight_decay adds weight_decay * p to g. Source: Sutskever et al. 2013, "On the importance of initialization and
    momentum", in the form that PyTorch uses.
    """

    slots = ("momentum",)

    def __init__(self, params, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
        if nesterov and not momentum:
            raise ValueError("Nesterov's look-ahead needs a momentum > 0")
        super().__init__(params, lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)

    def update(self, p, g, b, lr, options):
        momentum = options["momentum"]
        if options["weight_decay"]:
            g = g + options["weight_decay"] * p
        if momentum:
            b *= momentum
            b += g
            g = g + momentum * b if options["nesterov"] else b
        p -= lr * g


class Adam(Optimizer):
    """Adam: a running mean m of the gradient over the root of the running mean v of its square, both freed of the
    bias from starting at 0.

        m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2
        p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    weight_decay adds weight_decay * p to g, so it is scaled like a gradient. Source: Kingma and Ba 2014,
    arXiv 1412.6980, algorithm 1.
    """

    slots = ("mean", "square")

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be 0 <= beta < 1, not {betas}")
        super().__init__(params, lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def update(self, p, g, m, v, lr, options):
        beta1, beta2 = options["betas"]
        if options["weight_decay"]:
            g = self.decay(p, g, lr, options["weight_decay"])
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        root = np.sqrt(v)
        root *= 1 / math.sqrt(1 - beta2 ** self.steps)
        root += options["eps"]
        np.divide(m, root, out=root)
        root *= lr / (1 - beta1 ** self.steps)
        p -= root

    @staticmethod
    def decay(p, g, lr, weight_decay):
        """The gradient with weight decay in it."""
        return g + weight_decay * p


class AdamW(Adam):
    """Adam with decoupled weight decay: p shrinks by lr * weight_decay * p, whatever its gradient was.

    Source: Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, lr, betas, eps, weight_decay)

    @staticmethod
    def decay(p, g, lr, weight_decay):
        """Shrinks p; the gradient stays as it is."""
        p *= 1 - lr * weight_decay
        return g

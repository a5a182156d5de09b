"""Optimizers: from gradients to new parameters.

- `SGD`, `Adam`, `AdamW`: in order of increasing complexity

An optimizer packs the parameters of a group (see `packing`), so that a step is a few passes over long arrays instead of
many over short ones. On a GPU nothing of a step is read by the host: where a gradient is not finite, or `factor` is
not, the step changes nothing, and whoever reads the loss or the norm in the end finds out.
"""
import math

import numpy as np

from minivit.backend import copy_into, device_of, on, xp_of
from minivit.nn.module import Module
from minivit.optim.clipping import clip_factor
from minivit.optim.flat import adam_numbers, adam_step
from minivit.optim.numbers import Numbers
from minivit.optim.packing import Group


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
        self.begun, self.numbers = False, None
        if not self.on_host:
            self.numbers = Numbers(np.shape(self.numbers_of_groups()), device_of(self.groups[0].data))

    def zero_grad(self):
        """Forget every gradient."""
        for group in self.groups:
            group.zero_grad()

    def clip_factor(self, max_norm):
        """(norm, factor), as `clipping.clip_factor` finds them for all that is trained; `step` takes the factor."""
        self.gather()
        if self.on_host:
            return clip_factor([p for group in self.groups for p, _, _ in group.views], max_norm)
        return clip_factor(self.groups, max_norm)           # one reduction for each group, not for each parameter

    def begin(self, lr=None):
        """Set the learning rate of the next step (default: self.lr) ahead of it.

        On a GPU, what the step needs of the host goes there now: `step` can then be recorded, and replayed.
        """
        self.lr, self.begun = self.lr if lr is None else lr, True
        if not self.on_host:
            self.numbers.send(self.steps, self.numbers_of_groups())

    def step(self, lr=None, factor=1.0):
        """Change every parameter by its gradient times `factor`. lr: as for `begin`, which needs no call.

        factor: a number, or on a GPU an array of one number, as `clip_factor` returns it.
        """
        if not self.begun or lr is not None:
            self.begin(lr)
        self.count_step()
        self.gather()
        if self.on_host:
            for group in self.groups:
                self.step_on_host(group, self.lr * group.options["lr_scale"], factor)
            return
        with on(self.groups[0].data):
            factor = self._checked(factor)
            for group, numbers in zip(self.groups, self.numbers.of_groups):
                self.step_on_device(group, numbers, factor)

    def count_step(self):
        """Note that a step was taken: all that it changes on the host."""
        self.steps, self.begun = self.steps + 1, False

    @property
    def counter(self):
        """On a GPU, the number of the step that has begun, as an array of one uint64; else None."""
        return None if self.numbers is None else self.numbers.counter

    def numbers_of_groups(self):
        """What changes from step to step, for each group: first the learning rate; a subclass may have more."""
        return [[self.lr * group.options["lr_scale"]] for group in self.groups]

    @property
    def on_host(self):
        """Whether NumPy computes the steps."""
        return isinstance(self.groups[0].data, np.ndarray)

    def gather(self):
        """Bring all gradients together in the groups' flat arrays."""
        for group in self.groups:
            group.gather()

    def step_on_host(self, group, lr, factor):
        """Update a group, block by block."""
        for block in group.blocks():
            gradient, state = group.grad[block], [group.state[slot][block] for slot in self.slots]
            if factor != 1.0:
                gradient *= factor
            self.update(group.data[block], gradient, *state, lr, group.options)

    def step_on_device(self, group, numbers, factor):
        """Update a group, unless `factor`, an array of one number, is not finite. numbers: see `numbers_of_groups`."""
        lr = numbers[0].astype(group.data.dtype)
        xp, arrays = xp_of(group.data), [group.data, *(group.state[slot] for slot in self.slots)]
        before = [array.copy() for array in arrays]
        self.update(group.data, group.grad * factor, *arrays[1:], lr, group.options)
        for array, old in zip(arrays, before):
            array[...] = xp.where(xp.isfinite(factor), array, old)

    def _checked(self, factor):
        """`factor` as an array of one number. One that is a number was made without a look at the gradients: it becomes
        nan where they are not all finite."""
        if isinstance(factor, float):
            for group in self.groups:
                xp = xp_of(group.grad)
                factor = xp.where(xp.isfinite(group.grad).all(), factor, math.nan).astype(group.grad.dtype)
        return factor

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
        self.steps, self.begun = int(state["steps"]), False
        for name, array in own.items():
            copy_into(array, state[name])


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
    decoupled = False           # whether weight decay is apart from the gradient, as in AdamW

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be 0 <= beta < 1, not {betas}")
        super().__init__(params, lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def update(self, p, g, m, v, lr, options):
        (beta1, beta2), weight_decay = options["betas"], options["weight_decay"]
        if weight_decay and self.decoupled:
            p *= 1 - lr * weight_decay
        elif weight_decay:
            g = g + weight_decay * p
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        xp = xp_of(v)
        root = xp.sqrt(v)
        root *= 1 / math.sqrt(1 - beta2 ** self.steps)
        root += options["eps"]
        xp.divide(m, root, out=root)
        root *= lr / (1 - beta1 ** self.steps)
        p -= root

    def numbers_of_groups(self):
        """The learning rate, and what the kernel of `step_on_device` reads."""
        return [[lr, *adam_numbers(self.steps + 1, lr, group.options["betas"], group.options["weight_decay"],
                                   self.decoupled)]
                for group, (lr,) in zip(self.groups, super().numbers_of_groups())]

    def step_on_device(self, group, numbers, factor):
        """In one launch, where the group is float32."""
        if group.data.dtype != np.float32:
            return super().step_on_device(group, numbers, factor)
        adam_step(group.data, group.grad, group.state["mean"], group.state["square"], factor, numbers[1:],
                  group.options["betas"], group.options["eps"], group.options["weight_decay"], self.decoupled)


class AdamW(Adam):
    """Adam with decoupled weight decay: p shrinks by lr * weight_decay * p, whatever its gradient was.

    Source: Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2.
    """

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, lr, betas, eps, weight_decay)

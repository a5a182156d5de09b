"""Adam and AdamW of a whole group of parameters in one launch of a kernel: see optimizers.py for the formulas."""
import math
from pathlib import Path

from minivit.cuda.kernels import Kernels, ceil_div

KERNELS = Kernels(Path(__file__).with_name("adamw.cu"))
BLOCK = 256


def adam_numbers(t, lr, betas, weight_decay, decoupled):
    """What changes from step to step t = 1, 2, ...: (shrink, step_size, root_scale), as adamw.cu explains them."""
    beta1, beta2 = betas
    return 1 - lr * weight_decay * decoupled, lr / (1 - beta1 ** t), 1 / math.sqrt(1 - beta2 ** t)


def adam_step(p, g, m, v, factor, numbers, betas, eps, weight_decay, decoupled):
    """Change p and the running means m and v in place by the gradient g * factor; all flat, float32.

    factor: an array of one number; where it is not finite nothing changes. numbers: those of `adam_numbers` as an array
    of float64. decoupled: weight decay as in AdamW.
    """
    beta1, beta2 = betas
    KERNELS.launch("adam_step", ceil_div(p.size, BLOCK), BLOCK,
                   (p, g, m, v, factor, numbers, p.size, 0.0 if decoupled else weight_decay, beta1, 1 - beta1, beta2,
                    1 - beta2, eps))

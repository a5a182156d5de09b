"""Adam and AdamW of a whole group of parameters in one launch of a kernel: see optimizers.py for the formulas."""
import math
from pathlib import Path

from minivit.cuda.kernels import Kernels, ceil_div

KERNELS = Kernels(Path(__file__).with_name("adamw.cu"))
BLOCK = 256


def adam_step(p, g, m, v, factor, t, lr, betas, eps, weight_decay, decoupled):
    """Change p and the running means m and v in place by the gradient g * factor, at step t; all flat, float32.

    factor: an array of one number; where it is not finite nothing changes. decoupled: weight decay as in AdamW.
    """
    beta1, beta2 = betas
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    KERNELS.launch("adam_step", ceil_div(p.size, BLOCK), BLOCK,
                   (p, g, m, v, factor, p.size, shrink, decay, beta1, 1 - beta1, beta2, 1 - beta2,
                    lr / (1 - beta1 ** t), 1 / math.sqrt(1 - beta2 ** t), eps))

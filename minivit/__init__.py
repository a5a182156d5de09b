"""minivit: the Vision Transformer from first principles, in NumPy and CUDA."""
from minivit.modes import no_grad, precision, using
from minivit.streams import randomness
from minivit.tensor import Tensor

__version__ = "0.1.0"
__all__ = ["Tensor", "no_grad", "precision", "randomness", "using"]

"""Pictures of models and of runs."""
from minivit.inspect.curves import draw_curves

__all__ = ["draw_curves"]

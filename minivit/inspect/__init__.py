"""Looking inside: what models are made of, and pictures of runs."""
from minivit.inspect.curves import draw_curves
from minivit.inspect.summary import Part, summarise

__all__ = ["Part", "draw_curves", "summarise"]

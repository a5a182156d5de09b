"""Looking inside: what models are made of, what they compute on the way, and pictures of runs.

- `summarise`, `preflight`: a model's parts; what can be checked before it is trained
- `record`: attention maps, tokens and feature maps of everything that a model does in a block
- measures of these, each with a `draw_...` that writes a picture and returns the numbers in it
- `draw_graph`: the tape as a picture; `draw_curves` and its like: runs
- `explorer`: the page for a browser that `minivit explain` writes
"""
from minivit.inspect.activations import ActivationHistory
from minivit.inspect.attention import attention_over_image, draw_attention
from minivit.inspect.confusion import confusion, draw_confusion
from minivit.inspect.cosine import draw_cosine, token_cosine
from minivit.inspect.curves import draw_curves, draw_probe, draw_runs
from minivit.inspect.distance import attention_distance, draw_distance
from minivit.inspect.features import draw_features
from minivit.inspect.filters import draw_filters, first_filters, principal_filters
from minivit.inspect.flow import draw_flow, gradient_flow, snapshot
from minivit.inspect.graph import draw_graph, naming
from minivit.inspect.lens import draw_lens, logit_lens
from minivit.inspect.mistakes import draw_mistakes, worst_mistakes
from minivit.inspect.picture import Picture
from minivit.inspect.positions import draw_positions, position_similarity
from minivit.inspect.preflight import Check, preflight
from minivit.inspect.record import Record, record
from minivit.inspect.rollout import draw_rollout, rollout
from minivit.inspect.saliency import draw_saliency, saliency
from minivit.inspect.summary import Part, summarise
from minivit.inspect.units import unit_states

__all__ = ["ActivationHistory", "Check", "Part", "Picture", "Record", "attention_distance", "attention_over_image",
           "confusion", "draw_attention", "draw_confusion", "draw_cosine", "draw_curves", "draw_distance",
           "draw_features", "draw_filters", "draw_flow", "draw_graph", "draw_lens", "draw_mistakes", "draw_positions",
           "draw_probe", "draw_rollout", "draw_runs", "draw_saliency", "first_filters", "gradient_flow", "logit_lens",
           "naming", "position_similarity", "preflight", "principal_filters", "record", "rollout", "saliency",
           "snapshot", "summarise", "token_cosine", "unit_states", "worst_mistakes"]

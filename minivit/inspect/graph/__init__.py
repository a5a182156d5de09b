"""The tape as a picture: what a number was computed from, and how large the gradient was on its way back.

    with naming(model) as names:
        loss = ops.cross_entropy(model(images), labels)
    graph = draw_graph(loss, names)         # runs backward; a notebook shows it
    graph.save("graph.svg")

`names` tells which module made which node, `boxes` what is drawn as one, `layout` where it stands, `drawing` how.
"""
from minivit.inspect.graph.boxes import Box
from minivit.inspect.graph.drawing import Graph, draw_graph
from minivit.inspect.graph.names import naming

__all__ = ["Box", "Graph", "draw_graph", "naming"]

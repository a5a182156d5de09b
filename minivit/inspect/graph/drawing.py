"""Boxes as SVG: text, colours for light and dark, and a bar in each box for the size of its gradient."""
import math
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from minivit.inspect.graph.boxes import boxes_of
from minivit.inspect.graph.layout import laid_out

CHARACTER, LINE, PADDING, MARGIN, BAR = 7.3, 16, 10, 16, 5      # pixels; a letter of fixed-width type is CHARACTER wide
CAPTION = "bars: size of the gradient, logarithmic"
STYLE = """
.minivit-graph { --page: #ffffff; --box: #f4f4f4; --leaf: #fff4e5; --ink: #1a1a1a; --faint: #5a5a5a; --line: #8a8a8a;
  --bar: #0072b2; font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (prefers-color-scheme: dark) { .minivit-graph { --page: #16181d; --box: #262a33; --leaf: #3a2f1e;
  --ink: #ececec; --faint: #b4b4b4; --line: #7d8390; --bar: #56b4e9; } }
.minivit-graph .page { fill: var(--page); }
.minivit-graph .box { fill: var(--box); stroke: var(--line); }
.minivit-graph .leaf { fill: var(--leaf); stroke: var(--line); }
.minivit-graph .bar { fill: var(--bar); }
.minivit-graph .edge { fill: none; stroke: var(--line); stroke-width: 1.3; }
.minivit-graph .arrow { fill: var(--line); }
.minivit-graph text { fill: var(--faint); text-anchor: middle; }
.minivit-graph .title { fill: var(--ink); font-weight: bold; }
"""


@dataclass(frozen=True)
class Graph:
    """A drawn graph: its boxes, from the oldest to the loss; edges, pairs (from, to) of their places; places, where
    they stand; and the SVG's text, which a notebook shows."""

    boxes: list
    edges: list
    places: list
    svg: str

    def _repr_svg_(self):
        return self.svg

    def save(self, path):
        """Write the SVG to a file."""
        Path(path).write_text(self.svg, encoding="utf-8")


def draw_graph(loss, names=None, level=1, most=60):
    """Run loss.backward(), and draw what the loss was computed from as a Graph, with the gradient's norm in each box.

    names: of a `naming` block around the forward pass; then each call of a module is one box. level: which modules: 1
    for the parts of the model, 2 for the parts of these, and so on; a large one draws every operation. most: of more
    boxes than this, the oldest are drawn as one. Parameters' `.grad` is as after loss.backward().

    Raises RuntimeError where there is nothing to go back through, ValueError where loss is not one number or most < 2.
    """
    if most < 2:
        raise ValueError(f"a graph has at least 2 boxes, not {most}")
    if loss.is_leaf:
        raise RuntimeError("there is no graph to draw: this tensor was not computed from one with requires_grad=True, "
                           "or it was under no_grad()")
    boxes, edges = boxes_of(loss, names, level, most)
    sizes = [(CHARACTER * max(map(len, box.lines())) + 2 * PADDING, LINE * len(box.lines()) + 2 * PADDING + BAR)
             for box in boxes]
    places, paths = laid_out(sizes, edges)
    return Graph(boxes, edges, places, _svg(boxes, places, paths))


def _svg(boxes, places, paths):
    ends = [place.x + place.width / 2 for path in paths for place in path]
    width = 2 * MARGIN + max(ends + [CHARACTER * len(CAPTION)])
    height = 2 * MARGIN + LINE + max(place.y + place.height for place in places)
    norms = [box.gradient for box in boxes if box.gradient > 0 and math.isfinite(box.gradient)]
    what = (f"Graph of {len(boxes)} boxes and {len(paths)} edges, from the leaves at the top to the loss at the bottom"
            + (f"; gradients from {min(norms):.2g} to {max(norms):.2g}." if norms else "."))
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" class="minivit-graph" role="img" width="{width:.0f}" '
             f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">',
             f"<title>{escape(what)}</title>", f"<style>{STYLE}</style>",
             '<defs><marker id="minivit-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
             'orient="auto"><path class="arrow" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
             f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
             f'<g transform="translate({MARGIN} {MARGIN})">']
    lines += [f'<path class="edge" marker-end="url(#minivit-arrow)" d="{_course(path)}"/>' for path in paths]
    for box, place in zip(boxes, places):
        lines += _box(box, place, norms)
    lines += ["</g>", f'<text x="{width / 2:.0f}" y="{height - 10:.0f}">{CAPTION}</text>',
              "</svg>"]
    return "\n".join(lines)


def _box(box, place, norms):
    """The lines of SVG for one box."""
    kind = "leaf" if box.about == "parameter" or box.title == "leaf" else "box"
    yield (f'<rect class="{kind}" x="{place.x - place.width / 2:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" '
           f'height="{place.height:.1f}" rx="6"/>')
    for number, line in enumerate(box.lines()):
        title = ' class="title"' if number == 0 else ""
        y = place.y + PADDING + LINE * (number + 0.75)
        yield f'<text{title} x="{place.x:.1f}" y="{y:.1f}">{escape(line)}</text>'
    if box.gradient > 0 and math.isfinite(box.gradient):
        low, high = math.log(min(norms)), math.log(max(norms))
        share = (math.log(box.gradient) - low) / (high - low) if high > low else 1.0
        full = place.width - 2 * PADDING
        yield (f'<rect class="bar" x="{place.x - full / 2:.1f}" y="{place.y + place.height - PADDING:.1f}" '
               f'width="{max(share * full, 2):.1f}" height="{BAR}" rx="2"/>')


def _course(path):
    """The path of an edge: from the lower side of a box to the next, straight through layers, curved between them."""
    course = [f"M{path[0].x:.1f} {path[0].y + path[0].height:.1f}"]
    for above, below in zip(path, path[1:]):
        middle = (above.end + below.y) / 2
        course.append(f"V{above.end:.1f} "
                      f"C{above.x:.1f} {middle:.1f} {below.x:.1f} {middle:.1f} {below.x:.1f} {below.y:.1f}")
    return " ".join(course)

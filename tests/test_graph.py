"""The drawn graph: valid SVG, nothing over anything else, and the numbers in it are those of the tape."""
import itertools
import math
import re
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from minivit import Tensor, no_grad, ops
from minivit.inspect import record
from minivit.inspect.graph import draw_graph, naming
from minivit.models import create
from minivit.train import Workers

SVG = "{http://www.w3.org/2000/svg}"
SMALL = dict(depth=2, embed_dim=16, num_heads=2, zero_head=False)


def numbers(*values):
    return Tensor(np.array(values, np.float64), requires_grad=True)


def loss_of(model, B=2):
    """(loss, names) of a model on random images."""
    shape = (B, model.config.in_chans) + model.config.image_size
    with naming(model) as names:
        logits = model(Tensor(np.random.default_rng(0).standard_normal(shape, np.float32)))
        logits = ops.concat(logits) if isinstance(logits, tuple) else logits
        return ops.cross_entropy(logits, np.arange(len(logits)) % 10), names


def graph_of(name="vit_nano_patch7_28", level=1, most=60, **changes):
    loss, names = loss_of(create(name, **changes).eval())
    return draw_graph(loss, names, level, most)


GRAPHS = {"parts": {}, "parts of parts": dict(level=2), "operations": dict(level=9, most=500),
          "a cap": dict(level=9, most=12), "hybrid": dict(name="vit_nano_r_28", level=2),
          "registers": dict(registers=2, level=3, most=500), "post-norm": dict(norm_first=False, level=2),
          "distilled": dict(name="deit_nano_distilled_patch7_28", level=2)}


def drawn(graph):
    """The rectangles (left, top, right, bottom) of the boxes in the SVG, its texts, and the root."""
    root = ElementTree.fromstring(graph.svg)
    boxes = [tuple(float(rect.get(key)) for key in ("x", "y", "width", "height")) for rect in root.iter(f"{SVG}rect")
             if rect.get("class") in ("box", "leaf")]
    return [(x, y, x + w, y + h) for x, y, w, h in boxes], [text.text for text in root.iter(f"{SVG}text")], root


@pytest.mark.parametrize("options", GRAPHS.values(), ids=GRAPHS)
def test_the_svg_is_valid_and_nothing_overlaps(options):
    graph = graph_of(**SMALL | options)
    boxes, texts, root = drawn(graph)
    assert len(boxes) == len(graph.boxes) == len(graph.places) > 7
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes, 2):
        assert c <= e or g <= a or d <= f or h <= b, "two boxes overlap"
    width, height = float(root.get("width")), float(root.get("height"))
    assert all(0 <= a < c <= width and 0 <= b < d <= height for a, b, c, d in boxes)
    for box, (left, top, right, bottom) in zip(graph.boxes, boxes):
        assert 7.3 * max(map(len, box.lines())) <= right - left             # the letters of 12 px fixed-width type
        assert 16 * len(box.lines()) <= bottom - top
        assert set(box.lines()) <= set(texts)
    assert root.get("role") == "img" and f"{len(boxes)} boxes" in root.find(f"{SVG}title").text
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text


@pytest.mark.parametrize("options", GRAPHS.values(), ids=GRAPHS)
def test_edges_lead_down_and_through_no_box(options):
    graph = graph_of(**SMALL | options)
    boxes, _, root = drawn(graph)
    courses = [path.get("d") for path in root.iter(f"{SVG}path") if path.get("class") == "edge"]
    assert len(courses) == len(graph.edges) >= len(boxes) - 1
    for a, b in graph.edges:
        assert a < b and boxes[a][3] < boxes[b][1]
    for course, (a, b) in zip(courses, graph.edges):
        places = list(points(course))
        assert places[0] == pytest.approx(((boxes[a][0] + boxes[a][2]) / 2, boxes[a][3]), abs=0.2)
        assert places[-1] == pytest.approx(((boxes[b][0] + boxes[b][2]) / 2, boxes[b][1]), abs=0.2)
        for x, y in places:
            assert not any(left < x < right and top + 0.2 < y < bottom - 0.2 for left, top, right, bottom in boxes)


def points(course):
    """Points (x, y) along the path of an edge, close together."""
    x = y = None
    for kind, numbers in re.findall(r"([MVC])([^MVC]*)", course):
        ends = [float(number) for number in numbers.split()]
        if kind == "M":
            x, y = ends
        for t in np.linspace(0, 1, 50):
            if kind == "V":
                yield x, y + t * (ends[0] - y)
            elif kind == "C":
                weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t ** 2 * (1 - t), t ** 3
                yield tuple(sum(w * p for w, p in zip(weights, along)) for along in (
                    (x, ends[0], ends[2], ends[4]), (y, ends[1], ends[3], ends[5])))
        x, y = (x, ends[0]) if kind == "V" else ends[-2:]


def test_every_operation_with_the_norm_of_its_gradient():
    """y = tanh(a b + a) at a = 2, b = -1/2: with s = a b + a = 1 the gradients are known by hand."""
    a, b = numbers(2.0), numbers(-0.5)
    graph = draw_graph(((a * b + a).tanh()).sum())
    slope = 1 - math.tanh(1) ** 2
    found = {box.title + " " + str(number): box.gradient for number, box in enumerate(graph.boxes)}
    assert [box.title for box in graph.boxes] == ["leaf", "leaf", "mul", "add", "tanh", "sum"]
    assert list(found.values()) == pytest.approx([0.5 * slope, 2 * slope, slope, slope, 1, 1])
    assert graph.edges == [(0, 2), (0, 3), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert a.grad[0] == pytest.approx(0.5 * slope) and b.grad[0] == pytest.approx(2 * slope)


def test_it_runs_backward_as_backward_does():
    one, two = (create("vit_nano_patch7_28", **SMALL).eval() for _ in range(2))
    draw_graph(*loss_of(one))
    loss_of(two)[0].backward()
    for a, b in zip(one.parameters(), two.parameters()):
        assert a.grad.tobytes() == b.grad.tobytes()
    loss, _ = loss_of(one)
    loss.backward()
    with pytest.raises(RuntimeError, match="backward already went through"):
        draw_graph(loss)


def test_modules_become_boxes_with_their_parameters_and_the_gradient_that_they_got():
    model = create("vit_nano_patch7_28", **SMALL).eval()
    loss, names = loss_of(model)
    graph = draw_graph(loss, names)
    boxes = {box.title: box for box in graph.boxes}
    assert {"patch_embed", "blocks.0", "blocks.1", "norm", "head", "cross_entropy", "cls_token"} <= set(boxes)
    assert boxes["blocks.0"].shapes == [(2, 17, 16)] and boxes["blocks.1"].shapes == [(2, 1, 16)]
    for path in ("patch_embed", "blocks.0", "norm", "head"):
        own = {name: p for name, p in model.named_parameters() if name.startswith(f"{path}.")}
        assert set(boxes[path].parameters) == set(own)
        total = math.sqrt(sum((p.grad.astype(float) ** 2).sum() for p in own.values()))
        assert math.hypot(*(norm for _, norm in boxes[path].parameters.values())) == pytest.approx(total)
        assert f"{sum(p.size for p in own.values()):,} parameters, gradient {total:.2g}" in boxes[path].lines()
    rest = boxes["pos_embed"]
    assert rest.gradient == pytest.approx(np.linalg.norm(model.pos_embed.grad)) and rest.shapes == [(1, 17, 16)]
    every = [name for box in graph.boxes for name in box.parameters] + ["cls_token", "pos_embed"]
    assert sorted(every) == sorted(name for name, _ in model.named_parameters())


def test_levels_of_modules():
    titles = {level: [(box.title, box.about) for box in graph_of(level=level, most=500, **SMALL).boxes]
              for level in (1, 2, 3)}
    assert {("blocks.0", "Block"), ("norm", "LayerNorm"), ("concat", "in VisionTransformer"),
            ("pos_embed", "parameter"), ("cross_entropy", "")} <= set(titles[1])
    assert {("blocks.0.attn", "Attention"), ("blocks.0.norm2", "LayerNorm"), ("add", "in blocks.1"),
            ("norm", "LayerNorm"), ("patch_embed.proj", "PatchProjection")} <= set(titles[2])
    assert {("blocks.1.attn.qkv", "Linear"), ("attention", "in blocks.1.attn"), ("gelu", "in blocks.0.mlp"),
            ("blocks.0.norm2", "LayerNorm"), ("norm", "LayerNorm")} <= set(titles[3])


def test_the_gradient_of_a_block_is_that_of_what_it_returned():
    model = create("vit_nano_patch7_28", **SMALL).eval()
    with record(model, gradients=True) as rec:
        loss, names = loss_of(model)
    graph = draw_graph(loss, names)
    for box in graph.boxes:
        if box.title.startswith("blocks"):
            assert box.gradient == pytest.approx(np.linalg.norm(rec.gradient(box.title)), rel=1e-5)


def test_a_cap_on_boxes():
    whole = graph_of(level=9, most=500, **SMALL)
    capped = graph_of(level=9, most=10, **SMALL)
    first, *others = capped.boxes
    assert len(capped.boxes) == 10 and first.title == f"+{len(whole.boxes) - 9} more"
    assert [box.lines() for box in others] == [box.lines() for box in whole.boxes[-9:]]
    hidden = set().union(*(box.parameters for box in whole.boxes[:-9]))
    assert set(first.parameters) == hidden and first.gradient > 0
    assert {b for a, b in capped.edges if a == 0} == {
        b - len(whole.boxes) + 10 for a, b in whole.edges if a < len(whole.boxes) - 9 <= b}


def test_a_long_chain_needs_no_recursion():
    x = numbers(1.0)
    y = x
    for _ in range(5000):
        y = y * 1.0
    graph = draw_graph(y.sum(), most=20)
    assert graph.boxes[0].title == "+4983 more" and graph.boxes[-1].title == "sum"
    assert x.grad.tolist() == [1.0]


def test_names_that_are_no_xml_are_escaped():
    model = create("vit_nano_patch7_28", **SMALL).eval()
    loss, names = loss_of(model)
    names.calls = [call.__class__(call.path + "<&>\"'", call.kind, call.level, call.start, call.end)
                   for call in names.calls]
    _, texts, _ = drawn(draw_graph(loss, names))
    assert "blocks.0<&>\"'" in texts


def test_a_twelve_block_vit_takes_less_than_a_second():
    """Of one core, backward included, whatever else the machine does."""
    loss, names = loss_of(create("vit_tiny_patch4_32", zero_head=False).eval())
    with Workers(1):                                                        # BLAS on one thread, which does not spin
        start = time.process_time()
        graph = draw_graph(loss, names)
        seconds = time.process_time() - start
    assert sum(box.title.startswith("blocks.") for box in graph.boxes) == 12
    assert seconds < 1


def test_a_notebook_and_a_file_get_the_same(tmp_path):
    graph = graph_of(**SMALL)
    graph.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == graph._repr_svg_() == graph.svg


def test_what_has_no_graph():
    with pytest.raises(RuntimeError, match="there is no graph to draw"):
        draw_graph(numbers(1.0))
    with no_grad(), pytest.raises(RuntimeError, match="no_grad"):
        draw_graph(numbers(1.0).sum())
    with pytest.raises(ValueError, match="at least 2 boxes"):
        draw_graph(numbers(1.0).sum(), most=1)
    with pytest.raises(ValueError, match="starts from one number"):
        draw_graph(numbers(1.0, 2.0) * 2.0)

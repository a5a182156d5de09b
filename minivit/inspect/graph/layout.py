"""Where boxes stand: in layers, every edge leading down, none of them through a box.

1. Layers: a box stands below all that it is computed from, on the first layer where it can; a box that nothing leads to
   stands right above the first that uses it.
2. An edge that passes layers gets a narrow place of its own in each.
3. Order within a layer: each by the mean place of its neighbours above, then below, a few times (Sugiyama, Tagawa and
   Toda 1981), so that few edges cross.
4. Places: each as near to the mean of its neighbours as the order and the gaps allow.
"""
from dataclasses import dataclass

GAP, LAYER_GAP, LANE, SWEEPS = 26, 30, 10, 8


@dataclass
class Place:
    """A box's place, or (box None) that of an edge which passes its layer; x is its middle, y its upper side, end where
    the layer ends."""

    box: int | None
    width: float
    height: float
    layer: int
    x: float = 0.0
    y: float = 0.0
    end: float = 0.0


def laid_out(sizes, edges):
    """(places, paths): the Place of each box, and for each edge the Places that it leads through, box to box.

    sizes: (width, height) of the boxes, in an order in which every edge (from, to) leads forwards.
    """
    layers = _layers(len(sizes), edges)
    places = [Place(number, *size, layer) for number, (size, layer) in enumerate(zip(sizes, layers))]
    rows = [[] for _ in range(max(layers) + 1)]
    for place in places:
        rows[place.layer].append(place)
    paths = []
    for a, b in edges:
        path = [places[a]]
        for layer in range(layers[a] + 1, layers[b]):
            path.append(Place(None, LANE, 0, layer))
            rows[layer].append(path[-1])
        paths.append(path + [places[b]])
    above, below = _neighbours(paths)
    _sort(rows, above, below)
    _spread(rows, above, below)
    return places, paths


def _layers(count, edges):
    """The layer of each box."""
    sources, users = [[] for _ in range(count)], [[] for _ in range(count)]
    for a, b in edges:
        sources[b].append(a)
        users[a].append(b)
    layers = [0] * count
    for box in range(count):
        layers[box] = 1 + max((layers[a] for a in sources[box]), default=-1)
    for box in range(count):
        if not sources[box] and users[box]:
            layers[box] = min(layers[b] for b in users[box]) - 1
    return layers


def _neighbours(paths):
    """({id(place): places above it}, and the same below)."""
    above, below = {}, {}
    for path in paths:
        for upper, lower in zip(path, path[1:]):
            above.setdefault(id(lower), []).append(upper)
            below.setdefault(id(upper), []).append(lower)
    return above, below


def _mean(places, otherwise):
    """The mean x of `places`; `otherwise` where there are none."""
    return sum(place.x for place in places) / len(places) if places else otherwise


def _sort(rows, above, below):
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            for place in row:
                place.x = _mean((above if down else below).get(id(place)), place.x)
            row.sort(key=lambda place: place.x)
            for number, place in enumerate(row):
                place.x = number - (len(row) - 1) / 2               # of rows, the middles stand above each other


def _spread(rows, above, below):
    for row in rows:
        _place(row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 1
        for row in rows if down else reversed(rows):
            _place(row, [_mean((above if down else below).get(id(place)), place.x) for place in row])
    y, left = 0.0, min(place.x - place.width / 2 for row in rows for place in row)
    for row in rows:
        height = max(place.height for place in row)
        for place in row:
            place.x -= left
            place.y, place.end = y, y + height
        y += height + LAYER_GAP


def _place(row, wanted):
    """Set x of a row's places to what is wanted, pushed apart where they would touch, and on the whole not shifted."""
    right = float("-inf")
    for place, x in zip(row, wanted):
        place.x = max(x, right + GAP + place.width / 2)
        right = place.x + place.width / 2
    shift = sum(x - place.x for place, x in zip(row, wanted)) / len(row)
    for place in row:
        place.x += shift

"""What the explorer shows of one model and some images: numbers of the record and of the measures, ready to be packed.

- `Side`: a model and the images that it sees; a page has one, or two to compare
- `gather(side, pack)`: everything of a side, as values of JSON's types and entries of a Pack
"""
from dataclasses import dataclass

import numpy as np

from minivit.inspect.attention import token_name
from minivit.inspect.distance import attention_distance, uniform_distance
from minivit.inspect.explorer.codes import byte_codes, float16, map_codes
from minivit.inspect.filters import first_filters, principal_filters
from minivit.inspect.lens import logit_lens
from minivit.inspect.positions import position_similarity
from minivit.inspect.record import record
from minivit.train import Workers, logits_of
from minivit.weights import card_of

WORKED_BYTES = 300_000      # for the queries and keys of single numbers worked out: all of small models
CLASSES = 5                 # of each image: the likeliest, and any that comes first after some block


@dataclass
class Side:
    """A model with attention, what to call it, and what it sees: images uint8 (B, Sy, Sx, C), their names, and their
    classes, None where nobody knows.

    summary: rows of text about its parts; confusion: counts (Y, Y) by class and prediction. Both may be left out.
    Raises ValueError for a model without attention.
    """

    model: object
    name: str
    images: np.ndarray
    names: list
    labels: list
    summary: list | None = None
    confusion: np.ndarray | None = None

    def __post_init__(self):
        if not hasattr(self.model, "blocks"):
            raise ValueError(f"{self.name} is a {type(self.model).__name__}, and has no attention to look at: "
                             f"minivit.inspect.draw_features draws its feature maps")


def gather(side, pack):
    """A dictionary of JSON's types about a Side; its arrays go to `pack`, their entries are under "arrays"."""
    model, card = side.model, card_of(side.model)
    with record(model) as rec, Workers() as workers:
        logits_of(model, side.images, card.mean, card.std, workers)
    maps = np.stack(rec.attention, axis=1)                                  # (B, L, H, N, N)
    if not np.isfinite(maps).all():
        raise ValueError(f"the attention of {side.name} is not finite: its weights are NaN, infinite or far too large")
    codes, largest = map_codes(maps)
    kept, arrays = _worked(rec.qkv)
    distance = attention_distance(rec.attention, rec.grid, rec.patch, rec.prefix)
    filters, shares = principal_filters(first_filters(model))
    extent = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    arrays |= {"codes": codes, "largest": largest, "pixels": side.images.transpose(0, 3, 1, 2),
               "filters": byte_codes(filters / np.maximum(extent, np.finfo(float).tiny), -1, 1)}
    if model.config.pos_embed != "none":
        arrays["positions"] = byte_codes(position_similarity(model), -1, 1)
    return {"name": side.name, "parameters": model.num_parameters(), "grid": rec.grid, "patch": rec.patch,
            "prefix": [token_name(model, token) for token in range(rec.prefix)],
            "images": _images(side, card.classes, logit_lens(rec)), "kept": kept,
            "distance": np.round(distance, 3).tolist(),
            "uniform": round(uniform_distance(rec.grid, rec.patch), 3), "shares": np.round(shares, 5).tolist(),
            "summary": side.summary, "confusion": _confusion(side.confusion, card.classes),
            "arrays": {name: pack.add(array, alike=name in ("codes", "pixels")) for name, array in arrays.items()}}


def _worked(qkv):
    """([[image, block], ...], {"q", "k": (n, H, N, K), "values": (n, H, N)}): queries, keys and the lengths of values
    of as many images and blocks as WORKED_BYTES have room for, at least one; of each image the last blocks first."""
    B, H, N, K = qkv[0][0].shape
    places = [[image, block] for image in range(B) for block in reversed(range(len(qkv)))]
    kept = places[:max(1, WORKED_BYTES // (4 * H * N * K))]
    q, k, v = (np.stack([qkv[block][part][image] for image, block in kept]) for part in range(3))
    return kept, {"q": float16(q), "k": float16(k), "values": float16(np.linalg.norm(v, axis=-1))}


def _images(side, classes, probabilities):
    """Of each image its name, its class if known, and the course (classes, L + 1) of its likeliest classes."""
    images = []
    for number, (name, label) in enumerate(zip(side.names, side.labels)):
        course = probabilities[:, number]                                   # (L + 1, Y)
        best = np.argsort(-course[-1], kind="stable")[:CLASSES].tolist()
        shown = list(dict.fromkeys(best + course.argmax(axis=1).tolist()))
        images.append({"name": str(name), "label": None if label is None else classes[label],
                       "classes": [classes[y] for y in shown], "course": np.round(course.T[shown], 5).tolist()})
    return images


def _confusion(counts, classes, most=20):
    """The table of a confusion matrix, or, of more classes than `most`, its commonest mistakes."""
    if counts is None:
        return None
    counts = np.asarray(counts)
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [(int(y), int(x)) for y, x in zip(*np.unravel_index(order, counts.shape)) if wrong[y, x]]
    return {"right": int(counts.trace()), "of": int(counts.sum()),
            "mistakes": [[classes[y], classes[x], int(wrong[y, x])] for y, x in pairs],
            "classes": list(classes) if len(classes) <= most else None,
            "counts": counts.tolist() if len(classes) <= most else None}

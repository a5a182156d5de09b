"""The tasks: what is drawn for a label.

A task is a function from labels (B,) and as many rows of random numbers in [0, 1) to images float32 (B, S, S, 3) and
boxes int64 (B, objects, 4). Colours are drawn alike for all labels. Two tasks are local, since a small part of the
image shows the class:

    shape               which shape it is: disc, square, triangle, cross or ring, of one area, anywhere in the image
    texture             which way a rectangle is striped: two colours, each of which covers half of it

Three are long-range. Their objects lie in cells of a 3 x 3 grid (the aligned ones in its outer columns or rows) with at
least one cell between any two, so a window of S/3 pixels never sees two of them; and what one object is, and where,
says nothing about the label, because it has the same distribution for all labels:

    same-different      two shapes; the second is the first, or one of the others, all equally often
    parity              four shapes in the corners, discs or crosses; the number of discs is even or odd. Three of them
                        are free, so any three say nothing
    aligned             two shapes far apart; they are on one of five levels, or the second is on one of the others
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minivit.data.shapes.draw import REACH, SHAPES, TEXTURES, fill, paint

_CORNERS = np.array([(0, 0), (0, 2), (2, 0), (2, 2)])
_CELLS = np.array([(row, column) for row in range(3) for column in range(3)])
# Pairs of cells, in both orders, that are two rows or two columns apart
_FAR = np.array([(a, b) for a in _CELLS for b in _CELLS if abs(a - b).max() == 2])
_LEVELS = 5


@dataclass(frozen=True)
class Task:
    """about: the question. classes: the names of the answers. numbers: how many random numbers an image needs.
    scene(labels, uniform, S): the images and boxes."""

    about: str
    classes: tuple
    numbers: int
    scene: Callable


def _colours(uniform, objects):
    """background (B, 3), and colours (B, objects, 3) that are all lighter than it, or all darker, from (B, 4 + 4 k)."""
    sign = np.where(uniform[:, 0] < 0.5, np.float32(-1), np.float32(1))[:, None, None]
    levels = 0.15 + 0.2 * uniform[:, 1:2 + objects, None]
    tints = 0.3 * uniform[:, 2 + objects:5 + 4 * objects].reshape(-1, 1 + objects, 3) - 0.15
    colours = 0.5 + tints + sign * levels * np.where(np.arange(1 + objects) == 0, -1, 1)[:, None]
    return colours[:, 0].astype(np.float32), colours[:, 1:].astype(np.float32)


def _canvas(background, S):
    return np.repeat(background[:, None, None], S, axis=1).repeat(S, axis=2)


def _pick(uniform, count):
    """Integers below `count`, (B,), from (B,) random numbers."""
    return (uniform * count).astype(np.int64)


def _objects(kinds, centres, radii, colours, background, S):
    """Images with objects: kinds (B, k), centres (B, k, 2), radii (B, k), colours (B, k, 3)."""
    images = _canvas(background, S)
    boxes = [paint(images, kinds[:, j], centres[:, j].astype(np.float32), radii[:, j].astype(np.float32), colours[:, j])
             for j in range(kinds.shape[1])]
    return images, np.stack(boxes, axis=1)


def _shape(labels, u, S):
    background, colours = _colours(u[:, 3:], 1)
    radius = S * (0.18 + 0.12 * u[:, :1])
    centre = REACH * radius + u[:, 1:3] * (S - 2 * REACH * radius)
    return _objects(labels[:, None], centre[:, None], radius, colours, background, S)


def _texture(labels, u, S):
    background, colours = _colours(u[:, 8:], 1)
    other = 0.5 * background + 0.5 * colours[:, 0]                      # the rest of the image is between the stripes
    images = _canvas(other, S)
    side = (S * (0.6 + 0.4 * u[:, :2])).astype(np.int64)                # height and width
    corner = (u[:, 2:4] * (S - side + 1)).astype(np.int64)
    box = np.concatenate([corner, corner + side], axis=1)
    width = (S / 32 * (2 + 2 * u[:, 4])).astype(np.float32)
    fill(images, labels, box, width, 2 * u[:, 5:7], np.stack([background, colours[:, 0]], axis=1))
    return images, box[:, None]


def _in_cells(cells, u, S):
    """centres (B, k, 2) and radii (B, k) of objects that stay in their cells (B, k, 2); u: (B, k, 3)."""
    radii = S * (0.11 + 0.03 * u[..., 0])
    room = S / 3 - 2 * REACH * radii
    return cells * (S / 3) + REACH * radii[..., None] + u[..., 1:] * room[..., None], radii


def _same_different(labels, u, S):
    background, colours = _colours(u[:, 9:], 2)
    first = _pick(u[:, 0], len(SHAPES))
    second = (first + (1 - labels) * (1 + _pick(u[:, 1], len(SHAPES) - 1))) % len(SHAPES)
    centres, radii = _in_cells(_FAR[_pick(u[:, 2], len(_FAR))], u[:, 3:9].reshape(-1, 2, 3), S)
    return _objects(np.stack([first, second], axis=1), centres, radii, colours, background, S)


def _parity(labels, u, S):
    background, colours = _colours(u[:, 15:], 4)
    disc = u[:, :3] < 0.5
    last = (disc.sum(axis=1) + labels) % 2 == 0                         # label 1: an even number in all
    kinds = np.where(np.column_stack([disc, last]), SHAPES.index("disc"), SHAPES.index("cross"))
    centres, radii = _in_cells(_CORNERS, u[:, 3:15].reshape(-1, 4, 3), S)
    return _objects(kinds, centres, radii, colours, background, S)


def _aligned(labels, u, S):
    background, colours = _colours(u[:, 9:], 2)
    kinds = np.stack([_pick(u[:, 0], len(SHAPES)), _pick(u[:, 1], len(SHAPES))], axis=1)
    first = _pick(u[:, 2], _LEVELS)
    second = (first + (1 - labels) * (1 + _pick(u[:, 3], _LEVELS - 1))) % _LEVELS
    radii = S * (0.11 + 0.03 * u[:, 4:6])
    edge = S * 0.14 * REACH
    along = edge + np.stack([first, second], axis=1) * ((S - 2 * edge) / (_LEVELS - 1))
    across = REACH * radii + u[:, 6:8] * (S / 3 - 2 * REACH * radii) + np.array([0, 2 * S / 3])
    turned = (u[:, 8] < 0.5)[:, None, None]
    centres = np.where(turned, np.stack([across, along], axis=2), np.stack([along, across], axis=2))
    return _objects(kinds, centres, radii, colours, background, S)


def _numbers(own, objects):
    return own + 5 + 4 * objects


TASKS = {
    "shape": Task("which of five shapes? (local)", SHAPES, _numbers(3, 1), _shape),
    "texture": Task("striped which way, or in checks? (local)", TEXTURES, _numbers(8, 1), _texture),
    "same-different": Task("are two shapes the same? (long-range)", ("different", "same"), _numbers(9, 2),
                           _same_different),
    "parity": Task("is the number of discs among four shapes even? (long-range)", ("odd", "even"), _numbers(15, 4),
                   _parity),
    "aligned": Task("are two shapes on one level? (long-range)", ("apart", "aligned"), _numbers(9, 2), _aligned),
}

"""Contact sheets: many small images in one picture, to look at a data set before training on it.

- `Row`, `Picture`: what a sheet is made of
- `contact_sheet(rows)`: the picture, as a Pillow image
- `examples(split, classes, count)`: a row for each class of a split
"""
from dataclasses import dataclass

import numpy as np

_LEAST, _GAP, _TEXT, _MARGIN = 64, 4, 14, 120       # pixels: an image's side, between images, a line, a row's title
_INK, _PAPER, _BOX = (20, 20, 20), (255, 255, 255), (213, 94, 0)


@dataclass(frozen=True)
class Picture:
    """pixels: uint8 (Sy, Sx, C). caption: a few letters below it. boxes: int64 (objects, 4), or None."""

    pixels: np.ndarray
    caption: str = ""
    boxes: np.ndarray | None = None


@dataclass(frozen=True)
class Row:
    """title: left of its pictures."""

    title: str
    pictures: tuple


def contact_sheet(rows):
    """The rows below one another, on white, as a Pillow image. Small images are enlarged by a whole number, so that
    every pixel can be seen. All pictures must have one size. Raises ValueError where there is none."""
    from PIL import Image, ImageDraw
    shapes = {picture.pixels.shape[:2] for row in rows for picture in row.pictures}
    if len(shapes) != 1:
        raise ValueError(f"a contact sheet needs pictures of one size, not of {sorted(shapes)}")
    (Sy, Sx), = shapes
    scale = max(1, -(-_LEAST // max(Sy, Sx)))
    high, wide = scale * Sy + _TEXT + _GAP, scale * Sx + _GAP
    columns = max(len(row.pictures) for row in rows)
    sheet = Image.new("RGB", (_MARGIN + columns * wide + _GAP, len(rows) * high + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        y = _GAP + i * high
        draw.text((_GAP, y + scale * Sy // 2), _cut(draw, row.title, _MARGIN - 2 * _GAP), _INK, anchor="lm")
        for j, picture in enumerate(row.pictures):
            x = _MARGIN + j * wide
            colour = np.broadcast_to(picture.pixels, (Sy, Sx, 3)) if picture.pixels.shape[2] == 1 else picture.pixels
            image = Image.fromarray(np.ascontiguousarray(colour))
            sheet.paste(image.resize((scale * Sx, scale * Sy), Image.Resampling.NEAREST), (x, y))
            draw.text((x, y + scale * Sy), _cut(draw, picture.caption, scale * Sx), _INK)
            for top, left, bottom, right in () if picture.boxes is None else scale * picture.boxes:
                draw.rectangle((x + left, y + top, x + right - 1, y + bottom - 1), outline=_BOX)
    return sheet


def _cut(draw, text, width):
    """As much of a text as fits."""
    text = text.encode("latin-1", "replace").decode("latin-1")      # what Pillow's own letters can show
    while draw.textlength(text) > width:
        text = text[:-1]
    return text


def examples(split, classes, count):
    """A Row for each class with images in a split: the first `count` of them, by their index, with their boxes."""
    boxes = [None] * len(split) if split.boxes is None else split.boxes
    rows = []
    for y, name in enumerate(classes):
        own = np.flatnonzero(split.labels == y)[:count]
        if len(own):
            rows.append(Row(name, tuple(Picture(split.images[k], str(k), boxes[k]) for k in own)))
    return rows

"""What all pictures share: how a figure becomes a file, with words for those who cannot see it.

- `Picture`: what every `draw_...` function returns: the file, its alternative text, and the numbers that were drawn
- `new_figure`, `save`: before and after drawing
- `show_image`, `whole_decades`, `layer_axis`, `shortened`: parts that several pictures have
- `BLUE`, `RED`, ...: the colours, which colour-blind readers can tell apart (Okabe and Ito 2008)
"""
import base64
import html
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLUE, RED, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.5"
LINES = (BLUE, RED, GREEN, "#cc79a7", "#e69f00", "#56b4e9")
KINDS = {".png": "image/png", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Picture:
    """A picture in a file. alt: what it shows, in words; numbers: {name: array}, all that is drawn in it."""

    path: Path
    alt: str
    numbers: dict

    def _repr_html_(self):
        """The picture itself, in a notebook."""
        data = base64.b64encode(self.path.read_bytes()).decode()
        return f'<img alt="{html.escape(self.alt)}" src="data:{KINDS[self.path.suffix]};base64,{data}">'


def new_figure(width, height, title=""):
    """A matplotlib Figure of that size in inches, whose parts make room for one another; wider if its title is."""
    from matplotlib.figure import Figure            # the figure alone: no display, no global state
    figure = Figure(figsize=(max(width, 0.4 + 0.08 * len(title)), height), layout="constrained")
    if title:
        figure.suptitle(title, fontsize="medium")
    return figure


def save(figure, path, alt, **numbers):
    """Write a figure to a PNG or SVG file, with its alternative text inside, and return the Picture.

    The same numbers give the same bytes. Raises ValueError for another kind of file.
    """
    import matplotlib
    path = Path(path)
    if path.suffix not in KINDS:
        raise ValueError(f"a picture is a .png or an .svg file, not {path.name}")
    metadata = {"Description": alt} | ({"Title": alt, "Date": None} if path.suffix == ".svg" else {})
    with matplotlib.rc_context({"svg.hashsalt": "minivit"}):
        figure.savefig(path, dpi=120, metadata=metadata)
    return Picture(path, alt, numbers)


def show_image(axes, image, **options):
    """Draw an image (Sy, Sx, C), grey or RGB, in a part of a figure, without ticks. Pixel (y, x) covers y to y + 1."""
    Sy, Sx, C = image.shape
    grey = {"cmap": "gray"} | ({"vmin": 0, "vmax": 255} if image.dtype == np.uint8 else {})
    axes.imshow(image[:, :, 0] if C == 1 else image, extent=(0, Sx, Sy, 0), **(grey if C == 1 else {}) | options)
    axes.set(xticks=[], yticks=[])


def whole_decades(axis, values):
    """Limits of a logarithmic x axis: the powers of ten around those `values` that are above 0."""
    exponents = np.log10([value for value in np.ravel(values) if 0 < value < math.inf] or [1])
    axis.set(xscale="log", xlim=(10.0 ** (np.floor(exponents.min() - 0.05)), 10.0 ** np.ceil(exponents.max() + 0.05)))


def layer_axis(axes, count):
    """Name the places 0 to count - 1 of an x axis: the embedded tokens, then after each block; of many only some."""
    places = range(0, count, math.ceil(count / 14))
    axes.set(xlabel="after block", xticks=places, xticklabels=["none" if i == 0 else i - 1 for i in places])


def shortened(name, most):
    """At most `most` letters of a name."""
    return name if len(name) <= most else name[:most - 1] + "\N{HORIZONTAL ELLIPSIS}"

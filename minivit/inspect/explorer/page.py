"""The explorer's file: template, style, scripts and data become one HTML page that needs nothing else.

The page's policy (Content-Security-Policy) names its style and scripts by their SHA-256 and forbids all else: it can
load nothing, and text in it, the name of a class say, cannot become a script.
"""
import html
import json
from importlib.resources import files

from minivit.atomic import write_atomic
from minivit.inspect.explorer.codes import Pack
from minivit.inspect.explorer.gather import gather
from minivit.inspect.template import digest, filled

PARTS = {"style": "style.css", "attention": "attention.js", "view": "view.js"}


def explain(path, *sides, compress=True, max_mb=25):
    """Write the page of one Side, or of two to compare, and return its size in bytes.

    The same sides give the same bytes. compress: see Pack. Raises ValueError where it would have more than `max_mb`
    million bytes; no file is written then.
    """
    data = page(*sides, compress=compress).encode(errors="replace")          # of file names that are no text
    if len(data) > max_mb * 1e6:
        raise ValueError(f"{path} would have {len(data) / 1e6:.1f} MB, and at most {max_mb} are allowed: give fewer "
                         f"images, or allow more (--max-mb)")
    write_atomic(path, data)
    return len(data)


def page(*sides, compress=True):
    """The text of the page."""
    pack = Pack(compress)
    about = {"models": [gather(side, pack) for side in sides], "compressed": compress}
    texts = {name: files("minivit.inspect.explorer").joinpath(file).read_text("utf-8") for name, file in PARTS.items()}
    policy = (f"default-src 'none'; script-src {digest(texts['attention'])} {digest(texts['view'])}; "
              f"style-src {digest(texts['style'])}; base-uri 'none'; form-action 'none'")
    texts |= {"policy": policy, "title": html.escape(" and ".join(side.name for side in sides)),
              "about": _json(about), "data": pack.text()}
    return filled(files("minivit.inspect.explorer").joinpath("page.html").read_text("utf-8"), texts)


def _json(value):
    """JSON that ends no script element: < is written as an escape."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")

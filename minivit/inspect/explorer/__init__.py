"""The explorer: one HTML file that shows what a model's attention does, from disk, without a server or a network.

    explain("attention.html", Side(model, "my model", images, names, labels))

- `gather.py`: what is shown, from the record and the measures
- `codes.py`: how its arrays become few bytes
- `page.py`: how all becomes one file, which may run its own scripts and load nothing
- `attention.js`: the arithmetic of the page; `view.js`: what is seen of it; `page.html` and `style.css`
"""
from minivit.inspect.explorer.gather import Side
from minivit.inspect.explorer.page import explain, page

__all__ = ["Side", "explain", "page"]

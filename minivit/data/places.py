"""Where data sets lie.

- `data_folders(root)`: the folders that a data set is looked for in by its name
- `download_folder()`: the one that new data sets go to
- `cache_folder()`: minivit's own, for what can be made again

A name is looked for, in this order, in the folder that was given (`root`), else in $MINIVIT_DATA if that is set, in
./data, and in the user's cache, ~/.cache/minivit/data ($XDG_CACHE_HOME/minivit/data where that is set).
"""
import os
from pathlib import Path


def cache_folder():
    """~/.cache/minivit, or $XDG_CACHE_HOME/minivit."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minivit"


def data_folders(root=None):
    """The folders to look into, best first; they need not exist."""
    if root is not None:
        return [Path(root)]
    given = os.environ.get("MINIVIT_DATA")
    return ([Path(given)] if given else []) + [Path("data"), cache_folder() / "data"]


def download_folder():
    """$MINIVIT_DATA if that is set, else the user's cache."""
    given = os.environ.get("MINIVIT_DATA")
    return Path(given) if given else cache_folder() / "data"

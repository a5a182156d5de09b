"""Image files to pixels, in threads.

- `decode(source, names, size, channels)`: the pixels of each file, in order
- `Bad`: a file that cannot be read, and why

Pillow decodes and scales outside of Python's lock, so threads help; files are read by one, since an archive can only be
read forwards.
"""
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from minivit.backend import cpu_count
from minivit.data.images import ImageError, decode_image, quiet_pillow
from minivit.data.preprocess import Preprocessing

_BLOCK = 64         # files whose bytes are in memory at once


@dataclass(frozen=True)
class Bad:
    """A file without an image in it. reason: what is wrong, with its name."""

    reason: str


def decode(source, names, size, channels):
    """An iterator over uint8 (Sy, Sx, channels), or a Bad, for each file.

    source: a Folder or Tar. names: some of its files, in the order of its `files`. size: (Sy, Sx) in pixels that an
    image is scaled to cover and then cut to, around its centre; () keeps the size that each has.
    """
    how = Preprocessing(size) if size else None
    with ThreadPoolExecutor(cpu_count()) as pool:
        for start in range(0, len(names), _BLOCK):
            block = names[start:start + _BLOCK]
            data = [_bytes(source, name) for name in block]
            with quiet_pillow():
                images = list(pool.map(partial(_pixels, source.path, how, channels), block, data))
            yield from images


def _bytes(source, name):
    try:
        return source.read(name)
    except OSError as error:
        return Bad(str(error))


def _pixels(path, how, channels, name, data):
    if isinstance(data, Bad):
        return data
    try:
        return decode_image(io.BytesIO(data), path / name, how, channels)
    except ImageError as error:
        return Bad(str(error))

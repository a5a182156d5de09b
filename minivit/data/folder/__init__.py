"""Image folders: a class is a folder of image files, of any size and mode.

- `image_folder(source, ...)`: the data set in a folder or in a tar archive of one (`layout.py` says how it may look)

Images are decoded once, by Pillow in threads, and kept in a cache that is mapped into memory; the cache is another one
when a file, its size or date, or a setting is. Bad files end it with a sentence, or are left out and counted.
"""
import errno
import io
from dataclasses import asdict, dataclass

import numpy as np

from minivit.atomic import atomic
from minivit.data.dataset import DataSet
from minivit.data.folder.cache import CacheWriter, cache_path, open_cache, read_cache, remove_stale
from minivit.data.folder.decode import Bad, decode
from minivit.data.folder.layout import arrange, hold_out, some, without_image
from minivit.data.preprocess import Preprocessing

__all__ = ["FolderOptions", "image_folder"]


@dataclass(frozen=True)
class FolderOptions:
    """How a folder is read.

    size: (Sy, Sx) or one side, in pixels, that each image is scaled to cover and then cut to, around its centre; () for
    images that have one size already. channels: 3, or 1 for grey. test: the name of the folder of the test split.
    holdout: the share of each class that is for testing, of a folder without one. skip_bad: leave out files that cannot
    be read, and classes without images. cache: False keeps the pixels in memory instead.
    Raises ValueError for anything else.
    """

    size: tuple = ()
    channels: int = 3
    test: str = ""
    holdout: float = 0.0
    skip_bad: bool = False
    cache: bool = True

    def __post_init__(self):
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        object.__setattr__(self, "size", Preprocessing(size).size if size else ())      # the dataclass is frozen
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (colour), not {self.channels!r}")
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout is the share of the images that are for testing, from 0 to below 1, not "
                             f"{self.holdout!r}")


def image_folder(source, options=FolderOptions()):
    """The DataSet in a Folder or Tar of images.

    The labels number the classes in the order of their names. Raises ValueError where there are fewer than two classes,
    a class without an image, a name that two classes share but for capitals, images of several sizes where no size was
    chosen, or a file that is no image; OSError where a folder may not be read or the disk is full.
    """
    settings = {name: value for name, value in asdict(options).items() if name != "cache"}
    parts = [source.fingerprint(), settings]
    cached = open_cache(cache_path(parts)) if options.cache else None
    if cached is None:
        cached = _decoded(source, options, cache_path(parts))
    splits, about = cached.splits, cached.about
    return DataSet(str(source.path.resolve()), tuple(about["classes"]), splits.get("train"), splits.get("test"),
                   cached.mean, cached.std, source.path.name, tuple(about["notes"]))


def _decoded(source, options, path):
    """The Cached of all images, which now lies at `path`, or in memory."""
    layout = _laid_out(source, options)
    if not options.cache:
        file = io.BytesIO()
        _write(source, layout, options, file)
        return read_cache(np.frombuffer(file.getbuffer(), np.uint8))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(path.parent)
        with atomic(path) as file:
            _write(source, layout, options, file)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise OSError(error.errno, f"decoded images cannot be kept ({error.strerror}): make room there, name another "
                                   f"place in $XDG_CACHE_HOME, or keep them in memory by the option cache=false",
                      str(path.parent)) from error
    return open_cache(path)


def _laid_out(source, options):
    try:
        layout = arrange(source.files, source.folders, options.test)
        if options.holdout:
            layout = hold_out(layout, options.holdout)
        empty = without_image(layout.classes, layout.train)
        if empty and not options.skip_bad:
            raise ValueError(f"class {empty[0]!r} has no image to train on: add some, remove its folder, or go on "
                             f"without by the option skip_bad=true")
    except ValueError as error:
        raise ValueError(f"{source.path}: {error}") from error
    return layout


def _write(source, layout, options, file):
    """Decode all images of a layout into a cache in an open file."""
    writer, bad = CacheWriter(file), []
    for part, listed in (("train", layout.train or ()), ("test", layout.test or ())):
        images = decode(source, [name for name, _ in listed], options.size, options.channels)
        for (name, label), pixels in zip(listed, images):
            if isinstance(pixels, Bad):
                if not options.skip_bad:
                    raise ValueError(f"{pixels.reason}. Remove the file, or leave all bad ones out by the option "
                                     f"skip_bad=true")
                bad.append(pixels)
            elif writer.shape in (None, pixels.shape):
                writer.add(part, pixels, label)
            else:
                (Sy, Sx, _), (height, width, _) = writer.shape, pixels.shape
                raise ValueError(f"{source.path / name} has {height} x {width} pixels, and images before it {Sy} x "
                                 f"{Sx}: choose a size for all, such as {source.path}:size=64")
    if writer.shape is None:
        raise ValueError(f"{source.path} has no image that can be read" + (f": {bad[0].reason}" if bad else ""))
    writer.finish({"classes": layout.classes, "notes": [*layout.notes, *_notes(source, layout, writer, bad)]})


def _notes(source, layout, writer, bad):
    for part, listed in (("train", layout.train), ("test", layout.test)):
        kept = [(part, label) for label in writer.labels.get(part, ())]
        empty = without_image(layout.classes, None if listed is None else kept)
        if empty:
            yield f"no {part} image in {len(empty)} class(es): {some(empty)}"
    if source.hidden:
        yield f"{source.hidden} hidden file(s) or folder(s) left out: their names begin with a dot"
    if bad:
        yield f"{len(bad)} bad file(s) left out: {some([image.reason for image in bad], '; ')}"

"""The files of a data set by name, whether they lie in a folder or in a tar archive.

- `open_source(path)`: a block with a `Folder` or a `Tar`

An archive is read where it lies and never unpacked, so no name in it can lead anywhere. It can only be read forwards:
whoever wants several files asks for them in the order of `files`.
"""
import contextlib
import hashlib
import lzma
import os
import stat
import tarfile
import zlib
from functools import cached_property
from pathlib import Path

MAX_FILE = 2 ** 28      # bytes of one file: CIFAR-100's largest has 155 million, a photograph has ten
_DAMAGE = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError, ValueError)


@contextlib.contextmanager
def open_source(path):
    """A block with the Folder or the Tar at `path`. Raises FileNotFoundError, or ValueError where it is neither."""
    path = Path(path)
    if path.is_dir():
        yield Folder(path)
        return
    with open(path, "rb") as file:
        try:
            archive = tarfile.open(fileobj=file)
        except _DAMAGE as error:
            raise _damaged(path, error) from error
        with archive:
            yield Tar(path, archive)


class Folder:
    """All files below a folder, links followed.

    files: their names below it, with "/" between folders, in order. folders: the names of those. hidden: how many files
    and folders begin with a dot; these are left out. Raises OSError for a folder that may not be read, ValueError where
    a link leads back to a folder above it.
    """

    def __init__(self, path):
        self.path, self.files, self.folders, self.hidden = path, [], [], 0
        self._stamps = []
        self._walk(path, "", ())

    def _walk(self, folder, prefix, above):
        about = folder.stat()
        here = about.st_dev, about.st_ino
        if here in above:
            raise ValueError(f"{folder} is a link to a folder that it lies in: remove it")
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            name = prefix + entry.name
            if entry.name.startswith("."):
                self.hidden += 1
            elif entry.is_dir():
                self.folders.append(name)
                self._walk(folder / entry.name, f"{name}/", (*above, here))
            else:
                about = entry.stat(follow_symlinks=os.path.exists(entry.path))      # of a broken link, the link's own
                self.files.append(name)
                self._stamps.append((about.st_size, about.st_mtime_ns))

    def names(self):
        """An iterator over `files`."""
        return iter(self.files)

    def fingerprint(self):
        """A text that is another one when a file was added, removed or written."""
        return _digest([self.folders, self.files, self._stamps])

    def read(self, name):
        """The bytes of a file. Raises OSError, which names it."""
        path = self.path / name
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):                 # reading a pipe would wait for ever
            raise OSError(f"{path} is no file, but a device or a pipe")
        if about.st_size > MAX_FILE:
            raise OSError(f"{path} has {about.st_size} bytes; more than {MAX_FILE} are not read")
        return path.read_bytes()


class Tar:
    """All files in an open tar archive, packed by gzip, bzip2, xz or not; like a Folder, with `files` in its order.

    `files`, `folders` and `hidden` take a pass over the whole archive."""

    def __init__(self, path, archive):
        self.path, self._tar, self._members, self._ended = path, archive, {}, False

    def names(self):
        """The names of the files, as they are come upon: each can be read before the next is looked for."""
        try:
            for member in self._tar:
                name = member.name.strip("/").removeprefix("./")
                if name != ".":
                    self._members[name] = member
                    if not member.isdir() and not _is_hidden(name):
                        yield name
            if not self._ended:
                self._check_end()
        except _DAMAGE as error:
            raise _damaged(self.path, error) from error

    def _check_end(self):
        # A block of zeros ends an archive; but where it is cut off between two files, tarfile stops without a word.
        self._tar.fileobj.seek(self._tar.offset)
        if self._tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ValueError(f"the end is not there, at byte {self._tar.offset}")
        self._ended = True

    @cached_property
    def files(self):
        return list(dict.fromkeys(self.names()))            # of two files of one name, the last is read

    @cached_property
    def folders(self):
        named = {name for name in self._all() if self._members[name].isdir() and not _is_hidden(name)}
        above = {name.rsplit("/", depth)[0] for name in self.files for depth in range(1, name.count("/") + 1)}
        return sorted(named | above)

    @property
    def hidden(self):
        return sum(map(_is_hidden, self._all()))

    def _all(self):
        return self._members if self.files else ()

    def fingerprint(self):
        about = self.path.stat()
        return _digest([str(self.path.resolve()), about.st_size, about.st_mtime_ns])

    def read(self, name):
        member = self._members[name]
        if member.size > MAX_FILE:
            raise OSError(f"{self.path}: {name} has {member.size} bytes; more than {MAX_FILE} are not read")
        try:
            with self._tar.extractfile(member) or _no_file() as file:
                return file.read()
        except (*_DAMAGE, KeyError) as error:               # KeyError: a link to what is not there
            raise OSError(f"{self.path}: {name} cannot be read ({error})") from error


def _is_hidden(name):
    return any(part.startswith(".") for part in name.split("/"))


def _no_file():
    raise OSError("it is no file, but a device or a pipe")


def _damaged(path, error):
    reason = str(error).partition("\n")[0]
    return ValueError(f"{path} is no whole tar archive ({reason}): is it another kind of file, or did a download stop "
                      f"early?")


def _digest(value):
    return hashlib.sha256(repr(value).encode("utf-8", "surrogateescape")).hexdigest()

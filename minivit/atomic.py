"""Files that are either whole or not there, whenever the program or the machine stops.

- `write_atomic(path, data)`: the file `path` with these bytes
- `atomic(path)`: a block that writes such a file piece by piece
"""
import contextlib
import os
import tempfile
from pathlib import Path


def write_atomic(path, data):
    """Write the bytes `data` to `path` so that a crash leaves the old file or the new one, never a part."""
    path = Path(path)
    if path.exists() and not path.is_file():
        path.write_bytes(data)                      # a device or a pipe, /dev/null say: there is no old file to keep
        return
    with atomic(path) as file:
        file.write(data)


@contextlib.contextmanager
def atomic(path):
    """A binary file to write in the block; it takes the name `path` when the block ends, if no error ended it.

    What is written goes to a temporary file beside `path`, then to the disk, and only then does that file take the
    name. A process that is killed leaves the temporary file, `.NAME.` and some letters, behind.
    """
    path = Path(path).resolve()                     # of a link, the file that it leads to
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())      # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if os.name == "posix":                          # the new name is itself data, of the folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask

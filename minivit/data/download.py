"""Downloading a file: from the first mirror that has it, going on where an earlier try stopped, and checked.

- `fetch(remote, folder, progress)`: the file of a `Remote` (see `named.py`), below `folder`

What has come so far is in NAME.part, which stays when Ctrl-C or the network ends it; the next try asks for the rest
only (HTTP's Range). The file gets its name when its sha256 is right, and never before. Nothing is downloaded unless
this function is called.
"""
import errno
import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

_CHUNK, _TIMEOUT = 2 ** 16, 30          # bytes; seconds without an answer
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)    # another mirror would not help


class DownloadError(OSError):
    """No mirror had the file; the message says what each of them answered."""


def fetch(remote, folder, progress=None):
    """The path of the file, after it was downloaded if it was not there.

    progress(done, total), if given, is called with bytes. Raises DownloadError where no mirror has the right file, and
    OSError where one of that name is there already and is another, or where the disk is full.
    """
    path = Path(folder) / remote.folder / remote.name
    if path.exists():
        if path.stat().st_size != remote.size or _sha256(path) != remote.sha256:
            raise OSError(f"{path} is there, and is not the file that was published (sha256 {remote.sha256}): move it "
                          f"away, and try again")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, reasons = path.with_name(path.name + ".part"), []
    queue = [mirror + remote.name for mirror in remote.mirrors]
    while queue:
        url = queue.pop(0)
        begun = partial.exists()
        try:
            _download(url, partial, remote.size, progress)
        except (OSError, http.client.HTTPException, _Unfit) as error:
            if getattr(error, "errno", None) in _DISK:
                raise OSError(error.errno, f"{error.strerror}: what has come so far is kept", str(partial)) from error
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        if _sha256(partial) == remote.sha256:
            os.replace(partial, path)
            return path
        partial.unlink()
        reasons.append(f"{url}: what came is another file than the one that was published")
        if begun:                                   # the fault may lie in what was there before: once more, from 0
            queue.insert(0, url)
    raise DownloadError(f"{remote.name} could not be downloaded.\n  " + "\n  ".join(reasons) +
                        f"\nShould you find it elsewhere, put it to {path} ({remote.size} bytes, sha256 "
                        f"{remote.sha256})")


class _Unfit(Exception):
    """An answer that cannot be, or lead to, the whole file."""


def _download(url, partial, size, progress):
    """Write to `partial` until it has `size` bytes, from where it ends. Raises _Unfit, or what urllib raises."""
    start = partial.stat().st_size if partial.exists() else 0
    if start > size:
        partial.unlink()
        start = 0
    if start == size:
        return
    request = urllib.request.Request(url, headers={"User-Agent": "minivit"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        if answer.status != 206:                    # not the range that was asked for, but all of it
            start = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _Unfit(f"answered with the range {answer.headers.get('Content-Range')!r}, not from byte {start} on")
        length = answer.headers.get("Content-Length")
        if length is not None and start + int(length) != size:
            raise _Unfit(f"offers {start + int(length)} bytes, and the file has {size}")
        with open(partial, "ab" if start else "wb") as file:
            done = start
            while done < size and (chunk := answer.read(min(_CHUNK, size - done))):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, size)
            file.flush()
            os.fsync(file.fileno())
    if done < size:
        raise _Unfit(f"stopped after {done} of {size} bytes")


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

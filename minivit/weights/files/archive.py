"""Zip archives, in which PyTorch and NumPy keep arrays, read into memory and never unpacked to disk.

What a zip says about itself may be a lie: a few kilobytes can claim, and deflate to, terabytes; members can share
bytes; names can lead out of any folder. All of it is checked before a member is read.
"""
import struct
import zipfile
import zlib

from minivit.errors import shown
from minivit.weights.files.untrusted import damaged
from minivit.weights.store import WeightsError

MAX_GROWTH, SMALL = 10, 2 ** 24     # trained weights deflate by a tenth; small files, zeros say, by a thousand
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, RuntimeError, ValueError)


class Archive:
    """The members of a zip in an open file of `length` bytes. Raises WeightsError, as its methods do."""

    def __init__(self, file, length):
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGE as error:
            raise damaged(f"it is no whole zip ({shown(error)})") from error
        self._members = {}
        for member in self._zip.infolist():
            _check(member)
            if member.filename in self._members:
                raise damaged(f"its zip holds {shown(member.filename)} twice")
            self._members[member.filename] = member
        packed = sum(member.compress_size for member in self._members.values())
        unpacked = sum(member.file_size for member in self._members.values())
        if packed > length or unpacked > SMALL + MAX_GROWTH * length:
            raise WeightsError(f"is a zip bomb: its {length} bytes claim to hold {packed}, and {unpacked} unpacked")

    @property
    def names(self):
        """The names of all members, in the order of the archive."""
        return self._members.keys()

    def size(self, name):
        """The number of bytes of a member, unpacked."""
        if name not in self._members:
            raise damaged(f"there is no {shown(name)} in its zip")
        return self._members[name].file_size

    def read(self, name):
        """The bytes of a member, which zip's own checksum (CRC-32) covers."""
        size = self.size(name)
        try:
            with self._zip.open(self._members[name]) as member:
                data = member.read(size)        # read() without the size would unpack all that comes, claimed or not
        except _DAMAGE as error:
            raise damaged(f"{shown(name)} in its zip cannot be read ({shown(error)})") from error
        if len(data) != size:
            raise damaged(f"{shown(name)} in its zip has {len(data)} bytes, expected {size}")
        return data


def leads_out(name):
    """Whether a member of this name might be unpacked outside the folder that an archive is unpacked into."""
    return name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/")


def _check(member):
    name = shown(member.orig_filename)              # zipfile's `filename` is cut at a zero byte
    if leads_out(member.orig_filename):
        raise WeightsError(f"is refused: {name} in its zip leads out of it")
    if member.compress_type not in _METHODS:            # zipfile knows two more, but sets no limit to their output
        raise WeightsError(f"cannot be read: {name} in its zip is packed by something else than deflate")
    if member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size:
        raise damaged(f"{name} in its zip lies there as it is, in {member.compress_size} bytes, and claims to have "
                      f"{member.file_size}")

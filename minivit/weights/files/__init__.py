"""The files in which other projects keep weights, as named arrays. Nothing in them is run, and nothing believed."""
from minivit.weights.files.checkpoint import Checkpoint, read_checkpoint
from minivit.weights.files.npz_file import write_npz

__all__ = ["Checkpoint", "read_checkpoint", "write_npz"]

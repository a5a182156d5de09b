"""Which images a worker is given in an epoch.

There are n images and `world` workers, who have ranks 0, 1, ..., world - 1. All of them shuffle alike, so that no
message is needed to agree on who takes what:

    order = stream(seed, epoch, "shuffle").permutation(n)

is the order of an epoch. (stream is minivit's: random numbers, always the same ones for the same arguments.) It is
dealt out like cards: its first image to rank 0, its second to rank 1, and so on, round after round, until none is left.
So every image belongs to one worker, and where world does not divide n, the first n % world workers have one image more
than the others.
"""
from minivit.streams import stream


def shard_indices(n, world, rank, seed, epoch):
    """The numbers of the images of worker `rank` in their order, an array of integers."""
    order = stream(seed, epoch, "shuffle").permutation(n)
    return order[rank::world]

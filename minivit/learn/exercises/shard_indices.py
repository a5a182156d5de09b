"""Checks of shard_indices."""
import numpy as np

from minivit.data import Loader, Split
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.shard_indices import shard_indices
from minivit.streams import stream


def oracle(n, world, rank, seed, epoch):
    """From minivit's loader: batches of `world` images, of which each worker takes one."""
    split = Split(np.zeros((n, 1, 1, 1), np.uint8), np.zeros(n, np.int64))
    loader = Loader(split, world, (0.5,), (0.5,), seed=seed, threads=0)
    return np.array([batch.index[rank] for batch in loader.epoch(epoch) if rank < len(batch)], dtype=int)


def cases(rng):
    def case(n, world, rank):
        seed, epoch = (int(number) for number in rng.integers(1, 100, 2))
        return f"{n} images, rank {rank} of {world}", (n, world, rank, seed, epoch)

    return [case(47, 3, 2), case(46, 4, 1), case(30, 5, 0), case(23, 1, 0)]


def each_image_once(function, rng):
    for n, world in ((20, 4), (23, 4), (3, 5)):
        dealt = np.concatenate([np.asarray(function(n, world, rank, 7, 1), dtype=int) for rank in range(world)])
        if not np.array_equal(np.sort(dealt), np.arange(n)):
            return (f"{n} images among {world} workers: each must belong to one of them, and with yours they have "
                    f"{np.sort(dealt).tolist()}")


def sharing(n, world, rank, seed, epoch, order=lambda n, rank, seed, epoch: stream(seed, epoch, "shuffle").permutation(
        n), deal=lambda order, world, rank: order[rank::world]):
    """The two steps, each of which may be done otherwise."""
    return deal(order(n, rank, seed, epoch), world, rank)


def but(**steps):
    return lambda n, world, rank, seed, epoch: sharing(n, world, rank, seed, epoch, **steps)


def padded(order, world, rank):
    return np.resize(order, -(-len(order) // world) * world)[rank::world]


def same_images(n, world, rank, seed, epoch):
    return stream(seed, epoch, "shuffle").permutation(np.arange(n)[rank::world])


def one_by_one(n, world, rank, seed, epoch):
    return np.array([image for place, image in enumerate(stream(seed, epoch, "shuffle").permutation(n))
                     if place % world == rank], dtype=int)


def by_rounds(n, world, rank, seed, epoch):
    order = np.full(-(-n // world) * world, -1)
    order[:n] = stream(seed, epoch, "shuffle").permutation(n)
    own = order.reshape(-1, world)[:, rank]
    return own[own >= 0]


EXERCISE = Exercise(
    slug="shard_indices", lesson=13, minutes=15, difficulty=1,
    task="Say which images a worker is given in an epoch.",
    solution=shard_indices, oracle=oracle, cases=cases, outputs=("images",), float32=False,
    properties=(Property("each image once", each_image_once),),
    wrong=(
        Wrong("own-shuffle", but(order=lambda n, rank, seed, epoch: stream(seed + rank, epoch, "shuffle").permutation(
            n)), "every worker shuffles in an order of its own: their shares overlap, and some images belong to "
              "nobody. The seed must be the same for all, and not seed + rank.", specific=True),
        Wrong("same-order-each-epoch", but(order=lambda n, rank, seed, epoch: stream(seed, 0, "shuffle").permutation(
            n)), "the epoch plays no part, so all epochs have the same order: pass it to stream.", specific=True),
        Wrong("seed-plus-epoch", but(order=lambda n, rank, seed, epoch: stream(seed + epoch, 0, "shuffle").permutation(
            n)), "seed + epoch is one number, so a run with the next seed sees the same orders, one epoch earlier. "
              "They are two arguments of stream, stream(seed, epoch, ...).", specific=True),
        Wrong("seed-and-epoch-exchanged", but(order=lambda n, rank, seed, epoch: stream(epoch, seed, "shuffle")
              .permutation(n)), "seed and epoch are exchanged: stream takes the seed first.", specific=True),
        Wrong("not-shuffled", but(order=lambda n, rank, seed, epoch: np.arange(n)), "nothing is shuffled: deal out "
              "the images in the order of the epoch, not in that of the data set.", specific=True),
        Wrong("dealt-before-shuffling", same_images, "the images are dealt out first and shuffled then, so a worker "
              "sees the same images in every epoch. Shuffle all n, permutation(n), then deal.", specific=True),
        Wrong("tail-lost", but(deal=lambda order, world, rank: order[:len(order) // world * world][rank::world]),
              "where world does not divide n, the last n % world images belong to nobody: let some workers have one "
              "image more.", specific=True),
        Wrong("tail-padded", but(deal=padded), "where world does not divide n, some images are given out twice, to "
              "make all shares equally long. Then they count twice in the gradient.", specific=True),
        Wrong("blocks", but(deal=lambda order, world, rank: np.array_split(order, world)[rank]), "every worker has a "
              "block of neighbours in the order. Deal one image at a time, in steps of world: then what all workers do "
              "first is what one worker alone would do first.", specific=True),
        Wrong("ranks-from-one", but(deal=lambda order, world, rank: order[rank - 1::world]), "the first rank is 0, "
              "and you begin with place rank - 1."),
        Wrong("one-further", but(deal=lambda order, world, rank: order[rank + 1::world]), "the first image of rank r "
              "is at place r of the order: yours begins one further, at rank + 1.")),
    correct=(one_by_one, by_rounds),
    hints=(
        "Two steps: an order of all n images, on which all workers agree without talking, and the places in it that "
        "are yours. Which of the arguments may the order depend on?",
        "Rank r has the places r, r + world, r + 2 world, ... of the order, as far as there are any.",
        "order = stream(..., ..., \"shuffle\").permutation(n), then a slice of it with a start and a step."),
    why="The order depends on seed and epoch, never on the rank: whoever knows the two can tell who has which image. "
        "Dealt one by one, the next 32 images of each of two workers are together the next 64 of a single one, so "
        "what is trained does not depend on the number of workers. PyTorch's DistributedSampler deals in the same way, "
        "but by default gives the tail out twice, so that all have equally many: else a worker that has finished "
        "would let the others wait for ever. If shares differ in size, gradients must be weighted: that is the next "
        "exercise.")

"""Checks of ring_all_reduce: what the workers have in the end, and what was sent."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.ring_all_reduce import ring_all_reduce


class Network:
    """Carries chunks between W workers, and counts."""

    def __init__(self, W):
        self.messages, self.numbers = np.zeros((2, W, W), int)

    def send(self, source, target, chunk):
        """A copy of `chunk`, as it arrives."""
        if not isinstance(chunk, np.ndarray):
            raise TypeError(f"send carries an array, and was given a value of type {type(chunk).__name__}")
        self.messages[source, target] += 1
        self.numbers[source, target] += chunk.size
        return chunk.copy()


def probe(function, arrays):
    """What the workers have, the messages from each to each, and the numbers in them."""
    network = Network(len(arrays))
    result = function(arrays, network.send)
    if not isinstance(result, (list, tuple)) or [np.shape(own) for own in result] != [own.shape for own in arrays]:
        raise TypeError(f"ring_all_reduce must return a list of {len(arrays)} arrays, one for each worker, all of "
                        f"{len(arrays[0])} numbers")
    return np.stack(result), network.messages, network.numbers


def oracle(arrays):
    """NumPy's sum; 2 (W - 1) messages to the right; the lengths of all chunks but one, in each round."""
    W = len(arrays)
    n, right = len(arrays[0]), np.roll(np.eye(W, dtype=int), 1, axis=1)
    lengths = np.array([len(places) for places in np.array_split(np.arange(n), W)])
    sent = 2 * n - np.roll(lengths, -1) - np.roll(lengths, -2)          # two rounds, each without one chunk
    return np.tile(np.sum(arrays, axis=0), (W, 1)), 2 * (W - 1) * right, sent[:, None] * right


def cases(rng):
    return [(f"{W} workers, {n} numbers", ([rng.standard_normal(n) for _ in range(W)],))
            for W, n in ((4, 11), (3, 9), (2, 5), (1, 4), (5, 7))]


def same_bits(function, rng):
    for W in (2, 3, 5):
        arrays = [rng.standard_normal(40).astype(np.float32) for _ in range(W)]
        found = function(arrays, Network(W).send)
        if any(own.tobytes() != found[0].tobytes() for own in found):
            return (f"{W} workers: their sums differ in the last bits, and so will their models. A chunk is summed up "
                    f"at one worker, and copied to the others")


def ring(arrays, send, cut=lambda array, W: np.array_split(array, W), to=1, scatter=-1, gather=-1,
         chunk=lambda rank, step, W: (rank - step) % W, finished=lambda rank, step, W: (rank + 1 - step) % W,
         add=lambda own, arrived: own + arrived, put=lambda own, arrived: arrived, last=lambda total, W: total):
    """The algorithm with its parts open to change. scatter, gather: W plus the steps of each round."""
    W = len(arrays)
    chunks = [list(cut(array, W)) for array in arrays]
    for steps, which, join in ((W + scatter, chunk, add), (W + gather, finished, put)):
        for step in range(steps):
            sent = [(rank, (rank + to) % W, which(rank, step, W)) for rank in range(W)]
            arrived = [send(rank, target, chunks[rank][k]) for rank, target, k in sent]
            for (_, target, k), numbers in zip(sent, arrived):
                chunks[target][k] = join(chunks[target][k], numbers)
    return [last(np.concatenate(own), W) for own in chunks]


def but(**parts):
    return lambda arrays, send: ring(arrays, send, **parts)


def tail_lost(arrays, send):
    even = len(arrays[0]) // len(arrays) * len(arrays)
    sums = ring([array[:even] for array in arrays], send)
    return [np.concatenate([total, array[even:]]) for total, array in zip(sums, arrays)]


def whole_arrays(arrays, send):
    """Every array goes once round the ring, and everyone adds it."""
    W = len(arrays)
    totals, passing = list(arrays), list(arrays)
    for _ in range(W - 1):
        passing = [send((rank - 1) % W, rank, passing[rank - 1]) for rank in range(W)]
        totals = [total + arrived for total, arrived in zip(totals, passing)]
    return totals


def through_one(arrays, send):
    total = sum(send(rank, 0, array) if rank else array for rank, array in enumerate(arrays))
    return [send(0, rank, total) if rank else total for rank in range(len(arrays))]


def chain(arrays, send):
    """Not round: the last worker has no right neighbour."""
    W = len(arrays)
    chunks = [list(np.array_split(array, W)) for array in arrays]
    for which, join in ((0, np.add), (1, lambda own, arrived: arrived)):
        for step in range(W - 1):
            for rank in range(W - 1):
                k = (rank + which - step) % W
                chunks[rank + 1][k] = join(chunks[rank + 1][k], send(rank, rank + 1, chunks[rank][k]))
    return [np.concatenate(own) for own in chunks]


def in_place(arrays, send):
    """A correct answer that writes into copies, by places instead of chunks."""
    W, own = len(arrays), [array.copy() for array in arrays]
    lengths = [len(arrays[0]) // W + (k < len(arrays[0]) % W) for k in range(W)]
    places = [slice(sum(lengths[:k]), sum(lengths[:k + 1])) for k in range(W)]
    for step in range(2 * (W - 1)):
        for rank in range(W):
            place, right = places[(rank - step + (step >= W - 1) * W) % W], own[(rank + 1) % W]
            arrived = send(rank, (rank + 1) % W, own[rank][place])
            right[place] = right[place] + arrived if step < W - 1 else arrived
    return own


def chunk_by_chunk(arrays, send):
    """A correct answer that follows each chunk on its way, twice round the ring."""
    W = len(arrays)
    result = [[None] * W for _ in range(W)]
    for k in range(W):
        total = np.array_split(arrays[k], W)[k].copy()
        for rank in range(k, k + W - 1):
            total = send(rank % W, (rank + 1) % W, total) + np.array_split(arrays[(rank + 1) % W], W)[k]
        result[(k - 1) % W][k] = total
        for rank in range(k - 1, k + W - 2):
            total = result[(rank + 1) % W][k] = send(rank % W, (rank + 1) % W, total)
    return [np.concatenate(own) for own in result]


EXERCISE = Exercise(
    slug="ring_all_reduce", lesson=13, minutes=30, difficulty=3,
    task="Let every worker on a ring have the sum of all arrays, sending only chunks to the right.",
    solution=ring_all_reduce, oracle=oracle, cases=cases, outputs=("arrays", "messages", "numbers sent"), probe=probe,
    properties=(Property("the same bits", same_bits),),
    wrong=(
        Wrong("overwritten", but(add=lambda own, arrived: arrived), "in the first round a chunk that arrives takes the "
              "place of the worker's own: chunks[right][k] + what arrives is the new one, or what the worker has "
              "computed is lost.", specific=True),
        Wrong("added-again", but(put=lambda own, arrived: own + arrived), "in the second round the chunks that arrive "
              "are finished sums: put them in the place of your own. In chunks[right][k] + what arrives, things count "
              "twice.", specific=True),
        Wrong("tail-lost", tail_lost, "all chunks are n // W long, and where W does not divide n, the numbers behind "
              "the last chunk are never sent. np.array_split cuts into near-equal chunks.", specific=True),
        Wrong("mean", but(last=lambda total, W: total / W), "this is the mean, the sum / W; what is asked for is the "
              "sum. (A worker weighs its gradient before it sends it.)"),
        Wrong("no-all-gather", lambda arrays, send: ring(arrays, send, gather=-len(arrays)), "after the first round "
              "each worker has one finished chunk, and the others need it: the second round, the all-gather, is "
              "missing, in which rank r sends chunk (rank + 1 - step) % W.", specific=True),
        Wrong("scatter-too-short", but(scatter=-2), "the first round has W - 2 steps: a chunk has to visit all other "
              "workers, which are W - 1.", specific=True),
        Wrong("gather-too-short", but(gather=-2), "the second round has W - 2 steps, and one chunk does not arrive: "
              "W - 1 are needed.", specific=True),
        Wrong("scatter-too-long", but(scatter=0), "the first round has W steps: after W - 1 a chunk has visited "
              "everyone. One more brings it home for nothing, since the second round puts another in its place.",
              specific=True),
        Wrong("same-chunk-every-step", but(chunk=lambda rank, step, W: rank), "rank r sends its chunk r in every "
              "step. It must send on what has just arrived: chunk (r - s) % W in step s.", specific=True),
        Wrong("unfinished-chunk", but(finished=lambda rank, step, W: (rank - step) % W), "the second round begins "
              "with chunk r at rank r, which is not finished there. After the first round rank r has the sum of chunk "
              "(r + 1) % W.", specific=True),
        Wrong("to-the-left", but(to=-1), "the chunks go to the left neighbour, rank r - 1, but are numbered for a "
              "ring that goes to the right: (rank + 1) % W.", specific=True),
        Wrong("no-ring", chain, "the last worker sends to nobody: its right neighbour is rank 0, (rank + 1) % W.",
              specific=True),
        Wrong("whole-arrays", whole_arrays, "the sums are right, but whole arrays go round the ring: everyone sends W "
              "- 1 times n numbers, and 2 (W - 1) / W times n are enough. Cut them into chunks.", specific=True),
        Wrong("through-one-worker", through_one, "the sums are right, but all arrays go through rank 0, which must "
              "receive and send W - 1 of them while the others wait. Send to the right neighbour alone.",
              specific=True),
        Wrong("nothing-sent", lambda arrays, send: [np.sum(arrays, axis=0) for _ in arrays], "the sums are right, but "
              "nothing was sent: a worker cannot look into another's memory. Numbers go through `send`.",
              specific=True)),
    correct=(in_place, chunk_by_chunk),
    hints=(
        "Draw three workers and three chunks each. After the first step, which chunk of which worker holds a sum of "
        "two? What must that worker send next?",
        "First round: chunks[right][k] = chunks[right][k] + what arrives, with k = (rank - step) % W. Second round: "
        "chunks[right][k] = what arrives, with k = (rank + 1 - step) % W. Both have W - 1 steps.",
        "chunks = [np.array_split(array, W) for array in arrays]; then two pairs of loops, over step and rank, with "
        "one call of send(rank, right, chunks[rank][k]) in each; np.concatenate puts a worker's chunks together. Do "
        "not add in place: the chunks are views of the arguments."),
    why="Each worker sends all chunks but one, twice: 2 (W - 1) / W times its array. With two workers that is once the "
        "array, with a thousand not quite twice: the time of a ring hardly depends on how many stand in it, as long as "
        "arrays are long. What grows is the number of steps, 2 (W - 1), which counts where arrays are short, and that "
        "is why libraries send short ones along a tree. And since each chunk is summed up at one place, in one order, "
        "all workers have the same bits.")

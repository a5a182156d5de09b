"""All-reduce on a ring: W workers have an array each, and in the end every one has the sum of all.

A worker may send only to its right neighbour: rank r to rank (r + 1) % W. Each array is cut into W chunks, as
np.array_split does it: where W does not divide their length, the first chunks are longer by one. Two rounds of W - 1
steps; in a step every worker sends one chunk:

    reduce-scatter      step s = 0 ... W - 2: rank r sends its chunk (r - s) % W; who receives a chunk adds it to its
                        own. In the end rank r has the sum of all workers' chunks number (r + 1) % W.
    all-gather          step s = 0 ... W - 2: rank r sends its chunk (r + 1 - s) % W, which is a finished sum; who
                        receives it puts it in the place of its own.

The workers are simulated here, one after the other: `arrays` is a list of what they have. But no number may go from one
to another except through

    arrived = send(source, target, chunk)

which carries `chunk`, an array, from rank `source` to rank `target`, and returns a copy of it. It counts what is sent.

Source: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".
"""
import numpy as np


def ring_all_reduce(arrays, send):
    """A list of W new arrays, what each worker has in the end. arrays: W arrays of shape (n,)."""
    W = len(arrays)
    chunks = [np.array_split(array, W) for array in arrays]
    for step in range(W - 1):
        for rank in range(W):
            right, k = (rank + 1) % W, (rank - step) % W
            chunks[right][k] = chunks[right][k] + send(rank, right, chunks[rank][k])
    for step in range(W - 1):
        for rank in range(W):
            right, k = (rank + 1) % W, (rank + 1 - step) % W
            chunks[right][k] = send(rank, right, chunks[rank][k])
    return [np.concatenate(own) for own in chunks]

"""How kernels that share a row among threads are launched: the Python beside rows.cuh and column_sums.cuh."""
from minivit.backend import xp_of
from minivit.cuda.kernels import ceil_div

BLOCK = 128                                             # threads
SHORT = {"GROUP": 32}                                   # a warp to a row
LONG = {"GROUP": BLOCK}                                 # a block to a row
VARIANTS = [SHORT, LONG]
LONGEST_OF_A_WARP = 256                                 # numbers: 64 such rows stay in the L1 cache of a multiprocessor
SLICES = 1024                                           # at most, of the first stage of a sum over rows


def constants_of(n):
    """The compile-time constants for rows of n numbers."""
    return SHORT if n <= LONGEST_OF_A_WARP else LONG


def blocks_of(rows, n):
    """How many blocks it takes for that many rows of n numbers."""
    return ceil_div(rows, BLOCK // constants_of(n)["GROUP"])


def launch_rows(kernels, name, rows, n, args):
    """Launch a kernel with a group of threads to each of `rows` rows of n numbers."""
    kernels.launch(name, blocks_of(rows, n), BLOCK, args, constants=constants_of(n))


def column_sums(kernels, partial, constants):
    """The sum over the first axis of `partial` (slices, ...): the second stage of a sum over rows."""
    total = xp_of(partial).empty(partial.shape[1:], partial.dtype)
    kernels.launch("column_sums", ceil_div(total.size, 32), (32, 16), (partial, total, len(partial), total.size),
                   constants=constants)
    return total

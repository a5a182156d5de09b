"""How the kernels of attention.cu are launched: their tiles, and where their arrays lie in memory."""
from pathlib import Path

from minivit.backend import xp_of
from minivit.cuda.kernels import Kernels, ceil_div

BLOCK = 128                                     # threads
TILES = {32: (40, 80), 64: (40, 80), 96: (32, 48), 128: (24, 48)}       # WIDTH, to which K is padded: (ROWS, COLS)


def _shared(tiles_of_rows):
    """Bytes of shared memory of a kernel with that many tiles of rows, as a function of the constants."""
    def shared(WIDTH, ROWS, COLS):
        weights_stride = COLS if COLS % 32 else COLS + 16
        return 4 * ((tiles_of_rows * ROWS + COLS) * (WIDTH + 4) + ROWS * weights_stride)
    return shared


KERNELS = Kernels(Path(__file__).with_name("attention.cu"),
                  variants=[{"WIDTH": width, "ROWS": rows, "COLS": cols} for width, (rows, cols) in TILES.items()],
                  shared={"attention_forward": _shared(1), "attention_backward_q": _shared(2),
                          "attention_backward_kv": _shared(2)})


def launch_heads(name, heads, rows, K, args):
    """Launch a kernel of attention.cu over `rows` rows, queries or keys, of each head; K: the width of a head.

    Raises ValueError for heads wider than the widest tile.
    """
    constants = next((constants for constants in KERNELS.variants if K <= constants["WIDTH"]), None)
    if constants is None:
        raise ValueError(f"the cuda form of attention has heads up to {max(TILES)} wide, not K = {K}: use more heads, "
                         f"or the composed form")
    KERNELS.launch(name, heads * ceil_div(rows, constants["ROWS"]), BLOCK, args, constants=constants)


def tokens_whole(x):
    """x, or a copy where the numbers of a token do not lie side by side; tokens, heads and images may lie anywhere."""
    return x if x.strides[-1] == x.itemsize else xp_of(x).ascontiguousarray(x)


def heads_side_by_side(like):
    """A new array (B, H, N, K) that is (B, N, H, K) in memory: merging its heads is free."""
    B, H, N, K = like.shape
    return xp_of(like).empty((B, N, H, K), like.dtype).swapaxes(1, 2)


def strides(*arrays):
    """Of each array (B, H, N, K) the strides of its first three axes, in numbers."""
    return [stride // array.itemsize for array in arrays for stride in array.strides[:3]]


def mask_and_strides(mask, scores):
    """The mask, contiguous, and its strides over the scores (B, H, N, M): 0 where it is broadcast."""
    if mask is None:
        return None, (0, 0, 0, 0)
    xp = xp_of(mask)
    mask = xp.ascontiguousarray(mask)
    return mask, xp.broadcast_to(mask, scores).strides                  # in bytes, of which a boolean has one

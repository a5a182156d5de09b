"""Checks of block_forward."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.block_forward import block_forward
from minivit.models import ViTConfig
from minivit.models.blocks import Block
from minivit.modes import no_grad
from minivit.tensor import Tensor


def block(z, heads, seed):
    """A Block for tokens like z, whose parameters are all random."""
    rng = np.random.default_rng(seed)
    made = Block(ViTConfig(embed_dim=z.shape[-1], num_heads=heads), 0.0, rng)
    for parameter in made.parameters():
        parameter.data = (0.5 * rng.standard_normal(parameter.shape)).astype(z.dtype)
    return made


@no_grad()
def oracle(z, heads, seed):
    """minivit's."""
    return block(z, heads, seed)(Tensor(z)).data


@no_grad()
def probe(function, z, heads, seed):
    """Call function with the parts of a minivit block, as functions from array to array."""
    made = block(z, heads, seed)

    def on_arrays(module):
        return lambda x: module(Tensor(x)).data
    return function(z, *(on_arrays(part) for part in (made.norm1, made.attn, made.norm2, made.mlp)))


def cases(rng):
    return [(f"z {'x'.join(map(str, shape))}, heads {heads}",
             (rng.standard_normal(shape), heads, int(rng.integers(1 << 30))))
            for shape, heads in (((2, 5, 6), 3), ((1, 3, 4), 1), ((3, 1, 4), 2))]


def silent_branches(function, rng):
    z = rng.standard_normal((2, 3, 4))
    out = function(z.copy(), *(lambda x: x / 2, lambda x: 0 * x) * 2)
    if out.shape != z.shape or np.abs(out - z).max() > 1e-12:
        return ("where attention and MLP return 0, a block must hand on z unchanged, since both only add to it; yours "
                "changes it")


def one_skip(z, norm1, attention, norm2, mlp):
    return z + mlp(norm2(attention(norm1(z))))


def skips_of_normalised(z, norm1, attention, norm2, mlp):
    x = norm1(z)
    x = norm2(x + attention(x))
    return x + mlp(x)


def from_the_start(z, norm1, attention, norm2, mlp):
    return z + mlp(norm2(z + attention(norm1(z))))


def step_by_step(z, norm1, attention, norm2, mlp):
    """A correct answer with a stream that is added to in place."""
    stream = z.copy()
    for norm, branch in ((norm1, attention), (norm2, mlp)):
        stream += branch(norm(stream))
    return stream


def sum_of_three(z, norm1, attention, norm2, mlp):
    """A correct answer that adds up at the end."""
    found = attention(norm1(z))
    return np.add(z, found) + mlp(norm2(np.add(z, found)))


EXERCISE = Exercise(
    slug="block_forward", lesson=8, minutes=10, difficulty=1,
    task="Put a pre-norm block together from its two norms, its attention and its MLP.",
    solution=block_forward, oracle=oracle, cases=cases, outputs=("z",), probe=probe,
    properties=(Property("silent branches", silent_branches),),
    wrong=(
        Wrong("one-skip", one_skip, "there is one skip around both branches; a block has two: one around attention, "
              "one around the MLP.", specific=True),
        Wrong("no-skip-around-attention", lambda z, n1, a, n2, m: block_forward(a(n1(z)), n1, lambda x: 0, n2, m),
              "attention replaces z where it should add to it: z' = z + attention(norm1(z)).", specific=True),
        Wrong("no-skip-around-mlp", lambda z, n1, a, n2, m: m(n2(z + a(n1(z)))), "the MLP replaces z' where it should "
              "add to it: z'' = z' + mlp(norm2(z')).", specific=True),
        Wrong("no-skips", lambda z, n1, a, n2, m: m(n2(a(n1(z)))), "both skips are missing: each branch adds to the "
              "stream, z + attention(...) and then z + mlp(...), it does not replace it."),
        Wrong("second-skip-from-the-start", from_the_start, "the second skip starts at z: it starts at z' = z + "
              "attention(norm1(z)), or what attention found is lost on this way. Give z its new value first.",
              specific=True),
        Wrong("post-norm", lambda z, n1, a, n2, m: (lambda x: n2(x + m(x)))(n1(z + a(z))), "the norms stand after the "
              "additions: that is the block of 2017 (post-norm). In ViT they stand before each branch, "
              "attention(norm1(z)) and mlp(norm2(z)), and nothing stands in the stream itself.", specific=True),
        Wrong("norm-after-branch", lambda z, n1, a, n2, m: (lambda x: x + n2(m(x)))(z + n1(a(z))), "the norms are "
              "applied to what the branches return; they belong before them: attention(norm1(z)), mlp(norm2(z')).",
              specific=True),
        Wrong("skips-of-normalised", skips_of_normalised, "the skips start at the normalised tokens: they must carry z "
              "itself. It is z + attention(norm1(z)), and z is never replaced by norm1(z).", specific=True),
        Wrong("mlp-reads-unnormalised", lambda z, n1, a, n2, m: block_forward(z, n1, a, lambda x: x, m), "the MLP "
              "reads z' without norm2.", specific=True),
        Wrong("attention-reads-unnormalised", lambda z, n1, a, n2, m: block_forward(z, lambda x: x, a, n2, m),
              "attention reads z without norm1.", specific=True),
        Wrong("parallel", lambda z, n1, a, n2, m: z + a(n1(z)) + m(n2(z)), "the MLP reads z: it comes after attention, "
              "so it reads z' = z + attention(norm1(z)). (Some later models do run both side by side; ViT does not.)",
              specific=True),
        Wrong("one-norm-for-both", lambda z, n1, a, n2, m: block_forward(z, n1, a, n1, m), "norm1 is used twice: the "
              "MLP has a norm of its own, norm2."),
        Wrong("mlp-first", lambda z, n1, a, n2, m: block_forward(z, n2, m, n1, a), "the MLP comes first: in a block "
              "attention does.")),
    correct=(step_by_step, sum_of_three),
    hints=(
        "How many plus signs are in the two formulas?",
        "Work on a stream z: add to it what attention says of norm1(z), then what the MLP says of norm2 of the result.",
        "z = z + attention(...), then return z + mlp(...), where the second line reads the z of the first."),
    why="Nothing but additions lies on the way of z from the first block to the last, so a gradient reaches the first "
        "block undiminished, by the identity. Remove one of the skips and every gradient has to pass through that "
        "branch, twelve times over in ViT-B.")

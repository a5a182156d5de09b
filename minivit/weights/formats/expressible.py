"""What other projects' formats can say of a model. What they cannot is refused by name: nothing is lost in silence.

A format has to say what a model computes. How it was trained (dropout, first values) is not part of that, nor is where
its positions come from: fixed ones, or ones of rows and columns, can be written as a table of learned ones.
"""
import numpy as np

from minivit.backend import to_host

USUAL_BLOCK = dict(norm_first=(True,), attn_residual=(True,), mlp_residual=(True,))
ADJUSTABLE = ("gelu", "norm_eps", "conv_eps")       # another value changes what a model computes, but only a little


def demand(whose, config, **known):
    """Raise ValueError unless each field of `config` that is named has one of the values that the format knows."""
    for name, values in known.items():
        value = getattr(config, name)
        if value not in values:
            advice = "minivit's own format keeps everything"
            if name in ADJUSTABLE:
                flag = name.replace("_", "-")
                advice = (f"load(path, {name}={values[0]!r}), or minivit convert --{flag} {values[0]}, changes it, and "
                          f"the model's results a little")
            raise ValueError(f"{whose} cannot express {name} {value!r}: it has {' or '.join(map(repr, values))} only; "
                             f"{advice}")


def position_table(model):
    """What a ViT adds to its tokens, as an array (1, n, D): of all of them, or of the patches alone."""
    config, Gy, Gx = model.config, *model.patch_embed.grid
    if config.pos_embed == "learned":
        return to_host(model.pos_embed.data)
    if config.pos_embed == "learned-2d":
        return to_host(model.pos_embed().data)
    patches = np.zeros((Gy * Gx, config.embed_dim), np.float32) if model.waves is None else to_host(model.waves)
    return patches[None]


def full_position_table(model):
    """The same of all tokens (1, N, D): 0 for those that had none."""
    table, (Gy, Gx) = position_table(model), model.patch_embed.grid
    return np.pad(table, ((0, 0), (model.num_prefix + Gy * Gx - table.shape[1], 0), (0, 0)))


def state_of(model):
    """{name: array} of a model, its positions as a table."""
    own = {name: to_host(array) for name, array in model.state_dict().items() if not name.startswith("pos_embed")}
    return own | {"pos_embed": position_table(model)}

"""Where a token looks: its attention, laid over the image.

- `attention_over_image(maps, grid, prefix, query)`: one token's row of attention maps as pictures
- `draw_attention(rec, images, path, ...)`: those of every head and block for one image

What a token attends to is where its new value comes from, and no more than that: values add up over blocks, and the
residual stream goes past all of them. Attention shows a step of the computation; it is not a list of reasons.
"""
import numpy as np

from minivit.inspect.picture import RED, new_figure, save, show_image


def attention_over_image(maps, grid, prefix, query=None):
    """The attention that a token pays to each patch, (B, H, Gy, Gx), of maps (B, H, N, N).

    query: the token, by its place among all or as (row, column) of its patch; None: token 0, or the mean over the
    patches where there is no token before them. Each picture adds up to 1 less what goes to the tokens that are no
    patches. Raises ValueError for a token that is not there.
    """
    (B, H, _, _), (Gy, Gx) = maps.shape, grid
    if query is None:
        row = maps[:, :, 0] if prefix else maps.mean(axis=2)
    else:
        row = maps[:, :, token_at(query, grid, prefix)]
    return row[:, :, prefix:].reshape(B, H, Gy, Gx)


def token_at(query, grid, prefix):
    """The place among all tokens of `query`, itself such a place or (row, column) of a patch."""
    Gy, Gx = grid
    if isinstance(query, tuple):
        row, column = query
        if not (0 <= row < Gy and 0 <= column < Gx):
            raise ValueError(f"there is no patch {query} in a grid of {Gy} x {Gx} patches, counted from (0, 0)")
        return prefix + row * Gx + column
    if not 0 <= query < prefix + Gy * Gx:
        raise ValueError(f"there is no token {query}: there are {prefix} and {Gy} x {Gx} patches, counted from 0")
    return query


def token_name(model, query):
    """What a token, as in attention_over_image, is called in the text of a picture."""
    if query is None and not model.num_prefix:
        return "all patches (their mean)"
    place = 0 if query is None else token_at(query, model.patch_embed.grid, model.num_prefix)
    if place >= model.num_prefix:
        return "the patch in row {}, column {}".format(*divmod(place - model.num_prefix, model.patch_embed.grid[1]))
    names = ["the class token"] if model.cls_token is not None else []
    names += ["the distillation token"] if hasattr(model, "dist_token") else []
    return names[place] if place < len(names) else f"register {place - len(names)}"


def draw_attention(rec, images, path, image=0, query=None):
    """Draw where one token of one image looks, in every head (columns) and block (rows); see attention_over_image.

    images: uint8 (B, Sy, Sx, C), those that were recorded. Each small picture has a scale of its own, from 0 to the
    largest share that a single patch gets, which stands below it. numbers: attention (L, H, Gy, Gx).
    """
    pictures = [attention_over_image(maps[image:image + 1], rec.grid, rec.prefix, query)[0] for maps in rec.attention]
    (Sy, Sx), (Py, Px) = rec.image_size, rec.patch
    L, H = len(pictures), len(pictures[0])
    name = token_name(rec.model, query)
    figure = new_figure(1.2 + 1.25 * H, 0.7 + 1.45 * L * Sy / Sx, f"where {name} looks")
    panels = figure.subplots(L, H, squeeze=False)
    for block, heads in enumerate(pictures):
        for head, attention in enumerate(heads):
            axes = panels[block, head]
            show_image(axes, images[image])
            axes.imshow(attention, cmap="cividis", vmin=0, alpha=0.75, extent=(0, Sx, Sy, 0))
            axes.set_xlabel(f"{attention.max():.0%}", fontsize=7, labelpad=2)
            if isinstance(query, tuple):
                axes.add_patch(outline(query[1] * Px, query[0] * Py, Px, Py))
        panels[block, 0].set_ylabel(f"block {block}", fontsize="small")
    for head in range(H):
        panels[0, head].set_title(f"head {head}", fontsize="small")
    largest = max(heads.max() for heads in pictures)
    alt = (f"Where {name} of image {image} looks, over the image: {L} blocks of {H} heads, brighter where a patch gets "
           f"more attention; the largest share of a single patch is {largest:.0%}.")
    return save(figure, path, alt, attention=np.stack(pictures))


def outline(x, y, width, height):
    """The border of a patch, to be added to a part of a figure."""
    from matplotlib.patches import Rectangle
    return Rectangle((x, y), width, height, fill=False, edgecolor=RED, linewidth=1.5)

"""Checks of add_cls_pos."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.add_cls_pos import add_cls_pos
from minivit.models import ViTConfig, VisionTransformer
from minivit.tensor import Tensor


def cases(rng):
    return [(f"patches {B}x{n}x{D}", (rng.standard_normal((B, n, D)), rng.standard_normal((1, 1, D)),
                                      rng.standard_normal((1, n + 1, D))))
            for B, n, D in ((2, 4, 6), (3, 6, 5), (1, 3, 4), (2, 1, 3))]


def oracle(patches, cls_token, pos_embed):
    """minivit's, by a Vision Transformer whose patches are given."""
    n, D = patches.shape[1:]
    model = VisionTransformer(ViTConfig((1, n), 1, 1, embed_dim=D, depth=1, num_heads=1))
    model.patch_embed = lambda images: Tensor(patches)
    model.cls_token.data, model.pos_embed.data = cls_token, pos_embed
    return model.embed(None).data


def class_token_knows_no_image(function, rng):
    _, (patches, cls_token, pos_embed) = cases(rng)[0]
    z = function(patches, cls_token, pos_embed)
    if np.abs(z[:, 0] - (cls_token + pos_embed[:, :1])[0]).max() > 1e-9:
        return ("at first the class token is the same for every image, cls_token plus the first position: it has not "
                "looked at the patches yet; yours is something else")


def joined(patches, cls_token):
    return np.concatenate([np.repeat(cls_token, len(patches), axis=0), patches], axis=1)


def row_by_row(patches, cls_token, pos_embed):
    """A correct answer with loops."""
    z = [[cls_token[0, 0] + pos_embed[0, 0]] + [patch + position for patch, position in zip(image, pos_embed[0, 1:])]
         for image in patches]
    return np.array(z, patches.dtype)


def in_place(patches, cls_token, pos_embed):
    """A correct answer that begins with the positions."""
    z = np.repeat(pos_embed, len(patches), axis=0)
    z[:, 0] += cls_token[0, 0]
    z[:, 1:] += patches
    return z


def last(patches, cls_token, pos_embed):
    return np.concatenate([patches, np.repeat(cls_token, len(patches), axis=0)], axis=1) + pos_embed


def without_position(patches, cls_token, pos_embed):
    return joined(patches + pos_embed[:, 1:], cls_token)


def first_positions(patches, cls_token, pos_embed):
    return joined(patches + pos_embed[:, :-1], cls_token)


def first_image_alone(patches, cls_token, pos_embed):
    z = joined(patches, 0 * cls_token)
    z[0, 0] = cls_token[0, 0]
    return z + pos_embed


def instead_of_the_first(patches, cls_token, pos_embed):
    z = patches + pos_embed[:, 1:]
    z[:, 0] = cls_token[0, 0] + pos_embed[0, 0]
    return z


def added_to_all(patches, cls_token, pos_embed):
    return patches + cls_token + pos_embed[:, 1:]


EXERCISE = Exercise(
    slug="add_cls_pos", lesson=6, minutes=10, difficulty=1,
    task="Put the class token before the patches, and add positions.",
    solution=add_cls_pos, oracle=oracle, cases=cases, outputs=("z",),
    properties=(Property("the class token knows no image yet", class_token_knows_no_image),),
    wrong=(
        Wrong("class-token-last", last, "the class token comes last: it is token 0, z[:, :1], before the patches, and "
              "that is where the head looks for it.", specific=True),
        Wrong("no-position-for-the-class-token", without_position, "the class token has no position: the positions "
              "were added before it was put in front. Here it has one of its own, row 0 of pos_embed: add at the end, "
              "z + pos_embed. (Some later models leave it out.)", specific=True),
        Wrong("positions-off-by-one", first_positions, "the patches got the positions from row 0 on, before the class "
              "token was put in front: row 0 belongs to the class token, row 1 to the first patch. Add all of them at "
              "the end: z + pos_embed.", specific=True),
        Wrong("no-positions", lambda patches, cls_token, pos_embed: joined(patches, cls_token),
              "the positions are missing, z + pos_embed: without them the encoder cannot tell one order of the patches "
              "from another."),
        Wrong("one-position-for-all", lambda patches, cls_token, pos: joined(patches, cls_token) + pos[:, :1],
              "every token gets the first position: each has a row of its own. Add all of pos_embed, not pos_embed[:, "
              ":1].", specific=True),
        Wrong("positions-multiplied", lambda patches, cls_token, pos_embed: joined(patches, cls_token) * pos_embed,
              "the positions are multiplied: they are added, z + pos_embed."),
        Wrong("first-image-alone", first_image_alone, "only the first image has the class token: it is repeated for "
              "each of the B images. z[0, 0] is of one image, z[:, :1] of all.", specific=True),
        Wrong("instead-of-the-first-patch", instead_of_the_first, "the class token replaces the first patch: it is one "
              "token more, so N = n + 1.", specific=True),
        Wrong("added-to-every-patch", added_to_all, "the class token is added to every patch: it is a token of its "
              "own, in front of them.", specific=True),
        Wrong("no-class-token", lambda patches, cls_token, pos_embed: joined(patches, 0 * cls_token) + pos_embed,
              "the place of the class token is there, but its numbers are missing: z[:, :1] = cls_token.")),
    correct=(
        row_by_row, in_place,
        lambda patches, cls_token, pos_embed: np.concatenate(
            [np.broadcast_to(cls_token, (len(patches), 1, patches.shape[2])), patches], axis=1) + pos_embed),
    hints=(
        "How many tokens come in, how many go out, and which row of pos_embed belongs to which of them?",
        "First make z (B, n + 1, D), with the class token as token 0 of every image; then add pos_embed, which NumPy "
        "repeats for each image.",
        "z = np.empty of the shape (B, n + 1, D) and the dtype of the patches; z[:, :1] is set to one thing, z[:, 1:] "
        "to another; what is returned is a sum."),
    why="The class token is a parameter: it begins with no knowledge of the image, gathers it by attention in each "
        "block, and at the end a head reads it (after a layer norm). Positions are parameters too, and they are added "
        "once, here. All that the model will ever know of where a patch was is in this sum.")

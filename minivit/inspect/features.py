"""Feature maps of a convolutional network: where in the image each of its channels responds."""
import numpy as np

from minivit.inspect.picture import new_figure, save, show_image


def strongest(maps, count):
    """The `count` channels of feature maps (C, Gy, Gx) with the largest mean size, the strongest first."""
    return np.argsort(-abs(maps).mean(axis=(1, 2)), kind="stable")[:count]


def draw_features(rec, images, path, image=0, most=8):
    """Draw one image and the feature maps that it excites most, stage by stage, each from its least to its largest.

    images: uint8 (B, Sy, Sx, C), those that were recorded. numbers: {stage: feature maps (C, Gy, Gx)} of that image,
    and channels {stage: those that are drawn}. Raises AttributeError for a model without convolutions.
    """
    stages = {stage: maps[image] for stage, maps in rec.features.items()}
    channels = {stage: strongest(maps, most) for stage, maps in stages.items()}
    Sy, Sx = rec.image_size
    columns = 1 + max(map(len, channels.values()))
    figure = new_figure(0.8 + 1.1 * columns, 0.4 + 1.3 * len(stages) * Sy / Sx)
    panels = figure.subplots(len(stages), columns, squeeze=False)
    for axes in panels.ravel():
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
    for row, (stage, maps) in zip(panels, stages.items()):
        show_image(row[0], images[image])
        C, Gy, Gx = maps.shape
        row[0].set_ylabel(f"{stage.removeprefix('patch_embed.backbone.')}\n{C} x {Gy} x {Gx}", fontsize=7)
        for axes, channel in zip(row[1:], channels[stage]):
            axes.imshow(maps[channel], cmap="cividis", extent=(0, Sx, Sy, 0))
            axes.set_title(f"channel {channel}", fontsize=7, pad=2)
    alt = (f"Image {image} and the {most} strongest feature maps of each of {len(stages)} stages: "
           + ", ".join(f"{stage} has {len(maps)} of {maps.shape[1]} by {maps.shape[2]}"
                       for stage, maps in stages.items()) + ".")
    return save(figure, path, alt, channels=channels, **stages)

"""The formats of other projects, a module each: `read` makes a Translation of a Checkpoint, `write` an Export of a
model and its Card. These are mappings of names, layouts and settings; files are read and written elsewhere."""
from minivit.models.resnet import ResNetConfig
from minivit.weights.formats import bit, google, huggingface, timm

FORMATS = ("timm", "huggingface", "google")


def translate(checkpoint, given):
    """The Translation of a Checkpoint, by the names that its arrays have. given: {setting: value}, of the user.

    Raises WeightsError where it is no model that minivit has, or leaves open what the user has to say.
    """
    endings = {bit: "root_block/standardized_conv2d/kernel", google: "embedding/kernel",
               huggingface: "embeddings.cls_token"}
    for module, ending in endings.items():
        if any(name.endswith(ending) for name in checkpoint.arrays):
            return module.read(checkpoint, given)
    return timm.read(checkpoint, given)


def export(model, card, format):
    """The Export of a model and its Card to one of FORMATS. Raises ValueError for what the format cannot express."""
    modules = {"timm": timm, "huggingface": huggingface,
               "google": bit if isinstance(model.config, ResNetConfig) else google}
    return modules[format].write(model, card)

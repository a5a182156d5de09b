"""A model card: what a model's inputs and outputs mean, which its weights do not say.

- `Card(classes, preprocessing, about)`: a model that was loaded or trained carries one, as `model.card`
- `card_of(model)`: that, or a default one

Source: Mitchell et al. 2019, "Model Cards for Model Reporting", arXiv 1810.03993: the name, and the idea of handing one
on with every model.
"""
from dataclasses import dataclass, field

from minivit.data.preprocess import Preprocessing


@dataclass(frozen=True)
class Card:
    """The names of a model's Y classes, the Preprocessing of its images, and `about`: anything else worth keeping, of
    JSON's types (the data it saw, its accuracy)."""

    classes: tuple
    preprocessing: Preprocessing
    about: dict = field(default_factory=dict)

    @property
    def mean(self):
        """What is subtracted from each channel of an image in [0, 1]."""
        return self.preprocessing.mean

    @property
    def std(self):
        """What each channel is divided by after that."""
        return self.preprocessing.std


def card_of(model):
    """The model's Card. One that has none, fresh from `create`, has numbers for classes, and takes images of its size
    with a mean and std of 0.5."""
    if hasattr(model, "card"):
        return model.card
    config = model.config
    half = (0.5,) * config.in_chans
    return Card(tuple(map(str, range(config.num_classes))), Preprocessing(config.image_size, mean=half, std=half))

"""The names of ImageNet's classes, in the order that every ImageNet checkpoint uses.

- `imagenet_classes()`: 1,000 names; a model's output y means imagenet_classes()[y]

The classes of ILSVRC 2012 (Russakovsky et al. 2015, arXiv 1409.0575) are 1,000 synsets of WordNet, sorted by number
from n01440764, tench, to n15075141, toilet tissue. A name is the first word of its synset, as WordNet 3.0 has it
(copyright 2006 by Princeton University); the few that two classes share are told apart, such as crane (bird) and crane
(machine).
"""
from importlib import resources


def imagenet_classes():
    """The names of ImageNet's 1,000 classes: a tuple of as many different strings."""
    return tuple(resources.files("minivit.data").joinpath("imagenet.txt").read_text(encoding="utf-8").splitlines())

"""minivit train: from images to a trained model in a folder of its own."""
from minivit.cli import running


def add_arguments(parser):
    running.add_arguments(parser)


def run(arguments):
    return running.run(arguments)

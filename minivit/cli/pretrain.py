"""minivit pretrain: a model that others will start from."""
from minivit.cli import running

RECIPE = "vit-pretrain"


def add_arguments(parser):
    parser.epilog = "Then: minivit finetune RUN --data FOLDER, or minivit probe RUN --data FOLDER."
    running.add_arguments(parser, RECIPE, skip=("start",))


def run(arguments):
    return running.run(arguments, RECIPE)

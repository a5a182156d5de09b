"""minivit finetune: a trained model for other classes, other images, a higher resolution."""
from minivit.cli import running

RECIPE = "vit-finetune"


def add_arguments(parser):
    parser.add_argument("start", metavar="CKPT", nargs="?", default=None, help="run folder or weights of minivit, "
                        "timm, DeiT, Hugging Face or Google. Its head is replaced by zeros, and with --image-size its "
                        "positions are stretched in two dimensions")
    running.add_arguments(parser, RECIPE, skip=("start", "model"))


def run(arguments):
    if arguments.start is None:
        del arguments.start
    return running.run(arguments, RECIPE, [("start", "finetune needs the weights to start from: minivit finetune CKPT "
                                            "--data FOLDER; or --resume RUN"),
                                           ("data", "finetune needs a data set: minivit finetune CKPT --data FOLDER")])

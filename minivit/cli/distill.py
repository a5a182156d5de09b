"""minivit distill: a small model that learns from the labels and from a trained one."""
from minivit.cli import running

RECIPE = "deit-distill"


def add_arguments(parser):
    parser.epilog = "Any trained model that knows the same classes and image size can be the teacher."
    running.add_arguments(parser, RECIPE)


def run(arguments):
    return running.run(arguments, RECIPE, [("teacher", "distill needs a teacher: minivit distill --teacher CKPT, a run "
                                            "folder or weights; or --resume RUN")])

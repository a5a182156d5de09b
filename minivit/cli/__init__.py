"""The command `minivit`: a file a command, loaded when it is called.

Each command's module has `add_arguments(parser)` and `run(arguments)`, which returns the exit status: 0, or 1 where a
check that it made has failed. Input that cannot be used ends with a sentence and status 2.
"""
import argparse
import importlib
import sys

from minivit.errors import unknown

COMMANDS = {
    "train": "train a model; with no argument, a Vision Transformer on 5,000 real digits",
    "pretrain": "train a model that others will start from, by the recipe vit-pretrain",
    "finetune": "a trained model for other classes, other images, a higher resolution",
    "distill": "train a small model that learns from the labels and from a trained one",
    "probe": "how much a trained model's features say about a data set, without training it",
    "recipes": "settings of whole runs that are known to work",
    "plot": "compare runs in one picture",
    "eval": "accuracy and loss of a trained model on test images",
    "predict": "the most probable classes of image files",
    "explain": "where a model looks: its attention, in one file that a browser opens",
    "data": "the data sets that are here, how to get others, and what is in them",
    "models": "all models by name, with their numbers of parameters",
    "summary": "the parts of a model: shapes, parameters, arithmetic, memory",
    "convert": "weights from one project's format to another's: timm, DeiT, Hugging Face, Google",
    "compare": "the forms of an operation side by side: exactness, memory, time",
    "gradcheck": "check hand-written gradients against numerical ones",
    "profile": "where the time of a training step goes, operation by operation",
    "learn": "the lessons step by step, their exercises checked, and how far you are",
    "cuda": "CUDA kernels, minivit's or your own, checked and profiled without a GPU",
    "doctor": "what this machine has, and what is missing",
}


def main(argv=None):
    """Run a command line (default: that of the process) and return its exit status."""
    try:
        return _main(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:           # also while a command's modules are loaded
        print("interrupted", file=sys.stderr)
        return 130


def _main(argv):
    parser = argparse.ArgumentParser(prog="minivit", allow_abbrev=False, description="The Vision Transformer from "
                                     "first principles: train it, check it, look inside.")
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    named = next((word for word in argv if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        if name == named:
            module = importlib.import_module(f"minivit.cli.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
            sub.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS,
                             help="show where an error comes from")
    if named is not None and named not in COMMANDS:
        parser.exit(2, f"minivit: error: {unknown('command', named, COMMANDS)}\n")
    arguments, rest = parser.parse_known_args(argv)
    if rest:
        known = [flag for action in (commands.choices[named] if named else parser)._actions
                 for flag in action.option_strings]
        parser.exit(2, f"minivit: error: {unknown('argument', rest[0].partition('=')[0], known)}\n")
    if arguments.version:
        from minivit import __version__
        print(__version__)
        return 0
    if arguments.command is None:
        parser.print_help()
        return 0
    return _run(arguments)


def _run(arguments):
    try:
        return arguments.run(arguments) or 0
    except BrokenPipeError:             # the reader, `head` say, has seen enough
        sys.stderr.close()
        return 0
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError, MemoryError) as error:
        if arguments.traceback:
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"minivit {arguments.command}: error: {message}", file=sys.stderr)
        return 2

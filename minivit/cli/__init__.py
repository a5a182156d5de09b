"""The command `minivit`: a file a command, loaded when it is called.

Each command's module has `add_arguments(parser)` and `run(arguments)`, which returns the exit status: 0, or 1 where a
check that it made has failed. Input that cannot be used ends with a sentence and status 2.
"""
import argparse
import difflib
import importlib
import sys

COMMANDS = {
    "train": "train a model; with no argument, a Vision Transformer on 5,000 real digits",
    "eval": "accuracy and loss of a trained model on test images",
    "predict": "the most probable classes of image files",
    "summary": "the parts of a model, their shapes and parameters",
    "compare": "the forms of an operation side by side: exactness, memory, time",
    "gradcheck": "check hand-written gradients against numerical ones",
    "doctor": "what this machine has, and what is missing",
}


def main(argv=None):
    """Run a command line (default: that of the process) and return its exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
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
    if named is not None and named not in COMMANDS:
        near = difflib.get_close_matches(named, COMMANDS, n=1)
        parser.error(f"no command {named!r}: " + (f"did you mean {near[0]!r}?" if near
                                                  else f"there are {', '.join(COMMANDS)}"))
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        commands.choices[named].error(_unknown(unknown, commands.choices[named])) if named else parser.error(
            f"unknown argument {unknown[0]}")
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
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:             # the reader, `head` say, has seen enough
        sys.stderr.close()
        return 0
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        if arguments.traceback:
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"minivit {arguments.command}: error: {message}", file=sys.stderr)
        return 2


def _unknown(words, parser):
    flags = [flag for action in parser._actions for flag in action.option_strings]
    near = difflib.get_close_matches(words[0].partition("=")[0], flags, n=1)
    return f"unknown argument {words[0]!r}" + (f": did you mean {near[0]}?" if near else "")

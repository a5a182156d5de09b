"""minivit compare: the forms of an operation side by side."""
from minivit.cli.gradcheck import cases_of
from minivit.cuda import why_no_emulator
from minivit.function import FUNCTIONS
from minivit.gradcheck import CASES, compare


def add_arguments(parser):
    parser.add_argument("op", metavar="OP", nargs="?", help="an operation, such as layernorm or attention:mask")
    parser.add_argument("--all", action="store_true", help="every operation that has more than one form")
    parser.add_argument("--shape", type=shape, metavar="B,N,D", help="shape of its first input, such as 8,65,192")


def shape(text):
    """A shape from `8,65,192`."""
    sides = tuple(int(side) for side in text.split(","))
    if min(sides) < 1:
        raise ValueError(text)
    return sides


def run(arguments):
    if bool(arguments.op) == arguments.all:
        raise ValueError("name an operation, or compare --all of them")
    if arguments.all and arguments.shape:
        raise ValueError("--shape goes with one operation")
    for case in CASES.values() if arguments.all else cases_of(arguments.op):
        if "composed" not in FUNCTIONS[case.covers[0]].forms:
            if not arguments.all:
                print(f"{case.name} is a primitive: it has one form, and compositions are spelled with it")
            continue
        if arguments.shape and len(arguments.shape) != len(case.shapes[0]):
            raise ValueError(f"{case.name} takes a shape of {len(case.shapes[0])} numbers, such as "
                             f"{','.join(map(str, case.shapes[0]))}")
        _print(case, compare(case, arguments.shape), arguments.shape or case.shapes[0])
    return 0


def _print(case, reports, shape):
    names = list(reports[0].gradients)
    print(f"{case.name} at {'x'.join(map(str, shape))}: float32, largest error against composed in float64, relative "
          f"to the largest value")
    print(f"  {'form':<10}{'forward':>10}" + "".join(f"{'d' + name:>12}" for name in names)
          + f"{'nodes':>8}{'saved':>12}{'ms':>10}")
    for r in reports:
        print(f"  {r.form:<10}{r.forward:>10.1e}" + "".join(f"{r.gradients[name]:>12.1e}" for name in names)
              + f"{r.nodes:>8}{r.saved_bytes:>10,} B"
              + (f"{'emulated':>10}" if r.milliseconds is None else f"{r.milliseconds:>10.2f}"))
    if "cuda" in FUNCTIONS[case.covers[0]].forms and why_no_emulator():
        print(f"  {'cuda':<10}not run: {why_no_emulator()}")

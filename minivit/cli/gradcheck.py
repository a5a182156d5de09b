"""minivit gradcheck: are the hand-written gradients the derivatives of their operations?"""
from minivit.errors import unknown
from minivit.function import FUNCTIONS
from minivit.gradcheck import CASES, gradcheck, select
from minivit.models import create
from minivit.modes import using
from minivit.streams import stream
from minivit.tensor import Tensor

OP_TOLERANCE, MODEL_TOLERANCE = 1e-6, 1e-5


def add_arguments(parser):
    parser.add_argument("op", metavar="OP", nargs="?", help="an operation, such as layernorm or attention:mask "
                        "(default: all of them)")
    parser.add_argument("--model", metavar="PRESET", help="check a whole model instead, such as vit_nano_patch7_28")
    parser.add_argument("--elements", type=int, default=3, metavar="N", help="with --model: elements checked of each "
                        "parameter, besides one direction over all of them (default: 3)")
    parser.add_argument("--verbose", action="store_true", help="print every input of every case")


def cases_of(op):
    """The rows of the table for `op`. Raises ValueError with the nearest name."""
    try:
        return select(op)
    except KeyError:
        raise ValueError(unknown("operation", op, CASES)) from None


def run(arguments):
    if arguments.model:
        if arguments.op:
            raise ValueError("check an operation or a --model, not both")
        if arguments.elements < 0:
            raise ValueError(f"--elements must be at least 0, not {arguments.elements}")
        return _check_model(arguments.model, arguments.elements)
    failed, worst = 0, 0.0
    for case in cases_of(arguments.op) if arguments.op else CASES.values():
        for form in ("composed", "array"):
            if form not in FUNCTIONS[case.covers[0]].forms:
                continue
            for shape in case.shapes:
                function, inputs = case.make(stream(0, place=case.name), shape)
                with using(form):
                    report = gradcheck(function, inputs, tolerance=OP_TOLERANCE)
                failed, worst = failed + (not report), max(worst, report.worst.error)
                title = f"{'ok   ' if report else 'WRONG'} {case.name} ({form}) at {'x'.join(map(str, shape))}"
                if arguments.verbose or arguments.op or not report:
                    print(title + "\n  " + str(report).replace("\n", "\n  "))
                else:
                    print(f"{title:<60} {report.worst.error:8.1e}")
    print(f"worst relative error {worst:.1e}; tolerance {OP_TOLERANCE:.0e}; {failed} wrong")
    return 1 if failed else 0


def _check_model(name, elements):
    model = create(name, zero_head=False).astype("float64")
    rng = stream(0, place="gradcheck model")
    for parameter in model.parameters():            # away from 0 and 1, where a wrong gradient could hide
        parameter.data += 0.1 * rng.standard_normal(parameter.shape)
    shape = (2, model.config.in_chans) + model.config.image_size
    inputs = {"images": Tensor(rng.standard_normal(shape), requires_grad=True), **dict(model.named_parameters())}
    report = gradcheck(lambda images, *_: model(images), inputs, (0,), elements, MODEL_TOLERANCE)
    print(report)
    print(f"{'ok' if report else 'WRONG'}: worst relative error {report.worst.error:.1e}, tolerance "
          f"{MODEL_TOLERANCE:.0e}")
    return 0 if report else 1

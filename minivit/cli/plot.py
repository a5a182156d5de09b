"""minivit plot: runs compared in one picture."""
from pathlib import Path

from minivit.inspect import draw_runs
from minivit.train import RunFolder


def add_arguments(parser):
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folders of runs, going on or finished")
    parser.add_argument("--out", metavar="FILE", default="runs.png", help="the picture, a PNG file (default: runs.png)")


def run(arguments):
    runs = {run.rstrip("/"): RunFolder(run).read_metrics() for run in arguments.runs}
    alt = draw_runs(_short(runs), arguments.out)
    print(f"{arguments.out}: {alt}")
    return 0


def _short(runs):
    """The same runs, named by their last folder where that is enough to tell them apart."""
    short = {Path(name).resolve().name: rows for name, rows in runs.items()}
    return short if len(short) == len(runs) else runs

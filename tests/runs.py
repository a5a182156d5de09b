"""Tiny runs for the tests of training: made, stopped by Ctrl-C at a step, gone on with, and compared bit for bit."""
import csv
import signal

from minivit.train import RunFolder, trainer_from
from minivit.train.progress import Progress
from minivit.weights import load_arrays

TINY = {"embed_dim": 8, "depth": 1, "num_heads": 2, "mlp_ratio": 2.0}
NOISY = TINY | {"depth": 2, "drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.2}
TIMES = {"seconds", "images_per_second"}


class StopAfter(Progress):
    """Presses Ctrl-C while a step, counted from the start of the process, is under way."""

    def __init__(self, steps):
        super().__init__(quiet=True)
        self.left = steps

    def step(self, loss, accuracy, images_per_second):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


def trainer(folder, config, changes=NOISY, stop_after=None, resume=False):
    made = trainer_from(config, changes, folder=RunFolder(folder), quiet=True)
    if resume:
        made.resume()
    else:
        made.folder.create(config, changes)
    if stop_after:
        made.progress = StopAfter(stop_after)
    return made


def outcome(folder):
    """All that a run has computed: the bits of every array of its files, and its metrics but for the times."""
    folder = RunFolder(folder)
    files = [file for file in (folder.state, folder.last, folder.best, folder.ema) if file.exists()]
    arrays = {f"{file.name} {name}": array.tobytes() for file in files for name, array in load_arrays(file)[0].items()}
    rows = list(csv.DictReader(folder.metrics.read_text().splitlines()))
    return arrays, [{key: value for key, value in row.items() if key not in TIMES} for row in rows]

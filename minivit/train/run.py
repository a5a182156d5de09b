"""The folder of a run: what a training run leaves behind, and goes on from.

    config.toml         everything that defines the run
    metrics.csv         a row per epoch
    last.safetensors    the model after the last epoch, or where the run was stopped
    ema.safetensors     the same with the averages of its weights, where the run keeps them
    best.safetensors    the model of the epoch with the best accuracy on the test part; its weights or their averages
    state.safetensors   weights, optimizer and counters: what `--resume` needs to go on bit for bit
    curves.png          drawn by the command `train`
    attention.html      where the model looks, written by the command `train`: open it in a browser
    kernels/            the learner's own functions, where the run was begun with `--kernels yours`

Every file is written whole or not at all.
"""
import csv
import io
from dataclasses import asdict
from pathlib import Path

from minivit.weights import WeightsError, load_arrays, save_arrays, write_atomic

METRICS = ("epoch", "steps", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "ema_loss",
           "ema_accuracy", "seconds", "images_per_second")         # of the test part: what is not there is left empty


class RunFolder:
    """Reads and writes the files of one run."""

    def __init__(self, path):
        self.path = Path(path)
        self.config, self.metrics = self.path / "config.toml", self.path / "metrics.csv"
        self.last, self.ema = self.path / "last.safetensors", self.path / "ema.safetensors"
        self.best = self.path / "best.safetensors"
        self.state, self.curves = self.path / "state.safetensors", self.path / "curves.png"
        self.attention = self.path / "attention.html"

    @classmethod
    def next_free(cls, parent="runs"):
        """The first of runs/001, runs/002, ... that is not there yet."""
        number = 1
        while (Path(parent) / f"{number:03d}").exists():
            number += 1
        return cls(Path(parent) / f"{number:03d}")

    def create(self, train, model):
        """Make the folder and write config.toml: a TrainConfig, and the changes to the model's preset.

        Raises FileExistsError where it holds a run already, which is never overwritten.
        """
        import tomli_w
        if self.config.exists():
            raise FileExistsError(f"{self.path} already holds a run: go on with it by --resume {self.path}, or choose "
                                  f"another folder with --out")
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.config, tomli_w.dumps({"train": asdict(train), "model": model}).encode())

    def existing_config(self):
        """The path of config.toml. Raises FileNotFoundError where there is no run."""
        if not self.config.exists():
            raise FileNotFoundError(f"{self.path} holds no run: there is no {self.config.name} in it")
        return self.config

    def write_metrics(self, rows):
        """Write metrics.csv from dictionaries with the keys METRICS."""
        text = io.StringIO()
        writer = csv.DictWriter(text, METRICS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomic(self.metrics, text.getvalue().encode())

    def read_metrics(self):
        """The rows of metrics.csv as dictionaries of numbers, None where nothing was measured.

        Raises FileNotFoundError where there is no such file.
        """
        if not self.metrics.exists():
            raise FileNotFoundError(f"{self.path} is not the folder of a run: there is no {self.metrics.name} in it")
        rows = csv.DictReader(self.metrics.read_text(encoding="utf-8").splitlines())
        return [{key: float(value) if value else None for key, value in row.items()} for row in rows]

    def write_state(self, parts, progress, identity):
        """Write state.safetensors: of each of `parts` ({"model": it, "optimizer": it, ...}) its state_dict, and of
        JSON's types, progress and the run's identity."""
        arrays = {f"{part}/{name}": array for part, owner in parts.items()
                  for name, array in owner.state_dict().items()}
        save_arrays(self.state, arrays, {"format": "minivit state 2", "progress": progress, "identity": identity})

    def read_state(self, parts, identity):
        """Put all parts back as state.safetensors has them, and return the progress.

        Raises ValueError, and changes nothing, where the state is that of a run of another identity.
        """
        if not self.state.exists():
            raise FileNotFoundError(f"{self.path} cannot be resumed: there is no {self.state.name} in it")
        arrays, about = load_arrays(self.state)
        if about.get("format") != "minivit state 2":
            raise WeightsError(f"{self.state} is not the state of a run: its format is {about.get('format')!r}")
        for name in identity | about["identity"]:
            now, then = identity.get(name), about["identity"].get(name)
            if now != then:
                raise ValueError(f"{self.path} was begun with {name} = {then!r}, and now it is {now!r}: a run goes on "
                                 f"with the settings and the data that it began with")
        states = {part: {} for part in parts}
        for name, array in arrays.items():
            part, _, key = name.partition("/")
            states[part][key] = array
        for part, owner in parts.items():
            owner.load_state_dict(states[part])
        self._sweep()
        return about["progress"]

    def _sweep(self):
        """Remove what a process that was killed while it wrote has left of its temporary files."""
        for file in (self.config, self.metrics, self.last, self.ema, self.best, self.state):
            for temporary in self.path.glob(f".{file.name}.*"):
                temporary.unlink(missing_ok=True)


def find_weights(path):
    """The weights that `path` means: itself, a file or a folder of another project's, or the last of a run folder (the
    best was chosen by looking at the test images, so its accuracy on them says a little too much)."""
    path = Path(path)
    if not path.is_dir() or (path / "config.json").exists():
        return path
    folder = RunFolder(path)
    if not folder.last.exists():
        raise FileNotFoundError(f"{path} is not the folder of a run with weights: there is no {folder.last.name} in it")
    return folder.last

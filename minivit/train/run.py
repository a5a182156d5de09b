"""The folder of a run: what a training run leaves behind, and goes on from.

    config.toml         everything that defines the run
    metrics.csv         a row per epoch
    last.safetensors    the model after the last epoch, or where the run was stopped
    best.safetensors    the model of the epoch with the best accuracy on the test part
    state.safetensors   weights, optimizer and counters: what `--resume` needs to go on bit for bit
    curves.png          drawn by the command `train`
    kernels/            the learner's own functions, where the run was begun with `--kernels yours`

Every file is written whole or not at all.
"""
import csv
import io
from dataclasses import asdict
from pathlib import Path

from minivit.weights import WeightsError, load_arrays, save_arrays, write_atomic

METRICS = ("epoch", "steps", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds",
           "images_per_second")


class RunFolder:
    """Reads and writes the files of one run."""

    def __init__(self, path):
        self.path = Path(path)
        self.config, self.metrics = self.path / "config.toml", self.path / "metrics.csv"
        self.last, self.best = self.path / "last.safetensors", self.path / "best.safetensors"
        self.state, self.curves = self.path / "state.safetensors", self.path / "curves.png"

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

    def write_state(self, model, optimizer, progress, identity):
        """Write state.safetensors: weights, optimizer, and of JSON's types, progress and the run's identity."""
        arrays = {f"model/{name}": array for name, array in model.state_dict().items()}
        arrays |= {f"optimizer/{name}": array for name, array in optimizer.state_dict().items()}
        save_arrays(self.state, arrays, {"format": "minivit state 1", "progress": progress, "identity": identity})

    def read_state(self, model, optimizer, identity):
        """Put weights and optimizer back as state.safetensors has them, and return the progress.

        Raises ValueError, and changes nothing, where the state is that of a run of another identity.
        """
        if not self.state.exists():
            raise FileNotFoundError(f"{self.path} cannot be resumed: there is no {self.state.name} in it")
        arrays, about = load_arrays(self.state)
        if about.get("format") != "minivit state 1":
            raise WeightsError(f"{self.state} is not the state of a run: its format is {about.get('format')!r}")
        for name in identity | about["identity"]:
            now, then = identity.get(name), about["identity"].get(name)
            if now != then:
                raise ValueError(f"{self.path} was begun with {name} = {then!r}, and now it is {now!r}: a run goes on "
                                 f"with the settings and the data that it began with")
        parts = {"model": {}, "optimizer": {}}
        for name, array in arrays.items():
            part, _, key = name.partition("/")
            parts[part][key] = array
        model.load_state_dict(parts["model"])
        optimizer.load_state_dict(parts["optimizer"])
        return about["progress"]


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

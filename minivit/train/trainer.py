"""The trainer: epochs of the loop, evaluation after each, and a folder that a stopped run goes on from.

A run is a function of its configuration: the order of the images, augmentation and masks are addressed by seed, epoch
and step. So the state to resume from is small (weights, optimizer, where in the epoch), and a run that was stopped and
resumed ends with bit for bit the weights of one that was not.
"""
import time
from dataclasses import dataclass, field

from minivit.data import Preprocessing
from minivit.train.evaluate import evaluate
from minivit.train.loop import train_epoch
from minivit.train.progress import Progress, StopRequest
from minivit.train.workers import Workers
from minivit.weights import Card, save

NOTHING = {"loss": 0.0, "correct": 0, "images": 0, "seconds": 0.0}


@dataclass
class Trainer:
    """Trains `model` on the batches of `loader` for `epochs`, testing on `data.test` after each (if there is one).

    From then on the model carries its card. data: a DataSet. loss: see `losses`. schedule: step -> learning rate.
    folder: a RunFolder that is there, or None to leave nothing behind. on_epoch(row), if given, is called with each
    epoch's row of metrics. identity: all that the run is a function of, as {name: value of JSON's types}; a run with
    another is not resumed.
    """

    model: object
    data: object
    loader: object
    loss: object
    optimizer: object
    schedule: object
    epochs: int
    clip_norm: float = 0.0
    seed: int = 0
    folder: object = None
    workers: Workers = field(default_factory=Workers)
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    on_epoch: object = None
    identity: dict = field(default_factory=dict)

    def __post_init__(self):
        self.epoch, self.batch, self.rows = 0, 0, []            # where the run is; batch counts within the epoch
        self.sums = dict(NOTHING)                               # over this epoch so far

    def resume(self):
        """Go back to where the run in `folder` was stopped."""
        progress = self.folder.read_state(self.model, self.optimizer, self.identity)
        self.epoch, self.batch, self.rows = progress["epoch"], progress["batch"], progress["rows"]
        self.sums = progress["sums"]
        self.model.card = self._card()

    def run(self):
        """Train to the last epoch. True if it got there, False if Ctrl-C stopped it; either way it can be resumed."""
        self._save_state()
        with StopRequest() as stop, self.workers:
            while self.epoch < self.epochs:
                if not self._finish_epoch(stop):
                    self._save_state()
                    self._save_model("last")
                    return False
                self._record()
        return True

    def _finish_epoch(self, stop):
        batches = self.loader.epoch(self.epoch, self.batch)
        self.progress.start_epoch(self.epoch, self.epochs, len(self.loader), self.batch)
        start, before = time.perf_counter(), self.sums["seconds"]
        try:
            for result in train_epoch(self.model, batches, self.loss, self.optimizer, self.schedule, self.clip_norm,
                                      self.seed, self.workers):
                self.batch += 1
                sums = self.sums
                sums["loss"] += result.loss * result.images
                sums["correct"] += result.correct
                sums["images"] += result.images
                sums["seconds"] = before + time.perf_counter() - start
                self.progress.step(sums["loss"] / sums["images"], sums["correct"] / sums["images"],
                                   sums["images"] / sums["seconds"])
                if stop.requested:
                    return False
        finally:
            self.progress.end_epoch()
        return True

    def _record(self):
        """Close the epoch: its row of metrics, the files, a line to read."""
        row = self._row()
        best = max((earlier["test_accuracy"] or 0.0 for earlier in self.rows), default=-1.0)
        self.rows.append(row)
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, dict(NOTHING)
        if self.data.test is None or row["test_accuracy"] > best:
            self._save_model("best")
        self._save_model("last")
        self._save_state()
        tested = "" if row["test_accuracy"] is None else f"  test {row['test_accuracy']:6.2%}"
        self.progress.say(f"epoch {self.epoch:3d}/{self.epochs}  loss {row['train_loss']:.4f}  "
                          f"train {row['train_accuracy']:6.2%}{tested}  {row['images_per_second']:.0f} images/s")
        if self.on_epoch is not None:
            self.on_epoch(row)

    def _row(self):
        """The metrics of the epoch that has just ended (see run.METRICS)."""
        sums, tested = self.sums, {"loss": None, "accuracy": None}
        if self.data.test is not None:
            tested = evaluate(self.model, self.data.test, self.data.mean, self.data.std, self.workers)
        return {"epoch": self.epoch + 1, "steps": self.optimizer.steps,
                "lr": self.schedule(self.optimizer.steps - 1), "train_loss": sums["loss"] / sums["images"],
                "train_accuracy": sums["correct"] / sums["images"], "test_loss": tested["loss"],
                "test_accuracy": tested["accuracy"], "seconds": sums["seconds"],
                "images_per_second": sums["images"] / sums["seconds"]}

    def _card(self):
        about = {"data": self.data.name, "epochs": self.epoch, "steps": self.optimizer.steps,
                 "test_accuracy": self.rows[-1]["test_accuracy"] if self.rows and not self.batch else None}
        size = self.loader.split.images.shape[1:3]
        return Card(self.data.classes, Preprocessing(size, mean=self.data.mean, std=self.data.std), about)

    def _save_model(self, which):
        self.model.card = self._card()
        if self.folder is not None:
            save(self.model, getattr(self.folder, which))

    def _save_state(self):
        if self.folder is not None:
            self.folder.write_metrics(self.rows)
            self.folder.write_state(self.model, self.optimizer, {
                "epoch": self.epoch, "batch": self.batch, "rows": self.rows, "sums": self.sums}, self.identity)

"""The trainer: epochs of the loop, evaluation between them, and a folder that a stopped run goes on from.

A run is a function of its configuration: the order of the images, augmentation and masks are addressed by seed, epoch
and step. So the state to resume from is small (weights, their averages, optimizer, where in the epoch), and a run that
was stopped and resumed ends with bit for bit the weights of one that was not.
"""
import contextlib
import math
import time
from dataclasses import dataclass, field

from minivit.backend import on_device
from minivit.data import Preprocessing
from minivit.modes import precision
from minivit.optim import EMA
from minivit.train.device import Conveyor
from minivit.train.evaluate import evaluate
from minivit.train.loop import accumulated, train_epoch
from minivit.train.progress import Progress, StopRequest
from minivit.train.replay import Replay
from minivit.train.workers import Workers
from minivit.weights import Card, save

NOTHING = {"loss": 0.0, "correct": 0, "images": 0, "seconds": 0.0}
UNTESTED = {"loss": None, "accuracy": None}


@dataclass
class Trainer:
    """Trains `model` on the batches of `loader` for `epochs`, testing on `data.test`, if there is one.

    From then on the model carries its card. data: a DataSet. loss: see `losses`. schedule: step -> learning rate.
    accumulate: batches per step. ema: averages of the weights, which are tested and saved too. best_of: "weights" or
    "ema": which of them is tested for the best epoch. test_every: epochs from one test to the next; the last epoch is
    always tested. patience: the run ends after so many epochs without a better one (0: never). frozen: names of
    parameters that are not trained. title: what is trained, in a word or two. folder: a RunFolder that is there, or
    None to leave nothing behind. on_epoch(row), if given, is called with each epoch's row of metrics. identity: all
    that the run is a function of, as {name: value of JSON's types}; a run with another is not resumed. graph: whether a
    GPU replays steps that were recorded. precision: of a GPU's matrix products.
    """

    model: object
    data: object
    loader: object
    loss: object
    optimizer: object
    schedule: object
    epochs: int
    clip_norm: float = 0.0
    accumulate: int = 1
    ema: EMA = None
    best_of: str = "weights"
    test_every: int = 1
    patience: int = 0
    frozen: tuple = ()
    title: str = "a model"
    seed: int = 0
    folder: object = None
    workers: Workers = field(default_factory=Workers)
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    on_epoch: object = None
    identity: dict = field(default_factory=dict)
    graph: bool = True
    precision: str = "fp32"

    def __post_init__(self):
        self.epoch, self.step, self.rows = 0, 0, []             # where the run is; step counts within the epoch
        self.sums = dict(NOTHING)                               # over this epoch so far
        self.conveyor = Conveyor(self.model.device)
        graph = self.graph and self.model.device != "cpu"
        self.replay = Replay(self.model, self.optimizer, self.progress.say) if graph else None
        self.steps = math.ceil(len(self.loader) / self.accumulate)      # of an epoch
        self.parts = {"model": self.model, "optimizer": self.optimizer} | ({"ema": self.ema} if self.ema else {})

    def resume(self):
        """Go back to where the run in `folder` was stopped."""
        progress = self.folder.read_state(self.parts, self.identity)
        self.epoch, self.step, self.rows = progress["epoch"], progress["step"], progress["rows"]
        self.sums = progress["sums"]
        self.model.card = self._card("weights")

    def run(self):
        """Train to the last epoch. True if it got there, False if Ctrl-C stopped it; either way it can be resumed."""
        self._save_state()
        with StopRequest() as stop, self.workers, on_device(self.model.device), precision(self.precision):
            while not self.finished:
                if not self._finish_epoch(stop):
                    self._save_state()
                    self._save_models("last")
                    return False
                self._record()
        return True

    @property
    def finished(self):
        """Whether the last epoch is over, or there was no better one for too long."""
        scores = self._scores()
        if self.patience and scores and max(scores) - max(scores, key=scores.get) >= self.patience:
            return True
        return self.epoch >= self.epochs

    def take_steps(self, batches, schedule=None, clip_norm=None, ema=None, run=None):
        """The loop of this run over `batches`, of which each is a step: an iterator of StepResults."""
        return train_epoch(self.model, self.conveyor(batches), self.loss, self.optimizer, schedule or self.schedule,
                           self.clip_norm if clip_norm is None else clip_norm, self.seed, self.workers, ema, run)

    def _finish_epoch(self, stop):
        batches = self.loader.epoch(self.epoch, min(self.step * self.accumulate, len(self.loader)))
        self.progress.start_epoch(self.epoch, self.epochs, self.steps, self.step)
        start, before = time.perf_counter(), self.sums["seconds"]
        try:
            for result in self.take_steps(accumulated(batches, self.accumulate), ema=self.ema, run=self.replay):
                self.step += 1
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
        self.rows.append(row)
        scores = self._scores()
        self.epoch, self.step, self.sums = self.epoch + 1, 0, dict(NOTHING)
        if self.data.test is None or max(scores, key=scores.get, default=0) == self.epoch:
            self._save_models("best")
        self._save_models("last")
        self._save_state()
        measured = {"test": row["test_accuracy"], "ema": row["ema_accuracy"]}
        tested = "".join(f"  {name} {value:6.2%}" for name, value in measured.items() if value is not None)
        self.progress.say(f"epoch {self.epoch:3d}/{self.epochs}  loss {row['train_loss']:.4f}  "
                          f"train {row['train_accuracy']:6.2%}{tested}  {row['images_per_second']:.0f} images/s")
        if self.on_epoch is not None:
            self.on_epoch(row)

    def _row(self):
        """The metrics of the epoch that has just ended (see run.METRICS)."""
        sums = self.sums
        epoch, of_weights, of_ema = self.epoch + 1, UNTESTED, UNTESTED
        if self.data.test is not None and (epoch % self.test_every == 0 or epoch == self.epochs):
            of_weights = self._tested()
            if self.ema is not None:
                with self.ema.applied():
                    of_ema = self._tested()
        return {"epoch": epoch, "steps": self.optimizer.steps,
                "lr": self.schedule(self.optimizer.steps - 1), "train_loss": sums["loss"] / sums["images"],
                "train_accuracy": sums["correct"] / sums["images"], "test_loss": of_weights["loss"],
                "test_accuracy": of_weights["accuracy"], "ema_loss": of_ema["loss"],
                "ema_accuracy": of_ema["accuracy"], "seconds": sums["seconds"],
                "images_per_second": sums["images"] / sums["seconds"]}

    def _tested(self):
        return evaluate(self.model, self.data.test, self.data.mean, self.data.std, self.workers, self.replay)

    def _scores(self):
        """{epoch: accuracy} of the epochs that were tested: what the best has most of."""
        key = "ema_accuracy" if self.best_of == "ema" else "test_accuracy"
        return {row["epoch"]: row[key] for row in self.rows if row[key] is not None}

    def _card(self, which):
        row = self.rows[-1] if self.rows and not self.step else {}
        about = {"data": self.data.name, "epochs": self.epoch, "steps": self.optimizer.steps,
                 "test_accuracy": row.get("ema_accuracy" if which == "ema" else "test_accuracy")}
        size = self.loader.split.images.shape[1:3]
        return Card(self.data.classes, Preprocessing(size, mean=self.data.mean, std=self.data.std), about)

    def _save_models(self, which):
        """Write best.safetensors, or last.safetensors and, of the averages, ema.safetensors."""
        if which == "best":
            self._save_model("best", self.best_of)
        else:
            if self.ema is not None:
                self._save_model("ema", "ema")
            self._save_model("last", "weights")

    def _save_model(self, file, which):
        with self.ema.applied() if which == "ema" else contextlib.nullcontext():
            self.model.card = self._card(which)
            if self.folder is not None:
                save(self.model, getattr(self.folder, file))

    def _save_state(self):
        if self.folder is not None:
            self.folder.write_metrics(self.rows)
            self.folder.write_state(self.parts, {"epoch": self.epoch, "step": self.step, "rows": self.rows,
                                                 "sums": self.sums}, self.identity)

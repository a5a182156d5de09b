"""Steps of training, and evaluation, recorded once on a GPU and replayed: see cuda/graph.py for how and why.

- `Replay(model, optimizer, say)`: run(step, batch), for `train_epoch`; logits(images), for `logits_of`
"""
from dataclasses import replace

import numpy as np

from minivit.cuda.graph import Graphs, NotRecorded
from minivit.modes import form_held
from minivit.nn.module import watched
from minivit.tensor import Tensor
from minivit.train.device import Lane


class Replay:
    """Runs a model on a GPU through CUDA graphs where that can be, with a graph for each size of batch; on the CPU, and
    as long as something must see every call (a hook on a parameter, a block that watches the model or holds a form),
    through Python. say(sentence) is told why, once for each reason."""

    def __init__(self, model, optimizer, say):
        self.model, self.optimizer, self.say = model, optimizer, say
        self.parameters = list(model.parameters())      # looked at before every step, and finding them takes long
        self.float32 = all(parameter.dtype == np.float32 for parameter in self.parameters)
        self.graphs, self.lane, self.said, self.failed = None, None, set(), set()

    def __call__(self, step, batch):
        """step(batch), whose result is a StepResult; `batch` lies where others of its size will."""
        number = self.optimizer.steps

        def at_this_step():
            self.optimizer.steps, self.optimizer.begun = number, True       # again, where recording got so far
            return step(batch)
        result, replayed = self._run("a step", (batch.images, batch.labels, batch.targets), at_this_step)
        if replayed:
            self.optimizer.count_step()
        return replace(result, step=number)

    def logits(self, images):
        """The logits on the GPU of images (B, C, Sy, Sx) of the host. Reading them comes before the next call."""
        if self.lane is None or not self.lane.fits(images):
            self.lane = Lane(images, self.model.device)
        images = self.lane.load(images)()
        return self._run("evaluation", (images,), lambda: self.model(Tensor(images)).data)[0]

    def _run(self, what, arrays, function):
        """(function(), or its replay; whether it is one)."""
        if self.model.device == "cpu" or what in self.failed:
            return function(), False
        reason = self.why_not()
        if reason is not None:
            self._say_once(what, reason)
            return function(), False
        self.graphs = self.graphs or Graphs(arrays[0])
        try:
            places = tuple((array.data.ptr, array.shape, str(array.dtype)) for array in arrays)
            return self.graphs.run((what, places), function)
        except NotRecorded as error:
            self.failed.add(what)
            self._say_once(what, error)
            return function(), False

    def why_not(self):
        """A reason not to record or replay just now; None if there is none."""
        if not self.float32:
            return "the model is not float32, for which the kernels are made"
        if form_held():
            return "a block `using` holds a form of operations"
        if watched():
            return "the model is being watched"
        if any(parameter.has_hooks for parameter in self.parameters):
            return "a parameter has a hook"
        return None

    def _say_once(self, what, reason):
        sentence = f"note: {what} is launched kernel by kernel, not as a CUDA graph: {reason}"
        if sentence not in self.said:
            self.said.add(sentence)
            self.say(sentence)

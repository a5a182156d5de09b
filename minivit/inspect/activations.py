"""How activations change while a model trains: a callback for the trainer, and the picture of what it saw.

    history = ActivationHistory(trainer.model, images)
    trainer.on_epoch = history
    trainer.run()
    history.draw("activations.png")

After each epoch it sends the same images through the model, and keeps of every layer the mean and the standard
deviation, how many of its numbers are almost 0, and their histogram. The colourful histogram over time is fast.ai's
"colorful dimension". Training is not changed by a bit.
"""
import numpy as np

from minivit.inspect.picture import new_figure, save
from minivit.inspect.record import record
from minivit.modes import no_grad
from minivit.tensor import Tensor

EDGES = np.linspace(-10, 10, 81)        # of the histograms; what is beyond is counted at the ends
NEAR_ZERO = 0.01


class ActivationHistory:
    """Collects statistics of a model's layers; call it after each epoch with the epoch's row of metrics.

    images: what the model is looked at with, an array (B, C, Sy, Sx), normalised. also: further modules (see record).
    names: the layers' paths; epochs: where it was called; mean, std, near_zero (epochs, layers), the last one a share;
    histogram (epochs, layers, len(EDGES) - 1), shares.
    """

    def __init__(self, model, images, also=()):
        self.model, self.images, self.also = model, images, also
        self.names, self.epochs, self.rows = (), [], []

    def __call__(self, row):
        """Look at the model now. row: with the key "epoch", as the trainer's on_epoch is given."""
        training = self.model.training
        self.model.eval()
        try:
            with no_grad(), record(self.model, self.also) as rec:
                self.model(Tensor(self.images).to(self.model.device))
        finally:
            self.model.train(training)
        self.names = tuple(rec.stages + rec.streams + rec.also)
        self.epochs.append(row["epoch"])
        self.rows.append([_statistics(rec.output(name)) for name in self.names])

    mean = property(lambda self: self._column(0), doc="The mean of every layer's numbers (epochs, layers).")
    std = property(lambda self: self._column(1), doc="Their standard deviation.")
    near_zero = property(lambda self: self._column(2), doc="The share of them within 0.01 of 0.")
    histogram = property(lambda self: self._column(3), doc="The shares of them between EDGES (epochs, layers, bins).")

    def _column(self, place):
        return np.array([[statistics[place] for statistics in row] for row in self.rows])

    def draw(self, path, most=6):
        """Draw them over the epochs; histograms of at most `most` layers. numbers: mean, std, near_zero, histogram.

        Raises ValueError where nothing was seen yet.
        """
        if not self.rows:
            raise ValueError("there is nothing to draw: no epoch was seen. Set trainer.on_epoch to this object, or "
                             "call it with {'epoch': 1}")
        from matplotlib import colormaps
        count = len(self.names)
        shown = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
        figure = new_figure(max(7.5, 1.8 * len(shown)), 5.4)
        above, below = figure.subfigures(2, 1, height_ratios=(1.2, 1))
        spread, dead = above.subplots(1, 2)
        marker = "o" if len(self.epochs) < 3 else None
        for layer, name in enumerate(self.names):
            color = colormaps["cividis"](layer / max(count - 1, 1))
            spread.plot(self.epochs, self.std[:, layer], color=color, marker=marker, label=name)
            dead.plot(self.epochs, 100 * self.near_zero[:, layer], color=color, marker=marker)
        spread.set(xlabel="epoch", ylabel="standard deviation", ylim=(0, None))
        dead.set(xlabel="epoch", ylabel="numbers near 0 (%)", ylim=(0, None))
        for axes in (spread, dead):
            axes.grid(alpha=0.3)
            axes.locator_params(axis="x", integer=True)
        above.legend(*spread.get_legend_handles_labels(), loc="outside right center", fontsize="x-small")
        panels = below.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, layer in zip(panels, shown):
            axes.imshow(np.log1p(1000 * self.histogram[:, layer].T), origin="lower", aspect="auto", cmap="cividis",
                        extent=(self.epochs[0] - 0.5, self.epochs[-1] + 0.5, EDGES[0], EDGES[-1]))
            axes.set_title(self.names[layer], fontsize="small")
            axes.locator_params(axis="x", integer=True, nbins=4)
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("activation")
        last = self.std[-1]
        alt = (f"Activations of {count} layers after each of {len(self.epochs)} epochs: standard deviation, share of "
               f"numbers near 0, and histograms. In the end the standard deviation is {last[0]:.2f} in "
               f"{self.names[0]} and {last[-1]:.2f} in {self.names[-1]}.")
        return save(figure, path, alt, mean=self.mean, std=self.std, near_zero=self.near_zero, histogram=self.histogram)


def _statistics(y):
    counts, _ = np.histogram(np.clip(y, EDGES[0], EDGES[-1]), EDGES)
    return y.mean(dtype=np.float64), y.std(dtype=np.float64), (abs(y) < NEAR_ZERO).mean(), counts / y.size

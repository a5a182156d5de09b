"""Pictures of runs: their loss and accuracy, epoch by epoch.

- `draw_curves(rows, path)`: one run, training and test images
- `draw_runs(runs, path)`: several, compared on test images
- `draw_probe(rows, path)`: classifiers on a model's features, over the images that they saw
"""
import itertools
from pathlib import Path

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")    # Okabe and Ito: told apart


def draw_curves(rows, path):
    """Draw the loss and the accuracy of training and test images over the epochs to a PNG file.

    rows: dictionaries with the keys of metrics.csv (`minivit.train.run.METRICS`), one an epoch. Returns the figure's
    alternative text, which is also stored in the file. Raises ValueError where there is no row.
    """
    if not rows:
        raise ValueError("there is nothing to draw: the run has not finished an epoch")
    from matplotlib.figure import Figure            # the figure alone: no display, no global state
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axis, measure, label, scale in ((loss, "loss", "cross-entropy (nats)", 1),
                                        (accuracy, "accuracy", "accuracy (%)", 100)):
        for (part, name), color in zip({"train": "train", "test": "test", "ema": "test, averaged"}.items(), COLORS):
            key = f"{part}_{measure}"               # "ema": test images, by the averages of the weights
            known = [row for row in rows if row[key] is not None]
            if known:
                axis.plot([row["epoch"] for row in known], [scale * row[key] for row in known], color=color, label=name,
                          marker="o" if len(known) < 3 else None)
        axis.set(xlabel="epoch", ylabel=label)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend()
    alt = f"Loss and accuracy over {len(rows)} epochs: training loss {rows[-1]['train_loss']:.3f}"
    tested = [row["test_accuracy"] for row in rows if row["test_accuracy"] is not None]
    if tested:
        accuracy.set_title(f"test accuracy {tested[-1]:.1%} (best {max(tested):.1%})", fontsize="medium")
        alt += f", test accuracy {tested[-1]:.1%}"
    loss.set_title("training: augmented, smoothed targets", fontsize="medium")
    figure.savefig(Path(path), dpi=120, format="png", metadata={"Description": alt})
    return alt


def draw_runs(runs, path):
    """Draw the accuracy of several runs on test images, over epochs and over seconds of training, to a PNG file.

    runs: {name: rows, as for draw_curves}. Of runs that keep averages of their weights, the averages' accuracy is drawn
    too, as a dashed line. Returns the figure's alternative text, which is also stored in the file. Raises ValueError
    where there is nothing to draw.
    """
    if not runs:
        raise ValueError("there is nothing to draw: name at least one run")
    for name, rows in runs.items():
        if all(row["test_accuracy"] is None for row in rows):
            raise ValueError(f"{name} has no accuracy on test images: it was not tested yet, or has none")
    from matplotlib.figure import Figure
    figure = Figure(figsize=(10, 4), layout="constrained")
    by_epoch, by_time = figure.subplots(1, 2, sharey=True)
    for number, (name, rows) in enumerate(runs.items()):
        style = {"color": COLORS[number % len(COLORS)], "marker": "osvD^"[number % 5] if len(rows) < 9 else None}
        minutes = list(itertools.accumulate(row["seconds"] / 60 for row in rows))
        for axis, xs in ((by_epoch, [row["epoch"] for row in rows]), (by_time, minutes)):
            for key, line in (("test_accuracy", "-"), ("ema_accuracy", "--")):
                known = [(x, row[key]) for x, row in zip(xs, rows) if row[key] is not None]
                if known:
                    places, values = zip(*known)
                    axis.plot(places, [100 * value for value in values], linestyle=line, **style,
                              label=f"{name} {max(values):.1%}" + (" (averaged)" if line == "--" else ""))
    by_epoch.set(xlabel="epoch", ylabel="accuracy on test images (%)")
    by_epoch.xaxis.get_major_locator().set_params(integer=True)
    by_time.set(xlabel="minutes of training")
    for axis in (by_epoch, by_time):
        axis.grid(alpha=0.3)
    by_time.legend(title="best", fontsize="small")
    alt = "Accuracy on test images over epochs and minutes; best: " + ", ".join(
        f"{name} {max(row['test_accuracy'] or 0.0 for row in rows):.1%}" for name, rows in runs.items())
    figure.savefig(Path(path), dpi=120, format="png", metadata={"Description": alt})
    return alt


def draw_probe(rows, path):
    """Draw the accuracy of a linear probe and of nearest neighbours over the training images that they saw, to a PNG
    file. rows: those of `minivit.train.probe`. Returns the figure's alternative text, which is also stored in the file.
    """
    from matplotlib.figure import Figure
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axis = figure.subplots()
    for (key, label), color, marker in zip((("linear", "linear"), ("knn", "nearest neighbours")), COLORS, "os"):
        axis.plot([row["images"] for row in rows], [100 * row[key] for row in rows], color=color, marker=marker,
                  label=label)
    axis.set(xscale="log", xlabel="training images", ylabel="accuracy on test images (%)")
    axis.grid(alpha=0.3)
    axis.legend()
    last = rows[-1]
    alt = f"Accuracy over training images, up to {last['images']:,}: linear {last['linear']:.1%}, nearest neighbours " \
          f"{last['knn']:.1%}"
    figure.savefig(Path(path), dpi=120, format="png", metadata={"Description": alt})
    return alt

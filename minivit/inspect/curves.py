"""Pictures of a run: its loss and accuracy, epoch by epoch."""
from pathlib import Path


def draw_curves(rows, path):
    """Draw the loss and the accuracy of training and test images over the epochs to a PNG file.

    rows: dictionaries with the keys of metrics.csv (`minivit.train.run.METRICS`), one an epoch. Returns the figure's
    alternative text, which is also stored in the file. Raises ValueError where there is no row.
    """
    if not rows:
        raise ValueError("there is nothing to draw: the run has not finished an epoch")
    from matplotlib.figure import Figure            # the figure alone: no display, no global state
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axis, measure, label, scale in ((loss, "loss", "cross-entropy (nats)", 1),
                                        (accuracy, "accuracy", "accuracy (%)", 100)):
        for part, color in (("train", "#0072b2"), ("test", "#d55e00")):
            values = [row[f"{part}_{measure}"] for row in rows]
            if None not in values:
                axis.plot(epochs, [scale * value for value in values], color=color, label=part,
                          marker="o" if len(rows) < 3 else None)
        axis.set(xlabel="epoch", ylabel=label)
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

"""Which classes a model takes for which."""
import numpy as np

from minivit.inspect.picture import new_figure, save, shortened


def confusion(labels, predictions, Y):
    """Counts (Y, Y): how many images of class (row) were taken for class (column)."""
    counts = np.zeros((Y, Y), np.int64)
    np.add.at(counts, (np.asarray(labels), np.asarray(predictions)), 1)
    return counts


def draw_confusion(labels, predictions, classes, path):
    """Draw the confusion matrix; a cell's colour is its share of the class. classes: names. numbers: counts (Y, Y)."""
    Y = len(classes)
    counts = confusion(labels, predictions, Y)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(3.0 + 0.3 * Y, 9)
    figure = new_figure(side + 0.6, side)
    axes = figure.subplots()
    drawn = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    figure.colorbar(drawn, label="share of the class", shrink=0.8)
    axes.set(xlabel="taken for", ylabel="is")
    if Y <= 30:                                                             # more names would cover one another
        axes.set(xticks=range(Y), yticks=range(Y))
        names = [shortened(name, 20) for name in classes]
        axes.set_xticklabels(names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize="small")
        axes.set_yticklabels(names, fontsize="small")
        for row, column in np.argwhere(counts):
            axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=7,
                      color="black" if shares[row, column] > 0.5 else "white")
    right = counts.trace() / max(counts.sum(), 1)
    axes.set_title(f"{right:.1%} of {counts.sum():,} are right", fontsize="medium")
    wrong = counts - np.diag(counts.diagonal())
    alt = f"Confusion matrix of {Y} classes: {right:.1%} of {counts.sum():,} images are right."
    if wrong.any():
        row, column = np.unravel_index(wrong.argmax(), wrong.shape)
        alt += f" The commonest mistake: {classes[row]} taken for {classes[column]}, {wrong.max()} times."
    return save(figure, path, alt, counts=counts)

"""Checks of average_gradients."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.average_gradients import average_gradients

SHAPES = ((3, 4), (1, 5), (6,))         # of a model's three parameters


def probe(function, gradients, sizes):
    """The arrays of the list, one by one."""
    result = function(gradients, sizes)
    if not isinstance(result, (list, tuple)) or len(result) != len(SHAPES):
        raise TypeError(f"average_gradients must return a list with one array for each parameter, here "
                        f"{len(SHAPES)}, not {_what(result)}")
    return tuple(result)


def _what(value):
    return f"one of {len(value)}" if isinstance(value, (list, tuple)) else f"a value of type {type(value).__name__}"


def oracle(gradients, sizes):
    """NumPy's weighted mean, of the workers that had images."""
    there = [rank for rank, size in enumerate(sizes) if size]
    return tuple(np.average(np.stack([gradients[rank][k] for rank in there]), axis=0,
                            weights=[sizes[rank] for rank in there]) for k in range(len(SHAPES)))


def cases(rng):
    def case(*sizes):
        gradients = [[rng.standard_normal(shape) for shape in SHAPES] for _ in sizes]
        return f"{len(sizes)} workers with {', '.join(map(str, sizes))} images", (gradients, list(sizes))

    return [case(8, 3), case(5, 7, 2, 6), case(1, 4, 9), case(6)]


def idle(rng):
    """Workers without images, whose gradients are nan."""
    found = []
    for sizes in ([5, 0, 3], [0, 4]):
        gradients = [[np.float32(rng.standard_normal(shape) if size else np.full(shape, np.nan)) for shape in SHAPES]
                     for size in sizes]
        found.append((f"{len(sizes)} workers with {', '.join(map(str, sizes))} images", (gradients, sizes)))
    return found


def gradient_of_the_batch(function, rng):
    """Least squares: the gradient of the mean of (x w - y)^2 / 2 over a batch, and over its parts."""
    x, y, w = rng.standard_normal((20, 6)), rng.standard_normal(20), rng.standard_normal(6)

    def gradient(cut):
        return x[cut].T @ (x[cut] @ w - y[cut]) / len(y[cut])

    sizes, ends = [3, 12, 5], [0, 3, 15, 20]
    parts = [[gradient(slice(start, end))] for start, end in zip(ends, ends[1:])]
    if np.abs(function(parts, sizes)[0] - gradient(slice(20))).max() > 1e-9:
        return "20 examples in parts of 3, 12 and 5: it is not the gradient of the mean over all 20"


def weighted(weights, idle=False):
    """A mean of gradients in which worker r has the weight weights(sizes)[r]. idle: those without images are in it."""
    def function(gradients, sizes):
        there = [rank for rank, size in enumerate(sizes) if size or idle]
        chosen = weights([sizes[rank] for rank in there])
        return [sum(weight * gradients[rank][k] for weight, rank in zip(chosen, there))
                for k in range(len(gradients[0]))]
    return function


def shares(sizes):
    return [size / sum(sizes) for size in sizes]


def two_by_two(gradients, sizes):
    total = None
    for own, size in zip(gradients, sizes):
        if size:
            total = own if total is None else [(a + b) / 2 for a, b in zip(total, own)]
    return total


def all_parameters_alike(gradients, sizes):
    means = weighted(shares)([[np.array([array.mean() for array in own])] for own in gradients], sizes)[0]
    return [np.full(array.shape, mean) for array, mean in zip(gradients[0], means)]


def flat(gradients, sizes):
    """A correct answer that lays every gradient out as one row, as a message would."""
    rows = np.stack([np.concatenate([array.ravel() for array in own]) for own in gradients])
    weights = np.array(sizes, rows.dtype) / sum(sizes)
    total = weights @ np.where(weights[:, None] > 0, rows, 0)
    ends = np.cumsum([array.size for array in gradients[0]])
    return [part.reshape(array.shape) for part, array in zip(np.split(total, ends[:-1]), gradients[0])]


def pair_by_pair(gradients, sizes):
    """A correct answer that merges a worker at a time: (mean, images) pairs."""
    mean, images = None, 0
    for own, size in zip(gradients, sizes):
        if size:
            images += size
            mean = own if mean is None else [a + (b - a) * (size / images) for a, b in zip(mean, own)]
    return mean


EXERCISE = Exercise(
    slug="average_gradients", lesson=13, minutes=15, difficulty=2,
    task="Put the gradient of a batch together from those of its parts.",
    solution=average_gradients, oracle=oracle, cases=cases, outputs=("g[0]", "g[1]", "g[2]"), probe=probe,
    extreme=idle, properties=(Property("the whole batch's gradient", gradient_of_the_batch),),
    wrong=(
        Wrong("unweighted", weighted(lambda sizes: [1 / len(sizes)] * len(sizes)), "all workers have the same weight, "
              "1 / W. An image of a small part then counts more than one of a large part: weigh each by its images, "
              "sizes[r] / sum(sizes).", specific=True),
        Wrong("sum", weighted(lambda sizes: [1] * len(sizes)), "the gradients are added up, but each is that of a "
              "mean: W workers would take steps W times as long. Weigh each by its share of the images, size / B.",
              specific=True),
        Wrong("not-divided", weighted(lambda sizes: sizes), "the weights are sizes[r], which makes the gradient of the "
              "sum over all images: divide by their number, size / B.", specific=True),
        Wrong("divided-by-workers", weighted(lambda sizes: [size / len(sizes) for size in sizes]), "the sum with "
              "weights sizes[r] is divided by the number of workers: divide by the number of images, sum(sizes).",
              specific=True),
        Wrong("divided-twice", weighted(lambda sizes: [share / len(sizes) for share in shares(sizes)]), "the weights "
              "sizes[r] / sum(sizes) already add up to 1; dividing by the number of workers again makes the step W "
              "times too short.", specific=True),
        Wrong("weights-upside-down", weighted(lambda sizes: shares([1 / size for size in sizes])), "small parts count "
              "more than large ones, like 1 / size: the weight of a part grows with its images, size / B.",
              specific=True),
        Wrong("last-worker-lost", lambda gradients, sizes: weighted(shares)(gradients[:-1] or gradients, sizes[:-1] or
              sizes), "the last worker is left out: look for [:-1], or for a range that is one too short.",
              specific=True),
        Wrong("first-worker-only", lambda gradients, sizes: list(gradients[0]), "this is gradients[0], the gradient of "
              "the first worker alone: the others have computed theirs for nothing. Go over zip(gradients, sizes).",
              specific=True),
        Wrong("two-by-two", two_by_two, "each gradient is averaged with the mean of those before it, (a + b) / 2: the "
              "last worker then has half of all weight, the one before it a quarter.", specific=True),
        Wrong("by-largest", weighted(lambda sizes: [size / max(sizes) for size in sizes]), "the weights are sizes[r] "
              "/ max(sizes), and do not add up to 1: divide by sum(sizes)."),
        Wrong("mean-over-parameter", all_parameters_alike, "the mean runs over the numbers of a parameter as well: "
              "every number keeps its own place, only workers are averaged."),
        Wrong("nan-of-the-idle", weighted(shares, idle=True), "a worker without images has the weight 0, but its "
              "gradients are nan, and 0 * nan is nan: leave it out (if size > 0).", specific=True)),
    correct=(flat, pair_by_pair),
    hints=(
        "Write the mean over all B images as a sum over workers. What stands in front of each worker's mean?",
        "g = sum_r sizes[r] / sum(sizes) * g_r, for each parameter on its own. What is 0 * nan?",
        "Loop over zip(gradients, sizes), leave out those with size 0, and add array * (size / sum(sizes)) for each "
        "array of the list. Make new arrays: the gradients belong to the workers."),
    why="The unweighted mean is right only where all parts are equally large, which is why it goes unnoticed until the "
        "last batch of an epoch. PyTorch's DistributedDataParallel computes it, and leaves it to you to keep parts "
        "equal. minivit weighs where it costs nothing: every part divides its loss by the images of the whole batch, "
        "and gradients are simply added up (minivit/train/gradients.py). A part without images then adds 0.")

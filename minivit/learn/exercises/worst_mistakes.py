"""Checks of worst_mistakes."""
import math

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.worst_mistakes import worst_mistakes


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def oracle(logits, labels, n):
    """With Python's own numbers, image by image."""
    found = []
    for number, (row, label) in enumerate(zip(logits.tolist(), labels.tolist())):
        top = max(row)
        if row[label] != top:
            found.append((sum(math.exp(value - top) for value in row), number))     # 1 / confidence
    return np.array([number for _, number in sorted(found)[:n]], dtype=int)


def case(rng, B, Y, n):
    """Logits of images that differ in how high and how far apart they are; a third of the answers is right."""
    logits = rng.uniform(0.3, 1.5, (B, 1)) * rng.standard_normal((B, Y)) + 3 * rng.standard_normal((B, 1))
    labels = np.where(np.arange(B) % 3 == 0, logits.argmax(axis=1), (logits.argmax(axis=1) + 1 + np.arange(B)) % Y)
    return f"B, Y, n = {B}, {Y}, {n}", (logits, labels, n)


def cases(rng):
    return [case(rng, 60, 5, 12), case(rng, 40, 4, 1), case(rng, 9, 3, 20)]


def height_of_logits(function, rng):
    logits, labels, n = case(rng, 30, 4, 6)[1]
    with np.errstate(all="ignore"):
        raised = function(logits + 1000, labels, n)
    if not np.array_equal(function(logits, labels, n), raised):
        return ("1000 was added to all logits, which changes no probability, and other images come out: subtract the "
                "largest logit before exp")


def no_mistakes(function, rng):
    logits = rng.standard_normal((6, 3))
    found = np.asarray(function(logits, logits.argmax(axis=1), 4))
    if found.size:
        return f"where every answer is right there is no mistake, and yours finds {found.size}"


def variant(logits, labels, n, confidence=lambda logits, labels: softmax(logits).max(axis=1), surest=True, only=True,
            numbers=True):
    """The steps one by one, each of which may be done otherwise."""
    there = np.arange(len(labels))[logits.argmax(axis=1) != labels] if only else np.arange(len(labels))
    order = np.argsort(confidence(logits, labels)[there], kind="stable")
    order = order[::-1] if surest else order
    return (there[order] if numbers else order)[:n]


def by_masking(logits, labels, n):
    """A correct answer that marks right answers with a confidence of -1."""
    p = softmax(logits)
    confidence = np.where(p.argmax(axis=1) == labels, -1.0, p.max(axis=1))
    return np.argsort(-confidence)[:min(n, int(np.count_nonzero(confidence >= 0)))]


def margin(logits, labels):
    ordered = np.sort(softmax(logits), axis=1)
    return ordered[:, -1] - ordered[:, -2]


def of_label(logits, labels):
    return softmax(logits)[np.arange(len(labels)), labels]


EXERCISE = Exercise(
    slug="worst_mistakes", lesson=9, minutes=10, difficulty=2,
    task="Find the images whose wrong answers a model is surest of.",
    solution=worst_mistakes, oracle=oracle, cases=cases, outputs=("images",), float32=False,
    properties=(Property("height of the logits", height_of_logits), Property("no mistakes", no_mistakes)),
    wrong=(
        Wrong("least-sure-first", lambda *a: variant(*a, surest=False), "they are sorted the wrong way: np.argsort "
              "goes from small to large, and the surest come first, so sort by -p."),
        Wrong("numbers-among-mistakes", lambda *a: variant(*a, numbers=False), "these are places within the list of "
              "mistakes: look up there which images they are, mistakes[order].", specific=True),
        Wrong("right-ones-too", lambda *a: variant(*a, only=False), "images whose answers are right are among them: "
              "first select those where p.argmax(axis=1) != labels.", specific=True),
        Wrong("by-logit", lambda *a: variant(*a, confidence=lambda logits, labels: logits.max(axis=1)), "they are "
              "sorted by their largest logit: logits of different images cannot be compared, only softmax makes them "
              "so.",
              specific=True),
        Wrong("by-probability-of-label", lambda *a: variant(*a, confidence=lambda x, y: -of_label(x, y)),
              "they are sorted by how little was left for the label (the loss): asked for is how much went to the "
              "answer, p.max(axis=1) of each.",
              specific=True),
        Wrong("by-margin", lambda *a: variant(*a, confidence=margin), "they are sorted by the distance from the "
              "largest probability to the second: asked for is the largest itself, p.max(axis=1) and nothing less. No "
              "np.sort of p is needed.", specific=True),
        Wrong("in-order-of-images", lambda logits, labels, n: np.flatnonzero(logits.argmax(axis=1) != labels)[:n],
              "these are the first n mistakes there are: they have to be sorted by confidence first, "
              "mistakes[order[:n]] with the order by np.argsort.", specific=True),
        Wrong("all-of-them", lambda logits, labels, n: variant(logits, labels, len(labels)), "all mistakes are "
              "returned: keep the first n, [:n].")),
    correct=(variant, by_masking),
    hints=(
        "Three steps: which images are mistakes, how sure was the model of each, sort. Which numbers does np.argsort "
        "return, and of what list?",
        "mistakes = np.flatnonzero(answer != labels); confidence = p.max(axis=1) of these; argsort of the negative "
        "confidence gives places in `mistakes`.",
        "p is softmax of the logits along axis 1, with the row's maximum subtracted first; then return "
        "mistakes[order[:n]] where order is np.argsort(-p[mistakes].max(axis=1))."),
    why="Accuracy is one number for a thousand images; twenty pictures say more about what to do next. Sorting by loss "
        "finds much the same images, in another order, and needs the label's probability alone.")

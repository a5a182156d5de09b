"""Checks of hard_distill_loss."""
import numpy as np

from minivit.data import Batch
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.hard_distill_loss import hard_distill_loss, log_softmax, softmax
from minivit.modes import using
from minivit.tensor import Tensor
from minivit.train import Distillation


def oracle(of_class, of_teacher, teacher, labels):
    """minivit's loss for a student with two heads, and its gradients by autograd."""
    heads = Tensor(of_class, requires_grad=True), Tensor(of_teacher, requires_grad=True)
    batch = Batch(np.empty((len(labels), 0)), labels, np.arange(len(labels)))
    with using("composed"):
        loss = Distillation(lambda images: teacher, "hard", 0.5)(heads, batch)
        loss.backward()
    return loss.item(), heads[0].grad, heads[1].grad


def case(rng, B, Y, scale=1.0):
    """Logits and labels where no two of label, teacher and heads always agree, if there are classes enough."""
    of_class, of_teacher, teacher = scale * rng.standard_normal((3, B, Y))
    chosen = rng.integers(Y, size=(4, B))
    chosen[:, 0] = np.arange(4) % Y                     # label, teacher, class head, distillation head
    for logits, classes in zip((teacher, of_class, of_teacher), chosen[1:]):
        logits[np.arange(B), classes] = logits.max(axis=1) + scale
    return f"B {B}, Y {Y}", (of_class, of_teacher, teacher, chosen[0])


def cases(rng):
    return [case(rng, 4, 7), case(rng, 1, 5), case(rng, 6, 4), case(rng, 3, 1)]


def extreme(rng):
    *logits, labels = case(rng, 3, 4, scale=5000.0)[1]
    return [("3x4, logits around 10,000", tuple(array.astype(np.float32) for array in logits) + (labels,))]


def numeric(of_class, of_teacher, teacher, labels):
    def loss(logits, classes):
        return (np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(classes)), classes]).mean() / 2

    answers = teacher.argmax(axis=1)
    return (loss(of_class, labels) + loss(of_teacher, answers),
            numeric_gradient(lambda x: loss(x, labels), of_class, 1.0),
            numeric_gradient(lambda x: loss(x, answers), of_teacher, 1.0))


def only_the_choice_counts(function, rng):
    of_class, of_teacher, teacher, labels = case(rng, 4, 5)[1]
    apart = abs(function(of_class, of_teacher, teacher, labels)[0] - function(of_class, of_teacher, 3 * teacher,
                                                                              labels)[0])
    if apart > 1e-9:
        return (f"the teacher's logits were multiplied by 3, which changes none of its answers: the loss must stay, "
                f"and yours changes by {apart:.3g}")


def one_hot(classes, like):
    return np.eye(like.shape[1], dtype=like.dtype)[classes]


def variant(of_class, of_teacher, teacher, labels, *, of_head=lambda right, answers: (right, answers),
            answer=lambda teacher, of_class, of_teacher: one_hot(teacher.argmax(axis=1), teacher),
            weights=(0.5, 0.5), gradients=None, images=None):
    """The steps one by one, each of which may be done otherwise: the targets of both heads, the weights of both."""
    heads, images = (of_class, of_teacher), images or len(labels)
    targets = of_head(one_hot(labels, teacher), answer(teacher, of_class, of_teacher))
    loss = sum(-weight * (rows * log_softmax(logits)).sum() for weight, rows, logits in zip(weights, targets, heads))
    dclass, ddist = (weight * (softmax(logits) - rows) / images
                     for weight, rows, logits in zip(gradients or weights, targets, heads))
    return loss / images, dclass, ddist


def image_by_image(of_class, of_teacher, teacher, labels):
    """A correct answer with one image at a time."""
    loss, gradients = of_class.dtype.type(0), [np.empty_like(of_class), np.empty_like(of_teacher)]
    for b, label in enumerate(labels):
        for logits, dlogits, wanted in zip((of_class, of_teacher), gradients, (label, np.argmax(teacher[b]))):
            logp = logits[b] - np.logaddexp.reduce(logits[b])
            loss -= logp[wanted]
            dlogits[b] = np.exp(logp)
            dlogits[b, wanted] -= 1
    scale = 1 / (2 * len(labels))
    return loss * scale, gradients[0] * scale, gradients[1] * scale


def of_averaged_logits(of_class, of_teacher, teacher, labels):
    """Both losses of the mean of the logits, which both heads get half the gradient of."""
    mean = (of_class + of_teacher) / 2
    loss, dclass, ddist = variant(mean, mean, teacher, labels)
    return loss, (dclass + ddist) / 2, (dclass + ddist) / 2


def exchanged(*arguments):
    loss, dclass, ddist = variant(*arguments)
    return loss, ddist, dclass


def against(*arguments):
    loss, dclass, ddist = variant(*arguments)
    return loss, -dclass, -ddist


def answering(answer):
    return lambda *arguments: variant(*arguments, answer=answer)


EXERCISE = Exercise(
    slug="hard_distill_loss", lesson=15, minutes=15, difficulty=2,
    task="Write the loss of hard distillation for a student with two heads, and its gradients by both heads' logits.",
    solution=hard_distill_loss, oracle=oracle, cases=cases, outputs=("loss", "dclass", "ddist"), extreme=extreme,
    numeric=numeric, properties=(Property("only the teacher's choice counts", only_the_choice_counts),),
    wrong=(
        Wrong("no-half", lambda *a: variant(*a, weights=(1.0, 1.0)), "the factor 1/2 is missing, so divide by 2 * B: "
              "label and teacher have half of the loss each, so that it is no larger than one cross-entropy.",
              specific=True),
        Wrong("half-in-the-loss-alone", lambda *a: variant(*a, gradients=(1.0, 1.0)), "the gradients lack the factor "
              "1/2 that stands in the loss: divide them by 2 * B as well.", specific=True),
        Wrong("half-for-the-teacher-alone", lambda *a: variant(*a, weights=(1.0, 0.5)), "the labels' part has its full "
              "weight: both parts have 1/2, and so dclass is divided by 2 * B.", specific=True),
        Wrong("soft-teacher", answering(lambda teacher, of_class, of_teacher: softmax(teacher)), "the distillation "
              "head learns the teacher's probabilities: that is soft distillation with T = 1. Hard means its choice, "
              "the argmax, and nothing of how sure it was.", specific=True),
        Wrong("heads-exchanged", lambda *a: variant(*a, of_head=lambda right, answers: (answers, right)), "the class "
              "head learns from the teacher and the distillation head from the labels: of_class goes with labels, "
              "of_teacher with answers.", specific=True),
        Wrong("labels-for-both", lambda *a: variant(*a, of_head=lambda right, answers: (right, right)), "both heads "
              "learn the labels, and the teacher plays no part.", specific=True),
        Wrong("teacher-for-both", lambda *a: variant(*a, of_head=lambda right, answers: (answers, answers)), "both "
              "heads learn from the teacher, and the labels play no part.", specific=True),
        Wrong("student-s-own-choice", answering(lambda teacher, of_class, of_teacher: one_hot(
              of_teacher.argmax(axis=1), teacher)), "the distillation head learns its own choice: the argmax is that "
              "of the teacher's logits.", specific=True),
        Wrong("choice-of-the-class-head", answering(lambda teacher, of_class, of_teacher: one_hot(
              of_class.argmax(axis=1), teacher)), "the distillation head learns what the class head chooses: the "
              "argmax is that of the teacher's logits.", specific=True),
        Wrong("least-likely", answering(lambda teacher, of_class, of_teacher: one_hot(teacher.argmin(axis=1),
                                                                                      teacher)), "this is the class "
              "that the teacher finds least likely: argmax, not argmin."),
        Wrong("loss-of-averaged-logits", of_averaged_logits, "the heads were averaged before the loss, (of_class + "
              "of_teacher) / 2: that is for answering. In training each head has a loss of its own, or they would "
              "learn the same.", specific=True),
        Wrong("gradients-exchanged", exchanged, "the gradients come in the wrong order: return loss, dclass, ddist."),
        Wrong("no-mean", lambda *a: variant(*a, images=1), "this is the sum over the images: divide loss and gradients "
              "by B."),
        Wrong("mean-over-all", lambda *a: variant(*a, images=a[0].size), "you divide by B * Y: cross-entropy is a mean "
              "over images, and a sum over classes."),
        Wrong("sign", against, "the sign of the gradients is wrong: they point to where the loss grows, "
              "softmax(of_class) - target.")),
    correct=(variant, image_by_image),
    hints=(
        "It is cross-entropy twice, with different logits and different classes. Which logits meet which classes?",
        "The teacher's choice is teacher.argmax(axis=1), a class for each image like a label. Cross-entropy's gradient "
        "by its logits is (softmax - 1 at the class) / B, here times 1/2.",
        "np.eye(Y, dtype=of_class.dtype)[classes] has a row for each image, 1 at its class. Loss: minus the sum of "
        "rows * log_softmax(logits) over both heads, divided by 2 B. Gradients: softmax(logits) less its rows, also "
        "divided by 2 B."),
    why="There is no temperature to choose, and nothing to weigh: a teacher's choice is a label like any other, and of "
        "alpha only the half is left. What makes it more than the label a second time is that the teacher looks at the "
        "image as the student gets it, cut and turned: where a 7 has become a 2, it says so. The gradients of the two "
        "heads meet in the encoder, and add up there.")

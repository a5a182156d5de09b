"""Checks of soft_distill_loss."""
import numpy as np

from minivit.data import Batch
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.soft_distill_loss import log_softmax, soft_distill_loss, softmax
from minivit.modes import using
from minivit.tensor import Tensor
from minivit.train import Distillation


def oracle(student, teacher, labels, T, alpha):
    """minivit's loss for a student with one head, and its gradient by autograd."""
    logits = Tensor(student, requires_grad=True)
    batch = Batch(np.empty((len(labels), 0)), labels, np.arange(len(labels)))
    with using("composed"):
        loss = Distillation(lambda images: teacher, "soft", alpha, T, "batchmean")(logits, batch)
        loss.backward()
    return loss.item(), logits.grad


def case(rng, B, Y, scale=1.0):
    T, alpha = float(rng.choice([1.7, 2.5, 4.0])), float(rng.choice([0.2, 0.3, 0.7]))
    student, teacher = scale * rng.standard_normal((2, B, Y))
    return f"B {B}, Y {Y}, T {T}, alpha {alpha}", (student, 2 * teacher, rng.integers(Y, size=B), T, alpha)


def cases(rng):
    return [case(rng, 4, 7), case(rng, 1, 5), case(rng, 6, 3), case(rng, 3, 1)]


def extreme(rng):
    arguments = case(rng, 3, 4, scale=2000.0)[1]
    logits = tuple(array.astype(np.float32) for array in arguments[:2])
    return [("3x4, logits around 2,000", logits + arguments[2:])]


def numeric(student, teacher, labels, T, alpha):
    def loss(student):
        log_s, log_p, log_q = (x - np.logaddexp.reduce(x, axis=1, keepdims=True)
                               for x in (student, teacher / T, student / T))
        of_labels = -log_s[np.arange(len(labels)), labels].mean()
        return (1 - alpha) * of_labels + alpha * T ** 2 * (np.exp(log_p) * (log_p - log_q)).sum() / len(labels)

    return loss(student), numeric_gradient(loss, student, 1.0)


def nothing_left_to_learn(function, rng):
    student, _, labels, T, _ = case(rng, 4, 5)[1]
    loss, dstudent = function(student, student + 3.0, labels, T, 1.0)
    if abs(loss) > 1e-9 or np.abs(dstudent).max() > 1e-9:
        return (f"with alpha 1, and a teacher whose logits are the student's plus 3, there is nothing left to learn: "
                f"loss and gradient are 0; yours are {loss:.3g} and up to {np.abs(dstudent).max():.3g}")


def rows_add_up_to_zero(function, rng):
    worst = np.abs(function(*case(rng, 4, 7)[1])[1].sum(axis=1)).max()
    if worst > 1e-9:
        return (f"a row of dstudent must add up to 0: adding a constant to all logits of an image changes no "
                f"probability; yours adds up to {worst:.3g}")


def forward_kl(p, log_p, q, log_q):
    return (p * (log_p - log_q)).sum(), q - p


def reversed_kl(p, log_p, q, log_q):
    ratio = log_q - log_p
    return (q * ratio).sum(), q * (ratio - (q * ratio).sum(axis=1, keepdims=True))


def cross_entropy(p, log_p, q, log_q):
    return -(p * log_q).sum(), q - p


def variant(student, teacher, labels, T, alpha, *, divergence=forward_kl, T_student=None, T_teacher=None, T_labels=1.0,
            of_loss=None, of_gradient=None, weights=None, images=None, sign=1.0, rows=np.array):
    """The steps one by one, each of which may be done otherwise. divergence returns its sum over the batch and the
    gradient by the scaled logits, which `of_loss` and `of_gradient` are multiplied by."""
    B, Y = student.shape
    T_student, T_teacher = T_student or T, T_teacher or T
    labels_weight, teacher_weight = weights or (1 - alpha, alpha)
    right = np.eye(Y, dtype=student.dtype)[rows(labels)]
    p, q = softmax(teacher / T_teacher), softmax(student / T_student)
    found, slope = divergence(p, log_softmax(teacher / T_teacher), q, log_softmax(student / T_student))
    of_loss = T ** 2 if of_loss is None else of_loss
    of_gradient = of_loss / T_student if of_gradient is None else of_gradient
    hard = -(right * log_softmax(student / T_labels)).sum()
    loss = labels_weight * hard + teacher_weight * of_loss * found
    dstudent = labels_weight * (softmax(student / T_labels) - right) / T_labels + teacher_weight * of_gradient * slope
    return loss / (images or B), sign * dstudent / (images or B)


def image_by_image(student, teacher, labels, T, alpha):
    """A correct answer with one image at a time, by logarithms of sums."""
    loss, dstudent = student.dtype.type(0), np.zeros_like(student)
    for b, label in enumerate(labels):
        log_s, log_p, log_q = (x - np.logaddexp.reduce(x) for x in (student[b], teacher[b] / T, student[b] / T))
        loss += alpha * T * T * np.sum(np.exp(log_p) * (log_p - log_q)) - (1 - alpha) * log_s[label]
        dstudent[b] = (1 - alpha) * np.exp(log_s) + alpha * T * (np.exp(log_q) - np.exp(log_p))
        dstudent[b, label] -= 1 - alpha
    return loss / len(labels), dstudent / len(labels)


def teacher_s_logits(student, teacher, labels, T, alpha):
    """The distance of logits where that of probabilities belongs."""
    loss, dstudent = variant(student, teacher, labels, T, alpha, weights=(1 - alpha, 0.0))
    apart = student - teacher
    return loss + alpha * (apart ** 2).mean(), dstudent + 2 * alpha * apart / apart.size


def with_switches(switches):
    """A wrong answer: `variant` with what switches(B, Y, T, alpha) says."""
    return lambda student, teacher, labels, T, alpha: variant(
        student, teacher, labels, T, alpha, **switches(*student.shape, T, alpha))


EXERCISE = Exercise(
    slug="soft_distill_loss", lesson=15, minutes=25, difficulty=2,
    task="Write the loss of soft distillation, and its gradient by the student's logits.",
    solution=soft_distill_loss, oracle=oracle, cases=cases, outputs=("loss", "dstudent"), extreme=extreme,
    numeric=numeric, properties=(Property("nothing left to learn", nothing_left_to_learn),
                                 Property("rows add up to 0", rows_add_up_to_zero)),
    wrong=(
        Wrong("no-T-squared", with_switches(lambda B, Y, T, alpha: {"of_loss": 1.0}), "the factor T^2 is missing, in "
              "the loss and in the gradient: the gradient of KL falls as 1 / T^2, so without it a higher temperature "
              "would silence the teacher.", specific=True),
        Wrong("T-for-T-squared", with_switches(lambda B, Y, T, alpha: {"of_loss": T}), "KL was multiplied by T: it is "
              "T^2. (One T is lost by dividing the logits, another because softened probabilities lie closer "
              "together.)", specific=True),
        Wrong("T-squared-in-the-loss-alone", with_switches(lambda B, Y, T, alpha: {"of_gradient": 1 / T}), "the "
              "gradient lacks the T^2 that stands in the loss: T^2 / T = T is left of it.", specific=True),
        Wrong("gradient-forgets-1/T", with_switches(lambda B, Y, T, alpha: {"of_gradient": T ** 2}), "the gradient "
              "forgets that the student's logits were divided by T: the chain rule divides by T once more, and T^2 / T "
              "= T is left.", specific=True),
        Wrong("KL-the-other-way-round", with_switches(lambda B, Y, T, alpha: {"divergence": reversed_kl}), "KL is the "
              "wrong way round: weigh the logarithms with the teacher's probabilities, sum p log(p / q). (The paper's "
              "eq. 2 writes the student first; its code computes this.)", specific=True),
        Wrong("mean-over-classes", lambda student, teacher, labels, T, alpha: variant(
              student, teacher, labels, T, alpha, of_loss=T ** 2 / student.shape[1]), "KL was divided by the number of "
              "classes too, as DeiT's code does: this one is a sum over classes, a mean over images.", specific=True),
        Wrong("T-on-the-student-alone", with_switches(lambda B, Y, T, alpha: {"T_teacher": 1.0}), "the temperature is "
              "missing at the teacher: p = softmax(teacher / T). Both are softened, or equal logits would not be "
              "equal answers.", specific=True),
        Wrong("T-on-the-teacher-alone", with_switches(lambda B, Y, T, alpha: {"T_student": 1.0}), "the temperature is "
              "missing at the student: q = softmax(student / T).", specific=True),
        Wrong("logits-times-T", with_switches(lambda B, Y, T, alpha: {"T_student": 1 / T, "T_teacher": 1 / T}),
              "logits were multiplied by T: they are divided by it, teacher / T and student / T. Above 1 it makes "
              "probabilities more alike.", specific=True),
        Wrong("T-for-the-labels-too", with_switches(lambda B, Y, T, alpha: {"T_labels": T}), "the labels' "
              "cross-entropy is softened as well: it is that of the logits as they are, log_softmax(student), and its "
              "gradient has softmax(student).", specific=True),
        Wrong("cross-entropy-for-KL", with_switches(lambda B, Y, T, alpha: {"divergence": cross_entropy}), "this is "
              "the cross-entropy with the teacher's probabilities, -sum p log q: KL has sum p log p in it too. (The "
              "gradient is the same; the loss could never be 0.)", specific=True),
        Wrong("alpha-exchanged", with_switches(lambda B, Y, T, alpha: {"weights": (alpha, 1 - alpha)}), "alpha and "
              "1 - alpha are exchanged: alpha is the teacher's weight."),
        Wrong("labels-not-weighed", with_switches(lambda B, Y, T, alpha: {"weights": (1.0, alpha)}), "the labels' "
              "cross-entropy has its full weight: it is 1 - alpha, what the teacher leaves."),
        Wrong("no-mean", with_switches(lambda B, Y, T, alpha: {"images": 1}), "this is the sum over the images: divide "
              "loss and gradient by B."),
        Wrong("logits-for-probabilities", teacher_s_logits, "this compares logits: KL compares probabilities, the "
              "softmax of logits / T. (For a large T the two come close, up to a constant in each row.)",
              specific=True),
        Wrong("teacher-alone", with_switches(lambda B, Y, T, alpha: {"weights": (0.0, alpha)}), "the labels play no "
              "part: (1 - alpha) times their cross-entropy is missing."),
        Wrong("sign", with_switches(lambda B, Y, T, alpha: {"sign": -1.0}), "the sign is wrong, as in dstudent = "
              "-(...): a gradient points to where the loss grows, towards q - p.")),
    correct=(variant, image_by_image),
    hints=(
        "Two losses that you know, of one set of logits. The second is a cross-entropy whose targets are p, less "
        "something that the student cannot change. What is cross-entropy's gradient by the logits it was given?",
        "By the logits student / T the gradient of KL is (q - p) / B. The chain rule divides by T, the loss multiplies "
        "by T^2. The labels' part has (s - 1 at the label) / B.",
        "right = np.eye(Y, dtype=student.dtype)[labels]; CE from log_softmax(student), KL from log_softmax(teacher / "
        "T) - log_softmax(student / T) weighed with p. Gradient: (1 - alpha) times one difference, alpha * T times "
        "another, all divided by B."),
    why="For a large T the softmax is almost a straight line, softmax(x / T) = (1 + (x - mean) / T) / Y or nearly so, "
        "and alpha T (q - p) becomes alpha (student - teacher) / Y, each less its mean: the student is led to the "
        "teacher's logits themselves, all of them alike (Hinton et al. 2015, section 2.1). At T = 1 it is led to its "
        "probabilities, where a class that the teacher rules out counts for nothing. T is the choice between the two, "
        "and T^2 keeps the teacher equally loud meanwhile.")

"""Hard distillation: one head learns the labels, the other what the teacher would answer.

    loss = 1/2 CE(of_class, labels) + 1/2 CE(of_teacher, answers)           answers[b] = argmax over y of teacher[b, y]

    CE(logits, classes) = -1/B sum_b log softmax(logits)[b, class of b]

Shapes: logits (B, Y) of the student's class head (of_class), of its distillation head (of_teacher) and of the teacher;
labels (B,), integers. The teacher learns nothing. Logits may be large numbers.
"""
import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def hard_distill_loss(of_class, of_teacher, teacher, labels):
    """(loss, dclass, ddist): a number, and its gradients (B, Y) by the logits of both heads of the student."""
    B, Y = teacher.shape
    right = np.eye(Y, dtype=of_class.dtype)[labels]
    answers = np.eye(Y, dtype=of_class.dtype)[teacher.argmax(axis=1)]
    loss = -(right * log_softmax(of_class) + answers * log_softmax(of_teacher)).sum() / (2 * B)
    dclass = (softmax(of_class) - right) / (2 * B)
    ddist = (softmax(of_teacher) - answers) / (2 * B)
    return loss, dclass, ddist

"""Soft distillation: a student learns from the labels and from what a teacher says of every class.

    loss = (1 - alpha) CE + alpha T^2 KL

    CE = -1/B sum_b log s[b, label of b]                        s = softmax(student)
    KL = 1/B sum_b sum_y p[b, y] log(p[b, y] / q[b, y])         p = softmax(teacher / T), q = softmax(student / T)

Shapes: logits of student and teacher (B, Y), softmax over the classes; labels (B,), integers. T > 0 is the temperature,
alpha from 0 to 1 the weight of the teacher. The teacher learns nothing, so the gradient is that by the student's logits
alone; s and q are both made of them. Logits may be large numbers.
"""
import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def soft_distill_loss(student, teacher, labels, T, alpha):
    """(loss, dstudent): a number, and its gradient (B, Y) by the student's logits."""
    B, Y = student.shape
    right = np.eye(Y, dtype=student.dtype)[labels]
    of_labels = -(right * log_softmax(student)).sum() / B
    p, q = softmax(teacher / T), softmax(student / T)
    of_teacher = (p * (log_softmax(teacher / T) - log_softmax(student / T))).sum() / B

    loss = (1 - alpha) * of_labels + alpha * T ** 2 * of_teacher
    dstudent = ((1 - alpha) * (softmax(student) - right) + alpha * T * (q - p)) / B
    return loss, dstudent

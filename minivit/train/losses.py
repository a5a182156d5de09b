"""What a model is trained to make small: `loss(outputs, batch, images)`, a scalar Tensor.

    Classification   CE(logits, labels)
    Distillation     (1 - alpha) CE(logits, labels) + alpha T(logits', t)        t = teacher(images), logits too
        hard         T = CE(logits', argmax t)
        soft         T = tau^2 sum over images of KL(softmax(t / tau) || softmax(logits' / tau)), divided by
                     B ("batchmean", the definition) or by B * Y ("numel", as in DeiT's code: Y times weaker)

logits' are those of the distillation head, where the model has one; a model with one head learns both from it, as in
Hinton et al. 2015, arXiv 1503.02531. Without a teacher both heads learn the labels.

outputs: logits (B, Y), or a distilled model's pair of them. batch: a Batch, or the part of one that was computed; the
labels are its targets, which mixing images makes soft.
images: of how many images the whole batch is (None: these), so that the losses of its parts add up to its mean.

Source: Touvron et al. 2020, arXiv 2012.12877, eq. 2 (soft; alpha is lambda there) and 3 (hard). Lesson 15 derives them.
"""
import numpy as np

from minivit import ops
from minivit.backend import beside, xp_of
from minivit.errors import unknown
from minivit.modes import no_grad
from minivit.tensor import Tensor

KINDS, REDUCTIONS = ("hard", "soft"), ("numel", "batchmean")


class Classification:
    """Cross-entropy with the labels; of a pair of outputs the mean of both."""

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = label_smoothing

    def __call__(self, outputs, batch, images=None):
        heads = outputs if isinstance(outputs, tuple) else (outputs,)
        losses = [ops.cross_entropy(logits, batch.targets, self.label_smoothing, images) for logits in heads]
        return losses[0] if len(losses) == 1 else (losses[0] + losses[1]) * 0.5


class Distillation:
    """Cross-entropy with the labels, and agreement with `teacher`: images (B, C, Sy, Sx) -> logits (B, Y), an array.

    kind: "hard" or "soft". alpha: the teacher's weight, 0 to 1. tau: the temperature of soft distillation.
    kl_reduction: "numel" or "batchmean". Raises ValueError for anything else.
    """

    def __init__(self, teacher, kind="hard", alpha=0.5, tau=1.0, kl_reduction="numel", label_smoothing=0.0):
        for what, name, names in (("kind of distillation", kind, KINDS), ("kl_reduction", kl_reduction, REDUCTIONS)):
            if name not in names:
                raise ValueError(unknown(what, name, names))
        if not 0 <= alpha <= 1 or not 0 < tau < float("inf"):
            raise ValueError(f"distillation needs 0 <= alpha <= 1 and a temperature tau > 0, not alpha {alpha} and "
                             f"tau {tau}")
        self.teacher, self.kind, self.alpha, self.tau, self.kl_reduction = teacher, kind, alpha, tau, kl_reduction
        self.classification = Classification(label_smoothing)

    def __call__(self, outputs, batch, images=None):
        of_class, of_teacher = outputs if isinstance(outputs, tuple) else (outputs, outputs)
        opinion = self.teacher(batch.images)
        if opinion.shape != of_teacher.shape:
            raise ValueError(f"the teacher's logits are {opinion.shape}, the student's {of_teacher.shape}: both must "
                             f"know the same classes")
        agreement = self._hard if self.kind == "hard" else self._soft
        return self.classification(of_class, batch, images) * (1 - self.alpha) \
            + agreement(of_teacher, opinion, images or len(batch)) * self.alpha

    def _hard(self, logits, opinion, images):
        return ops.cross_entropy(logits, opinion.argmax(axis=1), images=images)

    def _soft(self, logits, opinion, images):
        with no_grad():
            logp = ops.log_softmax(Tensor(opinion) * (1 / self.tau)).data
        p = xp_of(logp).exp(logp)
        cross_entropy = ops.cross_entropy(logits * (1 / self.tau), p, images=images)
        divergence = cross_entropy + (p * logp).sum() / images              # KL = cross-entropy - entropy of p
        return divergence * (self.tau ** 2 / (opinion.shape[1] if self.kl_reduction == "numel" else 1))


class Teacher:
    """A trained model that is asked about a student's images, which were normalised with `data`'s mean and std.

    model: with a card, as one that was loaded has it. Raises ValueError where it takes other images, or does not know
    the same classes.
    """

    def __init__(self, model, data):
        config, card, (Sy, Sx, C) = model.config, model.card, data.train.images.shape[1:]
        if (*config.image_size, config.in_chans) != (Sy, Sx, C):
            raise ValueError(f"the teacher takes images of {config.image_size} with {config.in_chans} channel(s), the "
                             f"data has {(Sy, Sx)} with {C}: train a teacher on such images")
        if tuple(card.classes) != tuple(data.classes):
            raise ValueError(f"the teacher knows other classes, {_few(card.classes)}, than the data has, "
                             f"{_few(data.classes)}")
        self.model = model.eval()
        mean, std, its_mean, its_std = (np.reshape(np.float32(numbers), (-1, 1, 1))
                                        for numbers in (data.mean, data.std, card.mean, card.std))
        weights = next(model.parameters()).data
        self.scale, self.offset = beside(std / its_std, weights), beside((mean - its_mean) / its_std, weights)

    def __call__(self, images):
        """Logits (B, Y) of normalised images (B, C, Sy, Sx)."""
        with no_grad():
            return self.model(Tensor(images * self.scale + self.offset)).data


def _few(names):
    return f"{len(names)} ({', '.join(names[:3])}, ...)"

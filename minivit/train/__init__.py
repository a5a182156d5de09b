"""Training: the loop, the run folder, evaluation. It writes numbers and draws nothing."""
from minivit.train.config import TrainConfig
from minivit.train.evaluate import evaluate, logits_of
from minivit.train.loop import train_epoch
from minivit.train.losses import Classification, Distillation, Teacher
from minivit.train.run import RunFolder, find_weights
from minivit.train.setup import trainer_from
from minivit.train.trainer import Trainer
from minivit.train.workers import Workers

__all__ = ["Classification", "Distillation", "RunFolder", "Teacher", "TrainConfig", "Trainer", "Workers", "evaluate",
           "find_weights", "logits_of", "train_epoch", "trainer_from"]

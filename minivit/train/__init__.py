"""Training: the loop, the run folder, evaluation. It writes numbers and draws nothing."""
from minivit.train.config import TrainConfig
from minivit.train.evaluate import evaluate, logits_of
from minivit.train.fit import fit_data
from minivit.train.loop import train_epoch
from minivit.train.losses import Classification, Distillation, Teacher
from minivit.train.probe import probe, without_head
from minivit.train.recipe import RECIPES, read_recipe, recipe_text, trainer_of
from minivit.train.run import RunFolder, find_weights
from minivit.train.setup import trainer_from
from minivit.train.trainer import Trainer
from minivit.train.workers import Workers

__all__ = ["Classification", "Distillation", "RECIPES", "RunFolder", "Teacher", "TrainConfig", "Trainer", "Workers",
           "evaluate", "find_weights", "fit_data", "logits_of", "probe", "read_recipe", "recipe_text", "train_epoch",
           "trainer_from", "trainer_of", "without_head"]

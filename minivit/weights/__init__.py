"""Weights in files."""
from minivit.weights.model_file import SavedModel, load_model, save_model
from minivit.weights.store import WeightsError, load_arrays, save_arrays, write_atomic

__all__ = ["SavedModel", "WeightsError", "load_arrays", "load_model", "save_arrays", "save_model", "write_atomic"]

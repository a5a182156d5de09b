"""Weights in files: minivit's own, and those of timm, DeiT, Hugging Face and Google.

    saved = load("ViT-Ti_16.npz")               # whoever wrote it
    print(saved.report)                         # what became of every array
    saved.model, saved.classes, saved.preprocessing
    save("vit", saved, format="huggingface")    # a folder that transformers loads
"""
from minivit.weights.load import load
from minivit.weights.model_file import SavedModel
from minivit.weights.report import Report
from minivit.weights.save import save
from minivit.weights.store import WeightsError, load_arrays, save_arrays, write_atomic

__all__ = ["Report", "SavedModel", "WeightsError", "load", "load_arrays", "save", "save_arrays", "write_atomic"]

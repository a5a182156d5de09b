"""Weights in files: minivit's own, and those of timm, DeiT, Hugging Face and Google.

    import minivit.weights

    model, report = minivit.weights.load(path, head="keep")     # whoever wrote it; what became of every array
    model.card.classes, model.card.preprocessing                # what its outputs and inputs mean
    minivit.weights.save(model, path, format="huggingface")     # or "minivit", "timm", "google"
"""
from minivit.weights.card import Card, card_of
from minivit.weights.load import load
from minivit.weights.report import Report
from minivit.weights.save import save
from minivit.weights.store import WeightsError, load_arrays, save_arrays, write_atomic

__all__ = ["Card", "Report", "WeightsError", "card_of", "load", "load_arrays", "save", "save_arrays", "write_atomic"]

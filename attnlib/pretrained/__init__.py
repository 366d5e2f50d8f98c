"""Trained models, read from their files and run on attnlib's own rooms.

    model = load_minilm()     an encoder of 2020: sentences to vectors
    model = load_smollm()     a language model of 2024: text to more text

Nothing is downloaded: the weights come with packages that requirements-model.txt names,
and each file is checked by its SHA-256.
"""

from attnlib.pretrained.minilm import MiniLM, load_minilm
from attnlib.pretrained.smollm import SmolLM, load_smollm

__all__ = ["MiniLM", "SmolLM", "load_minilm", "load_smollm"]

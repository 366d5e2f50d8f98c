"""The record of `experiments.by_name` is what the chapter and the script say."""

import numpy as np

from attnlib.data import recorded
from experiments import by_name
from experiments.common import fingerprint, tagged

RECORD = recorded("by_name")


def test_settings_are_the_script_s():
    assert RECORD["settings"] == by_name.SETTINGS


def test_the_cells_that_were_run_are_the_chapter_s():
    found = fingerprint(tagged(by_name.CHAPTER))
    assert found == RECORD["cells"], "run it anew: python -m experiments.by_name"


def test_every_model_has_its_curves():
    settings, results = RECORD["settings"], RECORD["results"]
    assert list(results) == settings["models"]
    wanted = len(settings["seeds"]), settings["steps"] // 1000
    assert all(np.shape(runs) == wanted for runs in results.values())

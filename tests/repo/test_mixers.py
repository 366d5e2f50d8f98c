"""The record of `experiments.mixers` is what the chapter and the script say."""

import numpy as np

from attnlib.data import recorded
from experiments import mixers
from experiments.common import fingerprint, tagged

RECORD = recorded("mixers")


def test_settings_are_the_script_s():
    assert RECORD["settings"] == mixers.SETTINGS


def test_the_cells_that_were_run_are_the_chapter_s():
    found = fingerprint(tagged(mixers.CHAPTER))
    assert found == RECORD["cells"], "run it anew: python -m experiments.mixers"


def test_every_remedy_has_its_curves():
    settings, results = RECORD["settings"], RECORD["results"]
    assert list(results) == list(settings["runs"])
    wanted = len(settings["seeds"]), settings["parts"]
    assert all(np.shape(runs) == wanted for runs in results.values())

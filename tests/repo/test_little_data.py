"""The record of `experiments.little_data` is what the chapter and the script say."""

import numpy as np

from attnlib.data import recorded
from experiments import little_data
from experiments.common import fingerprint, tagged

RECORD = recorded("little_data")


def test_settings_are_the_script_s():
    assert RECORD["settings"] == little_data.SETTINGS


def test_the_cells_that_were_run_are_the_chapter_s():
    found = fingerprint(tagged(little_data.CHAPTER))
    assert found == RECORD["cells"], "run it anew: python -m experiments.little_data"


def test_every_seed_has_its_curve():
    runs = RECORD["results"]
    assert [run["seed"] for run in runs] == RECORD["settings"]["seeds"]
    assert all(run["steps"][-1] == RECORD["settings"]["steps"] for run in runs)
    assert np.shape([run["network"] for run in runs]) == (3, 10)

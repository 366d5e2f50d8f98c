"""What was recorded is what the scripts would run: code, settings, shape of results."""

import datetime
import importlib

import numpy as np
import pytest

from attnlib import data
from course.paths import ROOT
from experiments.__main__ import NAMES
from experiments.common import fingerprint, tagged

CHAPTER = {"practice": "09_practice"}


@pytest.mark.parametrize("name", NAMES)
def test_a_record_says_on_what_it_rests(name):
    record = data.recorded(name)
    assert {*record} == {
        "date", "hardware", "torch", "numpy", "cells", "settings", "results"
    }  # fmt: skip
    datetime.date.fromisoformat(record["date"])


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_the_script_s(name):
    script = importlib.import_module(f"experiments.{name}")
    assert data.recorded(name)["settings"] == script.SETTINGS


@pytest.mark.parametrize("name", CHAPTER)
def test_the_cells_that_were_run_are_the_chapter_s(name):
    found = fingerprint(tagged(CHAPTER[name]))
    assert found == data.recorded(name)["cells"], "run it anew: make experiments"


def test_a_fingerprint_sees_code_and_no_layout():
    same = fingerprint(["x = 1  # one"]), fingerprint(["import re\nx = 1"])
    assert same[0] == same[1] != fingerprint(["x = 2"])


def test_every_run_of_chapter_9_is_there():
    record = data.recorded("practice")
    settings, results = record["settings"], record["results"]
    found = {
        "dates": [results["dates"][part] for part in ("unseen", "neighbours")],
        "text": [results["text"][part] for part in ("learn", "test")],
        "images": [model["test"] for model in results["images"].values()],
    }
    for part, runs in found.items():
        wanted = len(settings[part]["steps"]), len(settings[part]["seeds"])
        assert all(np.shape(run) == wanted for run in runs), part


def test_trained_parameters_are_stored_for_two_models():
    names = {key.partition(".")[0] for key in data.trained("practice")}
    assert names == {"translator", "language_model"}


def test_make_knows_the_experiments():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-m experiments\n" in text

"""What an experiment recorded is what the chapter and the script say.

The record of `experiments.practice`, which has more parts, has its own test.
"""

import numpy as np
import pytest
import torch

from attnlib.data import recorded, trained
from course import notebooks
from course.paths import CHAPTERS
from experiments import by_name, freedom, gpt, hybrids, kernel, little_data, mixers
from experiments.common import fingerprint, names, tagged

EXPERIMENTS = {
    "by_name": by_name,
    "freedom": freedom,
    "gpt": gpt,
    "hybrids": hybrids,
    "little_data": little_data,
    "mixers": mixers,
}
every = pytest.mark.parametrize("name", EXPERIMENTS)


@every
def test_settings_are_the_script_s(name):
    assert recorded(name)["settings"] == EXPERIMENTS[name].SETTINGS


@every
def test_the_cells_that_were_run_are_the_chapter_s(name):
    found = fingerprint(tagged(EXPERIMENTS[name].CHAPTER))
    wanted = recorded(name)["cells"]
    assert found == wanted, f"run it anew: python -m experiments.{name}"


def test_an_in_depth_that_reads_a_record_has_the_cells_that_were_run():
    found = fingerprint(tagged("in_depth_08_little_data"))
    assert found == recorded("little_data")["cells"]


def test_the_kernel_that_was_run_is_the_one_that_is_shown():
    """Triton is not installed here: the page shows the file that the script ran."""
    shown = [
        cell.source.partition("```python\n")[2].partition("\n```")[0]
        for cell in notebooks.read(CHAPTERS / f"{kernel.CHAPTER}.ipynb").cells
        if "@triton.jit" in cell.source
    ]
    assert shown == [kernel.source()]
    record = recorded("kernel")
    assert record["cells"] == fingerprint(shown)
    assert record["settings"] == kernel.SETTINGS
    shapes, faults = (kernel.SETTINGS[key] for key in ("shapes", "faults"))
    results = record["results"]
    assert np.shape([*results["differences"].values()]) == (len(shapes), 6, 2)
    assert np.shape([*results["faults"].values()]) == (len(faults), len(shapes))
    text = kernel.source()
    assert all(text.count(old) == 1 for old, _ in faults.values())


def test_every_model_has_its_curves():
    settings, results = (recorded("by_name")[key] for key in ("settings", "results"))
    assert list(results) == settings["models"]
    wanted = len(settings["seeds"]), settings["steps"] // 1000
    assert all(np.shape(runs) == wanted for runs in results.values())


def test_every_remedy_has_its_curves():
    settings, results = (recorded("mixers")[key] for key in ("settings", "results"))
    assert list(results) == list(settings["runs"])
    wanted = len(settings["seeds"]), settings["parts"]
    assert all(np.shape(runs) == wanted for runs in results.values())


def test_every_pattern_of_layers_has_its_starts():
    settings, results = (recorded("hybrids")[key] for key in ("settings", "results"))
    assert list(results) == [f"{layers}: {plan}" for layers, plan in settings["runs"]]
    assert np.shape([*results.values()]) == (5, len(settings["seeds"]))
    lengths = {sum(steps for _, steps in plan) for plan in settings["plans"].values()}
    assert lengths == {1500}  # as many steps for each


def test_every_seed_has_its_curve():
    settings, runs = (recorded("little_data")[key] for key in ("settings", "results"))
    assert [run["seed"] for run in runs] == settings["seeds"]
    assert all(run["steps"][-1] == settings["steps"] for run in runs)
    assert np.shape([run["network"] for run in runs]) == (3, 10)


def test_every_model_has_its_runs():
    settings, results = (recorded("freedom")[key] for key in ("settings", "results"))
    for name in ("capacity", "longer"):
        part = settings[name]
        wanted = len(part["runs"]), len(part["examples"])
        assert np.shape(results[name]) == wanted
    part = settings["rivals"]
    assert list(results["rivals"]) == list(part["tasks"])
    for found in results["rivals"].values():
        assert list(found) == list(part["models"])
        runs = [one[what] for one in found.values() for what in ("error", "right")]
        assert np.shape(runs)[1] == part["data sets"]


def test_every_start_of_the_gpt_has_its_curves():
    settings, results = (recorded("gpt")[key] for key in ("settings", "results"))
    part = settings["train"]
    assert [run["seed"] for run in results["train"]] == part["seeds"]
    assert part["stops"][-1] == part["steps"]
    for run in results["train"]:
        assert {len(run[name]) for name in run if name != "seed"} == {
            len(part["stops"])
        }
    part = settings["rivals"]
    for name in ("tokens", "letters"):
        assert {*map(len, results["rivals"][name].values())} == {part[name]}
    grown = results["rivals"]["along"]
    assert {*map(len, grown.values())} == {part["along"]["orders"]}
    for name in ("tokens", "along"):
        assert results["rivals"][f"model and {name}"]["part"] in part["parts"]
    part = settings["fine-tuning"]
    assert {*results["fine-tuning"]} == {"before", *part["arms"]}
    assert all(
        results["fine-tuning"][arm]["rate"] in part["rates"] for arm in part["arms"]
    )


def test_the_stored_gpt_is_the_first_of_those_that_were_measured():
    """Rounding its weights to half precision moves it by less than a hundredth."""
    chapter = names(tagged(gpt.CHAPTER))
    model = chapter.GPT()
    weights = trained("gpt").items()
    model.load_state_dict({name: torch.from_numpy(w) for name, w in weights})
    read = chapter.novels["Emma"][:60_000]
    measured = recorded("gpt")["results"]["train"][0]["read"][-1]
    assert chapter.bits(model, read) == pytest.approx(measured, abs=0.005)

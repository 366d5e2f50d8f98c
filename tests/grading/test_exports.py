"""What Canvas and Moodle take back: read by readers of their published formats."""

import json

import pytest

from grading import exports, intake, points, settings
from grading.notebook import read_assignment
from grading.scoring import Result, Row
from tests.grading import platforms
from tests.grading.hostile import books

BOOK = books.text(books.submission())
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Notes,Exercises 3 (77),Essay (78),\
Exercises Current Score,Final Score
,,,,,,Manual Posting,,,
    Points Possible,,,,,,15,10,(read only),(read only)
"Lima, Ana",12345,s1,ana@x,"Group 1, morning",tall,,8,80.00,80.00
"Noël, Zoé",12346,s2,zoe@x,Group 1,,3,,20.00,20.00
"Wu, Bo",12347,s3,bo@x,Group 2,,11,,,
"Lee, Kim",12348,s4,kim@x,Group 2,,N/A,7,,
"""
MOODLE = """\
Identifier,"Full name","Email address",Status,Grade,"Maximum Grade",\
"Grade can be changed","Last modified (submission)","Last modified (grade)",\
"Feedback comments"
"Participant 123456","Ana María Lima",ana@x,"Submitted for grading - ",,15.00,Yes,\
"Sunday, 29 November 2026, 9:14 AM",-,
"Participant 123457","Bo Wu",bo@x,"Submitted for grading - Graded",3.00,15.00,Yes,\
"Sunday, 29 November 2026, 9:14 AM","Monday, 30 November 2026, 9:14 AM","well, well"
"Participant 123458","Zoé Noël",zoe@x,"No submission",,15.00,Yes,-,-,
"Participant 123459","Kim Lee",kim@x,"Submitted for grading - ",,15.00,Yes,-,-,
"""
FILES = {
    "canvas": {
        "limaana_12345_901_03_scaling.ipynb": 7.5,
        "noelzoe_LATE_12346_902_03_scaling-1.ipynb": 0,
        "wubo_12347_903_03_scaling.ipynb": None,
    },
    "moodle": {
        "Ana María Lima_123456_assignsubmission_file_/03_scaling.ipynb": 7.5,
        "Bo Wu_123457_assignsubmission_file/03_scaling.ipynb": 0,
        "Kim Lee_123459_assignsubmission_file_03_scaling.ipynb": None,
    },
}
HARM = "</p><script>x</script> *b* [a](b) $x$ =1+1"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "release.ipynb").write_bytes(books.text(books.release()))
    (tmp_path / "gradebook.csv").write_text(CANVAS, encoding="utf-8")
    (tmp_path / "worksheet.csv").write_text(MOODLE, encoding="utf-8")
    return tmp_path


def exported(place, platform, **changes):
    """Hand in the files of a platform, with these points; return what is exported."""
    for name in FILES[platform]:
        path = place / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BOOK)
    assignment = read_assignment(place / "release.ipynb")
    rules = settings.Settings(
        **{
            "canvas": place / "gradebook.csv" if platform == "canvas" else None,
            "canvas_column": "Exercises 3",
            "moodle": place / "worksheet.csv" if platform == "moodle" else None,
        }
        | changes
    )
    scores = {path.rpartition("/")[0] or path: s for path, s in FILES[platform].items()}
    results = {}
    for student, handed in intake.find(place / "in", assignment)[0].items():
        score = scores["/".join(handed.file.parts[:-1]) or handed.file.path]
        row = Row("scaled_scores", score, 15, "wrong", HARM, share=(score or 0) / 15)
        found = points.graded(handed, Result([row]), assignment, rules)
        found.result.rows[0].score = score
        results[student] = found
    return exports.files(assignment, results, rules)


def as_bytes(files, name):
    """The bytes of a file that would be written."""
    return files[name] if isinstance(files[name], bytes) else files[name].encode()


def test_canvas_takes_the_grades_of_this_assignment_and_nothing_else(place):
    files, remarks = exported(place, "canvas")
    grades, most = platforms.canvas_import(as_bytes(files, "canvas.csv"))
    assert grades == {
        "12345": {"Exercises 3 (77)": "7.5"},
        "12346": {"Exercises 3 (77)": "0"},
        "12347": {"Exercises 3 (77)": "11"},  # as it was: an answer is still to read
        "12348": {"Exercises 3 (77)": "N/A"},
    }
    assert most == {"Exercises 3 (77)": "15"}
    assert remarks == ["canvas.csv leaves out 1 students with answers still to read"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";").replace('"Lima; Ana"', '"Lima, Ana"'),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("SIS User ID,", "").replace(",s1,", ","),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("Exercises 3 (77)", "Exercises 3 (of two) (77)"),
    ],
)
def test_other_gradebooks_of_canvas(place, change):
    text = change(CANVAS)
    if "SIS User ID" not in text:
        for number in "234":
            text = text.replace(f",s{number},", ",")
        text = text.replace(",,,,,,Man", ",,,,,Man").replace("e,,,,,,15", "e,,,,,15")
    (place / "gradebook.csv").write_bytes(text.encode())
    column = "Exercises 3 (of two)" if "of two" in text else "Exercises 3"
    files, _ = exported(place, "canvas", canvas_column=column)
    grades, _ = platforms.canvas_import(as_bytes(files, "canvas.csv"))
    assert [*grades["12345"].values()] == ["7.5"]
    assert [*grades["12348"].values()] == ["N/A"]


def test_moodle_takes_the_worksheet(place):
    files, remarks = exported(place, "moodle")
    found = platforms.moodle_import(as_bytes(files, "moodle.csv"), most=15)
    assert {number: grade for number, (grade, _) in found.items()} == {
        "123456": 7.5,
        "123457": 0,
    }
    assert found["123457"][1] == "well, well"
    comment = found["123456"][1]
    assert comment.startswith(
        "scaled_scores: 7.5 of 3 points. &lt;/p&gt;&lt;script&gt;"
    )
    assert remarks == ["moodle.csv leaves out 1 students with answers still to read"]
    before = [row.split(",")[:3] for row in MOODLE.splitlines()]
    after = [row.split(",")[:3] for row in files["moodle.csv"].splitlines()]
    assert [r[0] for r in after] == [r[0].strip('"') for r in before]


def test_moodle_in_another_language(place):
    text = MOODLE.replace("Status,Grade,", "Status,Bewertung,")
    (place / "worksheet.csv").write_text(text, encoding="utf-8")
    with pytest.raises(settings.SettingsError, match=r"no column 'Grade'.*Bewertung"):
        exported(place, "moodle")
    files, _ = exported(place, "moodle", moodle_column="Bewertung")
    data = as_bytes(files, "moodle.csv")
    assert platforms.moodle_import(data, "Bewertung", 15)["123456"][0] == 7.5


@pytest.mark.parametrize(
    ("platform", "name", "old", "new"),
    [
        ("canvas", "gradebook.csv", ",15,10", ",100,10"),
        ("moodle", "worksheet.csv", "15.00", "100,00".replace(",", ".")),
    ],
)
def test_another_maximum_is_told_and_nothing_written(place, platform, name, old, new):
    path = place / name
    path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")
    files, remarks = exported(place, platform)
    assert f"{platform}.csv" not in files
    assert "maximum of 100" in remarks[0]


@pytest.mark.parametrize(
    ("platform", "changes", "reason"),
    [
        ("canvas", {"canvas_column": "Exercise"}, "must name one column.*Essay"),
        ("moodle", {"moodle_column": "Points"}, "no column 'Points'"),
    ],
)
def test_a_column_that_is_not_there_is_named(place, platform, changes, reason):
    with pytest.raises(settings.SettingsError, match=reason):
        exported(place, platform, **changes)


def test_a_file_that_is_not_there_is_named(place):
    with pytest.raises(settings.SettingsError, match="cannot be read"):
        exported(place, "canvas", canvas=place / "nothing.csv")


def test_canvas_takes_feedback_as_comments(place):
    files, _ = exported(place, "canvas")
    attachments = {
        "901": ("12345", "03_scaling.ipynb"),
        "902": ("12346", "03_scaling-1.ipynb"),
        "903": ("12347", "03_scaling.ipynb"),
    }
    found = platforms.canvas_comments(files["canvas-feedback.zip"], attachments)
    assert sorted(found) == ["12345", "12346", "12347"]
    ((name, data),) = found["12345"]
    (cell,) = json.loads(data)["cells"]
    assert name == "03_scaling.ipynb"
    assert "7.5 of 3 points" in cell["source"]
    assert r"\<script\>" in cell["source"]
    assert r"\[a\]\(b\)" in cell["source"]


def test_moodle_takes_feedback_files(place):
    files, _ = exported(place, "moodle")
    people = {"123456", "123457", "123458", "123459"}
    found = platforms.moodle_feedback(files["moodle-feedback.zip"], people)
    assert sorted(found) == ["123456", "123457", "123459"]
    assert {name for pages in found.values() for name, _ in pages} == {"feedback.html"}
    assert b"7.5 of 3 points" in found["123456"][0][1]
    assert b"<script" not in found["123456"][0][1]


def test_files_are_the_same_in_every_run(place):
    assert exported(place, "moodle") == exported(place, "moodle")


def test_plain_folders_export_nothing(place):
    for name in ("ana", "bo"):
        (place / "in" / name).mkdir(parents=True)
        (place / "in" / name / "x.ipynb").write_bytes(BOOK)
    assignment = read_assignment(place / "release.ipynb")
    chosen, _ = intake.find(place / "in", assignment)
    row = Row("scaled_scores", 3, 3, "right", share=1.0)
    results = {
        name: points.graded(one, Result([row]), assignment, settings.DEFAULTS)
        for name, one in chosen.items()
    }
    assert exports.files(assignment, results, settings.DEFAULTS) == ({}, [])

"""Points that a teacher types: no run loses them, wherever they were typed."""

import pytest

from grading import marks, outputs
from grading.notebook import Question
from grading.points import Graded
from grading.scoring import Result, Row
from tests.grading.hostile import books, run

QUESTION = books.WRITTEN


class Release:
    """What marks need of an assignment."""

    questions = (Question("scaled_scores", 3, False), Question(QUESTION, 6, True))


def written(out, text, encoding="utf-8"):
    """Write written.csv as a spreadsheet would."""
    out.mkdir(exist_ok=True)
    (out / "written.csv").write_bytes(text.encode(encoding))


def results(*students):
    """Results of students who wrote an answer."""
    return {
        name: Graded(
            Result(
                [Row("scaled_scores", 0, 3, "wrong"), Row(QUESTION, None, 6, "to read")]
            ),
            late=False,
        )
        for name in students
    }


def graded(place, *options):
    """Grade ana's and bo's notebooks; return {student: written score} and the run."""
    (place / "release.ipynb").write_bytes(books.text(books.release()))
    for name in ("ana", "=bo"):
        path = place / "in" / name / "release.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(books.text(books.submission()))
    done = run.grade(
        [place / "release.ipynb", place / "in", "--out", place / "out", *options]
    )
    rows = run.table(place / "out" / "grades.csv")
    found = {r["student"]: r["score"] for r in rows if r["question"] == QUESTION}
    return found, done


def test_points_outlive_every_run(tmp_path):
    """Typed into either table; regraded with new cases; with totals."""
    run.need_sandbox()
    out = tmp_path / "out"
    assert graded(tmp_path)[0] == {"ana": "", "'=bo": ""}
    text = (out / "written.csv").read_text("utf-8-sig")
    assert f"ana,{QUESTION},,\n" in text
    (out / "written.csv").write_text(
        text.replace(f"ana,{QUESTION},,", f"ana,{QUESTION},4.5,fine")
    )
    mine = (out / "written.csv").read_bytes()
    table = (out / "grades.csv").read_text("utf-8-sig").splitlines(keepends=True)
    at = next(
        n for n, row in enumerate(table) if row.startswith(f"'=bo,release,{QUESTION}")
    )
    table[at] = table[at].replace(QUESTION + ",,", QUESTION + ",2,")
    (out / "grades.csv").write_text("".join(table))
    found, done = graded(tmp_path, "--new-cases")
    assert found == {"ana": "4.5", "'=bo": "2"}
    assert "1 points typed into grades.csv are now in written.csv" in done.stdout
    assert "grades.csv was changed by hand: kept as" in done.stdout
    assert mine.decode() in (out / "written.csv").read_text("utf-8-sig")
    assert graded(tmp_path, "--new-cases")[0] == found
    totals = {r["student"]: r for r in run.table(out / "totals.csv")}
    assert (totals["ana"]["points"], totals["ana"]["max"]) == ("13.5", "15")
    assert totals["ana"]["open"] == "0"
    assert "fine" in (out / "feedback" / "ana.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("student,question,points,comment\nZoé,{q},2.5,ok\n", "utf-8"),
        ("Student;Question;Points;Comment\r\nZoé;{q};2,5;ok", "cp1252"),
        ("student\tquestion\tpoints\tcomment\nZoé\t{q}\t2,5\tok\n", "utf-16"),
        ("question,student,points,comment\n{q},Zoé,2.5,ok\n", "utf-8-sig"),
    ],
)
def test_written_csv_from_any_spreadsheet(tmp_path, text, encoding):
    written(tmp_path, text.format(q=QUESTION), encoding)
    found = marks.read_marks(tmp_path / "written.csv", Release)
    assert found["Zoé", QUESTION].points == 2.5
    assert found["Zoé", QUESTION].comment == "ok"
    marks.ask_for(tmp_path, found, results("Zoé", "Max"))
    again = marks.read_marks(tmp_path / "written.csv", Release)
    assert again["Zoé", QUESTION] == found["Zoé", QUESTION]
    assert again["Max", QUESTION].points is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("ana,essay,2,\n", "line 2: there is no question 'essay'"),
        (f"ana,{QUESTION},7,\n", "from 0 to 6, got '7'"),
        (f"ana,{QUESTION},nan,\n", "from 0 to 6, got 'nan'"),
        (f"ana,{QUESTION},good,\n", "from 0 to 6, got 'good'"),
        (f"ana,{QUESTION},2,\nana,{QUESTION},3,\n", "line 3: ana"),
    ],
)
def test_what_cannot_be_taken_is_named(tmp_path, lines, reason):
    written(tmp_path, "student,question,points,comment\n" + lines)
    with pytest.raises(marks.MarksError, match=reason):
        marks.take_up(tmp_path, Release)


def test_a_table_without_its_head_is_named(tmp_path):
    written(tmp_path, f"ana,{QUESTION},2\n")
    with pytest.raises(marks.MarksError, match="first line must name"):
        marks.take_up(tmp_path, Release)


def test_two_tables_that_disagree_are_not_merged(tmp_path):
    written(tmp_path, f"student,question,points,comment\nana,{QUESTION},2,\n")
    text = f"student,question,score,status\nana,{QUESTION},3,to read\n"
    (tmp_path / "grades.csv").write_text(text)
    with pytest.raises(marks.MarksError, match=r"3 points .* and 2 into written.csv"):
        marks.take_up(tmp_path, Release)
    assert (tmp_path / "grades.csv").read_text() == text


def test_a_machines_score_corrected_in_the_table_is_kept(tmp_path):
    for path, score in (
        (tmp_path / "state/grades.csv", 0),
        (tmp_path / "grades.csv", 2),
    ):
        text = f"student,question,score,status\nana,scaled_scores,{score},wrong\n"
        outputs.write_atomically(path, text)
    found, _ = marks.take_up(tmp_path, Release)
    done = results("ana")
    assert marks.apply(found, done) == []
    row = done["ana"].result.rows[0]
    assert (row.score, row.status) == (2, "marked")


def test_points_for_nobody_are_told(tmp_path):
    written(tmp_path, f"student,question,points,comment\nanna,{QUESTION},2,\n")
    found, _ = marks.take_up(tmp_path, Release)
    assert "line 2: nobody called anna" in marks.apply(found, results("ana"))[0]


def test_any_file_changed_by_hand_is_kept(tmp_path):
    outputs.publish(tmp_path, {"feedback/ana.html": "one"})
    (tmp_path / "feedback" / "ana.html").write_text("mine")
    kept = outputs.publish(tmp_path, {"feedback/ana.html": "two"})
    assert kept == [("feedback/ana.html", "feedback/ana (changed by hand 1).html")]
    assert (tmp_path / kept[0][1]).read_text() == "mine"
    assert (tmp_path / "feedback" / "ana.html").read_text() == "two"
    assert outputs.publish(tmp_path, {"feedback/ana.html": "three"}) == []

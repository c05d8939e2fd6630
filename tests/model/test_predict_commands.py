"""Commands `predict`, `evaluate` and `train`, on the shipped model."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from abs_index.cli.main import app
from abs_index.errors import LabelsError, RejectedError, UsageError
from abs_index.labels import ABS, KINDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (120, 80), "grey").save(tmp_path / "grey.png")
    lines = (
        {
            "text": "A grey thing.",
            "image": "grey.png",
            "abs": "equal",
            "role": "caption",
            "kind": "photo",
            "cmi": 2,
            "split": split,
        }
        for split in ("train", "test", "test")
    )
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_predict_prints_label_and_probabilities(folder: Path) -> None:
    result = run("predict", folder / "grey.png", "--text", "A grey  thing.", "--device", "cpu")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] in ABS
    assert [line.split()[1] for line in lines[1:4]] == list(ABS)
    assert lines[4].split()[1] in KINDS
    assert 0 <= float(lines[5].removeprefix("cmi: ")) <= 1


def test_predict_as_json_knows_roles(folder: Path) -> None:
    caption, mention = (
        json.loads(run("predict", folder / "grey.png", "--text", "It is grey.", "--role", role, "--json").stdout)
        for role in ("caption", "mention")
    )
    assert set(caption) == {"abs", "abs_prob", "kind", "kind_prob", "cmi"}
    assert sum(caption["abs_prob"].values()) == pytest.approx(1, abs=1e-3)
    assert 0 <= caption["cmi"] <= 1
    assert caption["abs"] == max(caption["abs_prob"], key=caption["abs_prob"].get)
    assert caption["abs_prob"] != mention["abs_prob"]


def test_predict_is_told_alternative_text_and_caption(folder: Path) -> None:
    def probabilities(*more: str) -> dict[str, float]:
        said = run("predict", folder / "grey.png", "--text", "A grey thing.", "--role", "mention", "--json", *more)
        found: dict[str, float] = json.loads(said.stdout)["abs_prob"]
        return found

    alone = probabilities()
    assert probabilities("--alt", "A grey  wall.") != alone
    assert probabilities("--caption", "A grey wall.") == probabilities("--alt", "A grey wall.")
    refused = run("predict", folder / "grey.png", "--text", "A grey thing.", "--caption", "A wall.")
    assert isinstance(refused.exception, UsageError)
    assert "goes with --role mention" in str(refused.exception)


def test_predict_names_a_file_that_is_missing_or_no_picture(folder: Path) -> None:
    missing = run("predict", folder / "none.png", "--text", "x")
    assert isinstance(missing.exception, UsageError)
    assert "none.png: cannot be read: No such file" in str(missing.exception)
    (folder / "text.png").write_text("no picture")
    foreign = run("predict", folder / "text.png", "--text", "x")
    assert isinstance(foreign.exception, RejectedError)
    assert "text.png" in str(foreign.exception)


def test_evaluate_scores_the_chosen_split(folder: Path) -> None:
    result = json.loads(run("evaluate", folder / "labels.jsonl", "--split", "test", "--json", "--quiet").stdout)
    assert result["n"] == 2
    assert set(result) >= {"accuracy", "macro_f1", "per_class", "confusion", "kind_accuracy"}
    assert (result["cmi_correlation"], result["cmi_pairs"]) == (None, 2)
    assert result["per_kind"]["photo"]["support"] == 2
    assert set(result["per_class"]["equal"]) == {"precision", "recall", "f1", "support"}
    assert sum(map(sum, result["confusion"])) == 2
    everything = json.loads(run("evaluate", folder / "labels.jsonl", "--root", folder, "--json", "--quiet").stdout)
    assert everything["n"] == 3


def test_evaluate_prints_a_table(folder: Path) -> None:
    result = run("evaluate", folder / "labels.jsonl", "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("3 pairs: accuracy")
    assert "equal" in result.stdout
    assert result.stdout.splitlines()[-1] == "cmi: rank correlation with the labels not defined (3 pairs)"


def test_evaluate_tells_the_model_what_documents_say(folder: Path) -> None:
    article = """<html><body><article><h1>Walls</h1><figure id="f"><img src="grey.png" alt="A grey wall in sunlight.">
        <figcaption>A grey thing.</figcaption></figure><p>See <a href="#f">it</a>.</p></article></body></html>"""
    (folder / "walls.html").write_text(article)
    line = {"text": "A wall is grey in sunlight.", "image": "grey.png", "abs": "equal"}
    told = line | {"document": "walls.html", "figure": "f"}
    (folder / "told.jsonl").write_text(json.dumps(told) + "\n" + json.dumps(line) + "\n")
    said = run("evaluate", folder / "told.jsonl", "--json")
    assert "alternative texts and captions: from the documents of 1 of 2 pairs" in said.stderr
    alone = run("evaluate", folder / "told.jsonl", "--json", "--no-documents")
    assert "alternative texts" not in alone.stderr
    errors = [json.loads(one.stdout)["calibration_error"] for one in (said, alone)]
    assert errors[0] != errors[1]


def test_evaluate_says_what_is_wrong_with_labels(folder: Path) -> None:
    result = run("evaluate", folder / "labels.jsonl", "--root", folder / "elsewhere", "--quiet")
    assert isinstance(result.exception, LabelsError)
    assert "line 1: image 'grey.png' is not below" in str(result.exception)


def test_train_refuses_an_unknown_recipe_before_it_reads_anything(folder: Path) -> None:
    result = run("train", "--labels", folder / "none", "--output", folder / "model", "--recipe", "none")
    assert isinstance(result.exception, UsageError)
    assert not (folder / "model").exists()

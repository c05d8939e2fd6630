from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from abs_index.search.index import Index
from tests.fakes import write_corpus
from tests.indexing.child import Child


def build(tmp_path: Path, *arguments: str) -> Child:
    child = Child(tmp_path / "printed", "build", *arguments, "--index", str(tmp_path / "index"), delay=0)
    child.wait()
    return child


def test_the_summary(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=3, figures=2, mentions=1)
    child = build(tmp_path, str(corpus))
    assert (child.process.exitcode, child.out) == (0, "")
    for words in ("3 new, 0 changed, 0 removed, 0 unchanged", "image_more_abstract", "image network", "images/s"):
        assert words in child.err
    assert "nothing to embed" in build(tmp_path, str(corpus)).err


def test_json_is_for_machines(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=2, figures=1, mentions=1)
    summary = json.loads(build(tmp_path, str(corpus), "--json", "--quiet", "--workers", "1", "--batch-size", "2").out)
    assert (summary["documents"], summary["figures"], summary["pairs"]) == (2, 2, 4)
    changes = summary["changes"]
    assert (changes.pop("new"), changes.pop("embedded")) == (2, 2)
    assert set(changes) == {"changed", "amended", "removed", "unchanged", "refused", "read", "words", "meant"}
    assert not any(changes.values())
    assert sum(summary["labels"].values()) == 4
    assert {"read", "decode", "image network", "pair network", "write", "publish"} <= summary["seconds"].keys()


def test_rejects_fail_only_a_strict_build(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=1, figures=1)
    (corpus / "broken.xml").write_text("<article>")
    assert build(tmp_path, str(corpus)).process.exitcode == 0
    strict = build(tmp_path, str(corpus), "--strict")
    assert strict.process.exitcode == 1
    assert "error: 1 files or figures were refused (--strict)" in strict.err


def test_nothing_to_index_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "broken.xml").write_text("<article>")
    child = build(tmp_path, str(tmp_path / "corpus"))
    assert child.process.exitcode == 1
    assert "error: nothing could be indexed" in child.err
    child = build(tmp_path, str(tmp_path / "gone"))
    assert (child.process.exitcode, child.err.count("\n")) == (1, 1)
    assert child.err.startswith(f"error: {tmp_path / 'gone'}")


def write_chart(corpus: Path, words: str) -> None:
    """The one figure of a corpus becomes a picture with these words."""
    image = Image.new("RGB", (320, 200), "white")
    ImageDraw.Draw(image).text((40, 80), words, fill="black", font=ImageFont.load_default(24))
    image.save(corpus / "article-000" / "f0.png")


def test_words_in_figures_are_read_and_found(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="reading needs: pip install 'abs-index[figure-text]'")
    corpus = write_corpus(tmp_path / "corpus", documents=1, figures=1, mentions=1)
    write_chart(corpus, "Mitochondrion")
    build(tmp_path, str(corpus))
    assert not Index.open(tmp_path / "index").search("figure_text:mitochondrion")
    child = build(tmp_path, str(corpus), "--figure-text", "--workers", "1")
    assert child.process.exitcode == 0, child.err
    assert "1 read for words" in child.err
    assert "1 words found in them" in child.err
    assert len(Index.open(tmp_path / "index").search("figure_text:mitochondrion")) == 1


def test_the_recipe_can_switch_reading_on(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="reading needs: pip install 'abs-index[figure-text]'")
    corpus = write_corpus(tmp_path / "corpus", documents=1, figures=1, mentions=0)
    recipe = tmp_path / "mine.toml"
    recipe.write_text('name = "default"\n[figure_text]\nenabled = true\ndetection_side = 320\n')
    for options, read in (["--no-figure-text"], 0), ([], 1):
        summary = json.loads(build(tmp_path, str(corpus), "--recipe", str(recipe), "--json", *options).out)
        assert summary["changes"]["read"] == read

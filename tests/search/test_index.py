from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import abs_index
from abs_index.errors import ModelMismatchError, NotAnIndexError, QueryError, RejectedError, UsageError
from abs_index.indexing.publish import publish
from abs_index.indexing.table import Table
from abs_index.search.filters import Filters
from abs_index.search.fusion import fuse
from abs_index.search.hits import Hit
from abs_index.search.index import Index
from abs_index.search.snippets import cut
from tests.fakes import IMAGE_DIM, PAIR_DIM, FakeModel, write_image
from tests.search.tables import DocumentRow, FigureRow, PairRow, append, write_index


def ids(hits: list[Hit]) -> list[str]:
    return [hit.id for hit in hits]


# what a search gives


def test_a_hit_says_all_that_is_shown(index: Index) -> None:
    (hit,) = index.search("ring AND abs:image_more_abstract")
    assert hit.id == "traffic#f1"
    assert (hit.document, hit.figure, hit.label, hit.title) == ("traffic", "f1", "Figure 1", "Why traffic jams")
    assert (hit.abs, hit.kind, hit.role, hit.pair) == ("image_more_abstract", "plot", "caption", "traffic-f1-0")
    assert hit.prob == pytest.approx(0.9)
    assert hit.abs_prob == pytest.approx({"image_more_abstract": 0.9, "text_more_abstract": 0.05, "equal": 0.05})
    assert [hit.snippet[start:end] for start, end in hit.highlights] == ["ring"]
    assert (hit.image, hit.path, hit.source, hit.journal, hit.year) == (
        "images/f1.png", "traffic.xml", "one", "L'Eau (Paris)", 2015,
    )  # fmt: skip
    assert (hit.cmi, hit.figure_text) == (pytest.approx(0.1), "Density (veh/km) Detectors 1 2 3")
    json.dumps(asdict(hit), allow_nan=False)


def test_a_figure_comes_once_with_its_best_pair(index: Index) -> None:
    hits = index.search("waves traffic")
    assert sorted(ids(hits)) == ["traffic#f1", "traffic#f2", "turbine#f1"]
    assert hits[0].id == "traffic#f1"
    assert index.search("upstream")[0].pair == "traffic-f1-1"


def test_exactly_k_figures_where_k_match(tmp_path: Path) -> None:
    many = [FigureRow(f"f{at}", [PairRow("zebra " * (30 - at)) for _ in range(40)]) for at in range(7)]
    with Index.open(write_index(tmp_path / "index", [DocumentRow("d", many)])) as opened:
        for k in range(1, 9):
            found = ids(opened.search("zebra", k=k))
            assert len(found) == len(set(found)) == min(k, 7)


def test_blank_queries_list_everything_newest_first(index: Index) -> None:
    assert ids(index.search("")) == ["turbine#f1", "turbine#bare", "traffic#f1", "traffic#f2", "old#f9"]
    assert ids(index.search(" ", k=2)) == ["turbine#f1", "turbine#bare"]
    assert ids(index.search(year="2010..2020")) == ["traffic#f1", "traffic#f2"]
    assert [(hit.id, hit.pair) for hit in index.search(abs="text_more_abstract")] == [
        ("traffic#f1", "traffic-f1-1"),
        ("traffic#f2", "traffic-f2-0"),
    ]


def test_filters_apply_before_the_best_are_taken(index: Index) -> None:
    assert ids(index.search("traffic", k=1, document="turbine")) == ["turbine#f1"]
    assert ids(index.similar("traffic#f1", k=1, document="old")) == ["old#f9"]
    assert ids(index.search("traffic", journal="nowhere")) == []
    assert ids(index.similar("traffic#f1", journal="nowhere")) == []


def test_filters_as_a_value_and_by_name_are_the_same(index: Index) -> None:
    assert index.search("traffic", filters=Filters.of(kind="plot")) == index.search("traffic", kind="plot")
    with pytest.raises(UsageError, match="not both"):
        index.search("traffic", filters=Filters.of(kind="plot"), role="caption")


def test_a_figure_is_not_like_itself(index: Index) -> None:
    hits = index.similar("traffic#f1", k=100)
    assert sorted(ids(hits)) == ["old#f9", "traffic#f2", "turbine#bare", "turbine#f1"]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    bare = next(hit for hit in hits if hit.id == "turbine#bare")
    assert (bare.pair, bare.abs, bare.abs_prob, bare.snippet) == (None, None, None, "")


def test_ids_without_a_document_must_be_unique(index: Index) -> None:
    assert index.figure("f9").id == "old#f9"
    with pytest.raises(UsageError, match="name one of: traffic#f1, turbine#f1"):
        index.figure("f1")
    with pytest.raises(UsageError, match="there is no figure 'nothing'"):
        index.similar("nothing")


def test_details_hold_all_pairs_with_their_labels(index: Index) -> None:
    figure = index.figure("traffic#f1")
    assert [(pair.abs, pair.role, pair.section) for pair in figure.pairs] == [
        ("image_more_abstract", "caption", ""),
        ("text_more_abstract", "mention", "Results"),
    ]
    assert [pair.cmi for pair in figure.pairs] == pytest.approx([0.1, 0.9])
    assert figure.figure_text.startswith("Density")
    assert (index.figure("old#f9").pairs[0].cmi, index.figure("turbine#f1").figure_text) == (None, "")
    assert (figure.width, figure.authors, figure.journal) == (24, ("Ada Lovelace",), "L'Eau (Paris)")
    assert index.figure("turbine#bare").pairs == ()


@pytest.mark.parametrize("k", [0, -1])
def test_no_results_cannot_be_asked_for(index: Index, k: int) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        index.search("traffic", k=k)
    with pytest.raises(UsageError, match="1 or more"):
        index.similar("traffic#f1", k=k)


def test_errors_of_queries_come_through(index: Index) -> None:
    with pytest.raises(QueryError):
        index.search("(traffic")


# pictures


def test_the_same_picture_comes_first_and_is_not_left_out(tmp_path: Path) -> None:
    model = FakeModel()
    rows = []
    for number, color in enumerate([(250, 0, 0), (0, 250, 0), (0, 0, 250)]):
        write_image(tmp_path / f"{number}.png", color)
        with Image.open(tmp_path / f"{number}.png") as picture:
            vector = model.encode_images(model.preprocess(picture)[None]).embedding[0]
        rows.append(FigureRow(f"f{number}", [PairRow("text")], vector=vector.tolist()))
    with Index.open(write_index(tmp_path / "index", [DocumentRow("d", rows)]), model=model) as opened:
        for number in range(3):
            hits = opened.search(image=tmp_path / f"{number}.png", k=10)
            assert len(hits) == len({hit.id for hit in hits}) == 3
            assert hits[0].figure == f"f{number}"
            assert hits[0].score == pytest.approx(1, abs=1e-3)
            assert hits == opened.similar(image=str(tmp_path / f"{number}.png"), k=10)
        with Image.open(tmp_path / "1.png") as picture:
            assert opened.similar(image=picture.convert("RGBA"), k=1)[0].figure == "f1"


def test_a_text_to_a_picture_compares_pairs(tmp_path: Path) -> None:
    model = FakeModel()
    picture = Image.new("RGB", (20, 10), (200, 100, 0))
    features = model.encode_images(model.preprocess(picture)[None])
    texts = ["waves in traffic", "gel electrophoresis"]
    vectors = [model.encode_pairs(features, [text], ["caption"]).embedding[0].tolist() for text in texts]
    figures = [
        FigureRow(f"f{at}", [PairRow("x"), PairRow(text, vector=vector, role="caption")])
        for at, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    with Index.open(write_index(tmp_path / "index", [DocumentRow("d", figures)]), model=model) as opened:
        for at, text in enumerate(texts):
            hit = opened.similar(image=picture, text=text, k=1)[0]
            assert (hit.figure, hit.snippet, hit.score) == (f"f{at}", text, pytest.approx(1, abs=1e-3))
        filtered = opened.similar(image=picture, text=texts[0], k=5, role="mention")
        assert [hit.role for hit in filtered] == ["mention", "mention"]


def test_query_and_picture_are_fused_by_reciprocal_rank(index: Index) -> None:
    words, looks = ids(index.search("waves traffic", k=100)), ids(index.similar("old#f9", k=100))
    hits = index.search("waves traffic", figure="old#f9", k=3)
    assert [(hit.id, hit.score) for hit in hits] == fuse([words, looks])[:3]
    assert hits[0].highlights or hits[1].highlights
    assert "traffic#f1" not in ids(index.search("waves traffic", figure="traffic#f1", k=100))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("waves AND abs:equal", {"turbine#f1"}),
        ("waves +abs:equal", {"turbine#f1"}),
        ("waves AND (kind:photo OR kind:diagram)", {"traffic#f2", "turbine#f1"}),
        ('waves -journal:"L\'Eau (Paris)"', {"turbine#f1"}),
        ("waves AND year:[2000 TO 2016]", {"traffic#f1", "traffic#f2"}),
        ("waves abs:equal", {"traffic#f1", "traffic#f2", "turbine#f1", "turbine#bare"}),
        ("waves AND title:wind", {"traffic#f1", "traffic#f2", "turbine#f1", "turbine#bare"}),
    ],
)
def test_labels_that_a_query_requires_hold_for_pictures_too(index: Index, query: str, expected: set[str]) -> None:
    assert set(ids(index.search(query, figure="old#f9", k=100))) == expected
    hits = index.search("nothing AND abs:image_more_abstract", figure="old#f9", k=100)
    assert [(hit.id, hit.pair) for hit in hits if hit.figure == "f1"].count(("turbine#f1", "turbine-f1-1")) == 1
    assert {hit.abs for hit in hits} == {"image_more_abstract"}


def test_another_model_is_refused(folder: Path) -> None:
    with Index.open(folder, model=FakeModel("another")) as opened:
        assert opened.search("traffic")  # words need no model
        with pytest.raises(ModelMismatchError):
            opened.similar(image=Image.new("RGB", (4, 4)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either a figure of the index or an image"),
        ({"figure": "traffic#f1", "image": "a.png"}, "either a figure of the index or an image"),
        ({"figure": "traffic#f1", "text": "waves"}, "a text goes with an image"),
        ({"text": "waves"}, "a text goes with an image"),
        ({"image": "/does/not/exist.png"}, "cannot be read"),
        ({"image": "/"}, "cannot be read"),
    ],
)
def test_wrong_use_is_one_line(index: Index, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        index.similar(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\ncut"])
def test_a_picture_that_is_none_is_one_line(index: Index, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(RejectedError, match=r"a\.png: ") as caught:
        index.similar(image=tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def test_a_figure_without_an_image_has_nothing_to_compare(tmp_path: Path) -> None:
    documents = [DocumentRow("d", [FigureRow("f", [PairRow("text")], embedded=False), FigureRow("g")])]
    with Index.open(write_index(tmp_path / "index", documents)) as opened:
        with pytest.raises(UsageError, match="no image that could be embedded"):
            opened.similar("d#f")
        assert ids(opened.similar("d#g")) == []


# the whole index


def test_an_empty_index_gives_nothing(tmp_path: Path) -> None:
    with Index.open(write_index(tmp_path / "index", []), model=FakeModel()) as opened:
        assert opened.search("traffic") == opened.search("") == []
        assert opened.similar(image=Image.new("RGB", (4, 4))) == []
        assert opened.similar(image=Image.new("RGB", (4, 4)), text="traffic", abs="equal") == []


def test_an_open_index_shows_its_state_until_it_is_opened_again(tmp_path: Path) -> None:
    folder = write_index(tmp_path / "index", [DocumentRow("a", [FigureRow("f", [PairRow("zebra")])])])
    with Index.open(folder) as reader:
        table = Table.open(folder)
        append(table, [DocumentRow("b", [FigureRow("f", [PairRow("zebra")])])])
        publish(table, folder)
        table.mark_published()
        table.clean()
        publish(table, folder)
        assert ids(reader.search("zebra")) == ["a#f"]
        assert reader.figure("a#f").pairs[0].text == "zebra"
        with Index.open(folder) as fresh:
            assert sorted(ids(fresh.search("zebra"))) == ["a#f", "b#f"]


def test_not_an_index_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotAnIndexError):
        Index.open(tmp_path)
    with pytest.raises(NotAnIndexError):
        Index.open(tmp_path / "missing")


def test_several_threads_may_search(index: Index) -> None:
    expected = index.search("traffic"), index.similar("traffic#f1"), index.similar(image=Image.new("RGB", (4, 4)))
    wrong: list[object] = []

    def search() -> None:
        for _ in range(10):
            found = index.search("traffic"), index.similar("traffic#f1"), index.similar(image=Image.new("RGB", (4, 4)))
            if found != expected:
                wrong.append(found)

    threads = [Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 40), name=st.sampled_from(["equal", "image_more_abstract"]))
def test_filtered_neighbours_are_those_of_brute_force(seed: int, k: int, name: str) -> None:
    random = np.random.default_rng(seed)
    share = random.choice([0.0, 0.05, 0.5, 1.0])
    images, pairs, labels = random.standard_normal((30, IMAGE_DIM)), random.standard_normal((30, 3, PAIR_DIM)), []
    figures = []
    for at in range(30):
        labels.append([name if random.random() < share else "text_more_abstract" for _ in range(3)])
        rows = [PairRow("t", abs=label, vector=v.tolist()) for label, v in zip(labels[at], pairs[at], strict=True)]
        figures.append(FigureRow(f"f{at}", rows, vector=images[at].tolist()))
    with (
        TemporaryDirectory() as folder,
        Index.open(write_index(Path(folder) / "i", [DocumentRow("d", figures)])) as opened,
    ):
        by_image = ids(opened.similar("d#f0", k=k, abs=name))
        query = random.standard_normal(PAIR_DIM).astype(np.float32)
        by_pair = [found.figure for found in opened._engine.near_pair(query, k, Filters.of(abs=name))]
    directions = images / np.linalg.norm(images, axis=1, keepdims=True)
    scores = directions @ directions[0]
    allowed = [at for at in range(1, 30) if name in labels[at]]
    assert by_image == [f"d#f{at}" for at in sorted(allowed, key=lambda at: -scores[at])[:k]]
    cosines = (pairs / np.linalg.norm(pairs, axis=2, keepdims=True)) @ query
    best = {at: max(c for c, label in zip(cosines[at], labels[at], strict=True) if label == name) for at in range(30)
            if name in labels[at]}  # fmt: skip
    assert by_pair == sorted(best, key=lambda at: -best[at])[:k]


# public names


def test_public_names_are_where_they_are_said_to_be() -> None:
    assert sorted(abs_index._HOMES) == sorted(abs_index.__all__)
    for name in abs_index.__all__:
        assert getattr(abs_index, name).__module__ == abs_index._HOMES[name]
    assert set(abs_index.__all__) <= set(dir(abs_index))
    with pytest.raises(AttributeError):
        abs_index.nothing  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, abs_index; print([m for m in ('numpy', 'faiss', 'lance', 'tantivy', 'torch') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


# pieces


@given(st.lists(st.lists(st.integers(0, 9), unique=True, max_size=8), max_size=4))
def test_fusion_scores_are_sums_of_reciprocal_ranks(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert sorted(item for item, _ in fused) == sorted({item for ranking in rankings for item in ranking})
    for item, score in fused:
        assert score == pytest.approx(sum(1 / (61 + ranking.index(item)) for ranking in rankings if item in ranking))
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@given(st.text(alphabet="ab ", max_size=400), st.data())
def test_snippets_show_found_words_where_they_say(text: str, data: st.DataObject) -> None:
    starts = data.draw(st.lists(st.integers(0, max(0, len(text) - 3)), unique=True, max_size=5)) if text else []
    found = [(start, min(len(text), start + 2)) for start in sorted(starts)]
    snippet, highlights = cut(text, found, length=60)
    assert len(snippet) <= 62
    assert bool(highlights) == bool(found)
    shift = 0 if not snippet.startswith("…") else 1 - text.index(snippet.strip("…"))
    for start, end in highlights if len(text) <= 60 or not snippet.startswith("…") else ():
        assert (start - shift, end - shift) in found

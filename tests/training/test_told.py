"""What documents tell of the figures of labelled pairs: read from below the folder of images, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from abs_index.training.labelled import LabelledPair
from abs_index.training.told import tell_figures

MODULE = """<document xmlns="http://cnx.rice.edu/cnxml" id="m1"><title>Pumps</title><content>
<figure id="f1"><media alt="A wheel in a case."><image mime-type="image/png" src="../../media/one.png"/></media>
<caption>A pump with <emphasis>one</emphasis> wheel.</caption></figure>
<figure id="f2"><media alt=""><image mime-type="image/png" src="../../media/two.png"/></media></figure>
<para id="p">See <link target-id="f1"/> and <link target-id="f2"/>.</para></content></document>"""


def pair(document: str | None = "modules/m1/index.cnxml", figure: str | None = "f1", **more: str) -> LabelledPair:
    known = {"text": "Pumps turn.", "image": "book/media/one.png", "abs": "equal", "corpus": "book"}
    return LabelledPair.model_validate(known | {"document": document, "figure": figure} | more)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    module = tmp_path / "images" / "book" / "modules" / "m1" / "index.cnxml"
    module.parent.mkdir(parents=True)
    module.write_text(MODULE)
    (tmp_path / "images" / "book" / "media").mkdir()
    for name in ("one", "two"):
        (tmp_path / "images" / "book" / "media" / f"{name}.png").write_bytes(b"\x89PNG")
    return tmp_path / "images"


def test_alternative_text_and_caption_come_from_the_document(images: Path) -> None:
    told: list[tuple[int, int]] = []
    (first, second), count = tell_figures(
        [pair(), pair(figure="f2", image="book/media/two.png")], images, lambda done, of: told.append((done, of))
    )
    assert (first.alt, first.caption) == ("A wheel in a case.", "A pump with one wheel.")
    assert (second.alt, second.caption) == ("", ""), "its document was read, and tells nothing"
    assert count == 2
    assert told == [(1, 1)], "each document is read once"


def test_a_figure_without_id_is_known_by_its_image(images: Path) -> None:
    (found,), _ = tell_figures([pair(figure=None)], images)
    assert found.alt == "A wheel in a case."


@pytest.mark.parametrize(
    "stays",
    [
        pair(document=None),
        pair(document="modules/m2/index.cnxml"),
        pair(figure="f9", image="book/media/other.png"),
        pair(document="../../outside.cnxml"),
        pair(corpus="../outside"),
        pair(document="/outside.cnxml"),
        pair(alt="Mine."),
        pair(caption=""),
    ],
)
def test_else_a_pair_stays_as_it_is(images: Path, stays: LabelledPair) -> None:
    for outside in (images.parent / "outside.cnxml", images.parent / "outside" / "modules" / "m1" / "index.cnxml"):
        outside.parent.mkdir(parents=True, exist_ok=True)
        outside.write_text(MODULE)
    assert tell_figures([stays], images) == ([stays], 0)


def test_a_document_that_leads_out_by_a_link_is_not_read(images: Path) -> None:
    outside = images.parent / "outside.cnxml"
    outside.write_text(MODULE)
    (images / "book" / "link.cnxml").symlink_to(outside)
    stays = pair(document="link.cnxml")
    assert tell_figures([stays], images) == ([stays], 0)


def test_a_damaged_document_tells_nothing(images: Path) -> None:
    (images / "book" / "modules" / "m1" / "index.cnxml").write_text("<document")
    assert tell_figures([pair()], images) == ([pair()], 0)

from __future__ import annotations

import pytest

from abs_index.corpus.resolve import resolve_image
from tests.corpus.inputs import MemoryFiles


@pytest.mark.parametrize(
    ("on_disk", "href", "found"),
    [
        ("art/fig.png", "fig.png", "art/fig.png"),
        ("art/fig.png", "./fig.png", "art/fig.png"),
        ("art/img/fig.png", "img/fig.png", "art/img/fig.png"),
        ("media/fig.png", "../media/fig.png", "media/fig.png"),
        ("art/a b.png", "a%20b.png", "art/a b.png"),
        ("art/a%20b.png", "a%20b.png", "art/a%20b.png"),
        ("art/größe.png", "gr%C3%B6%C3%9Fe.png", "art/größe.png"),
        ("art/fig.png", "fig.png?download=1", "art/fig.png"),
        ("art/fig.png", "fig.png#panel", "art/fig.png"),
        ("art/img/fig.png", "img\\fig.png", "art/img/fig.png"),
        ("art/fig.PNG", "fig.png", "art/fig.PNG"),
        ("art/Fig.png", "fig", "art/Fig.png"),
        ("art/img/fig.png", "IMG/FIG.PNG", "art/img/fig.png"),
        ("art/Figures/fig.png", "figures/fig.png", "art/Figures/fig.png"),
        ("art/1471-2105-5-1.jpg", "1471-2105-5-1", "art/1471-2105-5-1.jpg"),
        ("art/1471-2105-5-1", "1471-2105-5-1.jpg", "art/1471-2105-5-1"),
        ("art/fig", "fig", "art/fig"),
        ("art/fig.jpg", "fig.tif", "art/fig.jpg"),
        ("art/pone.0091296.g001.tif", "pone.0091296.g001", "art/pone.0091296.g001.tif"),
        ("art/pone.0091296.g001.jpg", "pone.0091296.g001.tif", "art/pone.0091296.g001.jpg"),
        ("art/media/fig.png", "fig.png", "art/media/fig.png"),
        ("art/images/fig.png", "fig", "art/images/fig.png"),
        ("art/figures/fig.png", "fig.png", "art/figures/fig.png"),
        ("images/fig.png", "fig.png", "images/fig.png"),
        ("art/media/plots/fig.png", "plots/fig.png", "art/media/plots/fig.png"),
        ("art/fig.png", "somewhere/else/fig.png", "art/fig.png"),
        ("pics/fig.png", "/pics/fig.png", "pics/fig.png"),
        ("art/fig.svg", "fig.svg", "art/fig.svg"),
    ],
)
def test_a_reference_finds_its_file(on_disk: str, href: str, found: str) -> None:
    assert resolve_image(MemoryFiles(on_disk), "art/article.xml", href) == found


@pytest.mark.parametrize(
    ("on_disk", "href"),
    [
        ("art/fig.png", ""),
        ("art/fig.png", "   "),
        ("art/fig.png", "https://example.org/fig.png"),
        ("art/fig.png", "//example.org/fig.png"),
        ("art/fig.png", "data:image/png;base64,AAAA"),
        ("art/fig.png", "fig2.png"),
        ("art/fig.png", "figs"),
        ("art/fig10.png", "fig1"),
        ("art/fig.png", ".."),
        ("art/fig.png", "fig.png/"),
        ("etc/passwd", "../../../etc/passwd2"),
    ],
)
def test_a_reference_to_nothing_or_to_another_site(on_disk: str, href: str) -> None:
    assert resolve_image(MemoryFiles(on_disk), "art/article.xml", href) is None


def test_the_large_picture_is_taken_and_not_its_thumbnail() -> None:
    files = MemoryFiles("art/a.gif", "art/a.jpg")
    assert resolve_image(files, "art/x.nxml", "a") == "art/a.jpg"
    assert resolve_image(files, "art/x.nxml", "a.gif") == "art/a.jpg"
    assert resolve_image(MemoryFiles("art/a.gif"), "art/x.nxml", "a") == "art/a.gif"


def test_of_equal_formats_the_largest() -> None:
    assert resolve_image(MemoryFiles(a__jpg=100, a__png=900), "x.xml", "a") == "a.png"
    assert resolve_image(MemoryFiles(a__jpg=900, a__png=100), "x.xml", "a") == "a.jpg"


@pytest.mark.parametrize("vector", ["svg", "eps", "pdf"])
def test_a_picture_that_can_be_decoded_is_preferred_to_its_vector_twin(vector: str) -> None:
    files = MemoryFiles(f"a.{vector}", "a.png")
    assert resolve_image(files, "x.xml", f"a.{vector}") == "a.png"
    assert resolve_image(files, "x.xml", "a") == "a.png"


def test_a_file_of_the_very_name_is_preferred_to_others() -> None:
    files = MemoryFiles("art/a.png", "art/a.jpg", "art/A.png", "a.png", "media/a.png")
    assert resolve_image(files, "art/x.xml", "a.png") == "art/a.png"
    assert resolve_image(files, "art/x.xml", "A.png") == "art/A.png"
    assert resolve_image(files, "art/x.xml", "../a.png") == "a.png"


def test_nothing_outside_is_ever_asked_for() -> None:
    class Watched(MemoryFiles):
        asked: set[str] = set()  # noqa: RUF012

        def size(self, name: str) -> int | None:
            self.asked.add(name)
            return super().size(name)

        def list_folder(self, folder: str) -> tuple[str, ...]:
            self.asked.add(folder)
            return super().list_folder(folder)

    files = Watched("art/fig.png")
    for href in (
        "../../secret.png",
        "/etc/passwd.png",
        "..%2f..%2fsecret.png",
        "..\\..\\secret.png",
        "a/../../../b.png",
    ):
        assert resolve_image(files, "art/x.xml", href) is None
    assert files.asked
    assert not any(name.startswith("/") or ".." in name.split("/") for name in files.asked)


def test_letters_that_are_composed_otherwise_on_disk() -> None:
    assert resolve_image(MemoryFiles("gro\u0308ße.png"), "a.xml", "größe.png") == "gro\u0308ße.png"


def test_an_empty_file_is_taken_last() -> None:
    files = MemoryFiles(fig__jpg=0, fig__png=9)
    assert resolve_image(files, "a.xml", "fig.jpg") == "fig.png"
    assert resolve_image(MemoryFiles(fig__jpg=0), "a.xml", "fig.jpg") == "fig.jpg"

"""Figures that a page marks otherwise than by `<figure>`: by a role, or by the classes of older converters."""

from __future__ import annotations

from abs_index.corpus.readers.html_tree import Node

_HOLDERS = {"aside", "div", "section", "span", "td"}
# Sphinx, Pandoc and R Markdown before HTML5; WordPress.
_FIGURE_CLASSES = {"figure", "wp-caption"}
_CAPTION_CLASSES = {"caption", "figcaption", "figure-caption", "wp-caption-text"}
_PICTURES = {"img", "image", "picture", "amp-img"}


def name_figures(page: Node) -> None:
    """Renames elements that are figures and captions by their role or class to `figure` and `figcaption`, in place.

    `role="figure"` needs a picture inside, a class a picture and a caption. What holds a `<figure>` is left alone.
    """
    for node in page.walk():
        if node.name not in _HOLDERS or not (node.get("role") == "figure" or node.classes & _FIGURE_CLASSES):
            continue
        names = {inner.name for inner in node.walk()}
        if "figure" in names or not names & _PICTURES:
            continue
        captions = [] if "figcaption" in names else _captions(node)
        if captions or node.get("role") == "figure":
            node.name = "figure"
            for caption in captions:
                caption.name = "figcaption"


def _captions(figure: Node) -> list[Node]:
    """The outermost captions: what the figure is labelled by, else what has the class."""
    ids = f"{figure.get('aria-labelledby')} {figure.get('aria-describedby')}".split()
    labels = [node for node in figure.walk() if node.get("id") in ids and node is not figure and not _shows(node)]
    return labels or _with_class(figure)


def _with_class(node: Node) -> list[Node]:
    found: list[Node] = []
    for child in node.elements:
        if child.classes & _CAPTION_CLASSES and not _shows(child):
            found.append(child)
        else:
            found += _with_class(child)
    return found


def _shows(node: Node) -> bool:
    return any(inner.name in _PICTURES for inner in node.walk())

"""What searches find, for a person to read: figures, counts of values, and all about one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from abs_index.cli import console

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from abs_index.search.facets import Facets
    from abs_index.search.hits import FigureDetails, Hit, PairDetails

_STYLES = {"image_more_abstract": "magenta", "text_more_abstract": "green", "equal": "cyan"}
_READ, _VALUES = 160, 12
"""Characters of the words in a picture, and values of a facet, that are printed."""


def print_hits(hits: Sequence[Hit]) -> None:
    """A few lines a figure."""
    if not hits:
        console.stderr().print("no figure matches")
    for hit in hits:
        console.stdout().print(_hit(hit))


def print_facets(counts: Facets) -> None:
    """A line a field of which there are values: these, each with how many pairs have it."""
    from dataclasses import asdict

    from rich.text import Text

    named = asdict(counts)
    text = Text(f"{named.pop('pairs')} pairs match\n", "bold")
    for name, counted in named.items():
        if not counted:
            continue
        text.append(f"  {name:8}", "bold")
        shown = list(counted.items())[:_VALUES]
        for at, (value, number) in enumerate(shown):
            text.append(", " if at else "").append(str(value), _STYLES.get(value, "")).append(f" ({number})", "dim")
        text.append(f" and {len(counted) - _VALUES} more\n" if len(counted) > _VALUES else "\n", "dim")
    console.stdout().print(text)


def print_details(figure: FigureDetails) -> None:
    """A figure and all its texts."""
    from rich.text import Text

    text = Text()
    text.append(figure.id, "bold").append(f"  {figure.label}\n")
    origin = ", ".join(part for part in (figure.title, figure.journal, str(figure.year or "")) if part)
    text.append(f"{origin}\n{figure.caption}\n" if figure.caption else f"{origin}\n")
    size = f"  {figure.width} × {figure.height} {figure.image_format}" if figure.width else ""
    text.append(f"{figure.image or 'no image'}{size}\n", "dim")
    if figure.figure_text:
        text.append(f"in the picture: {figure.figure_text}\n", "dim")
    out = console.stdout()
    out.print(text)
    out.print(_pairs(figure.pairs) if figure.pairs else Text("This figure has no texts."))


def _hit(hit: Hit) -> Text:
    from rich.text import Text

    text = Text()
    text.append(hit.id, "bold").append(f"  {hit.label}".rstrip())
    text.append(f"  {hit.score:.3f}\n" if hit.score else "\n", "dim")
    year = f" ({hit.year})" if hit.year else ""
    text.append(f"  {hit.title or hit.path}{year}\n")
    if hit.abs and hit.prob is not None:
        text.append("  ").append(hit.abs, _STYLES[hit.abs]).append(f" {hit.prob:.2f}")
        text.append(f"  {hit.kind}  {hit.role}{_shared(hit.cmi)}\n", "dim")
        text.append("  ").append_text(_highlighted(hit)).append("\n")
    if hit.figure_text:
        text.append(f"  in the picture: {_shortened(hit.figure_text)}\n", "dim")
    return text.append(f"  {hit.image or 'no image'}\n", "dim")


def _shared(cmi: float | None) -> str:
    return "" if cmi is None else f"  cmi {cmi:.2f}"


def _shortened(text: str) -> str:
    return text if len(text) <= _READ else text[:_READ].rsplit(" ", 1)[0] + " …"


def _highlighted(hit: Hit) -> Text:
    from rich.text import Text

    snippet = Text(hit.snippet)
    for start, end in hit.highlights:
        snippet.stylize("bold yellow", start, end)
    return snippet


def _pairs(pairs: Sequence[PairDetails]) -> Table:
    """A row a pair: what the network says, the most probable first, and the text beside it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 1, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=100)
    for pair in pairs:
        said = Text(pair.role, "bold").append(f"  {pair.kind}", "not bold dim")
        for label, probability in sorted(pair.abs_prob.items(), key=lambda item: -item[1]):
            said.append(f"\n{probability:.2f} {label}", _STYLES[label] if label == pair.abs else "not bold dim")
        said.append(_shared(pair.cmi).replace("  ", "\n", 1), "not bold dim")
        text = Text(f"{pair.section}\n" if pair.section else "", "italic").append(pair.text, "not italic")
        table.add_row(said, text)
    return table

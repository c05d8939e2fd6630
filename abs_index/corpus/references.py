"""Which figures a paragraph refers to: by its references, and by words such as "Figs. 2 and 3".

What a reference points at decides. Its words say the rest: which panels of a group are meant ("Figure 2b"), which
figures lie inside a range ("Figures 2–4"). Words outside any reference are matched with the labels of the figures, so
that "Figure 1—figure supplement 2", "Figure S1" and "Author response image 1" are never taken for Figure 1.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from abs_index.corpus.document import Figure
from abs_index.corpus.figure_numbers import (
    Item,
    Numbers,
    joins_range,
    normalise_phrase,
    number_at_start,
    number_of_label,
    panel_of_label,
    sort_key,
)
from abs_index.corpus.text import Reference, ReferringText


class FigureReferences:
    """The figures of a document, ready to be looked up.

    `figures` in the order of the document. `aliases` are further ids and the figures that they stand for: the id of a
    group stands for its members, the id of an anchor inside a caption for the figure. Ids that are in neither
    (tables, sections, figures that do not exist) refer to no figure. Where two figures have the same label, the one
    in `preferred` is meant by plain words, else the first.

    >>> from abs_index.corpus.document import Text
    >>> references = FigureReferences([Figure("f1", "Figure 1"), Figure("f2", "Figure 2"), Figure("f3", "Figure 3")])
    >>> references.figures_in(ReferringText(Text("As Figs. 2 and 3B show.")))
    ('f2', 'f3')
    """

    def __init__(
        self,
        figures: Sequence[Figure],
        aliases: Mapping[str, Sequence[str]] | None = None,
        preferred: Iterable[str] = (),
    ) -> None:
        self._order = {figure.id: position for position, figure in enumerate(figures)}
        self._targets: dict[str, tuple[str, ...]] = {figure.id: (figure.id,) for figure in figures}
        self._targets |= {id_: tuple(ids) for id_, ids in (aliases or {}).items()}
        first = set(preferred)
        self._labels = _Labels(sorted(figures, key=lambda figure: figure.id not in first))
        self._numbers = Numbers(self._labels.phrases, self._labels.compound)

    def figures_in(self, text: ReferringText) -> tuple[str, ...]:
        """Ids of the figures that `text` refers to, each once, in the order of the document."""
        reading = _Reading.of(text, self._targets)
        found: set[str] = set()
        for items in self._lists(reading):
            found.update(self._of_list(items, reading))
        for index, reference in enumerate(text.references):
            found.update(self._of_reference(reference, reading.panels.get(index, set()), reading.words))
        found.update(self._between_links(reading))
        return tuple(sorted(found, key=self._order.__getitem__))

    def _lists(self, reading: _Reading) -> Iterator[list[Item]]:
        """The lists of numbers after "Figure" and the like; then those that only a reference makes one ("2–4")."""
        read: set[int | None] = set()
        for items in self._numbers.lists(reading.words, reading.edges):
            read.update(reading.owners.get(item.start) for item in items)
            yield items
        for index, (reference, figures) in enumerate(zip(reading.references, reading.resolved, strict=True)):
            if figures and index not in read and reference.start < reference.end:
                series = self._labels.series.get(figures[0], "figure")
                items = self._numbers.list_at(reading.words, reference.start, series, reading.edges)
                read.update(reading.owners.get(item.start) for item in items)
                yield items

    def _of_list(self, items: list[Item], reading: _Reading) -> Iterator[str]:
        listed = self._references_with_lists(items, reading)
        before: Item | None = None
        for item in items:
            index = reading.owners.get(item.start)
            if index is None or index in listed:
                yield from self._labels.find(item)
            if index is not None:
                reading.panels.setdefault(index, set()).update(item.panels)
            if before and item.ends_range and reading.is_figure(before) and reading.is_figure(item):
                yield from self._between(before, item, reading)
            before = item

    def _references_with_lists(self, items: list[Item], reading: _Reading) -> set[int]:
        """References whose words list their target beside others: `rid` holds one id, the text "Figures 1, 2 and 3"."""
        inside: defaultdict[int, list[Item]] = defaultdict(list)
        for item in items:
            if (index := reading.owners.get(item.start)) is not None:
                inside[index].append(item)
        return {
            index
            for index, own in inside.items()
            if len(own) > 1
            and any(not set(reading.resolved[index]).isdisjoint(self._labels.find(item)) for item in own)
        }

    def _between(self, first: Item, last: Item, reading: _Reading) -> Iterator[str]:
        """What lies inside a range: by number; where the figures have none, by their order in the document."""
        ends = dict.fromkeys(figure for item in (first, last) for figure in reading.figures_at(item.start))
        if len(ends) == 2 and not self._labels.series.keys() & set(ends):
            order = sorted(self._order.get(figure, 0) for figure in ends)
            yield from (figure for figure, position in self._order.items() if order[0] < position < order[1])
        else:
            yield from self._labels.between(first, last)

    def _between_links(self, reading: _Reading) -> Iterator[str]:
        """What lies between two references without numbers that are joined as a range ("<link/>–<link/>")."""
        for (first, here), (last, there) in pairwise(zip(reading.references, reading.resolved, strict=True)):
            numbered = any(character.isdigit() for character in reading.words[first.start : last.end])
            if here and there and not numbered and joins_range(reading.words, first.end, last.start):
                low, high = sorted((self._order[here[-1]], self._order[there[0]]))
                yield from (figure for figure, position in self._order.items() if low < position < high)

    def _of_reference(self, reference: Reference, panels: set[str], words: str) -> Iterator[str]:
        if not any(reference.targets):
            yield from self._labels.named(words[reference.start : reference.end])
        for target in reference.targets:
            figures = self._targets.get(target, ())
            meant = [figure for figure in figures if self._labels.panels.get(figure) in panels]
            yield from meant or figures


class _Labels:
    """Labels of figures as numbers: the way back from "Figure 2b" to the figure."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self.series: dict[str, str] = {}
        self.panels: dict[str, str] = {}
        self._numbered: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        self._names: dict[str, str] = {}
        for figure in figures:
            self._add(figure)

    @property
    def phrases(self) -> set[str]:
        """Series that are not spelt with a word for "figure"."""
        return {series for series, _ in self._numbered if series.partition(" ")[0] != "figure"}

    @property
    def compound(self) -> set[str]:
        return {number for _, number in self._numbered if "." in number}

    def _add(self, figure: Figure) -> None:
        shared = number_of_label(figure.group.label) if figure.group else None
        own = number_at_start(figure.label or figure.caption.normalised)
        if figure.label and (own or not shared):  # in a group "1" is the number of a part
            own = number_of_label(figure.label)
        if panel := panel_of_label(figure.label):
            self.panels[figure.id] = panel
        if shared:
            self._numbered[shared.series, shared.number][figure.id] = panel
        if own:
            numbered = self._numbered[own.series, own.number]
            if panel or "" not in numbered.values():  # the first of two with the same label is meant
                numbered[figure.id] = panel
        if item := own or shared:
            self.series[figure.id] = item.series
        if name := normalise_phrase(figure.label):
            self._names.setdefault(name, figure.id)

    def find(self, item: Item) -> tuple[str, ...]:
        """The figures of a number; of several parts those whose panels are named."""
        numbered = self._numbered.get((item.series, item.number), {})
        if item.panels:
            meant = [figure for figure, panel in numbered.items() if panel in item.panels]
            return tuple(meant or (figure for figure, panel in numbered.items() if not panel))
        return tuple(numbered)

    def between(self, first: Item, last: Item) -> Iterator[str]:
        """The figures of the same series whose numbers lie strictly between two."""
        low, high = sort_key(first.number), sort_key(last.number)
        if first.series != last.series or low[:-1] != high[:-1]:
            return
        counted = self._in_order.get((first.series, *low[:-1]), [])
        for _, figures in counted[bisect_right(counted, low, key=_key) : bisect_left(counted, high, key=_key)]:
            yield from figures

    @cached_property
    def _in_order(self) -> dict[tuple[str | int, ...], list[tuple[tuple[int, ...], dict[str, str]]]]:
        """Series, and chapter where there is one → (number, figures), sorted by number."""
        ordered: defaultdict[tuple[str | int, ...], list[tuple[tuple[int, ...], dict[str, str]]]] = defaultdict(list)
        for (series, number), figures in self._numbered.items():
            key = sort_key(number)
            ordered[series, *key[:-1]].append((key, figures))
        for counted in ordered.values():
            counted.sort(key=_key)
        return ordered

    def named(self, words: str) -> tuple[str, ...]:
        """The figure whose label is exactly this."""
        figure = self._names.get(normalise_phrase(words))
        return (figure,) if figure is not None else ()


def _key(counted: tuple[tuple[int, ...], dict[str, str]]) -> tuple[int, ...]:
    return counted[0]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One text while it is looked through.

    `resolved`: the figures of each reference. `owners`: position in the text → index of the reference with a target
    that stands there. `edges`: where references start and end; no number goes on across them. `panels`: index of a
    reference → the panel letters that its words name.
    """

    words: str
    references: tuple[Reference, ...]
    resolved: list[tuple[str, ...]]
    owners: dict[int, int]
    edges: list[int]
    panels: dict[int, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: ReferringText, targets: Mapping[str, tuple[str, ...]]) -> _Reading:
        references = text.references
        resolved = [tuple(id_ for target in each.targets for id_ in targets.get(target, ())) for each in references]
        owners: dict[int, int] = {}
        for index, reference in enumerate(references):
            if any(reference.targets):
                owners |= dict.fromkeys(range(reference.start, reference.end), index)
        edges = sorted({edge for reference in references for edge in (reference.start, reference.end)})
        return cls(text.text.normalised, references, resolved, owners, edges)

    def figures_at(self, position: int) -> tuple[str, ...]:
        """The figures of the reference that `position` lies in."""
        index = self.owners.get(position)
        return () if index is None else self.resolved[index]

    def is_figure(self, item: Item) -> bool:
        """False for a number that is the words of a reference to something else, a table or a citation."""
        return item.start not in self.owners or bool(self.figures_at(item.start))

"""How people write the numbers of figures: "Figs. 2 and 3A–C", "FIGURE S1", "Abb. 4", "Рис. 5", "图6".

The same grammar reads labels ("Figure 1—figure supplement 2.") and running text, so that what it makes of both can be
compared. A number is a *series* ("figure", "figure S", "author response image") and the number in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Item:
    """One number of a list, where it stands in the text, and the panel letters after it, in lower case.

    `ends_range`: a dash or "to" joins it to the number before.
    """

    series: str
    number: str
    panels: tuple[str, ...]
    start: int
    end: int
    ends_range: bool = False


class Numbers:
    """Finds numbers of figures in running text.

    `phrases` are series that the labels of a document use beside figures ("author response image", "scheme");
    `compound` numbers of the form "2.3" that the labels may also write "2-3", where other documents mean a range.
    """

    def __init__(self, phrases: Collection[str] = (), compound: Collection[str] = ()) -> None:
        self._head = _compile_head(phrases)
        self._hint = re.compile("|".join([_STEMS, *(re.escape(phrase.split()[0]) for phrase in phrases)]))
        self._compound = frozenset(compound)

    def lists(self, text: str, edges: Sequence[int] = ()) -> Iterator[list[Item]]:
        """The lists of numbers in `text`, in its order. No number goes on across one of the (sorted) `edges`.

        >>> [[(i.series, i.number, i.panels) for i in items] for items in Numbers().lists("See Figs. 2 and S3A,B.")]
        [[('figure', '2', ()), ('figure S', '3', ('a', 'b'))]]
        """
        if not self._hint.search(text.lower()):  # most paragraphs; ten times faster than what follows
            return
        read_to = 0
        for head in self._head.finditer(text):
            if head.start() < read_to:  # inside "Figure 1—figure supplement 2"
                continue
            if head["first"] or head["first2"]:
                yield [_number_first(head)]
                continue
            items = self.list_at(text, head.end(), _series_of(head), edges, strict=_is_singular(head))
            read_to = items[-1].end if items else 0
            if items and not _is_foreign(text, head.start(), read_to):
                yield items

    def list_at(
        self, text: str, position: int, series: str = "figure", edges: Sequence[int] = (), *, strict: bool = True
    ) -> list[Item]:
        """The list of numbers that starts at `position`; empty where there is none.

        `strict`: the word before it was singular, so that "Figure 1 and 2 mice" goes no further than 1.
        """
        items: list[Item] = []
        ends_range = False
        while item := self._item(text, position, series, edges):
            supplement = _SUPPLEMENT.match(text, item.end)
            if supplement and len(item.series) < _LONGEST_SERIES:  # what follows is meant, not the figure before
                series = f"{item.series} {item.number} {' '.join(supplement['kind'].lower().split())}"
                items, ends_range, position = [], False, supplement.end()
                continue
            if ends_range and items and item.series == series:  # "S1–4" is S1 to S4
                item = replace(item, series=items[-1].series)
            items.append(replace(item, ends_range=ends_range))
            separator = _RANGE.match(text, item.end) or _AND.match(text, item.end)
            if not separator:
                break
            ends_range = separator.re is _RANGE and not _COMPARED.search(text, max(0, item.start - 60), item.start)
            position = separator.end()
        return _cut_strictly(text, items) if strict else items

    def _item(self, text: str, position: int, series: str, edges: Sequence[int]) -> Item | None:
        match = _NUMBER.match(text, position)
        if not match:
            return None
        prefix, number, end = match["prefix"] or "", match["number"] or match["letter"], match.end()
        after = bisect_right(edges, match.start("number"))
        edge = edges[after] if after < len(edges) and edges[after] < end else None
        if edge is not None and match["number"]:  # a citation as superscript: "Figure 1" and "4", not "Figure 14"
            number, end = text[match.start("number") : edge].rstrip("."), edge
        number = _plain_number(number)
        second = _SECOND_PART.match(text, end)
        if second and f"{number}.{_plain_number(second[1])}" in self._compound:
            number, end = f"{number}.{_plain_number(second[1])}", second.end()
        panels = _PANELS.match(text, end) if match["number"] else None
        if panels:
            end = panels.end()
        series = _with_prefix(series, prefix)
        return Item(series, number, _panel_letters(panels[0]) if panels else (), match.start(), end)


def number_of_label(label: str) -> Item | None:
    """The number that a label gives to its figure; None where it holds none ("Graphical abstract", "(a)").

    >>> [(i.series, i.number) for i in map(number_of_label, ["FIG. 1.", "Fig S2", "Plate 3", "4", "Abb. 5-6"]) if i]
    [('figure', '1'), ('figure S', '2'), ('plate', '3'), ('figure', '4'), ('figure', '5.6')]
    """
    label = " ".join(label.split())
    item = number_at_start(label)
    if item is None:
        bare = _BARE_LABEL.match(label)
        phrase = _PHRASE_LABEL.match(label)
        if bare:
            item = next(iter(Numbers().list_at(label, 0)), None)
        elif phrase:
            item = next(iter(Numbers().list_at(label, phrase.end(), normalise_phrase(phrase["phrase"]))), None)
    if item is None:
        return None
    second = _SECOND_PART.match(label, item.end)
    return replace(item, number=f"{item.number}.{_plain_number(second[1])}") if second else item


def number_at_start(text: str) -> Item | None:
    """The number that a caption starts with ("Fig. 3. The kiln"), or None."""
    head = _STANDARD_HEAD.match(text)
    if not head:
        return None
    if head["first"] or head["first2"]:
        return _number_first(head)
    return next(iter(Numbers().list_at(text, head.end(), _series_of(head))), None)


def panel_of_label(label: str) -> str:
    """The panel letter of a part's label, in lower case; "" where it holds none.

    >>> [panel_of_label(label) for label in ["(a)", "B.", "Panel c", "Figure 2d", "Figure 2"]]
    ['a', 'b', 'c', 'd', '']
    """
    match = _PANEL_LABEL.match(label)
    if match:
        return match["panel"].lower()
    item = number_of_label(label)
    return item.panels[0] if item and len(item.panels) == 1 else ""


def joins_range(text: str, start: int, end: int) -> bool:
    """Whether what stands between two references makes them the ends of a range: "–", "through".

    >>> joins_range("Figure–Figure", 6, 7), joins_range("Compare Figure to Figure", 14, 18)
    (True, False)
    """
    joined = _BETWEEN_LINKS.fullmatch(text, start, end) is not None
    return joined and not _COMPARED.search(text, max(0, start - 60), start)


def sort_key(number: str) -> tuple[int, ...]:
    """Numbers in the order that they are counted in; a single letter ("Figure B") comes after all numbers.

    >>> sort_key("2.10"), sort_key("IV") < sort_key("IX"), sort_key("B") < sort_key("C")
    ((2, 10), True, True)
    """
    return tuple(_value(part) for part in number.split("."))


_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_ROMAN = re.compile(r"C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_AFTER_NUMBERS = 10_000


def _value(part: str) -> int:
    if part.isdecimal():
        return int(part)
    if part in ("I", "V", "X") or (len(part) > 1 and _ROMAN.fullmatch(part)):
        digits = [_ROMAN_DIGITS[letter] for letter in part]
        return sum(-one if one < next_ else one for one, next_ in zip(digits, [*digits[1:], 0], strict=True))
    return _AFTER_NUMBERS + ord(part[0]) if part else 0


def normalise_phrase(phrase: str) -> str:
    """Words that can be compared: lower case, white space single, no punctuation at the ends."""
    return " ".join(phrase.casefold().split()).strip(" .:;,()[]|-–—")


# --- words ------------------------------------------------------------------------------------------------------

# Words with a white space or other sign before them, in the languages of scholarly publishing.
_WORDS = (
    r"fig(?:ure|ura|ur|uur|g)?s?|figur(?:en|er|erna|ile|ii)|abb(?:ildung(?:en)?)?|bild(?:er)?|afb(?:eelding(?:en)?)?"
    r"|kuva[tn]?|kuvassa|rys(?:un(?:ek|ku|ki|kach))?|ryc(?:in[aye]|inie)?|obr(?:áz(?:ek|ku|ky|kem|cích))?"
    r"|slik[aeiu]|рис(?:ун(?:ок|ка|ке|ки|ках|ку|ком|ков))?|мал(?:юн(?:ок|ку|ка|ки))?|фиг(?:ур[аи])?|слик[аеу]|слици"
    r"|şekil(?:ler)?|εικ(?:όνα|όνες)?|σχ(?:ήμα)?|gambar|hình|(?:ال)?شكل|איור"
)
# One of these is in each of the words, in lower case.
_STEMS = (
    "fig|abb|bild|afb|kuva|rys|ryc|obr|slik|рис|мал|фиг|слик|слиц|şek|εικ|σχ|gambar|hình|شكل|איור"
    "|图|圖|図|그림|รูป|ภาพ|ábr|pav|att|irudi"
)
# Words that may follow the word before without a gap.
_UNPARTED_WORDS = r"(?P<supplied>补充|補充|附|補足|付)?(?:图|圖|図|그림|รูปที่|ภาพที่)"
_SINGULAR = {"figure", "fig", "figura", "figur", "figuur", "abbildung", "рисунок", "рисунке", "рисунка", "şekil"}
# A figure of one of these is not the figure of the same number in the article.
_QUALIFIERS = (
    r"(?P<supplement>(?:supp(?:l|lementary|lemental)?\.?|supporting(?=\s+\w+\s+fig))"
    r"(?:\s+(?:material|information|data|file|note)s?)?)[,:]?\s+"
    r"|(?P<other>extended\s+data|author\s+response|decision\s+letter|reviewers?['’]?s?|online|web|ed"
    r"|(?:appendix|annex|box)(?:\s+(?:[A-Z]|\d+))?)\s*[—–-]?\s*"
)
_SUPPLEMENT_FIRST = r"(?P<first>S\d{1,3})\s+fig(?:ure)?s?\b\.?"
_NUMBER_FIRST = r"(?P<first2>\d{1,3})\s?\.?\s(?:ábr[aá]\w*|pav\b\.?|att(?:\.|ēl\w*)|irudi\w*)"


def _compile_head(phrases: Collection[str]) -> re.Pattern[str]:
    escaped = [r"\s+".join(map(re.escape, phrase.split())) for phrase in sorted(phrases, key=len, reverse=True)]
    phrase = "|".join(escaped) or r"(?!)"
    words = rf"(?:(?P<phrase>{phrase})s?|(?:{_QUALIFIERS})?(?P<word>{_WORDS}))(?-i:(?![a-zà-ÿа-яё]))"
    return re.compile(
        rf"(?i)(?<!\w)(?:{_SUPPLEMENT_FIRST}|{_NUMBER_FIRST})"
        rf"|(?:(?<!\w){words}(?P<adjective>\s+supp?l\w+)?|{_UNPARTED_WORDS})\.?\s*(?:n[or]?[.º°]\s*)?(?=\(?\w)"
    )


_STANDARD_HEAD = _compile_head(())


def _series_of(head: re.Match[str]) -> str:
    if head["phrase"]:
        return normalise_phrase(head["phrase"])
    if head["supplement"] or head["adjective"] or head["supplied"]:
        return "figure S"
    other = normalise_phrase(head["other"] or "")
    return f"{other} figure" if other else "figure"


def _is_singular(head: re.Match[str]) -> bool:
    return bool(head["word"]) and head["word"].lower() in _SINGULAR


def _number_first(head: re.Match[str]) -> Item:
    digits = head["first"] or head["first2"]
    series = "figure S" if digits[0] in "Ss" else "figure"
    return Item(series, _plain_number(digits.lstrip("Ss")), (), head.start(), head.end())


def _with_prefix(series: str, prefix: str) -> str:
    prefix = prefix.strip(".-– ").upper()
    prefix = "S" if prefix == "SI" else prefix
    if not prefix or series.endswith(" S") or series.startswith("appendix"):
        return series
    return f"{series} {prefix}"


# --- numbers and panels -----------------------------------------------------------------------------------------

_NUMBER = re.compile(
    r"\(?(?:(?P<prefix>(?:SI|[A-Z])[.\-–]?\s?|[a-z](?=\d))?(?P<number>\d{1,4}(?:\.\d{1,3})*)(?!\d)"
    r"|(?P<letter>[IVXLC]{1,6}|[A-Z])(?!\w))"
)
_SECOND_PART = re.compile(r"[-–‑](\d{1,3})(?!\w)")
_LETTER = r"(?:[A-Z]{1,4}|[a-z]{1,3})(?:[ivx]{1,4})?['′]?(?![^\W_])"
# After "and", a comma or a dash; "a" may be the article.
_NEXT_LETTER = r"(?:[A-Z]|[b-z]|a(?=[),.;:\]–-]|$)|[ivx]{1,4})(?:[ivx]{1,4})?['′]?(?![^\W_])"
_LETTERS = rf"{_LETTER}(?:(?:\s*[,/&–—‑-]\s*(?:and\s+)?|\s+(?:and|to|und|bis|et|y|e|и)\s+){_NEXT_LETTER})*"
# "3(a)", "3(a), (b) and (c)", "3a–c"
_IN_PARENTHESES = rf"\({_LETTERS}\)"
_PANELS = re.compile(
    rf"\s?{_IN_PARENTHESES}(?:\s?(?:[,;&–—‑-]|,?\s(?:and|to|und|bis|et|y|e|и)\b)\s?{_IN_PARENTHESES})*|{_LETTERS}"
)
_LONGEST_SERIES = 100
_PANEL_LABEL = re.compile(r"\s*(?:panel|part|teil)?\s*[(\[]?(?P<panel>[A-Za-z])[)\].:]*\s*$", re.IGNORECASE)
_AND = re.compile(
    r"\s*[,;/&、，和与及と]\s*(?:(?:and|or|und|oder|et|ou|y|o|e|и|&)\s+)?"
    r"|\s+(?:and|or|und|oder|et|ou|y|o|e|и|та|og|och|en|i|ve|as\s+well\s+as)\s+"
)
_RANGE = re.compile(
    rf"\s?[-–—‑−~～至到]\s?(?:(?:{_WORDS})\.?\s*)?|\s+(?:to|through|thru|bis|до|à|al?|hasta|até|tot)\s+(?:(?:{_WORDS})\.?\s*)?(?=[A-Z]?\d)",
    re.IGNORECASE,
)
# "Compare Figure 2 to Figure 5": two figures, and not those between them.
_COMPARED = re.compile(r"\b(?:compar|contrast|relat|match)\w*\s[^.;]*$", re.IGNORECASE)
_BETWEEN_LINKS = re.compile(r"\s?[-–—‑−~～至到]\s?|\s+(?:to|through|thru|bis|до|hasta|até|tot)\s+", re.IGNORECASE)
_SUPPLEMENT = re.compile(
    r"(?:\s*[-–—‑]\s*|\s+(?=(?:figure\s+)?supplement))"
    r"(?P<kind>(?:(?:figure|table)\s+)?supplement|source\s+(?:data|code)|video|animation|movie)s?\s*(?:file\s+)?(?=\d)",
    re.IGNORECASE,
)
_CLOSES = re.compile(r"\s*(?:[)\].;:,]|$)|\s+(?:show|are|were|illustrat|present|depict|display|demonstrat|represent)")
# "Figure 3 of Smith et al. (2010)", "the data of Smith et al. (Figure 3)": a figure of another article.
_OF_OTHERS = re.compile(
    r"\s*,?\s*(?:of|in|from|by)\s+(?:the\s+)?(?:(?i:supp\w+|appendix|refs?\b|reference|original\s+\w+)|\["
    r"|\(?[A-Z][\w’'-]+(?:\s+(?:and|&)\s+[A-Z][\w’'-]+)?(?:\s+et\s+al\b|,?\s*[(\[]?(?:19|20)\d\d))"
)
_OTHERS_BEFORE = re.compile(
    r"\bet\s+al\.?,?\s*[(\[]?$|\btheir\s$|\boriginal\s+(?:study|paper|article|work|publication)\s*[(\[]?$"
)
_BARE_LABEL = re.compile(r"(?:[A-Z]{1,2}[.-]?)?\d[\w.–-]*\s*[.:)]?$")
_PHRASE_LABEL = re.compile(r"(?P<phrase>[^\W\d_][^\d]{1,60}?)\W*(?=\d|[A-Z]\d)")


def _is_foreign(text: str, start: int, end: int) -> bool:
    return bool(_OF_OTHERS.match(text, end) or _OTHERS_BEFORE.search(text[max(0, start - 40) : start]))


def _plain_number(number: str) -> str:
    """Without leading zeros and in ASCII digits, part by part."""
    return ".".join(str(int(part)) if part.isdecimal() else part for part in number.split("."))


_NO_PANEL = re.compile(r"\b(?:and|und|et|y|e|и)\b|(?<=[A-Z])[ivx]{1,4}(?:[–-][ivx]{1,4})?")


def _panel_letters(text: str) -> tuple[str, ...]:
    letters: list[str] = []
    range_open = False
    for token in re.findall(r"[A-Z]+|[a-z]+|[–—‑-]|\bto\b|\bbis\b", _NO_PANEL.sub("", text)):
        if token in {"–", "—", "‑", "-", "to", "bis"}:
            range_open = True
            continue
        low = token.lower()
        if range_open and letters and len(low) == 1 and letters[-1] < low:
            letters.extend(chr(code) for code in range(ord(letters[-1]) + 1, ord(low)))
        letters.extend(low)
        range_open = False
    return tuple(dict.fromkeys(letters))


def _cut_strictly(text: str, items: list[Item]) -> list[Item]:
    """After a singular word a list goes on only where it plainly is one: panels on both sides, or it closes."""
    if len(items) < 2 or _CLOSES.match(text, items[-1].end):
        return items
    kept = items[:1]
    for item in items[1:]:
        if not (item.ends_range or item.panels):
            break
        kept.append(item)
    return kept

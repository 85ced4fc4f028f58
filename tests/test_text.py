"""Whatever a string holds, each sink's function leaves nothing in it that the sink would obey."""

import csv
import io
import json
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from markdown_it import MarkdownIt

from fumehood import text

pytestmark = pytest.mark.unit

MARKUP = st.text(alphabet=list("`*_{}[]()#+!|<>~&$^-=:.@\\ \t\n1aw/xhtp\"'\u202e\u0301"), max_size=60)
ANY = st.one_of(MARKUP, st.text(max_size=80), st.text(alphabet=st.characters(), max_size=40))


def hidden(line: str) -> list[str]:
    return [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]


def inline_types(document: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(document)
    flat = [inner for token in tokens for inner in (token, *(token.children or ()))]
    return [t.type for t in flat if t.type != "text"]


# ---- terminals and logs ------------------------------------------------------------------------------------------


@given(ANY)
def test_plain_is_one_visible_line(found):
    line = text.plain(found)
    assert len(line.splitlines()) <= 1
    assert not hidden(line)
    assert text.plain(line) == line


@given(ANY)
def test_block_keeps_lines_and_hides_nothing(found):
    lines = text.block(found, limit=10**6).split("\n")
    assert not [c for line in lines for c in hidden(line)]
    assert len(lines) == found.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1


@pytest.mark.parametrize("bad", ["\x1b[31m", "\x9b2J", "\x07", "\x00", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800",
                                 "\U000e0041", "\u2800", "\u3164", "\ufe0f", "\u034f", "\x7f"])  # fmt: skip
def test_what_moves_a_cursor_or_cannot_be_seen_is_shown_replaced(bad):
    for function in (text.plain, text.block):
        shown = function(f"a{bad}b")
        assert "\N{REPLACEMENT CHARACTER}" in shown
        assert bad[0] not in shown


def test_line_breaks_become_spaces_on_one_line():
    assert text.plain("one\ntwo\r\n  three\tfour\x85five\u2028six") == "one two three four five six"


def test_marks_cannot_pile_up_or_stand_alone():
    assert text.plain("e\u0301te\u0301") == "e\u0301te\u0301"
    assert text.plain("\u0338script").startswith("\N{REPLACEMENT CHARACTER}")
    assert text.plain("e" + "\u0301" * 50).count("\u0301") == 4


@given(ANY, st.integers(0, 30))
def test_nothing_is_longer_than_its_limit(found, limit):
    assert len(text.clip(found, limit)) <= limit
    assert len(text.plain(found, limit)) <= limit
    assert len(text.block(found, limit)) <= limit


def test_a_clipped_text_keeps_its_end_above_all():
    assert text.clip("begin" + "x" * 100 + "the error at the end", 40).endswith("error at the end")


# ---- Markdown ----------------------------------------------------------------------------------------------------


@given(ANY)
def test_markdown_is_text_alone_wherever_it_stands(found):
    shown = text.markdown(found)
    assert inline_types(f"A {shown} z\n") == inline_types("A b z\n")
    if shown:
        assert inline_types(f"{shown}\n") == inline_types("b\n")
        assert inline_types(f"- {shown}\n") == inline_types("- b\n")
    assert (
        inline_types(f"| a | b |\n|---|---|\n| {shown} | c |\n") == inline_types("| a | b |\n|---|---|\n| b | c |\n")
        or not shown
    )


@given(MARKUP)
def test_markdown_reads_as_the_plain_text(found):
    inline = MarkdownIt("commonmark").parseInline(f"a{text.markdown(found)}z")
    children = inline[0].children or []
    assert "".join(t.content for t in children) == f"a{text.plain(found)}z"


@pytest.mark.parametrize("address", ["http://e.x", "https://e.x", "ftp://e.x", "mailto:a@b.c", "www.e.x", "WWW.e.x"])
def test_bare_addresses_are_broken_up_for_renderers_that_would_link_them(address):
    assert address not in text.markdown(f"see {address} now")


def test_ordinary_sentences_stay_readable():
    sentence = "accuracy is 0.981 [0.968, 0.994], target 0.95 (at 12:30 on 2026-11-23)."
    assert text.markdown(sentence) == sentence


def test_an_interval_that_could_become_a_link_is_escaped():
    for tail in ("(http://e.x)", "[r]", ": http", ""):
        assert text.markdown(f"[0.1, 0.2]{tail}").startswith("\\[0.1, 0.2\\]")


@given(ANY)
def test_a_fence_is_not_closed_by_its_content(found):
    tokens = MarkdownIt("commonmark").parse(f"before\n\n{text.fenced(found)}\n\nafter\n")
    kinds = [t.type for t in tokens]
    assert kinds == ["paragraph_open", "inline", "paragraph_close", "fence", *kinds[:3]]


# ---- HTML, templates, CSV, JSON ----------------------------------------------------------------------------------


@given(ANY)
def test_html_holds_no_markup_and_no_quote(found):
    shown = text.html_text(found)
    assert not set("<>\"'") & set(shown)
    assert "&" not in shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").replace("&quot;", "").replace(
        "&#x27;", ""
    )


@given(ANY)
def test_a_string_given_to_a_template_is_not_a_template(found):
    rendered = Environment(autoescape=True).from_string("<p>{{ x }}</p>").render(x=text.plain(found))
    assert rendered.count("<") == 2


@given(ANY)
def test_no_spreadsheet_takes_a_cell_for_a_formula(found):
    out = io.StringIO()
    csv.writer(out).writerow([text.csv_cell(found)])
    (cell,) = next(csv.reader(io.StringIO(out.getvalue())), [""])
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))


@given(st.recursive(ANY | st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.lists, max_leaves=5))
def test_json_is_printable_ascii_and_loses_nothing(value):
    document = text.json_document(value)
    assert document.isascii()
    assert not [c for c in document if unicodedata.category(c) == "Cc" and c != "\n"]
    assert not set("<>&") & set(document)
    assert json.loads(document) == value


def test_json_refuses_numbers_that_json_does_not_have():
    with pytest.raises(ValueError, match="JSON compliant"):
        text.json_document({"x": float("nan")})


@given(ANY)
def test_json_can_stand_on_one_line(found):
    document = text.json_document([found], indent=None)
    assert document.count("\n") == len(document.splitlines()) == 1
    assert json.loads(document) == [found]


# ---- XML, SARIF --------------------------------------------------------------------------------------------------


@given(ANY)
def test_xml_takes_every_character_and_gives_it_back(found):
    written = text.xml_text(found)
    element = ElementTree.Element("x", y=written)
    element.text = written
    read = ElementTree.fromstring(ElementTree.tostring(element, encoding="us-ascii"))
    assert ((read.text or ""), read.attrib["y"]) == (written, written)


@given(ANY)
def test_no_sarif_message_holds_a_link(found):
    message = text.sarif_message(found)
    assert "](" not in message
    assert len(message.splitlines()) <= 1
    assert not hidden(message)
    assert message.replace(" ", "") == text.plain(found).replace(" ", "")


def test_text_that_the_locale_could_not_decode_is_known():
    assert text.is_unicode("é 漢")
    assert not text.is_unicode("\udcff")

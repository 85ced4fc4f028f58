"""Text from rooms, plans and data files changes what a report says, and never what it is made of."""

import json
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

import hostile
from fumehood import report
from fumehood.records import Run
from report import factories

pytestmark = [pytest.mark.unit, pytest.mark.slow]

HOSTILE = {
    **hostile.MARKUP,
    # No record can hold lone surrogates.
    "terminal": "".join(value for name, value in hostile.TERMINAL.items() if name != "surrogates"),
    "formulas": " ".join(hostile.FORMULAS.values()),
}

MAKES = {name: factories.ALL[name] for name in ("good", "failing", "unfinished", "regression")}


def written(run, directory):
    paths = report.write(run, directory)
    return {name: getattr(paths, name).read_text() for name in ("html", "research_summary", "statistical_analysis")}


def everywhere(run: Run, text: str) -> Run:
    """``text`` before every free string of the run; behind the data specification, whose beginning says its kind."""
    changed = factories.rewritten(run, lambda old: text + old)
    settings = changed.settings.model_copy(update={"data": run.settings.data + "#" + text})
    dataset = changed.dataset.model_copy(update={"spec": run.dataset.spec + "#" + text})
    return changed.model_copy(update={"settings": settings, "dataset": dataset})


class Skeleton(HTMLParser):
    """Tags with their attributes' names, comments and declarations, in order; the values of all but free attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[object] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        plot = tag in ("path", "use", "g", "svg", "defs", "clipPath", "rect", "style")
        self.seen.append((tag, tuple(name for name, _ in attrs) if plot else tuple(attrs)))

    def handle_endtag(self, tag):
        self.seen.append(f"/{tag}")

    def handle_comment(self, data):
        self.seen.append(("comment", data))

    def handle_decl(self, decl):
        self.seen.append(("declaration", decl))

    def unknown_decl(self, data):
        self.seen.append(("unknown", data))

    def handle_pi(self, data):
        self.seen.append(("instruction", data))


def markdown_skeleton(document: str) -> list[str]:
    """Types of all tokens, block and inline, but for text, with links' addresses."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(document)
    flat = [inner for token in tokens for inner in (token, *(token.children or ()))]
    return [f"{t.type} {t.attrs} {t.tag}" for t in flat if t.type != "text"]


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_leaves_every_document_made_as_before(make, text, tmp_path):
    harmless = written(everywhere(make(), "plain words: "), tmp_path / "harmless")
    hostile = written(everywhere(make(), text), tmp_path / "hostile")
    assert Skeleton(hostile["html"]).seen == Skeleton(harmless["html"]).seen
    for name in ("research_summary", "statistical_analysis"):
        assert markdown_skeleton(hostile[name]) == markdown_skeleton(harmless[name])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_control_or_reordering_character_reaches_a_file(text, tmp_path):
    report.write(everywhere(factories.good_run(), text), tmp_path)
    bad = set(map(chr, [*range(9), *range(11, 32), *range(127, 160)])) | set("\u202e\u2066\u200b\ufeff\u2028\U000e0041")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert not bad & set(path.read_bytes().decode()), path.name


def test_templates_in_text_are_never_evaluated(tmp_path):
    for document in written(everywhere(factories.good_run(), "{{ 7*191 }}"), tmp_path).values():
        assert "1337" not in document
        assert "7" in document


def test_the_registry_keeps_hostile_text_as_it_was_in_ascii(tmp_path):
    run = everywhere(factories.good_run(), HOSTILE["terminal"] + HOSTILE["html"])
    document = report.write(run, tmp_path).registry.read_bytes()
    assert document.isascii()
    assert b"<script" not in document
    assert Run.model_validate_json(json.dumps(json.loads(document)["run"])) == run


def test_the_page_asks_the_network_for_nothing(tmp_path):
    page = written(factories.good_run(), tmp_path)["html"]
    tags = [one for one in Skeleton(page).seen if isinstance(one, tuple)]
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form", "a"} & {tag for tag, _ in tags}
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    addresses = page.replace('"http://www.w3.org/2000/svg"', "").replace('"http://www.w3.org/1999/xlink"', "")
    for word in ("http:", "https:", "//", "@import", "@font-face"):
        assert word not in addresses


def test_the_comparison_sees_what_unescaped_text_would_do(tmp_path):
    page = written(factories.good_run(), tmp_path)["html"]
    assert Skeleton(page.replace("adelie", HOSTILE["html"])).seen != Skeleton(page).seen
    summary = written(factories.good_run(), tmp_path)["research_summary"]
    assert markdown_skeleton(summary.replace("adelie", HOSTILE["markdown"])) != markdown_skeleton(summary)

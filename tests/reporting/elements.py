"""The elements of a page, and what must hold of every page, for tests."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["Elements", "check_ids", "check_page_needs_nothing_else"]

_VOID = {"meta", "br"}


class Elements(HTMLParser):
    """The elements of a page, and whether each is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def check_page_needs_nothing_else(page: str) -> None:
    """Fail where a page loads or runs something, or an id of it stands twice or nowhere."""
    elements = Elements(page)
    assert elements.open == []
    names = {name for name, _attributes in elements.found}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base", "form"})
    for _name, attributes in elements.found:
        for attribute, value in attributes.items():
            assert not attribute.startswith("on")
            if attribute in {"src", "href", "xlink:href", "data", "action"}:
                assert str(value).startswith("#")
    assert "@import" not in page
    assert page.count("url(") == page.count("url(#")
    policy = dict(elements.found[[name for name, _ in elements.found].index("meta") + 1][1])
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert str(policy["content"]).startswith("default-src 'none'")
    check_ids(elements)


def check_ids(elements: Elements) -> None:
    """Fail where an id stands twice, or a reference leads to none."""
    held = elements.found
    ids = [attributes["id"] for _name, attributes in held if "id" in attributes]
    assert len(ids) == len(set(ids)) > 10
    used = [str(a["xlink:href"])[1:] for _name, a in held if "xlink:href" in a]
    used += [str(a["clip-path"])[5:-1] for _name, a in held if "clip-path" in a]
    assert len(used) > 10
    assert set(used) <= set(ids)

"""A page as a reader's program takes it apart."""

from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "input", "wbr"}


class Element(NamedTuple):
    """A start tag, and the text up to its end tag."""

    tag: str
    attributes: dict[str, str]
    text: list[str]

    def said(self) -> str:
        """Return its text, with one space where there is any."""
        return " ".join("".join(self.text).split())

    def classes(self) -> set[str]:
        """Return the words of its class."""
        return set(self.attributes.get("class", "").split())


class Page(HTMLParser):
    """A page that is well formed: every element is closed, in the order in which it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, [])
        assert len(element.attributes) == len(attrs)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag
        if tag in ("td", "th"):
            # A table's cells are never one word.
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text.append(data)

    def of(self, tag: str, *classes: str) -> list[Element]:
        """Return the elements of a tag that have some classes."""
        return [e for e in self.elements if e.tag == tag and set(classes) <= e.classes()]

    def values(self, name: str) -> list[str]:
        """Return an attribute's values."""
        return [e.attributes[name] for e in self.elements if name in e.attributes]

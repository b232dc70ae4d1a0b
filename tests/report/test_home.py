"""Where the project lives is told wherever a format has room, and only if the metadata says it."""

import json
from collections.abc import Iterator
from email.message import Message

import pytest

from tests.report.test_report import FINDING, RULE, report
from xfrmlint.report import b4review, github, rdjson, sarif
from xfrmlint.report import home as homes

HOME, RULES = "https://example.org/xfrmlint", "https://example.org/xfrmlint/rules"
PAGE = f"{RULES}#direct_offload_handle"


@pytest.fixture(params=[[], [f"Homepage, {HOME}"], [f"Homepage, {HOME}", f"Rules, {RULES}"]])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    message = Message()
    for entry in request.param:
        message["Project-URL"] = entry
    monkeypatch.setattr("importlib.metadata.metadata", lambda name: message)
    homes.urls.cache_clear()
    yield request.param
    homes.urls.cache_clear()


def test_the_home(listed: list[str]) -> None:
    assert homes.home() == (HOME if listed else "")
    assert homes.page_of(FINDING.type) == ("" if not listed else PAGE if len(listed) > 1 else HOME)


def test_what_is_not_installed_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def metadata(name: str) -> Message:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.metadata", metadata)
    homes.urls.cache_clear()
    assert homes.home() == ""
    homes.urls.cache_clear()


def test_formats(listed: list[str]) -> None:
    found = report(FINDING)
    driver = json.loads("\n".join(sarif.render(found, [FINDING], [RULE])))["runs"][0]["tool"][
        "driver"
    ]
    assert driver.get("informationUri", "") == homes.home()
    assert driver["rules"][0].get("helpUri", "") == homes.page_of(FINDING.type)
    document = json.loads("\n".join(rdjson.render(found, [FINDING])))
    assert document["source"].get("url", "") == homes.home()
    assert document["diagnostics"][0]["code"].get("url", "") == homes.page_of(FINDING.type)
    (result,) = json.loads("\n".join(b4review.render(found, [FINDING])))
    assert result["url"] == homes.home()
    (line,) = github.render(found, [FINDING])
    assert ("https:" in line) == bool(listed)

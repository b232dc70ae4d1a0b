"""The page of `xfrmlint judge` as Chromium lays it out: whole on a screen, a phone and paper.

A page is put in a frame as wide as the screen, and a script of the test's beside it measures; what
it found is read from the document that Chromium prints. The page itself has no script.
"""

import json
import os
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from tests.laid import lay_fixture
from tests.ran import run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Where `npm install axe-core` put axe.min.js.
AXE = os.environ.get("AXE_CORE", "")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium on PATH (Debian: apt install chromium)"
    ),
]

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n')
WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of the demo tree, beside a run in which all was right."""
    folder = tmp_path_factory.mktemp("page")
    tree = lay_fixture("demo", folder / "demo")
    data = json.loads(run("judge", tree, "--format", "json", cwd=folder).out)
    for one in data["drivers"]:
        for handle in one["handles"]:
            handle["outcomes"] = dict.fromkeys(handle["outcomes"], "right")
    (folder / "run.json").write_text(json.dumps(data))
    ran = run("judge", tree, "--format", "html", "--against", "run.json", cwd=folder)
    assert ran.status == 1
    return ran.out


def started(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(CHROMIUM), *_FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(page: str, width: int, script: str, folder: Path) -> Any:
    """Return what a script's `measure(document, window)` says of a page in a frame."""
    # The page forbids scripts, also those of the test.
    framed = escape(_POLICY.sub("", page))
    file = folder / "frame.html"
    file.write_text(
        f'<iframe width="{width}" height="900" style="border:0" srcdoc="{framed}"></iframe><script>'
        f"{script}\nconst frame = document.querySelector('iframe');\n"
        "frame.onload = async () => {\n"
        "  const said = document.createElement('pre');\n"
        "  said.id = 'said';\n"
        "  try {\n"
        "    const found = await measure(frame.contentDocument, frame.contentWindow);\n"
        "    said.textContent = JSON.stringify(found);\n"
        "  } catch (error) { said.textContent = JSON.stringify(String(error)); }\n"
        "  document.body.append(said);\n"
        "};</script>",
        "utf-8",
    )
    out = started(folder, "--virtual-time-budget=20000", "--dump-dom", file.as_uri())
    said = re.search(r'<pre id="said">([^<]*)</pre>', out)
    assert said is not None, out[-500:]
    return json.loads(unescape(said[1]))


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(width: int, page: str, tmp_path: Path) -> None:
    script = """
    function measure(document, window) {
      const box = e => e.getBoundingClientRect();
      return {
        screen: window.innerWidth,
        over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        graphs: [...document.querySelectorAll('svg')].map(e => [box(e).left, box(e).right]),
        boxes: [...document.querySelectorAll('svg .box')].map(e => {
          const inside = [...e.querySelectorAll('text')].map(box);
          const around = box(e.querySelector('rect'));
          return inside.every(text => text.left >= around.left && text.right <= around.right);
        }),
        letters: Math.min(...[...document.querySelectorAll('svg text')].map(e => box(e).height)),
      };
    }"""
    found = measured(page, width, script, tmp_path)
    assert (found["screen"], found["over"]) == (width, 0)
    assert len(found["graphs"]) == 2
    assert all(0 <= left < right <= width for left, right in found["graphs"])
    assert found["boxes"]
    assert all(found["boxes"])
    assert found["letters"] >= 9


@pytest.mark.parametrize(
    ("choice", "drivers", "handles"),
    [
        ("show-all", ["moonset", "sunrise"], 4),
        ("show-open", ["sunrise"], 1),
        ("show-wrong", ["sunrise"], 1),
        ("show-changed", ["moonset", "sunrise"], 4),
    ],
)
def test_a_click_leaves_what_was_asked_for(
    choice: str, drivers: list[str], handles: int, page: str, tmp_path: Path
) -> None:
    script = f"""
    function measure(document) {{
      document.getElementById({choice!r}).click();
      const seen = found => [...document.querySelectorAll(found)].filter(e => e.checkVisibility());
      return [seen('section.driver h2').map(e => e.textContent.trim().split(/\\s/)[0]),
              seen('details.handle').length];
    }}"""
    assert measured(page, 1280, script, tmp_path) == [drivers, handles]


def test_a_link_opens_what_it_leads_to(page: str, tmp_path: Path) -> None:
    script = """
    async function measure(document, window) {
      const links = document.querySelectorAll('.topologies a, svg a');
      const places = new Set([...links].map(link => link.getAttribute('href')));
      const closed = [];
      for (const place of places) {
        for (const one of document.querySelectorAll('details')) one.open = false;
        const target = document.getElementById(place.slice(1));
        window.location.hash = place;
        await new Promise(resolve => setTimeout(resolve, 20));
        if (!target.checkVisibility()) closed.push(place);
      }
      return [places.size > 10, closed];
    }"""
    assert measured(page, 400, script, tmp_path) == [True, []]


def test_it_prints(page: str, tmp_path: Path) -> None:
    file, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    file.write_text(page, "utf-8")
    started(tmp_path, f"--print-to-pdf={printed}", "--no-pdf-header-footer", file.as_uri())
    assert printed.read_bytes().startswith(b"%PDF-")


@pytest.mark.skipif(not AXE, reason="AXE_CORE names no axe.min.js (npm install axe-core)")
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_fault(width: int, page: str, tmp_path: Path) -> None:
    axe = Path(AXE).read_text("utf-8")
    # Into the page itself, not beside it: axe looks at its own window.
    inside = page.replace("</body>", f"<script>{axe}</script></body>")
    script = """
    async function measure(document, window) {
      const found = await window.axe.run(window.document);
      const faults = found.violations.map(one => one.id + ': ' + one.nodes[0].html);
      return [found.passes.length > 10, faults];
    }"""
    assert measured(inside, width, script, tmp_path) == [True, []]

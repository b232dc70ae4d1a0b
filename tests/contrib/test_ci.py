"""contrib/ci: what GitHub and GitLab take; the commands in it do what they are for."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from tests.change.test_changes import SET_FLAG, TX, commit, linux, pristine
from tests.git.test_commit import git
from tests.ran import installed

pytestmark = pytest.mark.slow

__all__ = ["linux", "pristine"]

# Both come with the extra `dev`.
yaml = pytest.importorskip("yaml")
pytest.importorskip("check_jsonschema")

CHECKOUT = Path(__file__).parents[2]
CI = CHECKOUT / "contrib" / "ci"
PROMISED = "ERROR: example_handle() reads xso.offload_handle on the datapath"
DIRECT = "DIRECT_OFFLOAD_HANDLE"
COMMENT = (TX, "static netdev_tx_t", "/* Sends. */\nstatic netdev_tx_t")
MOVED = (TX, '#include "example.h"', '/* Moved. */\n#include "example.h"')


@pytest.mark.parametrize("name", ["github-workflows", "gitlab-ci"])
def test_the_published_schema(name: str) -> None:
    file = CI / f"{name.partition('-')[0]}.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{name}"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "ok -- validation done")


class Clone(NamedTuple):
    """A clone of depth 1, as a runner has it, and the commits of the request's two ends."""

    folder: Path
    base: str
    head: str


def request(linux: Path, *edits: tuple[str, str, str], ahead: int = 0) -> Clone:
    """Return a request of one commit an edit; its target is some commits further."""
    git(linux, "checkout", "-qb", "topic")
    for number, edit in enumerate(edits):
        commit(linux, f"example: change {number}", edit)
    head = git(linux, "rev-parse", "HEAD")
    git(linux, "checkout", "-q", "-")
    for number in range(ahead):
        git(linux, "commit", "-q", "--allow-empty", "-m", f"other: change {number}")
    base = git(linux, "rev-parse", "HEAD")
    folder = linux.parent / "clone"
    git(linux, "clone", "-q", "--depth=1", "--branch=topic", linux.as_uri(), str(folder))
    return Clone(folder, base, head)


class Done(NamedTuple):
    """How a job ended and what its steps printed."""

    failed: list[str]
    out: str


def environment_of(clone: Clone) -> dict[str, str]:
    found = installed(clone.folder.parent / "tools")
    # A test that runs in such a job must not speak to it.
    return {k: v for k, v in found.items() if not k.startswith(("GIT_", "GITHUB_", "CI_"))}


def shell(script: str, clone: Clone, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=clone.folder, env=env, capture_output=True, text=True)


def on_github(clone: Clone, leave_out: str = "Install xfrmlint") -> Done:
    """Run the steps of the workflow as GitHub's runner does; leave_out: one of them."""
    job: dict[str, Any] = yaml.safe_load((CI / "github.yml").read_text("utf-8"))["jobs"]["xfrmlint"]
    temporary = clone.folder.parent / "temp"
    temporary.mkdir()
    env = environment_of(clone) | {"RUNNER_TEMP": str(temporary), "XFRMLINT": str(CHECKOUT)}
    env |= {"BASE": clone.base, "HEAD": clone.head}
    assert set(job["env"]) == {"XFRMLINT", "BASE", "HEAD"}
    files = {name: temporary / name for name in ("GITHUB_ENV", "GITHUB_PATH")}
    failed: list[str] = []
    out = ""
    for step in job["steps"]:
        skipped = failed and step.get("if") != "always()"
        if "run" not in step or step["name"] == leave_out or skipped:
            continue
        for file in files.values():
            file.write_text("")
        done = shell(step["run"], clone, env | {k: str(v) for k, v in files.items()})
        out += done.stdout
        if done.returncode:
            failed.append(step["name"])
        for line in files["GITHUB_ENV"].read_text().splitlines():
            name, _, value = line.partition("=")
            env[name] = value
        for line in files["GITHUB_PATH"].read_text().splitlines():
            env["PATH"] = f"{line}{os.pathsep}{env['PATH']}"
    return Done(failed, out)


def sarif_of(clone: Clone) -> list[Any]:
    document = json.loads((clone.folder.parent / "temp" / "xfrmlint.sarif").read_text("utf-8"))
    results: list[Any] = document["runs"][0]["results"]
    return results


def test_github_says_nothing_of_a_clean_request(linux: Path) -> None:
    clone = request(linux, COMMENT)
    done = on_github(clone)
    assert (done.failed, "::" in done.out) == ([], False)
    assert sarif_of(clone) == []


@pytest.mark.parametrize("ahead", [0, 150])
def test_github_shows_what_a_request_brings(ahead: int, linux: Path) -> None:
    clone = request(linux, SET_FLAG, COMMENT, MOVED, ahead=ahead)
    done = on_github(clone)
    assert done.failed == ["Check each of them"]
    first, second = [line for line in done.out.splitlines() if line.startswith("::")]
    assert first.startswith("::error title=LOWER_HANDLE_NOT_RESOLVED,file=drivers/net/example/")
    # The place that it has in the end.
    assert second.startswith(f"::error title={DIRECT},file={TX},line=6,")
    assert [one["ruleId"] for one in sarif_of(clone)] == ["LOWER_HANDLE_NOT_RESOLVED", DIRECT]


def test_github_installs_it(linux: Path) -> None:
    """For once what pip makes of this checkout."""
    clone = request(linux, COMMENT)
    assert on_github(clone, leave_out="").failed == []
    assert (clone.folder.parent / "temp/xfrmlint/bin/xfrmlint").exists()


def test_where_it_is_installed_from_is_asked_for(linux: Path) -> None:
    clone = request(linux, COMMENT)
    github = yaml.safe_load((CI / "github.yml").read_text("utf-8"))["jobs"]["xfrmlint"]
    gitlab = yaml.safe_load((CI / "gitlab.yml").read_text("utf-8"))["xfrmlint"]
    assert "XFRMLINT" not in gitlab["variables"]
    (step,) = [one for one in github["steps"] if one.get("name") == "Install xfrmlint"]
    for script in (step["run"], "\n".join(gitlab["script"])):
        done = shell(script, clone, environment_of(clone) | {"XFRMLINT": ""})
        assert (done.returncode, done.stdout) == (1, "")
        assert "what pip installs xfrmlint from" in done.stderr


def on_gitlab(clone: Clone, merged: bool) -> Done:
    """Run the job's script as GitLab's runner does: its lines are one script."""
    job = yaml.safe_load((CI / "gitlab.yml").read_text("utf-8"))["xfrmlint"]
    install = ("venv", "bin/pip", "$XFRMLINT")
    lines = [line for line in job["script"] if not any(word in line for word in install)]
    assert len(lines) == len(job["script"]) - 3
    env = environment_of(clone) | {"CI_BUILDS_DIR": "/nonexistent"}
    env["CI_MERGE_REQUEST_DIFF_BASE_SHA"] = git(
        clone.folder.parent / "linux", "merge-base", clone.base, clone.head
    )
    env["CI_COMMIT_SHA"] = clone.base if merged else clone.head
    env["CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"] = clone.head if merged else ""
    done = shell("\n".join(lines), clone, env)
    return Done(["script"] * (done.returncode != 0), done.stdout)


@pytest.mark.parametrize(("merged", "ahead"), [(False, 0), (True, 150)])
def test_gitlab(merged: bool, ahead: int, linux: Path) -> None:
    clone = request(linux, COMMENT, SET_FLAG, ahead=ahead)
    done = on_gitlab(clone, merged)
    assert done.failed == ["script"]
    assert PROMISED in done.out
    quality = json.loads((clone.folder / "gl-code-quality-report.json").read_text("utf-8"))
    assert [one["check_name"] for one in quality] == ["LOWER_HANDLE_NOT_RESOLVED", DIRECT]
    suites = ElementTree.parse(clone.folder / "xfrmlint.xml").getroot()
    assert len(suites.findall(".//failure")) == 2


def test_what_a_later_commit_mends_is_in_no_report(linux: Path) -> None:
    back = (SET_FLAG[0], SET_FLAG[2], SET_FLAG[1])
    clone = request(linux, SET_FLAG, back)
    done = on_gitlab(clone, False)
    assert (done.failed, PROMISED in done.out) == (["script"], True)
    assert json.loads((clone.folder / "gl-code-quality-report.json").read_text("utf-8")) == []


def test_gitlab_of_a_clean_request(linux: Path) -> None:
    clone = request(linux, COMMENT)
    done = on_gitlab(clone, False)
    assert (done.failed, "has no obvious xfrm offload problems" in done.out) == ([], True)
    assert json.loads((clone.folder / "gl-code-quality-report.json").read_text("utf-8")) == []
    suites = ElementTree.parse(clone.folder / "xfrmlint.xml").getroot()
    assert suites.findall(".//failure") == []

"""What is written about the commands and rules is what they are."""

import re
from pathlib import Path

import click
import pytest

from tests.ran import run
from xfrmlint.cli import cli
from xfrmlint.rules import load_rules, rules_folder

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text("utf-8")
COMMANDS = sorted(cli.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help(name: str, tmp_path: Path) -> None:
    ran = run(name, "--help", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: xfrmlint {name} ")
    assert cli.commands[name].help
    assert (cli.commands[name].help or "").splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_has_help(name: str) -> None:
    options = [p for p in cli.commands[name].params if isinstance(p, click.Option)]
    assert [p.name for p in options if not p.help and not isinstance(p.type, click.Choice)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_a_command(name: str) -> None:
    assert re.search(rf"`xfrmlint {name}\b", README)


def test_the_readme_names_no_other_command() -> None:
    named = set(re.findall(r"xfrmlint ([a-z]+)\b[^\n`]*`", README))
    assert named <= set(COMMANDS)


def test_the_readme_names_options_that_exist() -> None:
    known = {
        o for c in cli.commands.values() for p in c.params for o in (*p.opts, *p.secondary_opts)
    }
    about_check = README.split("## Commands")[1].split("\n## ")[0]
    named = set(re.findall(r"`(--[a-z-]+)", about_check))
    assert named
    assert named <= known


def test_the_readme_tells_the_exit_statuses() -> None:
    line = next(line for line in README.splitlines() if line.startswith("Exit status: "))
    for status in ("0 clean", "1 findings", "2 could not run", "130 ", "141 "):
        assert status in line


def test_the_manual_page_is_what_the_commands_say(tmp_path: Path) -> None:
    ran = run("man", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == (CHECKOUT / "docs/xfrmlint.1").read_text("utf-8")
    for name in COMMANDS:
        assert f".SS xfrmlint {name} " in ran.out


def test_the_rules_readme_is_what_the_rules_say(tmp_path: Path) -> None:
    ran = run("rules", "--format", "markdown", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == (CHECKOUT / "rules/README.md").read_text("utf-8")


def test_the_rules_readme_has_a_section_for_each() -> None:
    text = (CHECKOUT / "rules/README.md").read_text("utf-8")
    for rule in load_rules([rules_folder()]):
        assert re.search(rf"^## {rule.type}$", text, re.M)


def _block(text: str, start: str) -> str:
    """Return the code block of README that begins with (or follows) a text."""
    behind = text.split(start, 1)[1]
    return behind.split("```")[0]


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    ran = run("check", str(CHECKOUT / "fixtures/demo"), cwd=tmp_path)
    assert _block(README, "It prints\n\n```\n") == ran.out

"""Names that a person gives: what they say holds for a tree, and for what a change brings to it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.asked import report_on
from tests.contract.test_contract import OTHERWISE, rename
from tests.git.test_commit import git
from tests.laid import difference, expected, lay_fixture
from tests.ran import Ran, run
from xfrmlint.tree.folder import Folder

# Nothing but their names tells these trees' resolvers, where two functions have the shape of one.
UNTOLD = ("handles-listed", "handles-listed-wrong", "handles-by-index", "handles-by-index-wrong")
RESOLVER = OTHERWISE["xfrm_dev_state_lower_handle"]
GIVEN = f'[contract.core]\nresolver = "{RESOLVER}"\n'
OAK = "drivers/net/oak/oak_tx.c"
HANDLE_TESTED = "	if (!"
SETTINGS = ".xfrmlint.toml"
XFRM = "include/net/xfrm.h"
TWIN = """
static inline unsigned long xfrm_turn_of(struct xfrm_state *x, struct net_device *dev)
{
	return x->xso.dev == dev;
}

#endif
"""


def lay_untold(name: str, to: Path) -> Path:
    """Lay a fixture that has no callback, with other names, and a twin of its resolver."""
    tree = rename(lay_fixture(name, to))
    text = (tree / XFRM).read_text("utf-8").rstrip()
    assert text.endswith("#endif")
    (tree / XFRM).write_text(text.removesuffix("#endif") + TWIN.lstrip(), "utf-8")
    return tree


def found(ran: Ran) -> dict[tuple[str, int], set[str]]:
    """Return the types by place of what was printed as --terse --show-types does, in a tree."""
    places: dict[tuple[str, int], set[str]] = {}
    for line in ran.out.splitlines():
        head, _, rest = line.partition(": ")
        path, _, number = head.rpartition(":")
        if number.isdigit() and ":" in rest:
            kind = rest.partition(": ")[0].partition(":")[2] or rest.split(":")[1]
            places.setdefault((path, int(number)), set()).add(kind)
    return places


@pytest.mark.slow
@pytest.mark.parametrize("name", UNTOLD)
def test_renamed_with_names_given_every_finding_is_as_without_renaming(
    name: str, tmp_path: Path
) -> None:
    tree = lay_untold(name, tmp_path / "linux")
    arguments = ("check", "--no-cache", "--strict", "--terse", "--show-types", "-q", tree)
    assert found(run(*arguments, cwd=tree)) == {}
    (tree / SETTINGS).write_text(GIVEN)
    wanted = expected(tree)
    by_settings = run(*arguments, cwd=tree)
    assert not difference(found(by_settings), wanted)
    file = tmp_path / "names.toml"
    file.write_text(GIVEN.replace("contract.core", "core"))
    by_file = run(*arguments, "--no-config", "--contract", file, cwd=tree)
    assert by_file.out == by_settings.out


def test_a_promise_without_a_resolver_is_told(tmp_path: Path) -> None:
    report = report_on(Folder(lay_untold("handles-listed", tmp_path / "linux")))
    assert report.contract == "absent"
    (reason,) = [one.reason for one in report.unknown if one.matters]
    assert reason.startswith(f"there is a {OTHERWISE['XFRMDEV_OPS_F_LOWER_HANDLE']}, and no ")


def broken(tree: Path) -> None:
    """Take away the driver's test of its handle."""
    text = (tree / OAK).read_text("utf-8")
    assert text.count(HANDLE_TESTED) == 1
    (tree / OAK).write_text(text.replace(HANDLE_TESTED, "	if (0 && !"), "utf-8")


def by_git(tree: Path) -> list[str | Path]:
    git(tree, "commit", "-qam", "oak: trust the handle")
    return ["--git", "HEAD"]


def by_patch(tree: Path) -> list[str | Path]:
    patch = tree.parent / "one.patch"
    patch.write_text(git(tree, "diff") + "\n", "utf-8")
    git(tree, "checkout", "-q", ".")
    return ["--patch", patch]


def by_index(tree: Path) -> list[str | Path]:
    git(tree, "add", "-A")
    return ["--staged"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A tree whose names nobody knows, in a repository of one commit."""
    tree = lay_untold("handles-listed", tmp_path / "linux")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "Linux 7.4")
    return tree


WAYS = [by_git, by_patch, by_index]
Way = Callable[[Path], list[str | Path]]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("given", ["settings", "file", ""])
def test_names_hold_for_what_a_change_brings(repository: Path, way: Way, given: str) -> None:
    file = repository.parent / "names.toml"
    file.write_text(GIVEN.replace("contract.core", "core"))
    if given == "settings":
        (repository / SETTINGS).write_text(GIVEN)
        git(repository, "add", "-A")
        git(repository, "commit", "-qm", "Say what the resolver is called")
    broken(repository)
    asked = way(repository)
    options: list[str | Path] = ["--contract", file] if given == "file" else []
    ran = run("check", "--no-cache", "--terse", "--show-types", *options, *asked, cwd=repository)
    assert ran.status == (1 if given else 0), ran.err
    assert ("UNCHECKED_LOWER_HANDLE" in ran.out) == bool(given)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_neither_side_of_a_change_has_is_refused(repository: Path, way: Way) -> None:
    file = repository.parent / "names.toml"
    file.write_text(f'[core]\nresolver = "{RESOLVER[:-1]}"\n')
    broken(repository)
    ran = run("check", "--no-cache", "--contract", file, *way(repository), cwd=repository)
    assert ran.status == 2
    assert RESOLVER in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.slow
def test_a_change_that_renames_brings_its_name_with_it(repository: Path) -> None:
    """The name is the headers' own on one side alone: the other side has no contract."""
    for path in repository.rglob("*.[ch]"):
        text = path.read_text("utf-8")
        path.write_text(text.replace(RESOLVER, "xfrm_key_for"), "utf-8")
    broken(repository)
    (repository / SETTINGS).write_text(GIVEN.replace(RESOLVER, "xfrm_key_for"))
    git(repository, "add", "-A")
    ran = run("check", "--no-cache", "--terse", "--show-types", "--staged", cwd=repository)
    assert ran.status == 1, ran.err
    assert "UNCHECKED_LOWER_HANDLE" in ran.out

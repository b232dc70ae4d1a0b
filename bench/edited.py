"""Changes to measure: a copy in which a file changes, a patch of it, a commit that is prepared."""

import difflib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.own import check
from bench.timing import Command
from tests.laid import FIXTURES

FILE, PATCH, HOOK, DIFF = "check, a file changed", "check --patch", "check --staged", "git diff"


def one_file(tree: Path, path: str, scratch: Path) -> Command:
    """Return a check of a copy of the tree in which one file is another one before each run."""
    copy = scratch / "copy"
    needed = sum(f.stat(follow_symlinks=False).st_size for f in tree.rglob("*") if f.is_file())
    if shutil.disk_usage(scratch).free < needed * 1.2:
        return Command(FILE, missing=f"no room for a copy of the tree below {scratch.parent}")
    # cp, since Python takes half a minute for a kernel.
    subprocess.run(["cp", "-a", "--", str(tree), str(copy)], check=True)
    original = (tree / path).read_bytes()

    def change(turn: int) -> None:
        (copy / path).write_bytes(original + f"\n/* {turn} */\n".encode())

    return check(FILE, copy, ".")._replace(before=change)


def one_patch(tree: Path, path: str, scratch: Path) -> Command:
    """Return a check of a patch that adds a line to a file of the tree."""
    text = (tree / path).read_text("utf-8", "surrogateescape")
    old = text.splitlines(keepends=True)
    new = [*old[:-1], "/* One line more. */\n", *old[-1:]]
    patch = scratch / "one.patch"
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    patch.write_text("".join(lines), "utf-8", "surrogateescape")
    return check(PATCH, tree, "--patch", str(patch), ".")


def nothing_to_do(
    scratch: Path, environment: Mapping[str, str], kernel: Path | None = None
) -> list[Command]:
    """Return a pre-commit hook's check where what is staged is no driver, and git's own share.

    kernel: the tree that is made a repository of; else a small one is, of a fixture.
    """
    repository = scratch / "repository"
    if kernel is None:
        shutil.copytree(FIXTURES / "demo", repository)
    else:
        subprocess.run(["cp", "-a", "--", str(kernel), str(repository)], check=True)
        # Debian's ignores everything.
        (repository / ".gitignore").unlink(missing_ok=True)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    git += ["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"]

    def run(*arguments: str) -> None:
        command = [*git, *arguments]
        subprocess.run(command, cwd=repository, env=environment, check=True, capture_output=True)

    try:
        run("init", "-q")
        run("add", "-A")
        run("commit", "-q", "-m", "base")
        with open(repository / "MAINTAINERS", "a", encoding="utf-8") as file:
            file.write("\n")
        run("add", "MAINTAINERS")
    except (OSError, subprocess.CalledProcessError) as error:
        missing = f"no repository: {error}"
        return [Command(DIFF, missing=missing), Command(HOOK, missing=missing)]
    diff = ("git", "diff", "--cached", "--name-only")
    return [Command(DIFF, diff, repository), check(HOOK, repository, "--staged")]

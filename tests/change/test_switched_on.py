"""What is found because a change brings the contract itself: the resolver is the cause."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.change.test_changes import WAYS, Way, short
from tests.git.test_commit import git
from tests.laid import FIXTURES, lay

XFRM = "include/net/xfrm.h"
HEAD = "xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)"
SENTENCE = "/* The handle under which lower_dev knows x, or 0 if it has none. */\n"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel without a resolver, with drivers that hand states on, in a repository."""
    folder = lay("mainline", tmp_path_factory.mktemp("kernel") / "linux")
    shutil.copytree(FIXTURES / "mainline-upper" / "drivers", folder / "drivers", dirs_exist_ok=True)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Linux 7.4")
    return folder


@pytest.fixture
def linux(before: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(before, tmp_path / "linux"))


def bring(folder: Path, comments: Sequence[str] = ()) -> None:
    """Commit the resolver, with comments that speak of it in front."""
    shutil.copytree(FIXTURES / "base" / "rfc", folder, dirs_exist_ok=True)
    git(folder, "checkout", "-q", "HEAD", "--", "Makefile", "drivers/net/Makefile")
    text = (folder / XFRM).read_text("utf-8")
    assert text.count(SENTENCE) == 1
    said = "".join(f"/* {comment} */\n" for comment in comments)
    (folder / XFRM).write_text(text.replace(SENTENCE, said + SENTENCE), "utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "xfrm: ask whose handle it is")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "comments",
    [(), ("xfrm_dev_state_lower_handle() answers.", "xso.offload_handle, upper_priv, real_dev")],
)
def test_the_resolver_is_the_cause_of_what_it_switches_on(
    way: Way, comments: Sequence[str], linux: Path
) -> None:
    bring(linux, comments)
    (report,) = way(linux)
    found = short(report)
    causes = {cause.rpartition(": ")[2] for *_, cause in found if cause}
    assert found
    assert causes == {HEAD}

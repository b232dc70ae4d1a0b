"""What changes bring, by whatever way they come: patches, commits, the index, the folder."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.asked import SESSION
from tests.concrete.test_conduct import TEAMS, UNDO
from tests.git.test_commit import git, write
from tests.laid import lay
from tests.ran import run
from xfrmlint.change import judged as changes
from xfrmlint.change.asked import Asked, steps_of
from xfrmlint.change.history import not_checked_out
from xfrmlint.change.judged import ChangeReport, judged
from xfrmlint.errors import InputError
from xfrmlint.findings import Report, Unknown
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder, find_tree, is_sparse

pytestmark = pytest.mark.slow

RULES = load_rules([rules_folder()])
DIRECT, NOT_RESOLVED = "DIRECT_OFFLOAD_HANDLE", "LOWER_HANDLE_NOT_RESOLVED"
CONTROL, FLAG_MISSING = "CONTROL_OFFLOAD_HANDLE", "LOWER_HANDLE_FLAG_MISSING"
TX, OPS = "drivers/net/example/tx.c", "drivers/net/example/ipsec.c"
HEADER, MAKEFILE = "drivers/net/example/example.h", "drivers/net/example/Makefile"
README = "Documentation/networking/example.rst"

READ = "return x->xso.offload_handle;"
RESOLVED = "return xfrm_dev_state_lower_handle(x, dev);"
FLAG = ".flags = XFRMDEV_OPS_F_LOWER_HANDLE,"
TABLE = "const struct xfrmdev_ops example_xfrmdev_ops = {"
HANDLE = """\
unsigned long example_handle(struct xfrm_state *x, struct net_device *dev)
{
	return x->xso.offload_handle;
}

"""
FILES = {
    README: "Example\n=======\n",
    "drivers/net/Makefile": "obj-m += example/\n",
    MAKEFILE: "obj-m += example.o\nexample-y := tx.o ipsec.o\n",
    HEADER: """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

unsigned long example_last(struct xfrm_state *x);
extern const struct net_device_ops example_netdev_ops;
""",
    TX: f"""\
#include "example.h"

{HANDLE}static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{{
	unsigned long handle = example_handle(xfrm_input_state(skb), dev);

	if (!handle) {{
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}}
	skb->queue_mapping = handle;
	return NETDEV_TX_OK;
}}

const struct net_device_ops example_netdev_ops = {{
	.ndo_start_xmit = example_xmit,
}};
""",
    OPS: """\
#include "example.h"

unsigned long example_last(struct xfrm_state *x)
{
	unsigned long handle = READ_ONCE(x->xso.offload_handle);

	return handle;
}

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static void example_delete(struct net_device *dev, struct xfrm_state *x)
{
	netdev_dbg(dev, "%lu goes\\n", example_last(x));
}

const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add = example_add,
	.xdo_dev_state_delete = example_delete,
};

void example_init(struct net_device *dev)
{
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
""",
}

# A path, what is replaced in it, and by what.
Edit = tuple[str, str, str]
SET_FLAG: Edit = (OPS, "delete,\n};", f"delete,\n\t{FLAG}\n}};")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel with one driver, not converted, in a git repository of one commit."""
    folder = lay("rfc", tmp_path_factory.mktemp("kernel") / "linux")
    write(folder, FILES)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Linux 7.4")
    return folder


@pytest.fixture
def linux(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "linux"))


def edit(folder: Path, *edits: Edit) -> None:
    for path, old, new in edits:
        text = (folder / path).read_text("utf-8")
        assert text.count(old) == 1, (path, old)
        (folder / path).write_text(text.replace(old, new), "utf-8")


def commit(folder: Path, subject: str, *edits: Edit) -> str:
    edit(folder, *edits)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", subject)
    return git(folder, "rev-parse", "HEAD")


def judge(folder: Path, only_new: bool = True, **asked: object) -> list[ChangeReport]:
    with ExitStack() as stack:
        steps = steps_of(Asked(**asked), find_tree(str(folder)), stack)  # type: ignore[arg-type]
        return [judged(step, RULES, only_new, session=SESSION) for step in steps]


def patches_of(folder: Path, since: str = "HEAD~1") -> list[str]:
    """Return the commits since one as files of patches beside the folder."""
    return git(folder, "format-patch", "-o", str(folder.parent), since).splitlines()


# The ways on which one change can come. Each gets a folder in which it is committed on top.


def by_git(folder: Path) -> list[ChangeReport]:
    return judge(folder, revisions=("HEAD",))


def by_patch_that_is_contained(folder: Path) -> list[ChangeReport]:
    return judge(folder, patches=tuple(patches_of(folder)))


def by_patch_that_is_not(folder: Path) -> list[ChangeReport]:
    patches = tuple(patches_of(folder))
    git(folder, "reset", "-q", "--hard", "HEAD~1")
    return judge(folder, patches=patches)


def by_index(folder: Path) -> list[ChangeReport]:
    git(folder, "reset", "-q", "--soft", "HEAD~1")
    write(folder, {TX: "not this one\n", OPS: "nor this\n"})
    return judge(folder, staged=True)


def by_folder(folder: Path) -> list[ChangeReport]:
    git(folder, "reset", "-q", "--mixed", "HEAD~1")
    return judge(folder, base="HEAD")


def by_folder_since(folder: Path) -> list[ChangeReport]:
    return judge(folder, base="HEAD~1")


WITH_PATCH = [by_git, by_patch_that_is_contained, by_patch_that_is_not]
WAYS = [*WITH_PATCH, by_index, by_folder, by_folder_since]
Way = Callable[[Path], list[ChangeReport]]


def short(report: ChangeReport) -> list[tuple[str, str, str, str]]:
    """Return type, level, the line's text and that of its cause, if it has one."""
    found = []
    for told in report.told:
        finding = told.finding
        causes = [place.text for place in finding.related if place.text.startswith("since ")]
        found.append((finding.type, finding.level, finding.source.strip(), "".join(causes)))
    return found


# The edits; what is new: type, level, the line, its cause; how many are fixed.
Wanted = tuple[Sequence[Edit], Sequence[tuple[str, str, str, str]], int]
SCENARIOS: dict[str, Wanted] = {
    "a comment": ([(TX, "static netdev_tx_t", "/* Sends. */\nstatic netdev_tx_t")], [], 0),
    "lines above": (
        [(TX, "unsigned long example_handle", "/* A\n * B\n */\nunsigned long example_handle")],
        [],
        0,
    ),
    "a renamed function": (
        [
            (TX, "long example_handle(", "long example_index("),
            (TX, "= example_handle(", "= example_index("),
        ],
        [],
        0,
    ),
    "a moved function": (
        [
            (TX, HANDLE, ""),
            (HEADER, "extern", f"{HANDLE.partition(chr(10))[0]};\nextern"),
            (OPS, "unsigned long example_last", f"{HANDLE}unsigned long example_last"),
        ],
        [],
        0,
    ),
    "the flag, far from the read": (
        [SET_FLAG],
        [
            (NOT_RESOLVED, "ERROR", TABLE, f": {FLAG}"),
            (DIRECT, "ERROR", READ, f": {FLAG}"),
        ],
        0,
    ),
    "edited, and still wrong": (
        [(TX, READ, f"{READ[:-1]} & 7;")],
        [(DIRECT, "WARNING", f"{READ[:-1]} & 7;", "")],
        0,
    ),
    "a helper made reachable": (
        [(TX, "skb->queue_mapping = handle;", "skb->queue_mapping = example_last(NULL);")],
        [
            (
                DIRECT,
                "WARNING",
                "unsigned long handle = READ_ONCE(x->xso.offload_handle);",
                ": skb->queue_mapping = example_last(NULL);",
            )
        ],
        0,
    ),
    "a helper that no packet reaches any longer": (
        [
            (TX, "= example_handle(xfrm_input_state(skb), dev);", "= 1;"),
            (HEADER, "extern", f"{HANDLE.partition(chr(10))[0]};\nextern"),
            (OPS, "example_last(x));", "example_last(x) + example_handle(x, dev));"),
        ],
        [],
        0,
    ),
    "fixed": ([(TX, READ, RESOLVED)], [(FLAG_MISSING, "WARNING", TABLE, f": {RESOLVED}")], 1),
    "converted": ([(TX, READ, RESOLVED), SET_FLAG], [], 1),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_change_brings(name: str, way: Way, linux: Path) -> None:
    edits, wanted, fixed = SCENARIOS[name]
    commit(linux, "[net-next] example: a change", *edits)
    (report,) = way(linux)
    title = "[net-next] example: a change" if way is by_git else "example: a change"
    since = f'since "{title}"' if way in WITH_PATCH else "since this change"
    whole = [(*row[:3], row[3] and since + row[3]) for row in wanted]
    assert sorted(short(report)) == sorted(whole)
    assert len(report.fixed) == fixed
    assert report.report.unknown == ()


def moved(folder: Path) -> None:
    git(folder, "mv", TX, "drivers/net/example/transmit.c")
    edit(folder, (MAKEFILE, "tx.o", "transmit.o"))


@pytest.mark.parametrize("way", WAYS)
def test_a_renamed_file(way: Way, linux: Path) -> None:
    moved(linux)
    commit(linux, "example: a name that says more")
    (report,) = way(linux)
    assert (report.told, report.fixed) == ((), ())


@pytest.mark.parametrize("way", [*WITH_PATCH, by_index, by_folder_since])
def test_a_renamed_file_and_function(way: Way, linux: Path) -> None:
    edit(linux, *SCENARIOS["a renamed function"][0])
    moved(linux)
    commit(linux, "example: names that say more")
    (report,) = way(linux)
    assert (report.told, report.fixed) == ((), ())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("back", [False, True])
def test_a_driver_that_comes_or_goes_with_its_folder(back: bool, way: Way, linux: Path) -> None:
    git(linux, "rm", "-qr", str(Path(TX).parent))
    commit(linux, "example: nobody has one")
    if back:
        git(linux, "revert", "--no-commit", "HEAD")
        commit(linux, "example: somebody has one")
    (report,) = way(linux)
    both = [CONTROL, DIRECT]
    assert sorted(row[0] for row in short(report)) == (both if back else [])
    assert sorted(finding.type for finding in report.fixed) == ([] if back else both)
    assert report.report.unknown == ()


def test_all_findings_if_they_are_asked_for(linux: Path) -> None:
    commit(linux, "example: promise", SET_FLAG)
    (report,) = judge(linux, only_new=False, revisions=("HEAD",))
    told = [(one.finding.type, one.new, one.line > 0, one.since > 0) for one in report.told]
    # Of the three the table alone is in the patch.
    assert sorted(told) == [
        (CONTROL, False, False, False),
        (DIRECT, True, False, True),
        (NOT_RESOLVED, True, True, False),
    ]


# Where in a patch's text a finding is shown.


def shown_at(report: ChangeReport, patch: str) -> list[tuple[str, str]]:
    """Return the type of each finding and the line of the patch that it is, or that brought it."""
    lines = Path(patch).read_text("utf-8").split("\n")
    return sorted((told.finding.type, lines[(told.line or told.since) - 1]) for told in report.told)


def test_an_added_line_is_shown_where_the_patch_adds_it(linux: Path) -> None:
    commit(linux, "example: mask", (TX, READ, f"{READ[:-1]} & 7;"))
    (patch,) = patches_of(linux)
    (report,) = judge(linux, patches=(patch,))
    assert shown_at(report, patch) == [(DIRECT, f"+\t{READ[:-1]} & 7;")]


@pytest.mark.parametrize("above", ["", "/* One.\n * Two.\n */\n"])
def test_a_line_around_is_shown_where_the_patch_has_it_else_what_made_it_so(
    above: str, linux: Path
) -> None:
    """The table's line is context of the hunk that sets the flag; the read is far away.

    above: lines that the tree has and the patch knows nothing of.
    """
    commit(linux, "example: promise", SET_FLAG)
    (patch,) = patches_of(linux)
    git(linux, "reset", "-q", "--hard", "HEAD~1")
    write(linux, {OPS: above + (linux / OPS).read_text("utf-8")})
    (report,) = judge(linux, patches=(patch,))
    assert shown_at(report, patch) == [(DIRECT, f"+\t{FLAG}"), (NOT_RESOLVED, f" {TABLE}")]


def test_a_line_around_what_was_only_removed(linux: Path) -> None:
    commit(linux, "example: resolve", (TX, READ, RESOLVED), SET_FLAG)
    commit(linux, "example: take back the promise", (OPS, f"\t{FLAG}\n", ""))
    (patch,) = patches_of(linux)
    (report,) = judge(linux, patches=(patch,))
    assert shown_at(report, patch) == [(FLAG_MISSING, f" {TABLE}")]
    assert short(report)[0][3] == f'since "example: take back the promise" (removed): {FLAG}'


TESTED = """\
	if (!handle) {
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
"""
ROUND = (
    TX,
    "static netdev_tx_t example_xmit",
    "static int round;\n\nstatic netdev_tx_t example_xmit",
)

# What stands there before, the edits, and the causes by type. Quiet: what is near, and no evidence.
CAUSES: dict[str, tuple[Sequence[Edit], Sequence[Edit], dict[str, str]]] = {
    "a resolver's call elsewhere, another slot beside": (
        [],
        [
            (TX, READ, RESOLVED),
            (
                OPS,
                "example_delete,\n};",
                "example_delete,\n\t.xdo_dev_state_free = example_delete,\n};",
            ),
        ],
        {FLAG_MISSING: RESOLVED},
    ),
    "a flag, in a table whose head changes": (
        [(TX, READ, RESOLVED), SET_FLAG],
        [(OPS, f"\t{FLAG}\n", ""), (OPS, TABLE, TABLE.removeprefix("const "))],
        {FLAG_MISSING: f"(removed): {FLAG}"},
    ),
    "a test of the handle": (
        [
            (TX, READ, RESOLVED),
            SET_FLAG,
            (TX, "skb->queue_mapping = handle;", "writel(1, handle);"),
        ],
        [(TX, TESTED, ""), ROUND],
        {"UNCHECKED_LOWER_HANDLE": "(removed): if (!handle) {"},
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_cause_is_what_the_finding_rests_on(name: str, linux: Path) -> None:
    before, edits, wanted = CAUSES[name]
    if before:
        commit(linux, "example: before", *before)
    commit(linux, "example: a change", *edits)
    (report,) = judge(linux, revisions=("HEAD",))
    found = {
        kind: cause.removeprefix('since "example: a change"') for kind, _, _, cause in short(report)
    }
    assert {kind: cause.lstrip(": ") for kind, cause in found.items()} == wanted


def test_what_an_owner_no_longer_undoes_is_the_cause(tmp_path: Path) -> None:
    linux, jasper = lay("rfc", tmp_path / "linux"), "drivers/net/jasper/jasper_main.c"
    shutil.copytree(TEAMS / "jasper", linux / "drivers/net/jasper")
    write(linux, {"drivers/net/Makefile": "obj-m += jasper/\n"})
    git(linux, "init", "-q")
    commit(linux, "Linux 7.4")
    # A line that is written anew, and says what it said.
    again = (
        jasper,
        "\tx->xso.offload_handle = 0;\n\treturn err;",
        "\tx->xso.offload_handle = (0);\n\treturn err;",
    )
    commit(linux, "jasper: simplify add", (jasper, UNDO, ""), again)
    (report,) = judge(linux, revisions=("HEAD",))
    (told,) = report.told
    assert told.finding.type == "UPPER_ADD_NOT_ROLLED_BACK"
    assert told.finding.message.endswith("(U is the owner, A and B its lower devices)")
    assert told.finding.related[-1].text.endswith("(removed): jasper_del_slot(&b->slot[i], x);")


def test_a_deleted_file_is_a_cause(linux: Path) -> None:
    commit(linux, "example: resolve", (TX, READ, RESOLVED), SET_FLAG)
    (linux / TX).unlink()
    commit(linux, "example: no packets", (MAKEFILE, "tx.o ", ""))
    (patch,) = patches_of(linux)
    (report,) = judge(linux, patches=(patch,))
    (told,) = report.told
    assert told.finding.type == NOT_RESOLVED
    assert told.finding.related[-1].path == TX
    assert told.finding.related[-1].text.endswith(f"(removed): {RESOLVED}")


def test_an_index_has_no_text_to_point_at(linux: Path) -> None:
    edit(linux, SET_FLAG)
    git(linux, "add", "-A")
    (report,) = judge(linux, staged=True)
    assert [told.line for told in report.told] == [0, 0]
    assert report.step.name == ""


# Series.


def series(folder: Path) -> list[str]:
    """Commit three changes, of which the last two edit the same line; return their patches."""
    commit(folder, "example: promise", SET_FLAG)
    commit(folder, "example: mask", (TX, READ, f"{READ[:-1]} & 7;"))
    commit(folder, "example: resolve", (TX, f"{READ[:-1]} & 7;", RESOLVED))
    return patches_of(folder, "HEAD~3")


def outcome(reports: Sequence[ChangeReport]) -> list[tuple[list[tuple[str, str, str, str]], int]]:
    return [(sorted(short(report)), len(report.fixed)) for report in reports]


SERIES = [
    (
        [
            (DIRECT, "ERROR", READ, f'since "example: promise": {FLAG}'),
            (NOT_RESOLVED, "ERROR", TABLE, f'since "example: promise": {FLAG}'),
        ],
        0,
    ),
    ([(DIRECT, "ERROR", f"{READ[:-1]} & 7;", "")], 0),
    ([], 2),
]


@pytest.mark.parametrize("applied", [1, 2])
def test_a_series_of_which_the_first_patches_are_applied(applied: int, linux: Path) -> None:
    files = series(linux)
    git(linux, "reset", "-q", "--hard", f"HEAD~{3 - applied}")
    assert outcome(judge(linux, patches=tuple(files))) == SERIES


@pytest.mark.parametrize("contained", [True, False])
@pytest.mark.parametrize("form", ["files", "mailbox", "shuffled mailbox", "folder", "maildir"])
def test_a_series_is_judged_patch_by_patch(form: str, contained: bool, linux: Path) -> None:
    files = [Path(patch) for patch in series(linux)]
    if not contained:
        git(linux, "reset", "-q", "--hard", "HEAD~3")
    texts = [file.read_text("utf-8") for file in files]
    box = linux.parent / "box"
    if form.endswith("mailbox"):
        box.write_text("\n".join(texts if form == "mailbox" else texts[::-1]), "utf-8")
    elif form == "maildir":
        write(box, {f"new/{number}.host": text for number, text in enumerate(texts)})
    elif form == "folder":
        write(box, {file.name: text for file, text in zip(files, texts, strict=True)})
    named = tuple(map(str, files)) if form == "files" else (str(box),)
    reports = judge(linux, patches=named)
    assert outcome(reports) == SERIES
    assert [report.step.title for report in reports] == [
        "example: promise",
        "example: mask",
        "example: resolve",
    ]


@pytest.mark.parametrize("asked", ["HEAD-3", "HEAD~3..HEAD", "HEAD~3.."])
def test_the_same_series_as_commits(asked: str, linux: Path) -> None:
    series(linux)
    assert outcome(judge(linux, revisions=(asked,))) == SERIES


def test_commits_in_the_order_in_which_they_are_named_and_once(linux: Path) -> None:
    series(linux)
    reports = judge(linux, revisions=("HEAD", "HEAD~1", "HEAD-2"))
    assert [report.step.title for report in reports] == ["example: resolve", "example: mask"]


def test_a_root_commit_is_all_new(linux: Path) -> None:
    (report,) = judge(linux, revisions=("HEAD",))
    assert [row[0] for row in sorted(short(report))] == [CONTROL, DIRECT]
    assert report.fixed == ()


def test_a_series_that_puts_a_file_in_the_place_of_a_link(linux: Path) -> None:
    other = "drivers/net/example/other.c"
    (linux / other).symlink_to("tx.c")
    commit(linux, "example: a link")
    (linux / other).unlink()
    commit(linux, "example: no link")
    write(linux, {other: OTHER})
    commit(linux, "example: features", (MAKEFILE, "tx.o", "tx.o other.o"))
    patches = tuple(patches_of(linux, "HEAD~2"))
    contained = judge(linux, patches=patches)
    git(linux, "reset", "-q", "--hard", "HEAD~2")
    for reports in (contained, judge(linux, patches=patches)):
        assert [[row[0] for row in short(report)] for report in reports] == [[], [DIRECT]]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_patch_of_a_series_whose_later_patches_changed_the_same_lines(
    number: int, linux: Path
) -> None:
    """As b4 prep asks: the second one fits neither on the tree nor off it."""
    patches = series(linux)
    (report,) = judge(linux, patches=(patches[number - 1],))
    # The first one comes off the tree, too, but as the others left it.
    assert outcome([report])[0] == SERIES[number - 1]


def test_a_patch_that_no_commit_is_like(linux: Path) -> None:
    (_, second, _) = series(linux)
    text = Path(second).read_text("utf-8")
    for changed in (text.replace("example: mask", "example: mark"), text.replace("& 7", "& 8")):
        Path(second).write_text(changed, "utf-8")
        with pytest.raises(InputError, match="hunk 1 of 1 doesn't fit: line 5 should be "):
            judge(linux, patches=(second,))


# What is compared with what.


def test_the_index_of_a_repository_without_a_commit(linux: Path) -> None:
    shutil.rmtree(linux / ".git")
    git(linux, "init", "-q")
    git(linux, "add", "-A")
    (report,) = judge(linux, staged=True)
    assert [row[0] for row in sorted(short(report))] == [CONTROL, DIRECT]


def test_a_folder_of_a_repository_without_a_commit(linux: Path) -> None:
    shutil.rmtree(linux / ".git")
    git(linux, "init", "-q")
    (report,) = judge(linux, base="HEAD")
    assert [row[0] for row in sorted(short(report))] == [CONTROL, DIRECT]


def test_nothing_staged(linux: Path) -> None:
    edit(linux, SET_FLAG)
    (report,) = judge(linux, staged=True)
    assert (report.told, report.fixed, report.step.changed) == ((), (), {})


OTHER = """\
#include "example.h"

static netdev_features_t example_features_check(struct sk_buff *skb, struct net_device *dev,
						netdev_features_t features)
{
	return example_last(xfrm_input_state(skb)) ? features : 0;
}

static const struct net_device_ops other_netdev_ops = {
	.ndo_features_check = example_features_check,
};

void other_init(struct net_device *dev)
{
	dev->netdev_ops = &other_netdev_ops;
}
"""


def test_an_untracked_file_counts(linux: Path) -> None:
    write(linux, {"drivers/net/example/other.c": OTHER})
    edit(linux, (MAKEFILE, "tx.o", "tx.o other.o"))
    (report,) = judge(linux, base="HEAD")
    assert set(report.step.changed) == {"drivers/net/example/other.c", MAKEFILE}
    assert [row[0] for row in short(report)] == [DIRECT]
    (told,) = report.told
    assert told.finding.related[-1].path == "drivers/net/example/other.c"


def test_an_untracked_repository_within_is_not_of_this_one(linux: Path) -> None:
    write(linux, {"drivers/net/within/other.c": OTHER, "drivers/net/within/.git": "gitdir: x\n"})
    (report,) = judge(linux, base="HEAD")
    assert report.step.changed == {}


def test_a_touched_file_is_no_edited_one(linux: Path) -> None:
    for path in (TX, OPS):
        (linux / path).touch()
    write(linux, {README: "New\n"})
    (report,) = judge(linux, base="HEAD")
    assert report.step.changed == {}


def test_a_deleted_file_that_is_not_staged(linux: Path) -> None:
    (linux / TX).unlink()
    (report,) = judge(linux, base="HEAD")
    assert [change.new for change in report.step.former.values()] == [None]
    assert [finding.type for finding in report.fixed] == [DIRECT]


def test_a_file_that_is_left_out_of_a_sparse_folder(linux: Path) -> None:
    git(linux, "update-index", "--skip-worktree", TX)
    (linux / TX).unlink()
    (report,) = judge(linux, base="HEAD")
    assert report.step.changed == {}


def test_what_a_sparse_checkout_lacks_counts_as_the_index_has_it(linux: Path) -> None:
    write(linux, {"drivers/net/other/x.c": "int x;\n"})
    commit(linux, "other: a driver")
    commit(linux, "example: promise", SET_FLAG)
    git(linux, "sparse-checkout", "set", "include", "net", "drivers/net/other")
    assert not (linux / TX).exists()
    (report,) = judge(linux, base="HEAD")
    assert report.step.changed == {}
    (report,) = judge(linux, base="HEAD~1")
    assert set(report.step.changed) == {OPS}
    assert sorted(row[0] for row in short(report)) == [DIRECT, NOT_RESOLVED]
    # The folder's own edits count with it.
    header = linux / "include/net/xfrm.h"
    header.write_text(header.read_text("utf-8") + "\n")
    (report,) = judge(linux, base="HEAD~1")
    assert set(report.step.changed) == {OPS, "include/net/xfrm.h"}


def test_a_sparse_checkout_says_which_drivers_it_lacks(linux: Path) -> None:
    write(linux, {"drivers/net/other/x.c": "int x;\n"})
    commit(linux, "other: a driver")
    git(linux, "sparse-checkout", "set", "include", "net", "drivers/net/example")
    assert [row.matters for row in not_checked_out(Folder(linux))] == [False]
    git(linux, "sparse-checkout", "set", "include", "net", "drivers/net/other")
    first, *rest = not_checked_out(Folder(linux))
    why = "not checked out: git sparse-checkout add drivers/net/example"
    assert first == Unknown("drivers/net/example", 0, "", why, True)
    assert [row.matters for row in rest] == [False]
    assert is_sparse(linux)


def test_an_edit_in_the_moment_of_the_last_commit(linux: Path) -> None:
    """Its time and size say that nothing changed, and only its text that something did."""
    commit(linux, "example: mask", (TX, READ, f"{READ[:-1]} & 7;"))
    edit(linux, (TX, "& 7;", "& 8;"))
    (report,) = judge(linux, base="HEAD")
    assert [row[2] for row in short(report)] == [f"{READ[:-1]} & 8;"]


# What C's grammar does not take.


@pytest.mark.parametrize("way", WAYS)
def test_an_error_that_was_there_and_is_not_touched_says_nothing(way: Way, linux: Path) -> None:
    commit(
        linux, "example: break", (TX, "return NETDEV_TX_OK;\n}\n\nconst", "retrn x OK;\n}\n\nconst")
    )
    commit(linux, "example: mask", (TX, READ, f"{READ[:-1]} & 7;"))
    (report,) = way(linux)
    assert [row for row in report.report.unknown if row.matters] == []


@pytest.mark.parametrize(
    ("old", "new", "function"),
    [
        ("if (!handle) {", "if (!handle {", "example_xmit"),
        ("skb->queue_mapping = handle;", "skb->queue_mapping = handle", "example_xmit"),
        ("\t\treturn NETDEV_TX_OK;\n\t}\n", "\t\treturn NETDEV_TX_OK;\n", "example_xmit"),
        (READ, f"{READ[:-1]} +;", "example_handle"),
    ],
)
def test_a_function_that_is_broken_is_unknown(
    old: str, new: str, function: str, linux: Path
) -> None:
    commit(linux, "example: break", (TX, old, new))
    (report,) = judge(linux, revisions=("HEAD",))
    found = [(row.path, row.function) for row in report.report.unknown if row.matters]
    assert found == [(TX, function)]
    ran = run("check", "--git", "HEAD", cwd=linux)
    assert f"note: not analysed: {TX}:" in ran.out
    assert "no obvious" not in ran.out


def test_what_is_unknown_on_a_line_of_the_change_matters(linux: Path) -> None:
    commit(linux, "example: odd", (OPS, "#include", "\tDEFINED_NOWHERE(a, b)\n#include"))
    (report,) = judge(linux, revisions=("HEAD",))
    rows = [row for row in report.report.unknown if row.path == OPS]
    assert rows
    assert all(row.matters for row in rows)


# What needs no analysis.


@pytest.mark.parametrize("way", WAYS)
def test_a_change_of_no_code_is_not_analysed(
    way: Way, linux: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def searched(*_: object) -> Report:
        raise AssertionError("analysed")

    monkeypatch.setattr(changes, "check_tree", searched)
    commit(linux, "example: words", (README, "Example", "The example"))
    (report,) = way(linux)
    assert (report.told, report.fixed, report.report.version) == ((), (), "7.4.0")


@pytest.mark.parametrize("path", [TX, HEADER, MAKEFILE, "drivers/net/example/Kbuild"])
def test_a_change_of_code_is_analysed(
    path: str, linux: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tree] = []

    def checked(tree: Tree, *_: object) -> Report:
        seen.append(tree)
        return Report("", "", (), (), (), 0, 0)

    monkeypatch.setattr(changes, "check_tree", checked)
    with open(linux / path, "a", encoding="utf-8") as file:
        file.write("obj-m += other.o\n" if path.endswith(("Makefile", "Kbuild")) else "\n")
    commit(linux, "example: a line")
    (report,) = judge(linux, revisions=("HEAD",))
    assert seen == [report.step.before, report.step.after]


def test_a_commit_that_no_mail_can_carry(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xfrmlint.git.repository.LARGEST", 100)
    name = commit(linux, "example: promise", SET_FLAG)
    (report,) = judge(linux, revisions=("HEAD",))
    assert outcome([report]) == [SERIES[0]]
    assert (report.name, [told.line for told in report.told]) == (name, [0, 0])


FAKE = """\
example: words

---
diff --git a/README b/README
new file mode 100644
--- /dev/null
+++ b/README
@@ -0,0 +1 @@
+words

From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Date: Mon, 17 Sep 2001 00:00:00 +0000
Subject: [PATCH] example: other words

More.
"""


def test_a_commit_whose_message_holds_another_patch(linux: Path) -> None:
    """What the message says of files is not what the commit does to them."""
    edit(linux, SET_FLAG)
    git(linux, "commit", "-qam", FAKE)
    (report,) = judge(linux, revisions=("HEAD",))
    assert set(report.step.changed) == {OPS}
    assert sorted(row[0] for row in short(report)) == [DIRECT, NOT_RESOLVED]


def test_a_commit_that_only_renames_away(linux: Path) -> None:
    git(linux, "mv", TX, "drivers/net/example/tx.txt")
    git(linux, "commit", "-qm", "example: a text")
    (report,) = judge(linux, revisions=("HEAD",))
    # The Makefile still names it.
    assert (report.fixed, [finding.type for finding in report.unseen]) == ((), [DIRECT])


def test_a_commit_of_nothing(linux: Path) -> None:
    git(linux, "commit", "-q", "--allow-empty", "-m", "nothing")
    (report,) = judge(linux, revisions=("HEAD",))
    assert (report.told, report.step.title, report.step.lines) == ((), "nothing", 0)


# What can't be judged.


def refused(folder: Path, **asked: object) -> str:
    with pytest.raises(InputError) as caught:
        judge(folder, True, **asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def misfit(linux: Path, *arguments: str) -> list[Path]:
    """Return three patches of one line, from a state that the folder is no longer in."""
    for number in (1, 2, 3):
        edits = (TX, "#include", f"/* {number} */\n#include")
        commit(linux, f"example: step {number}", edits)
    since = ("-3", "-o", str(linux.parent), *arguments)
    names = git(linux, "format-patch", *since).splitlines()
    git(linux, "reset", "-q", "--hard", "HEAD~3")
    return [Path(name) for name in names]


def test_a_patch_of_a_series_whose_others_are_missing(linux: Path) -> None:
    *_, third = misfit(linux)
    said = refused(linux, patches=(str(third),))
    assert "what comes before it in its series is not given: 1/3, 2/3; " in said
    assert said.endswith("(it has no base-commit to tell)")


@pytest.mark.parametrize("here", [True, False])
def test_a_patch_that_names_its_base(here: bool, linux: Path) -> None:
    base = git(linux, "rev-parse", "HEAD").strip()
    first, *_ = misfit(linux, "--base=HEAD~3")
    if not here:
        text = first.read_text("utf-8")
        first.write_text(text.replace(f"base-commit: {base}", f"base-commit: {'1' * 40}"), "utf-8")
    edit(linux, (TX, "#include", "int other;\n#include"))
    commit(linux, "example: else")
    said = refused(linux, patches=(str(first),))
    if here:
        assert f"; it was made on {base[:12]} (git worktree add ../base {base[:12]}, " in said
    else:
        assert said.endswith(f"; it was made on {'1' * 12}, a commit that is not here")


def test_a_mail_that_breaks_its_lines_and_does_not_fit(linux: Path) -> None:
    first, *_ = misfit(linux)
    text = first.read_text("utf-8").replace(
        "\n\n", "\nContent-Type: text/plain; format=flowed\n\n", 1
    )
    first.write_text(text, "utf-8")
    edit(linux, (TX, "#include", "int other;\n#include"))
    assert "; the mail is format=flowed, " in refused(linux, patches=(str(first),))


def test_a_merge_is_what_it_brings_to_its_first_parent(linux: Path) -> None:
    git(linux, "checkout", "-qb", "side")
    commit(linux, "example: promise", SET_FLAG)
    git(linux, "checkout", "-q", "-")
    commit(linux, "example: words", (README, "Example", "The example"))
    git(linux, "merge", "-q", "--no-ff", "-m", "Merge side", "side")
    (report,) = judge(linux, revisions=("HEAD",))
    assert report.step.label.endswith('("Merge side"), a merge, against its first parent,')
    assert {told.finding.type for told in report.told} == {DIRECT, NOT_RESOLVED}
    (back,) = judge(linux, revisions=("HEAD~1",))
    assert back.told == ()


WORDS: Edit = (README, "Example", "The example")
# What one branch does, the other, and the merge by itself; how many findings are the merge's.
MERGED: dict[str, tuple[Edit, Edit, Sequence[Edit], int]] = {
    "nothing of its own": (SET_FLAG, WORDS, [], 0),
    "what the other one brings": (WORDS, SET_FLAG, [], 0),
    "an edit of its own": (
        WORDS,
        (TX, RESOLVED, f"{RESOLVED} "),
        [SET_FLAG, (TX, RESOLVED, READ)],
        2,
    ),
    "what both bring together": ((TX, RESOLVED, READ), SET_FLAG, [], 2),
}


@pytest.mark.parametrize(("side", "main", "own", "found"), MERGED.values(), ids=list(MERGED))
def test_a_merge_in_a_range_is_what_it_brings_itself(
    side: Edit, main: Edit, own: Sequence[Edit], found: int, linux: Path
) -> None:
    commit(linux, "example: resolve", (TX, READ, RESOLVED))
    git(linux, "checkout", "-qb", "side")
    commit(linux, "example: side", side)
    git(linux, "checkout", "-q", "-")
    write(linux, {"drivers/net/other/x.c": "int x;\n"})
    commit(linux, "example: main", main)
    git(linux, "merge", "-q", "--no-ff", "--no-commit", "side")
    commit(linux, "Merge side", *own)
    reports = judge(linux, revisions=("HEAD~2..HEAD",))
    assert len(reports) == 3
    assert reports[-1].step.label.endswith('("Merge side"), a merge, what it brings itself,')
    assert (len(reports[-1].told), reports[-1].fixed) == (found, ())


@pytest.mark.parametrize("comment", ["/* Sets xso.offload_handle. */", "// offload_handle\n"])
def test_the_cause_is_never_a_comment(comment: str, linux: Path) -> None:
    commit(
        linux,
        "example: promise",
        (OPS, TABLE, f"{comment}\n{TABLE}"),
        (OPS, "example_delete,\n", f"example_delete,\n\t{comment}\n\t{FLAG} {comment}\n"),
    )
    (report,) = judge(linux, revisions=("HEAD",))
    causes = {cause for *_, cause in short(report)} - {""}
    assert causes == {f'since "example: promise": {FLAG}'}


@pytest.mark.parametrize("named", [True, False])
def test_a_bare_repository_says_how_to_get_a_tree(named: bool, linux: Path) -> None:
    bare = linux.parent / "linux.git"
    git(linux, "clone", "-q", "--bare", str(linux), str(bare))
    where = (bare,) if named else ()
    ran = run("check", *where, "--git", "HEAD", cwd=linux.parent if named else bare)
    assert (ran.status, ran.out) == (2, "")
    assert "a bare repository: git worktree add ../linux HEAD makes a tree" in ran.err


def test_a_sparse_checkout_says_how_to_get_the_rest(linux: Path) -> None:
    git(linux, "sparse-checkout", "set", "drivers/net")
    # A header that git never knew is left alone.
    shutil.rmtree(linux / "include", ignore_errors=True)
    ran = run("check", cwd=linux)
    assert (ran.status, ran.out) == (2, "")
    assert "the checkout is sparse: git sparse-checkout add include net drivers" in ran.err


def test_a_patch_that_does_not_fit(linux: Path) -> None:
    commit(linux, "example: promise", SET_FLAG)
    (patch,) = patches_of(linux)
    git(linux, "reset", "-q", "--hard", "HEAD~1")
    edit(linux, (OPS, "example_delete,\n", "NULL,\n"))
    said = refused(linux, patches=(patch,))
    assert f": {OPS}: hunk 1 of 1 doesn't fit: line 24 should be " in said
    assert said.startswith(f"{patch}:")
    assert "but is '\\t.xdo_dev_state_delete = NULL,'; was it made on another version" in said


@pytest.mark.parametrize("path", ["../example.c", "drivers/../../x.c", "/etc/passwd"])
def test_a_patch_that_leads_out_of_the_tree(path: str, linux: Path) -> None:
    patch = linux.parent / "p"
    patch.write_text(f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n", "utf-8")
    assert "a name that leads out of the tree" in refused(linux, patches=(str(patch),))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"patches": ("/nowhere/p",)}, "/nowhere/p: No such file or directory"),
        ({"revisions": ("nobody",)}, "nobody: no such commit"),
        ({"revisions": ("HEAD..HEAD",)}, "HEAD..HEAD: no commits in there"),
        ({"base": "nobody"}, "nobody: no such commit"),
    ],
)
def test_what_there_is_not(asked: Mapping[str, object], said: str, linux: Path) -> None:
    assert refused(linux, **asked).startswith(said)


@pytest.mark.parametrize("asked", [{"revisions": ("HEAD",)}, {"staged": True}, {"base": "HEAD"}])
def test_a_tree_that_is_no_repository(asked: Mapping[str, object], linux: Path) -> None:
    shutil.rmtree(linux / ".git")
    assert "not a git repository" in refused(linux, **asked)


def test_a_tree_below_the_top_of_a_repository(linux: Path) -> None:
    shutil.rmtree(linux / ".git")
    git(linux.parent, "init", "-q")
    said = refused(linux, staged=True)
    assert said == f"{linux}: not the top of its git work tree, {linux.parent}"


def test_a_shallow_clone_without_the_parent(linux: Path) -> None:
    commit(linux, "example: promise", SET_FLAG)
    shallow = linux.parent / "shallow"
    git(linux, "clone", "-q", "--depth=1", linux.as_uri(), str(shallow))
    said = refused(shallow, revisions=("HEAD",))
    assert said.endswith(": a shallow clone without its parent; git fetch --deepen=1")


def test_an_index_with_a_conflict(linux: Path) -> None:
    git(linux, "checkout", "-qb", "side")
    commit(linux, "one", (TX, READ, "return 1;"))
    git(linux, "checkout", "-q", "-")
    commit(linux, "two", (TX, READ, "return 2;"))
    with pytest.raises(subprocess.CalledProcessError):
        git(linux, "merge", "-q", "side")
    assert refused(linux, staged=True) == f"{TX}: not merged; resolve it first"
    assert refused(linux, base="HEAD") == f"{TX}: not merged; resolve it first"


def test_nothing_of_a_repository_is_run(linux: Path) -> None:
    commit(linux, "example: promise", SET_FLAG)
    ran, script = linux / "ran", linux / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "gpg.program", "diff.external", "core.sshCommand"):
        git(linux, "config", key, str(script))
    for key in ("filter.x.clean", "filter.x.smudge", "diff.x.textconv", "diff.x.command"):
        git(linux, "config", key, str(script))
    git(linux, "config", "log.showSignature", "true")
    (linux / ".gitattributes").write_text("*.c filter=x diff=x -diff\n")
    (linux / TX).touch()
    for asked in ({"revisions": ("HEAD",)}, {"staged": True}, {"base": "HEAD~1"}):
        reports = judge(linux, **asked)
        assert len(reports) == 1
    assert not ran.exists()

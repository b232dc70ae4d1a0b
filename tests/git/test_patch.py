"""Patches: what is read from diffs, mails, mboxes and maildirs, in which order, and what is not."""

import base64
import gzip
import os
import quopri
import re
import textwrap
import time
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfrmlint.errors import InputError
from xfrmlint.git.mail import LARGEST
from xfrmlint.git.patch import FileChange, NoPatch, Patch, series_at, series_of

DIFF = """\
diff --git a/d/x.c b/d/x.c
index 1111111..2222222 100644
--- a/d/x.c
+++ b/d/x.c
@@ -1,3 +1,3 @@ int f(void)
 a
-b
+B
 c
"""
FROM = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"


def diff(path: str, old: str = "b", new: str = "B") -> str:
    return DIFF.replace("d/x.c", path).replace("-b", f"-{old}").replace("+B", f"+{new}")


def mail(subject: str, body: str = DIFF, more: str = "") -> str:
    return (
        f"{FROM}From: A <a@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
        f"Subject: {subject}\n{more}\nWhy this is so.\n\n"
        f"Signed-off-by: A <a@example.org>\n---\n d/x.c | 2 +-\n\n{body}-- \n2.39.5\n\n"
    )


def read(text: str | bytes) -> tuple[Patch, ...]:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return series_of(data, "p")


def files(text: str | bytes) -> list[FileChange]:
    return [change for patch in read(text) for change in patch.files]


def refused(text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(text)
    said = str(caught.value)
    assert said.startswith("p:")
    assert "\n" not in said
    return said


def signs(patches: Sequence[Patch]) -> list[tuple[str, str, int]]:
    """Return every changed line: its sign, its text, its number in the patch's text."""
    return [
        (line.sign, line.text.decode("latin-1"), line.line)
        for patch in patches
        for change in patch.files
        for hunk in change.hunks or ()
        for line in hunk.lines
        if line.sign != " "
    ]


# What holds no patch, and is told so.
QUIET = {
    "nothing": "",
    "a newline": "\n",
    "prose": "diff --git is how it begins\n\n--- and so\n+++ on\nsaid @@ nobody\n",
    "a mail without a diff": mail("[PATCH] nothing", ""),
    "a cover letter": mail("[PATCH 0/3] all of it"),
    "an answer that quotes": mail("Re: [PATCH] x", textwrap.indent(DIFF, "> ", lambda _: True)),
    "binary rubbish": bytes(range(256)).decode("latin-1"),
    "a header that goes nowhere": "diff --git a/x b/x\n",
}


@pytest.mark.parametrize("name", QUIET)
def test_no_patch(name: str) -> None:
    assert refused(QUIET[name]) == "p: no patch found"


def test_a_diff() -> None:
    (patch,) = read(DIFF)
    assert (patch.name, patch.line, patch.subject, patch.number) == ("p", 1, "", 0)
    (change,) = patch.files
    assert (change.line, change.old, change.new, change.copied) == (1, "d/x.c", "d/x.c", False)
    assert (change.old_mode, change.new_mode) == (0o100644, 0o100644)
    assert change.hunks is not None
    (hunk,) = change.hunks
    assert hunk[:5] == (5, 1, 3, 1, 3)
    assert hunk.lines == (
        (" ", b"a\n", 6),
        ("-", b"b\n", 7),
        ("+", b"B\n", 8),
        (" ", b"c\n", 9),
    )


# Text -> old, new, modes, number of hunks (None: the text is not there).
HEADERS: dict[str, tuple[str, tuple[str | None, str | None, int, int, int | None]]] = {
    "new": (
        "diff --git a/n.c b/n.c\nnew file mode 100644\nindex 0000000..1\n"
        "--- /dev/null\n+++ b/n.c\n@@ -0,0 +1 @@\n+x\n",
        (None, "n.c", 0, 0o100644, 1),
    ),
    "new and empty": (
        "diff --git a/n n.c b/n n.c\nnew file mode 100755\nindex 0000000..e69de29\n",
        (None, "n n.c", 0, 0o100755, 0),
    ),
    "deleted": (
        "diff --git a/n.c b/n.c\ndeleted file mode 100644\nindex 1..0000000\n"
        "--- a/n.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
        ("n.c", None, 0o100644, 0, 1),
    ),
    "deleted and empty": (
        "diff --git a/n.c b/n.c\ndeleted file mode 100644\nindex e69de29..0000000\n",
        ("n.c", None, 0o100644, 0, 0),
    ),
    "deleted, its text left out": (
        "diff --git a/n.c b/n.c\ndeleted file mode 100644\nindex 1234567..0000000\n",
        ("n.c", None, 0o100644, 0, None),
    ),
    "renamed": (
        "diff --git a/a.c b/d/b.c\nsimilarity index 100%\nrename from a.c\nrename to d/b.c\n",
        ("a.c", "d/b.c", 0, 0, 0),
    ),
    "renamed with edits": (
        "diff --git a/a.c b/d/b.c\nsimilarity index 90%\nrename from a.c\nrename to d/b.c\n"
        "index 1..2 100644\n--- a/a.c\n+++ b/d/b.c\n@@ -1 +1 @@\n-x\n+y\n",
        ("a.c", "d/b.c", 0o100644, 0o100644, 1),
    ),
    "mode": (
        "diff --git a/a.sh b/a.sh\nold mode 100644\nnew mode 100755\n",
        ("a.sh", "a.sh", 0o100644, 0o100755, 0),
    ),
    "link": (
        "diff --git a/l b/l\nnew file mode 120000\nindex 0000000..1\n--- /dev/null\n+++ b/l\n"
        "@@ -0,0 +1 @@\n+to\n\\ No newline at end of file\n",
        (None, "l", 0, 0o120000, 1),
    ),
    "binary": (
        "diff --git a/b b/b\nindex 1..2 100644\nGIT binary patch\nliteral 2\nJcmZQz1ONa700IC2\n\n"
        "literal 0\nHcmV?d00001\n\n",
        ("b", "b", 0o100644, 0o100644, None),
    ),
    "binary without the text": (
        "diff --git a/b b/b\nindex 1..2 100644\nBinary files a/b and b/b differ\n",
        ("b", "b", 0o100644, 0o100644, None),
    ),
    "spaces": (
        "diff --git a/a b.c b/a b.c\nindex 1..2 100644\n--- a/a b.c\t\n+++ b/a b.c\t\n"
        "@@ -1 +1 @@\n-x\n+y\n",
        ("a b.c", "a b.c", 0o100644, 0o100644, 1),
    ),
    "quoted": (
        'diff --git "a/\\303\\244\\t\\"\\\\.c" "b/\\303\\244\\t\\"\\\\.c"\nindex 1..2 100644\n'
        '--- "a/\\303\\244\\t\\"\\\\.c"\n+++ "b/\\303\\244\\t\\"\\\\.c"\n@@ -1 +1 @@\n-x\n+y\n',
        ('ä\t"\\.c', 'ä\t"\\.c', 0o100644, 0o100644, 1),
    ),
    "one name quoted": (
        'diff --git a/x "b/\\377"\nsimilarity index 100%\nrename from x\nrename to "\\377"\n',
        ("x", "\udcff", 0, 0, 0),
    ),
    "diff.noprefix": (
        "diff --git d/x.c d/x.c\nindex 1..2 100644\n--- d/x.c\n+++ d/x.c\n@@ -1 +1 @@\n-x\n+y\n",
        ("d/x.c", "d/x.c", 0o100644, 0o100644, 1),
    ),
    "diff.mnemonicPrefix": (
        "diff --git i/x.c w/x.c\nindex 1..2 100644\n--- i/x.c\n+++ w/x.c\n@@ -1 +1 @@\n-x\n+y\n",
        ("x.c", "x.c", 0o100644, 0o100644, 1),
    ),
    "git diff -R": (
        "diff --git b/x.c a/x.c\nindex 1..2 100644\n--- b/x.c\n+++ a/x.c\n@@ -1 +1 @@\n-x\n+y\n",
        ("x.c", "x.c", 0o100644, 0o100644, 1),
    ),
    "diff -u": (
        "--- linux.orig/d/x.c\t2024-01-01 00:00:00.0 +0000\n+++ linux/d/x.c\t2024-01-02\n"
        "@@ -1 +1 @@\n-x\n+y\n",
        ("d/x.c", "d/x.c", 0, 0, 1),
    ),
    "names that were edited": (
        "diff --git a/y.c b/y.c\nindex 1..2 100644\n--- a/d/y.c\n+++ b/d/y.c\n"
        "@@ -1 +1 @@\n-x\n+y\n",
        ("d/y.c", "d/y.c", 0o100644, 0o100644, 1),
    ),
    "diff -u, tabs lost": (
        "--- l.orig/x.c   2009-06-20 14:48:34.000000000 +0100\n"
        "+++ l/x.c    2010-05-11 10:02:21\n@@ -1 +1 @@\n-x\n+y\n",
        ("x.c", "x.c", 0, 0, 1),
    ),
    "diff -u of a copy kept aside": (
        "--- a/d/x.c.orig\n+++ a/d/x.c\n@@ -1 +1 @@\n-x\n+y\n",
        ("d/x.c", "d/x.c", 0, 0, 1),
    ),
    "diff -u of a new version beside it": (
        "--- a/d/x.c\n+++ a/d/x.c.new\n@@ -1 +1 @@\n-x\n+y\n",
        ("d/x.c", "d/x.c", 0, 0, 1),
    ),
    "diff -uN": (
        "diff -uN l.orig/n.c l/n.c\n--- l.orig/n.c\t1970-01-01 01:00:00.000000000 +0100\n"
        "+++ l/n.c\t2024-01-02\n@@ -0,0 +1 @@\n+y\n",
        (None, "n.c", 0, 0, 1),
    ),
    "quilt": (
        "Index: linux/d/x.c\n=======\n--- linux.orig/d/x.c\n+++ linux/d/x.c\n@@ -1 +1 @@\n-x\n+y\n",
        ("d/x.c", "d/x.c", 0, 0, 1),
    ),
    "an empty file that gets text": (
        "diff --git a/x b/x\nindex e69de29..1 100644\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+y\n",
        ("x", "x", 0o100644, 0o100644, 1),
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str) -> None:
    text, wanted = HEADERS[name]
    (change,) = files(text)
    hunks = None if change.hunks is None else len(change.hunks)
    assert (change.old, change.new, change.old_mode, change.new_mode, hunks) == wanted


def test_all_headers_in_one_diff() -> None:
    found = files("".join(text for text, _ in HEADERS.values()))
    assert [(f.old, f.new) for f in found] == [wanted[:2] for _, wanted in HEADERS.values()]


def test_a_copy() -> None:
    (change,) = files("diff --git a/a.c b/b.c\nsimilarity index 100%\ncopy from a.c\ncopy to b.c\n")
    assert (change.old, change.new, change.copied) == ("a.c", "b.c", True)


# Hunk -> its lines. What stands behind a hunk is not read as one.
HUNKS = {
    "no newline at the end": (
        "@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n",
        [("-", b"x"), ("+", b"y")],
    ),
    "a newline is new": (
        "@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n",
        [("-", b"x"), ("+", b"x\n")],
    ),
    "context without a newline": (
        "@@ -1 +1,2 @@\n+y\n x\n\\ Kein Zeilenumbruch am Dateiende.\n",
        [("+", b"y\n"), (" ", b"x")],
    ),
    "a mailer cut the space of an empty line": (
        "@@ -1,2 +1,3 @@\n\n+y\n x\n",
        [(" ", b"\n"), ("+", b"y\n"), (" ", b"x\n")],
    ),
    "lines that look like headers": (
        "@@ -1,2 +1,2 @@\n--- a\n-@@ -1 +1 @@\n+++ b\n+diff --git a/x b/x\n",
        [
            ("-", b"-- a\n"),
            ("-", b"@@ -1 +1 @@\n"),
            ("+", b"++ b\n"),
            ("+", b"diff --git a/x b/x\n"),
        ],
    ),
    "a signature": ("@@ -1 +1 @@\n-x\n+y\n-- \n2.39.5\n", [("-", b"x\n"), ("+", b"y\n")]),
    "carriage returns": ("@@ -1 +1 @@\n-x\r\n+y\r\n", [("-", b"x\r\n"), ("+", b"y\r\n")]),
    "NUL": ("@@ -1 +1 @@\n-\f\0\x85\n+\0\n", [("-", b"\f\0\xc2\x85\n"), ("+", b"\0\n")]),
    "the patch's last newline is lost": ("@@ -1 +1 @@\n-x\n+y", [("-", b"x\n"), ("+", b"y\n")]),
}  # fmt: skip


@pytest.mark.parametrize("name", HUNKS)
def test_hunks(name: str) -> None:
    text, wanted = HUNKS[name]
    for header in ("diff --git a/x b/x\n--- a/x\n+++ b/x\n", "--- a/x\n+++ b/x\n"):
        (change,) = files(header + text)
        assert change.hunks is not None
        assert [line[:2] for hunk in change.hunks for line in hunk.lines] == wanted


HEAD = "diff --git a/x b/x\n--- a/x\n+++ b/x\n"
BROKEN = {
    "cut off": (HEAD + "@@ -1,3 +1,3 @@\n a\n-b\n", "p:4: the patch ends within the hunk"),
    "cut off at once": (HEAD + "@@ -1,3 +1,3 @@\n", "p:4: the patch ends within the hunk"),
    "broken off": (
        HEAD + "@@ -1,3 +1,3 @@\n a\n-b\ndiff --git a/y b/y\n",
        "p:4: the hunk is broken off by line 7",
    ),
    "too many lines": (
        HEAD + "@@ -1 +1 @@\n-a\n-b\n",
        "p:4: the hunk is broken off by line 6",
    ),
    "wrapped by a mailer": (
        HEAD + "@@ -1 +1 @@\n-int a,\nb;\n+int a;\n",
        "p:4: the hunk is broken off by line 6",
    ),
    "wrapped by a mailer that says so": (
        "From: a\nSubject: [PATCH] x\nContent-Type: text/plain; charset=utf-8; format=flowed\n\n"
        + HEAD
        + "@@ -1 +1 @@\n-int a,\nb;\n+int a;\n",
        "p:8: the hunk is broken off by line 10; the mail is format=flowed, which breaks patches: "
        "git send-email sends them whole",
    ),
    "coloured": (
        "\x1b[1mdiff --git a/x b/x\x1b[m\n\x1b[1m--- a/x\x1b[m\n\x1b[36m@@ -1 +1 @@\x1b[m\n",
        "p: no patch found: it is coloured; write it with git diff --no-color",
    ),
    "no hunk": (HEAD, "p:1: no hunk follows the names of the file"),
    "half a header": (HEAD[:28], "p:1: the names of the file are cut off"),
    "no numbers": (HEAD + "@@ -x +1 @@\n", "p:4: not the header of a hunk"),
    "huge count": (HEAD + "@@ -1,999999999 +1 @@\n-a\n", "p:4: the patch ends within the hunk"),
    "huge number": (HEAD + f"@@ -{'9' * 5000} +1 @@\n-a\n+b\n", "p:4: not the header of a hunk"),
    "a hunk alone": ("@@ -1 +1 @@\n-a\n+b\n", "p:1: a hunk without a file's name above it"),
    "a hunk alone, in what is no mail": (
        "Note: this\n\n@@ -1 +1 @@\n-a\n+b\n",
        "p:3: a hunk without a file's name above it",
    ),
    "two files": (
        HEAD.replace("+++ b/x", "+++ b/y") + "@@ -1 +1 @@\n-a\n+b\n",
        "p:1: the header doesn't say which file it is about",
    ),
    "no file": (
        "diff --git a/x b/y\nold mode 100644\nnew mode 100755\n",
        "p:1: the header doesn't say which file it is about",
    ),
    "from nothing to nothing": (
        "diff --git a/x b/x\n--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+a\n",
        "p:1: a file that is both new and deleted",
    ),
    "no folder to strip": (
        "--- x\n+++ x\n@@ -1 +1 @@\n-a\n+b\n",
        "p:1: x: a name without a folder in front (patch -p1)",
    ),
    "a strange mode": (
        "diff --git a/x b/x\nold mode 0o7\nnew mode 100755\n",
        "p:1: a file's mode that is none",
    ),
    "a merge": (
        "diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n- a\n -b\n++c\n",
        "p:1: a merge's diff, which can't be applied",
    ),
    "broken base64": (
        "From: a\nContent-Transfer-Encoding: base64\n\nQ\n",
        "p:4: broken base64: Invalid base64-encoded string",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str) -> None:
    text, wanted = BROKEN[name]
    assert refused(text).startswith(wanted)


ESCAPES = (
    "../x", "a/../../x", "/etc/passwd", "a//b", "./x", "a/./b", "a/..", "..", "a/", "", "a\0b",
)  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_paths_that_leave_the_tree(path: str) -> None:
    def quoted(prefix: str) -> str:
        return '"' + (prefix + path).replace("\0", "\\000") + '"'

    hunk = "@@ -1 +1 @@\n-a\n+b\n"
    texts = [
        f"diff --git {quoted('a/')} {quoted('b/')}\n--- {quoted('a/')}\n+++ {quoted('b/')}\n{hunk}",
        f"diff --git {quoted('a/')} {quoted('b/')}\nnew file mode 100644\n"
        f"--- /dev/null\n+++ {quoted('b/')}\n@@ -0,0 +1 @@\n+b\n",
        f"diff --git {quoted('a/')} {quoted('b/')}\nold mode 100644\nnew mode 100755\n",
        f"diff --git a/x {quoted('b/')}\nsimilarity index 100%\nrename from x\n"
        f"rename to {quoted('')}\n",
        f"diff --git {quoted('a/')} b/x\nsimilarity index 100%\nrename from {quoted('')}\n"
        "rename to x\n",
        f"--- {quoted('a/')}\n+++ {quoted('b/')}\n{hunk}",
    ]
    for text in texts:
        assert refused(text) == f"p:1: {path}: a name that leads out of the tree"


@pytest.mark.parametrize("name", ["/etc/passwd", "/srv/linux/x.c"])
def test_absolute_names(name: str) -> None:
    text = f"--- {name}\n+++ {name}\n@@ -1 +1 @@\n-a\n+b\n"
    assert refused(text) == f"p:1: {name}: a name that leads out of the tree"


# Subject -> what is read from it: subject, number, total.
SUBJECTS = {
    "[PATCH] xfrm: one": ("xfrm: one", 0, 0),
    "[PATCH net-next v2 03/12] xfrm: one": ("xfrm: one", 3, 12),
    "[PATCH net] [RFC 1/2] one [two]": ("one [two]", 1, 2),
    "no brackets": ("no brackets", 0, 0),
    "[PATCH 1/2]\n a long\n one": ("a long one", 1, 2),
    "=?utf-8?q?=5BPATCH_1/2=5D_=C3=A4?=": ("ä", 1, 2),
    "=?utf-8?b?W1BBVENIIDEvMl0gw6Q=?=": ("ä", 1, 2),
    "[PATCH] ä": ("ä", 0, 0),
    "=?nonsense?q?x?=": ("=?nonsense?q?x?=", 0, 0),
    "=?utf-8?b?a?=": ("=?utf-8?b?a?=", 0, 0),
    "[PATCH 1/99999] x": ("x", 0, 0),
    "": ("", 0, 0),
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subjects(subject: str) -> None:
    (patch,) = read(mail(subject))
    assert (patch.subject, patch.number, patch.total) == SUBJECTS[subject]


def test_lines_of_a_mail_count_from_its_first() -> None:
    text = mail("[PATCH] x")
    patches = read(text)
    lines = text.split("\n")
    assert [n for _, _, n in signs(patches)] == [lines.index("-b") + 1, lines.index("+B") + 1]
    assert patches[0].files[0].line == lines.index("diff --git a/d/x.c b/d/x.c") + 1


def test_a_mail_without_a_from_line() -> None:
    (patch,) = read(mail("[PATCH 2/3] x").removeprefix(FROM))
    assert (patch.subject, patch.number) == ("x", 2)


def test_what_a_mail_says_above_its_diff_is_not_read() -> None:
    body = mail("[PATCH] x").replace("Why this is so.", "@@ -1 +1 @@\n-not this\n+nor this")
    assert signs(read(body))[0][:2] == ("-", "b\n")


def encoded(how: str, diff_text: bytes) -> bytes:
    head = FROM.encode() + b"From: A <a@example.org>\nSubject: [PATCH] x\n"
    body = b"Why.\n---\n\n" + diff_text
    if how == "8bit":
        return head + b"Content-Transfer-Encoding: 8bit\n\n" + body
    if how == "quoted-printable":
        # The library would make one kind of line end of all; a mailer writes =0D.
        body = quopri.encodestring(body.replace(b"\r", b"\1")).replace(b"=01", b"=0D")
        return head + b"Content-Transfer-Encoding: Quoted-Printable\n\n" + body
    return head + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(body)


ODD = DIFF.encode().replace(b"+B", b"+\xc3\xa4\xff=3D " + b"long " * 40)
# What a mailer breaks must not move the numbers of what follows.
ODD = ODD.replace(b"\n a\n", b"\n " + b"a" * 400 + b"\n")


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("how", ["8bit", "quoted-printable", "base64"])
def test_encodings(how: str, newline: bytes) -> None:
    data = encoded(how, ODD)
    found = signs(read(data.replace(b"\n", newline)))
    wanted = [("-", "b\n"), ("+", (b"\xc3\xa4\xff=3D " + b"long " * 40 + b"\n").decode("latin-1"))]
    assert [f[:2] for f in found] == wanted
    lines = data.split(b"\n")
    if how != "base64":
        # The line in the mail as it is, not as it is decoded.
        plus = next(i for i, line in enumerate(lines, 1) if line[:2] in (b"+=", b"+\xc3"))
        assert [f[2] for f in found] == [lines.index(b"-b") + 1, plus]


@pytest.mark.parametrize("how", ["8bit", "quoted-printable", "base64"])
def test_a_file_with_carriage_returns(how: str) -> None:
    text = re.sub(rb"(?m)^([-+ ]\w+)$", rb"\1\r", DIFF.encode())
    found = signs(read(encoded(how, text)))
    assert [f[:2] for f in found] == [("-", "b\r\n"), ("+", "B\r\n")]


def test_a_diff_in_which_every_line_got_a_carriage_return() -> None:
    assert read(DIFF.replace("\n", "\r\n")) == read(DIFF)
    assert read("\ufeff" + DIFF) == read(DIFF)


def test_base64_of_a_text_with_carriage_returns() -> None:
    text = b"Why.\n---\n" + DIFF.encode()
    data = b"From: a\nContent-Transfer-Encoding: base64\n\n"
    data += base64.encodebytes(text.replace(b"\n", b"\r\n"))
    assert [f[:2] for f in signs(read(data))] == [("-", "b\n"), ("+", "B\n")]


def attached(*parts: tuple[str, str], subject: str = "[PATCH] outer") -> bytes:
    message = EmailMessage()
    message["From"] = "a@example.org"
    message["Subject"] = subject
    message.set_content("Why.\n---\n")
    for name, text in parts:
        message.add_attachment(
            text.encode(), maintype="application", subtype="octet-stream", filename=name
        )
    return message.as_bytes()


def test_an_attached_diff_belongs_to_the_mail() -> None:
    (patch,) = read(attached(("x.diff", DIFF), ("notes.bin", diff("no.c"))))
    assert patch.subject == "outer"
    assert [f.path for f in patch.files] == ["d/x.c"]


def test_attached_patches_are_a_series() -> None:
    parts = [(f"{n}.patch", mail(f"[PATCH {n}/2] no {n}", diff(f"{n}.c"))) for n in (2, 1)]
    assert [p.subject for p in read(attached(*parts))] == ["no 1", "no 2"]


def test_lines_of_attached_texts() -> None:
    message = EmailMessage()
    message["From"] = "a@example.org"
    message["Subject"] = "[PATCH] x"
    message.set_content("Why.\n")
    for _ in range(2):
        message.add_attachment(DIFF, subtype="x-patch", filename="x.patch")
    lines = message.as_string().split("\n")
    wanted = [i for i, line in enumerate(lines, 1) if line in ("-b", "+B")]
    assert [n for _, _, n in signs(read(message.as_bytes()))] == wanted
    assert len(wanted) == 4


def test_an_attached_mail_with_an_attached_diff() -> None:
    inner = attached(("x.diff", DIFF), subject="[PATCH] inner").decode()
    (patch,) = read(attached(("mail.eml", inner)))
    assert patch.subject == "inner"


def test_a_multipart_mail_written_as_text() -> None:
    text = (
        f"{FROM}From: a@example.org\nSubject: [PATCH] x\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="--b"\n\nThis is a multi-part message.\n'
        "----b\nContent-Type: text/plain; charset=UTF-8\n\nWhy.\n---\n\n"
        '----b\nContent-Type: text/x-patch; name="x.patch"\nContent-Transfer-Encoding: 8bit\n'
        f'Content-Disposition: attachment; filename="x.patch"\n\n{DIFF}\n\n'
        f"----b\nContent-Type: text/html\n\n<pre>{diff('html.c')}</pre>\n----b--\n"
    )
    patches = read(text)
    lines = text.split("\n")
    assert [f.path for f in patches[0].files] == ["d/x.c"]
    assert [n for _, _, n in signs(patches)] == [lines.index("-b") + 1, lines.index("+B") + 1]


# Subjects in the order of the box -> in the order of the series.
ORDERS: dict[str, tuple[list[str], list[str]]] = {
    "as sent": (["[PATCH 1/2] a", "[PATCH 2/2] b"], ["a", "b"]),
    "mixed up": (["[PATCH 3/3] c", "[PATCH 1/3] a", "[PATCH 2/3] b"], ["a", "b", "c"]),
    "with its cover": (["[PATCH 0/2] all", "[PATCH 2/2] b", "[PATCH 1/2] a"], ["a", "b"]),
    "nine and ten": (["[PATCH 10/10] j", "[PATCH 9/10] i"], ["i", "j"]),
    "one of three": (["[PATCH 2/3] b"], ["b"]),
    "unnumbered": (["[PATCH] b", "[PATCH] a"], ["b", "a"]),
    "some unnumbered": (["[PATCH] x", "[PATCH 2/2] b", "[PATCH 1/2] a"], ["x", "a", "b"]),
    "an older version": (["[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH v2 1/1] c"], ["c"]),
    "a newer one first": (["[PATCH v3 1/1] c", "[PATCH v2 1/1] a"], ["c"]),
    "answers": (["[PATCH 1/2] a", "Re: [PATCH 1/2] a", "[PATCH 2/2] b"], ["a", "b"]),
    "only an answer": (["Re: [PATCH] a"], ["a"]),
}


@pytest.mark.parametrize("name", ORDERS)
def test_series(name: str) -> None:
    subjects, wanted = ORDERS[name]
    box = "".join(mail(subject, diff(f"{i}.c")) for i, subject in enumerate(subjects))
    patches = read(box)
    assert [p.subject for p in patches] == wanted
    lines = box.split("\n")
    for patch in patches:
        assert lines[patch.line - 1] == FROM.strip()
        assert lines[patch.files[0].line - 1].startswith("diff --git")


def test_two_series_are_refused() -> None:
    box = mail("[PATCH 1/2] a") + mail("[PATCH 2/2] b") + mail("[PATCH 1/2] c")
    line = box[: box.rindex(FROM)].count("\n") + 1
    assert refused(box) == f"p:{line}: a second patch 1/2; name one series"


def test_a_mail_that_came_twice_counts_once() -> None:
    key = "Message-ID: <1@example.org>\n"
    assert len(read(mail("[PATCH 1/1] a", more=key) + mail("[PATCH 1/1] a", more=key))) == 1


def test_from_lines_in_bodies() -> None:
    body = "From here on all is well.\n\nFrom Monday 10:00:00 2001 it is\nquiet.\n\n"
    body += "From now\nNote: no date.\n\nSee\n" + FROM + "Note: no empty line above.\n\n"
    text = mail("[PATCH 1/2] a").replace("Why this is so.\n", body) + mail("[PATCH 2/2] b")
    assert [p.subject for p in read(text)] == ["a", "b"]


def test_an_archive_of_a_list() -> None:
    line = "From mboxrd@z Thu Jan  1 00:00:00 1970\n"
    text = (mail("[PATCH 2/2] b") + mail("[PATCH 1/2] a")).replace(FROM, line)
    assert [p.subject for p in read(text)] == ["a", "b"]


@pytest.mark.parametrize("box", ["cur", "new"])
def test_a_maildir(box: str, tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
    texts = {"a": "[PATCH 0/2] all", "b": "[PATCH 2/2] b", "c": "[PATCH 1/2] a"}
    for file, subject in texts.items():
        (tmp_path / box / file).write_text(mail(subject, diff(f"{file}.c")))
    (tmp_path / "tmp/x").write_text(mail("[PATCH 3/2] half written"))
    os.mkfifo(tmp_path / box / "pipe")
    patches = series_at(tmp_path)
    assert [p.subject for p in patches] == ["a", "b"]
    assert [p.name for p in patches] == [str(tmp_path / box / n) for n in "cb"]


def test_a_folder_of_patches(tmp_path: Path) -> None:
    for number in (10, 9):
        (tmp_path / f"{number}-x.patch").write_text(diff(f"{number}.c"))
    (tmp_path / "notes.txt").write_text(diff("no.c"))
    assert [p.files[0].path for p in series_at(tmp_path)] == ["9.c", "10.c"]


def test_a_folder_of_mailboxes(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(diff("no.c"))
    with pytest.raises(NoPatch, match="no patch found: 1 other file, and none is called"):
        series_at(tmp_path)
    # As b4 am writes it.
    (tmp_path / "20260520_a.mbx").write_text(mail("[PATCH] a", diff("a.c")))
    assert [p.files[0].path for p in series_at(tmp_path)] == ["a.c"]


def test_a_box_of_a_maildir(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/1.host").write_text(mail("[PATCH] a", diff("a.c")))
    assert [p.files[0].path for p in series_at(tmp_path / "new")] == ["a.c"]


def test_a_mailbox_that_is_packed(tmp_path: Path) -> None:
    (tmp_path / "t.mbox.gz").write_bytes(gzip.compress(mail("[PATCH] a", diff("a.c")).encode()))
    assert [p.files[0].path for p in series_at(tmp_path / "t.mbox.gz")] == ["a.c"]
    # It can be a thousand times as large as it looks.
    (tmp_path / "t.mbox.gz").write_bytes(gzip.compress(b"\0" * (LARGEST + 1)))
    with pytest.raises(InputError, match="larger than 32 MiB"):
        series_at(tmp_path / "t.mbox.gz")
    (tmp_path / "t.mbox.gz").write_bytes(b"\x1f\x8bno")
    with pytest.raises(NoPatch):
        series_at(tmp_path / "t.mbox.gz")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(InputError, match=re.escape(str(path))):
            series_at(path)


def test_a_device_without_end() -> None:
    with pytest.raises(InputError, match="/dev/zero: larger than 32 MiB"):
        series_at(Path("/dev/zero"))


def nested(depth: int, kind: str) -> str:
    parts = (f'Content-Type: {kind}; boundary="{i}"\n\n--{i}\n' for i in range(depth))
    return "From: a\nSubject: x\n" + "".join(parts) + f"\n{DIFF}"


# Text -> what is said of it, "" where it may be read. Each within a few seconds.
HOSTILE = {
    "larger than the limit": ("x" * (LARGEST + 1), "p: larger than 32 MiB"),
    "base64 as large as the limit": (
        "From: a\nSubject: x\nContent-Transfer-Encoding: base64\n\n" + "A" * (LARGEST - 100),
        "p: no patch found",
    ),
    "base64 within base64 is not opened": (
        "From: a\nSubject: x\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(encoded("base64", DIFF.encode())).decode(),
        "p: no patch found",
    ),
    "newlines": ("\n" * 1_000_000, "p: no patch found"),
    "more newlines": ("\n" * (2 << 20), "p: more than 1,000,000 lines"),
    "a date far behind a name": (
        "--- a/x.c" + " " * 500_000 + "y\n+++ b/x.c\n@@ -1 +1 @@\n-a\n+b\n",
        "",
    ),
    "folders in each other": (
        "--- a/" + "d/" * 2_000 + "x.c\n+++ b/" + "d/" * 2_000 + "x.c\n@@ -1 +1 @@\n-a\n+b\n",
        "p:1: " + "d/" * 40 + "...: more folders in each other than any tree has",
    ),
    "carriage returns": ("From: a\nSubject: x\n\n" + "\r" * (2 << 20), "p: no patch found"),
    "headers": ("Subject: x\n" * 50_000, "p:1: the headers are longer than any mail's"),
    "a header": ("Subject: " + "=?a?q?" * 50_000, "p:1: the headers are longer than any mail's"),
    "a header within the limit": (
        "From: a\nSubject: " + "=?a?q?" * 40_000 + f"\n\n---\n{DIFF}",
        "",
    ),
    "parameters": (
        "From: a\nContent-Type: multipart/x" + ';a="' * 5_000 + "\n\n",
        "p:1: the headers are longer than any mail's",
    ),
    "folded parameters of a part": (
        'From: a\nContent-Type: multipart/x; boundary="b"\n\n--b\nContent-Type: multipart/x'
        + ';\n a="' * 5_000
        + "\n\n",
        "p:1: a mail of more parts than any has",
    ),
    "nested": (nested(2_000, "multipart/mixed"), "p:1: a mail of more parts than any has"),
    "nested, and long": (
        nested(30, "multipart/mixed") + "a\n" * 100_000,
        "p:1: a mail of more parts than any has",
    ),
    "nested messages": (
        nested(1, "multipart/mixed") + "\n--0\n" + "Content-Type: message/rfc822\n\n" * 20_000,
        "p:1: a mail of more parts than any has",
    ),
    "parts": (
        'From: a\nContent-Type: multipart/x; boundary="b"\n\n' + "--b\n\n" * 30_000,
        "p: no patch found",
    ),
    "a large multipart": (
        'From: a\nContent-Type: multipart/x; boundary="b"\n\n' + "x" * (5 << 20),
        "p:1: a multipart mail larger than 4 MiB",
    ),
    "From lines": (FROM * 50_000, "p: no patch found"),
    "mails": ((FROM + "A: b\n\n") * 20_000, "p: no patch found"),
    "a name of spaces": (
        "diff --git" + " " * (1 << 20) + "\nold mode 100644\n",
        "",
    ),
    "a name of backslashes": (
        'diff --git "' + "\\" * (1 << 20) + "\nold mode 100644\n",
        "p:1: the header doesn't say which file it is about",
    ),
    "hunks": (HEAD + "@@ -1 +1 @@\n-a\n+b\n" * 50_000, ""),
    "nearly hunks": (("@@ -" + "1" * 9 + " +") * 100_000, "p: no patch found"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts(name: str) -> None:
    text, wanted = HOSTILE[name]
    start = time.process_time()
    if wanted:
        assert refused(text) == wanted
    else:
        assert read(text)
    assert time.process_time() - start < 5


pieces = st.sampled_from(
    [
        *(line + "\n" for line in (DIFF + mail("[PATCH 1/2] x")).split("\n")),
        *(line for text, _ in HEADERS.values() for line in text.splitlines(keepends=True)),
        *(line for text, _ in HUNKS.values() for line in text.splitlines(keepends=True)),
        'Content-Type: multipart/mixed; boundary="b"\n',
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: quoted-printable\n",
        "--b\n",
        "\0",
        "\r",
        '"',
    ]
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(pieces, max_size=30), st.binary(max_size=8), st.integers(0, 400))
def test_any_mixture_is_read_or_refused(lines: list[str], noise: bytes, at: int) -> None:
    data = "".join(lines).encode("utf-8", "surrogateescape")
    data = data[:at] + noise + data[at:]
    try:
        patches = series_of(data, "p")
    except InputError:
        return
    for change in (change for patch in patches for change in patch.files):
        assert change.path
        for path in filter(None, (change.old, change.new)):
            assert not path.startswith("/")
            assert ".." not in path.split("/")

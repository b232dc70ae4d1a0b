"""Patches as they are sent around, read into changes of files; nothing is applied here.

The grammar is git apply's (apply.c of git 2.39), the order of a series b4's and git am's.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from xfrmlint.errors import InputError
from xfrmlint.git.mail import ATTACHED, LARGEST, Mail, Text, mails_of

# What is said of a mail that breaks its lines.
FLOWED = "; the mail is format=flowed, which breaks patches: git send-email sends them whole"


class NoPatch(InputError):
    """What should hold a patch holds none. is_cover: it is the letter that goes before a series."""

    is_cover = False


class Line(NamedTuple):
    """A line of a hunk. sign: ' ', '-' or '+'. text: with its end. line: in the patch's text."""

    sign: str
    text: bytes
    line: int


class Hunk(NamedTuple):
    """A run of changed lines and what stands around them. line: of its @@ in the patch's text.

    The starts count from 1; where a count is 0 the start is the line before.
    """

    line: int
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[Line, ...]


class FileChange(NamedTuple):
    """What a patch does to one file. line: where that begins in the patch's text.

    old: None for a new file; new: None for a deleted one. Modes are as git writes them, 0 where the
    patch doesn't say. hunks: None where the patch doesn't hold the text (binary, or the lines of a
    deleted file left out).
    """

    line: int
    old: str | None
    new: str | None
    copied: bool
    old_mode: int
    new_mode: int
    hunks: tuple[Hunk, ...] | None

    @property
    def path(self) -> str:
        """What messages call the file."""
        return self.new or self.old or ""


class Patch(NamedTuple):
    """One commit as a patch. name: of the file it came in, or -; line: where it starts there.

    subject: without [PATCH ...]; empty for a bare diff. number, total: of [PATCH 1/3], else 0.
    base: the commit that it, or its series, says it was made on, or empty. flowed: see Mail.
    """

    name: str
    line: int
    subject: str
    number: int
    total: int
    files: tuple[FileChange, ...]
    base: str = ""
    flowed: bool = False


def series_of(data: bytes, name: str) -> tuple[Patch, ...]:
    """Return the patches of a diff, a mail or an mbox, in the order in which they apply.

    name: what messages call the data. Raises InputError where it holds no patch, a broken one, one
    that leaves the tree, or two series.
    """
    return _series([(name, mail) for mail in mails_of(data, name)], name)


def series_at(path: Path) -> tuple[Patch, ...]:
    """Return the patches of a file, of a maildir, or of a folder of patches and mailboxes.

    Raises InputError as series_of() does, and where something can't be read.
    """
    if not path.is_dir():
        return series_of(_read(path, LARGEST), str(path))
    mails: list[tuple[str, Mail]] = []
    left = LARGEST
    files, others = _files_in(path)
    for file in files:
        data = _read(file, left)
        left -= len(data)
        mails += [(str(file), mail) for mail in mails_of(data, str(file))]
    if not files and others:
        count = f"{others} other file{'s' * (others != 1)}"
        raise NoPatch(f"{path}: no patch found: {count}, and none is called *.patch or *.mbox")
    return _series(mails, str(path))


def is_patch(path: Path) -> bool:
    """Tell whether a file is a patch, or a mail that may hold one: by its name or by its text."""
    try:
        return bool(ATTACHED.search(path.name) or _DIFF.search(_read(path, LARGEST)))
    except InputError:
        return False


def _files_in(folder: Path) -> tuple[list[Path], int]:
    """Return the files of a folder that may hold patches, and how many others it has."""
    boxes = [folder / box for box in ("new", "cur") if (folder / box).is_dir()]
    # Each box is a folder of mails that have no more than a name.
    boxes = boxes or [folder] * (folder.name in ("new", "cur"))
    found: list[Path] = []
    others = 0
    try:
        for box in boxes or [folder]:
            with os.scandir(box) as entries:
                names = [entry.name for entry in entries if entry.is_file()]
            kept = [n for n in names if boxes or n.endswith(".patch")]
            kept = kept or [n for n in names if ATTACHED.search(n)]
            found += [box / n for n in kept]
            others += len(names) - len(kept)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from None
    # As git mailsplit orders a maildir: 9 stands before 10.
    return sorted(found, key=lambda file: (_natural(file.name), str(file))), others


def _natural(name: str) -> list[tuple[int, str]]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(len(p.lstrip("0")), p.lstrip("0")) if "0" <= p[0] <= "9" else (-1, p) for p in pieces]


def _read(path: Path, most: int) -> bytes:
    try:
        # A pipe is fine (the shell's <(git diff)), a device without end is not.
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path}: no such file") from None
    data = unpacked(data, most)
    if len(data) > most:
        raise InputError(f"{path}: larger than {LARGEST >> 20} MiB")
    return data


def unpacked(data: bytes, most: int = LARGEST) -> bytes:
    """Return what gzip packed, as lore.kernel.org gives a thread, or other data as it is.

    Of more than `most` bytes one more is unpacked. Damaged data is returned as it is.
    """
    if not data.startswith(bytes.fromhex("1f8b")):
        return data
    import zlib

    try:
        return zlib.decompressobj(wbits=31).decompress(data, most + 1)
    except zlib.error:
        return data


class _Sent(NamedTuple):
    """A message that holds changes."""

    name: str
    mail: Mail
    files: tuple[FileChange, ...]


def _series(mails: Sequence[tuple[str, Mail]], name: str) -> tuple[Patch, ...]:
    # A list's archive holds a mail once for each list it was sent to.
    once: dict[str | int, tuple[str, Mail]] = {}
    for nth, (file, mail) in enumerate(mails):
        once.setdefault(mail.key or nth, (file, mail))
    # 0/n is the cover letter.
    kept = [m for m in once.values() if m[1].number or not m[1].total]
    # Answers quote hunks, or propose other ones; if there is nothing else they are what was meant.
    sent = _with_changes(m for m in kept if not m[1].reply)
    sent = sent or _with_changes(m for m in kept if m[1].reply)
    if not sent:
        error = NoPatch(f"{name}: no patch found{_why_none(mails)}")
        error.is_cover = bool(once) and not kept
        raise error
    base = _base_of(mail for _, mail in once.values())
    return tuple(
        Patch(
            s.name,
            s.mail.line,
            s.mail.subject,
            s.mail.number,
            s.mail.total,
            s.files,
            base,
            s.mail.flowed,
        )
        for s in _ordered(sent)
    )


def _why_none(mails: Iterable[tuple[str, Mail]]) -> str:
    lines = (line for _, mail in mails for text in mail.texts for line in text.lines)
    coloured = any(_COLOURED.match(line) for line in lines)
    return ": it is coloured; write it with git diff --no-color" if coloured else ""


def _base_of(mails: Iterable[Mail]) -> str:
    """Return the commit that git format-patch --base notes in the first mail, or its cover."""
    for mail in mails:
        for text in mail.texts:
            for line in text.lines:
                if (found := _BASE.match(line)) is not None:
                    return found[1].decode()
    return ""


# As git format-patch ends a mail with, and as a terminal's colours begin a line of a diff.
_BASE = re.compile(rb"base-commit: ([0-9a-f]{7,64})\s*$")
_COLOURED = re.compile(rb"(?:\x1b\[[0-9;]*m)+(?:diff --git |@@ -|--- )")


def _with_changes(mails: Iterable[tuple[str, Mail]]) -> list[_Sent]:
    found = []
    for name, mail in mails:
        try:
            files = [change for text in mail.texts for change in _changes(text, name, mail)]
        except InputError as error:
            raise InputError(f"{error}{FLOWED if mail.flowed else ''}") from None
        if files:
            found.append(_Sent(name, mail, tuple(files)))
    return found


def _ordered(sent: Sequence[_Sent]) -> list[_Sent]:
    """Put a series into the order of its numbers; of several versions the last one counts."""
    numbered = sorted((s for s in sent if s.mail.number), key=lambda s: s.mail.number)
    if _twice(numbered) is not None:
        last = max(s.mail.version for s in numbered)
        numbered = [s for s in numbered if s.mail.version == last]
        if (twice := _twice(numbered)) is not None:
            mail = twice.mail
            raise InputError(
                f"{twice.name}:{mail.line}: a second patch {mail.number}/{mail.total}; "
                "name one series"
            )
    # Patches without a number stay where they are.
    wanted = iter(numbered)
    found = [next(wanted, None) if s.mail.number else s for s in sent]
    return [s for s in found if s is not None]


def _twice(ordered: Sequence[_Sent]) -> _Sent | None:
    return next((b for a, b in pairwise(ordered) if a.mail.number == b.mail.number), None)


# git mailinfo's patchbreak(): what stands above it is the commit's message.
_START = re.compile(rb"diff -|Index: |--- \S|---\s*$")
# Of git, of diff -u, of a merge (--cc, --combined); and a hunk, which none of them may lack.
_HEADS = (b"diff --git ", b"--- ", b"diff --cc ", b"diff --combined ", b"@@ -")
_DIFF = re.compile(rb"^(?:diff --git |--- \S[^\n]*\n\+\+\+ \S[^\n]*\n@@ -)", re.M)
_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_FIELD = re.compile(
    rb"((?:old|new|deleted file|new file) mode|(?:copy|rename) (?:from|to)"
    rb"|(?:dis)?similarity index|index) (.*?)\r?\n?$"
)
_BINARY = re.compile(rb"GIT binary patch\s*$|(?:Binary files|Files) .* differ\s*$")
# The hash of a file without a byte, in SHA-1 and SHA-256.
_EMPTY = re.compile(rb"(?:e69de29|473a0f4)[0-9a-f]*\.\.")
# How diff -u dates a file; and one that isn't there, with -N and in any time zone.
_DATE = re.compile(rb"\s\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[ \d.+-]*$")
# Bytes that a date has at most, with its time zone.
_LONGEST_DATE = 64
# Folders in each other; a kernel has ten.
_DEEPEST = 100
_NEVER = re.compile(rb"\s(?:1969-12-31|1970-01-01) ")
_MODE = re.compile(rb"[0-7]{5,6}$")
_ESCAPE = re.compile(rb'\\([abfnrtv"\\]|[0-3][0-7]{2})')
_ESCAPED = dict(zip(b'abfnrtv"\\', b'\a\b\f\n\r\t\v"\\', strict=True))
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def is_text_mode(mode: int) -> bool:
    """Tell whether a mode, as git writes it, is a regular file's, or not said (0)."""
    return mode == 0 or stat.S_ISREG(mode)


def _changes(text: Text, name: str, mail: Mail) -> list[FileChange]:
    lines = text.lines
    end = 0
    if mail.is_mail:
        end = next((i for i, line in enumerate(lines) if _START.match(line)), len(lines))
    found: list[FileChange] = []
    heads = [i for i, line in enumerate(lines) if line.startswith(_HEADS)]
    for at in heads:
        if at < end:
            continue
        line, next_line = lines[at], lines[at + 1] if at + 1 < len(lines) else b""
        change: tuple[FileChange, int] | None = None
        if line.startswith(b"diff --git "):
            change = _git_change(text, at, name)
        elif line.startswith(b"--- ") and next_line.startswith(b"+++ "):
            change = _plain_change(text, at, name)
        elif _HUNK.match(line):
            raise InputError(f"{name}:{text.numbers[at]}: a hunk without a file's name above it")
        elif line.startswith(b"diff --c") and next_line.startswith(b"index "):
            raise InputError(f"{name}:{text.numbers[at]}: a merge's diff, which can't be applied")
        if change is not None:
            found.append(change[0])
            end = change[1]
    return found


def _git_change(text: Text, start: int, name: str) -> tuple[FileChange, int] | None:
    """Return the change that begins with a `diff --git` line, and where it ends."""
    lines = text.lines
    where = f"{name}:{text.numbers[start]}"
    fields: dict[bytes, bytes] = {}
    at = start + 1
    while at < len(lines) and (field := _FIELD.match(lines[at])) is not None:
        fields.setdefault(field.group(1), field.group(2))
        at += 1
    named: list[bytes | None] = []
    if lines[at : at + 1] and lines[at].startswith(b"--- "):
        if not lines[at + 1 : at + 2] or not lines[at + 1].startswith(b"+++ "):
            raise InputError(f"{where}: the names of the file are cut off")
        named = [_name(line[4:]) for line in lines[at : at + 2]]
        at += 2
        if not lines[at : at + 1] or not lines[at].startswith(b"@@ -"):
            raise InputError(f"{where}: no hunk follows the names of the file")
    elif not fields:
        # A sentence that begins like that.
        return None
    names = _git_names(lines[start], fields, named, where)
    is_new = b"new file mode" in fields or named[:1] == [None]
    is_deleted = b"deleted file mode" in fields or named[1:] == [None]
    old, new = None if is_new else names[0], None if is_deleted else names[1]
    if old is None and new is None:
        raise InputError(f"{where}: a file that is both new and deleted")
    hunks, at = _hunks(text, at, name)
    blobs, _, mode = fields.get(b"index", b"").partition(b" ")
    # format-patch -D leaves out the text of a deleted file; one that was empty has none.
    withheld = (new is None and not hunks and not _EMPTY.match(blobs)) or (
        at < len(lines) and _BINARY.match(lines[at]) is not None
    )
    old_mode = fields.get(b"old mode", fields.get(b"deleted file mode", mode))
    new_mode = fields.get(b"new mode", fields.get(b"new file mode", mode))
    change = FileChange(
        text.numbers[start],
        old,
        new,
        b"copy from" in fields,
        _mode(old_mode, where),
        _mode(new_mode, where),
        None if withheld else hunks,
    )
    return change, at


def _git_names(
    line: bytes, fields: Mapping[bytes, bytes], named: Sequence[bytes | None], where: str
) -> tuple[str, str]:
    """Return the old and the new name of a file from a git header's lines.

    named: those of the --- and +++ lines, if there are any.
    """
    kind = next((k for k in (b"rename", b"copy") if k + b" from" in fields), None)
    if kind is not None:
        # These have no folder in front.
        found = [_unquoted(fields.get(kind + word, b"")) for word in (b" from", b" to")]
        old, new = _decoded(found[0]), _decoded(found[1])
    else:
        both = _both_names(line[len(b"diff --git ") :].rstrip(b"\r\n"))
        # With diff.noprefix there is no a/ and b/.
        strip = both is None or both[0] != both[1]
        # As for git the first line only counts where there is no other; people edit by hand.
        given = [name for name in named if name is not None] or both or ()
        said = {_stripped(name, strip, where) for name in given}
        if len(said) != 1:
            raise InputError(f"{where}: the header doesn't say which file it is about")
        old = new = said.pop()
    _check(old, where)
    _check(new, where)
    return old, new


def _plain_change(text: Text, start: int, name: str) -> tuple[FileChange, int] | None:
    """Return the change that begins with `---` and `+++` lines of diff -u, and where it ends."""
    lines = text.lines
    if not lines[start + 2 : start + 3] or not lines[start + 2].startswith(b"@@ -"):
        return None
    where = f"{name}:{text.numbers[start]}"
    old, new = (_name(line[4:]) for line in lines[start : start + 2])
    hunks, at = _hunks(text, start + 2, name)
    if old is None and new is None:
        raise InputError(f"{where}: the header doesn't say which file it is about")
    before = _stripped(old, True, where) if old is not None else None
    after = _stripped(new, True, where) if new is not None else None
    path = after or before or ""
    if before and after:
        # x.c and x.c.new, x.c.orig and x.c: the file is x.c.
        path = before if after.startswith(before) else after
    _check(path, where)
    never = [_NEVER.search(line) is not None for line in lines[start : start + 2]]
    is_new = old is None or (never[0] and all(h.old_count == 0 for h in hunks))
    is_deleted = new is None or (never[1] and all(h.new_count == 0 for h in hunks))
    return FileChange(
        text.numbers[start],
        None if is_new else path,
        None if is_deleted else path,
        False,
        0,
        0,
        hunks,
    ), at


def _hunks(text: Text, at: int, name: str) -> tuple[tuple[Hunk, ...], int]:
    found = []
    while at < len(text.lines) and text.lines[at].startswith(b"@@ -"):
        hunk, at = _hunk(text, at, name)
        found.append(hunk)
    return tuple(found), at


def _hunk(text: Text, start: int, name: str) -> tuple[Hunk, int]:
    where = f"{name}:{text.numbers[start]}"
    head = _HUNK.match(text.lines[start])
    if head is None:
        raise InputError(f"{where}: not the header of a hunk")
    old_start, old_count, new_start, new_count = (int(n or b"1") for n in head.groups())
    old_left, new_left = old_count, new_count
    lines: list[Line] = []
    at = start + 1
    while at < len(text.lines):
        line = text.lines[at]
        sign = chr(line[0])
        if sign == "\\" and lines:
            # "\ No newline at end of file" speaks of the line above.
            lines[-1] = lines[-1]._replace(text=lines[-1].text.removesuffix(b"\n"))
            at += 1
            continue
        if not old_left and not new_left:
            break
        if line in (b"\n", b"\r\n"):
            # Some mailers cut the space of an empty line.
            sign, line = " ", b" " + line
        old_left -= sign in " -"
        new_left -= sign in " +"
        if sign not in " -+" or old_left < 0 or new_left < 0:
            raise InputError(f"{where}: the hunk is broken off by line {text.numbers[at]}")
        whole = line[1:] if line.endswith(b"\n") else line[1:] + b"\n"
        lines.append(Line(sign, whole, text.numbers[at]))
        at += 1
    if old_left or new_left:
        raise InputError(f"{where}: the patch ends within the hunk")
    return Hunk(text.numbers[start], old_start, old_count, new_start, new_count, tuple(lines)), at


def _both_names(text: bytes) -> tuple[bytes, bytes] | None:
    """Return the two names of a `diff --git` line, if it can be told where the second begins."""
    if text.startswith(b'"'):
        first = _QUOTED.match(text)
        if first is None:
            return None
        one, other = first.group(), text[first.end() + 1 :]
    elif text.endswith(b'"'):
        one, _, other = text.partition(b' "')
        other = b'"' + other
    else:
        # Of a file that keeps its name both are equally long, as a/ and b/ are.
        middle = len(text) // 2
        one, other = text[:middle], text[middle + 1 :]
        if text[middle : middle + 1] != b" ":
            return None
    names = _unquoted(one), _unquoted(other)
    return (names[0], names[1]) if names[0] and names[1] else None


def _unquoted(text: bytes) -> bytes | None:
    """Return a name from git's C-style quotes, or as it is; None if the quotes are broken."""
    if not text.startswith(b'"'):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is None or b"\\" in _ESCAPE.sub(b"", quoted.group(1)):
        return None
    return _ESCAPE.sub(
        lambda m: bytes([int(m[1], 8) if len(m[1]) == 3 else _ESCAPED[m[1][0]]]), quoted.group(1)
    )


def _name(text: bytes) -> bytes | None:
    """Return the name of a `---` or `+++` line, None for /dev/null."""
    text = text.rstrip(b"\r\n")
    if text.startswith(b'"') and (quoted := _QUOTED.match(text)) is not None:
        return _unquoted(quoted.group()) or b""
    found = text.partition(b"\t")[0]
    # Looked for from the end: a name can be as long as the line.
    date = _DATE.search(found, max(0, len(found) - _LONGEST_DATE))
    if date is not None:
        found = found[: date.start()].rstrip()
    return None if found == b"/dev/null" else found


def _decoded(name: bytes | None) -> str:
    return (name or b"").decode("utf-8", "surrogateescape")


def _stripped(name: bytes, strip: bool, where: str) -> str:
    """Return a name without its first folder, as patch -p1 does; raises InputError for none."""
    text = _decoded(name)
    first, slash, rest = text.partition("/")
    if not strip:
        return text
    if not slash:
        raise InputError(f"{where}: {text}: a name without a folder in front (patch -p1)")
    # An absolute name is kept: it is refused, not made relative.
    return rest if first else text


def _check(path: str, where: str) -> None:
    """Refuse a name that leaves the tree, or that no tree has."""
    if "\0" in path or any(piece in ("", ".", "..") for piece in path.split("/")):
        raise InputError(f"{where}: {path}: a name that leads out of the tree")
    if path.count("/") > _DEEPEST:
        raise InputError(f"{where}: {path[:80]}...: more folders in each other than any tree has")


def _mode(text: bytes, where: str) -> int:
    if not text:
        return 0
    if not _MODE.match(text):
        raise InputError(f"{where}: a file's mode that is none")
    return int(text, 8)

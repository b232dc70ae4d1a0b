"""Mail, an mbox or a bare text taken apart into the texts that may hold a diff.

What belongs to which message, and how it is encoded, is decided as git mailsplit and git mailinfo
do; the headers and the MIME structure are the email package's.
"""

import binascii
import email
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from io import BytesIO
from typing import NamedTuple

from xfrmlint.errors import InputError

# A patch that brings the kernel's largest header (20 MiB) fits. Nothing that is read here is
# compressed, and no encoding makes a text smaller: what is decoded is never larger than this.
LARGEST = 32 << 20
# What brings more headers than the kernel has for a GPU has 300,000 lines; each takes 0.7 KB.
_MOST_LINES = 1_000_000
# The email package's time grows with the square of a header's length, and with lines x depth.
_LARGEST_HEAD = 256 << 10
_LARGEST_FIELD = 8 << 10
_LARGEST_MULTIPART = 4 << 20
_MOST_MULTIPARTS = 20
_LARGEST_SUBJECT = 2 << 10

_FIELD = re.compile(rb"[!-9;-~]+:")
# A mail has one of these; a text that starts with `Note: ` has neither.
_MAIL_FIELD = re.compile(rb"(?:from|subject):", re.I)
# As git's is_from_line(): a time and a year close the line.
_FROM = re.compile(rb"From .*\d:\d\d:\d\d\s+(?:\S+\s+)?\d{2,4}\b")
_MIME_FIELD = re.compile(rb"(?im)^content-[a-z-]+:[^\n]*(?:\n[ \t][^\n]*)*")
_MULTIPART = re.compile(rb"(?i)content-type:\s*multipart/")
_FLOWED = re.compile(r"""(?i);\s*format\s*=\s*"?flowed""")
ATTACHED = re.compile(r"\.(?:patch|diff|mbox|mbx|eml)(?:\.gz)?$", re.I)

_REPLY = re.compile(r"\s*(?:re|aw|fwd?)\s*:\s*", re.I)
_BRACKETS = re.compile(r"\s*\[([^\]]*)\]\s*")
_NUMBER = re.compile(r"(?<![\w/.])(\d{1,4})/(\d{1,4})(?![\w/.])")
_VERSION = re.compile(r"\bv(\d{1,4})\b", re.I)


class Text(NamedTuple):
    """Lines with their ends, and which line of the file each one is (from 1)."""

    lines: Sequence[bytes]
    numbers: Sequence[int]

    def part(self, start: int, end: int | None = None) -> "Text":
        """Return the lines from index `start` up to `end`."""
        return Text(self.lines[start:end], self.numbers[start:end])


class Mail(NamedTuple):
    """A message, or a text that is none. line: where it starts.

    subject: without the brackets in front. number, total, version: of [PATCH v2 1/3], 0 where it
    doesn't say; version 1 is the one that is not written. key: the Message-ID, or empty. flowed:
    its lines may have been broken anew (RFC 3676).
    """

    line: int
    is_mail: bool
    subject: str
    number: int
    total: int
    version: int
    reply: bool
    key: str
    texts: tuple[Text, ...]
    flowed: bool = False


def mails_of(data: bytes, name: str) -> Iterator[Mail]:
    """Yield the messages of a mail, an mbox or a diff, and of mails attached to them, in order.

    name: what errors call the data. Lines are numbered as in the data, even if they are
    quoted-printable; those of base64 as if the decoded text stood in its place. Raises InputError
    for what is larger than any patch, or broken.
    """
    if len(data) > LARGEST:
        raise InputError(f"{name}: larger than {LARGEST >> 20} MiB")
    if data.count(b"\n") > _MOST_LINES:
        raise InputError(f"{name}: more than {_MOST_LINES:,} lines")
    lines = BytesIO(data.removeprefix(b"\xef\xbb\xbf")).readlines()
    yield from _mails(_unix(Text(lines, range(1, len(lines) + 1))), name, False)


def _mails(text: Text, name: str, attached: bool) -> Iterator[Mail]:
    for message in _messages(text):
        yield from _mail(message, name, attached)


def _messages(text: Text) -> Iterator[Text]:
    """Split an mbox at its `From ` lines; a line of a body that only begins so is none."""
    lines = text.lines
    starts = [
        i
        for i, line in enumerate(lines)
        if line.startswith(b"From ")
        and (i == 0 or not lines[i - 1].strip())
        and _FROM.match(line)
        and i + 1 < len(lines)
        and _FIELD.match(lines[i + 1])
    ]
    ends = [*starts, len(lines)]
    if ends[0]:
        yield text.part(0, ends[0])
    for start, end in zip(starts, ends[1:], strict=True):
        yield text.part(start, end)


def _head_length(lines: Sequence[bytes]) -> int:
    """Return how many lines a mail's head has, the `From ` line too; 0 if this is no mail."""
    at = start = 1 if lines and _FROM.match(lines[0]) else 0
    is_mail = False
    while at < len(lines):
        if _FIELD.match(lines[at]):
            is_mail = is_mail or _MAIL_FIELD.match(lines[at]) is not None
        elif at == start or not lines[at].startswith((b" ", b"\t")):
            break
        at += 1
    return at if is_mail else 0


def _mail(text: Text, name: str, attached: bool) -> Iterator[Mail]:
    head = _head_length(text.lines)
    line = text.numbers[0] if text.numbers else 1
    if not head:
        yield Mail(line, False, "", 0, 0, 1, False, "", (text,))
        return
    fields = b"".join(text.lines[:head])
    too_long = any(len(m.group()) > _LARGEST_FIELD for m in _MIME_FIELD.finditer(fields))
    if len(fields) > _LARGEST_HEAD or too_long:
        raise InputError(f"{name}:{line}: the headers are longer than any mail's")
    # Latin-1 gives each byte a character of its own: what the email package hands back is what
    # came in, whatever the message says about its character set.
    message = email.message_from_string(fields.decode("latin-1"))
    body = text.part(head + (not b"".join(text.lines[head : head + 1]).strip()))
    texts: list[Text] = []
    for part, found in _parts(text, message, body, name):
        decoded = _unix(_decoded(part, found, name))
        if part is not message and not attached and _head_length(decoded.lines):
            yield from _mails(decoded, name, True)
        else:
            texts.append(decoded)
    yield _named(message, line, texts)


def _parts(text: Text, message: Message, body: Text, name: str) -> Iterator[tuple[Message, Text]]:
    """Yield the parts of a message that may hold a diff, still encoded."""
    if message.get_content_maintype() != "multipart":
        yield message, body
        return
    where = f"{name}:{text.numbers[0]}"
    data = b"".join(text.lines)
    if len(data) > _LARGEST_MULTIPART:
        raise InputError(f"{where}: a multipart mail larger than {_LARGEST_MULTIPART >> 20} MiB")
    fields = [m.group() for m in _MIME_FIELD.finditer(data)]
    if (
        any(len(field) > _LARGEST_FIELD for field in fields)
        or sum(_MULTIPART.match(field) is not None for field in fields) > _MOST_MULTIPARTS
    ):
        raise InputError(f"{where}: a mail of more parts than any has")
    whole = data.decode("latin-1")
    try:
        leaves = [p for p in email.message_from_string(whole).walk() if not p.is_multipart()]
    except RecursionError:
        raise InputError(f"{where}: a mail of more parts than any has") from None
    at = line = 0
    for leaf in leaves:
        payload = str(leaf.get_payload())
        start = whole.find(payload, at)
        if not payload or start < 0:
            continue
        line += whole.count("\n", at, start)
        at = start + len(payload)
        end = line + payload.count("\n")
        if _may_hold_a_diff(leaf):
            # The last line of a part ends with the boundary's line break.
            yield leaf, text.part(line, end + (not payload.endswith("\n")))
        line = end


def _may_hold_a_diff(part: Message) -> bool:
    if part.get_content_type() == "text/html":
        return False
    try:
        named = part.get_filename("") or ""
    except (ValueError, LookupError):
        named = ""
    return part.get_content_maintype() == "text" or ATTACHED.search(named) is not None


def _decoded(part: Message, text: Text, name: str) -> Text:
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    if encoding == "quoted-printable":
        return _from_quoted_printable(text)
    if encoding == "base64":
        first = text.numbers[0] if text.numbers else 1
        try:
            data = binascii.a2b_base64(b"".join(text.lines))
        except binascii.Error as error:
            raise InputError(f"{name}:{first}: broken base64: {error}") from None
        lines = BytesIO(data).readlines()
        return Text(lines, range(first, first + len(lines)))
    return text


def _from_quoted_printable(text: Text) -> Text:
    lines: list[bytes] = []
    numbers: list[int] = []
    joined: list[bytes] = []
    for number, line in zip(text.numbers, text.lines, strict=True):
        for piece in BytesIO(binascii.a2b_qp(line)).readlines():
            if not joined:
                numbers.append(number)
            joined.append(piece)
            if piece.endswith(b"\n"):
                lines.append(b"".join(joined))
                joined = []
    if joined:
        lines.append(b"".join(joined))
    return Text(lines, numbers)


def _unix(text: Text) -> Text:
    """Return a text without the carriage returns that its way has put at the end of every line.

    A diff of a file that has them keeps its own: there the headers between them have none.
    """
    lines = text.lines
    if not lines or not all(line.endswith(b"\r\n") for line in lines if line.endswith(b"\n")):
        return text
    return Text(
        [line[:-2] + b"\n" if line.endswith(b"\n") else line for line in lines], text.numbers
    )


def _named(message: Message, line: int, texts: Sequence[Text]) -> Mail:
    subject = _readable(str(message.get("subject", ""))[:_LARGEST_SUBJECT])
    reply = _REPLY.match(subject)
    rest = subject[reply.end() :] if reply else subject
    number = total = 0
    version = 1
    while (bracket := _BRACKETS.match(rest)) is not None:
        rest = rest[bracket.end() :]
        if (found := _NUMBER.search(bracket.group(1))) is not None:
            number, total = int(found.group(1)), int(found.group(2))
        if (found := _VERSION.search(bracket.group(1))) is not None:
            version = int(found.group(1))
    key = str(message.get("message-id", ""))[:_LARGEST_SUBJECT].strip()
    told = (line, True, rest.strip(), number, total, version, reply is not None, key)
    flowed = _FLOWED.search(str(message.get("content-type", ""))) is not None
    return Mail(*told, tuple(texts), flowed)


def _readable(field: str) -> str:
    """Return a header's text on one line, decoded as far as that goes."""
    text = field.encode("latin-1").decode("utf-8", "replace")
    with suppress(MessageError, LookupError, ValueError):
        text = str(make_header(decode_header(text)))
    return " ".join(text.split())

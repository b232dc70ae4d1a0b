"""Same-length blanking: kernel C becomes C that tree-sitter parses, every offset stays true.

Conditionals, comments, attributes and loop macros are what breaks an unpreprocessed parse. All of
them are replaced by white space of the same length; newlines stay, so a line number never moves.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from xfrmlint.c.dialect import plain

_COMMENT_OR_STRING = re.compile(
    rb"""/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?|//(?:\\\r?\n|[^\n])*|"""
    # No character is 1'000.
    rb""""(?:\\.|[^"\\\n])*"|'(?<![0-9a-fA-F]')(?:\\.|[^'\\\n])*'""",
    re.S,
)
# Behind the end of a line: begun by a literal it is found ten times as fast.
_DIRECTIVE = re.compile(rb"\n[ \t]*+(?:#|%:)[ \t]*+(\w*+)([^\\\n]*+(?:\\(?:\r?\n)?[^\\\n]*+)*+)")
_BLANKS = bytes(byte if byte == ord("\n") else ord(" ") for byte in range(256))

_ATTRIBUTE_WORDS = (
    "__user __rcu __iomem __percpu __kernel __force __safe __nocast __private __bitwise "
    "__init __exit __initdata __exitdata __initconst __devinit __devexit __refdata __ref "
    "__always_unused __maybe_unused __unused __used __must_check __packed __deprecated __weak "
    "__pure __attribute_const__ __cold __hot __malloc __visible __noreturn __noclone "
    "__always_inline noinline noinline_for_stack __no_kcsan __no_sanitize_address "
    "__cacheline_aligned ____cacheline_aligned __cacheline_aligned_in_smp "
    "____cacheline_aligned_in_smp ____cacheline_internodealigned_in_smp __read_mostly "
    "__ro_after_init __latent_entropy __randomize_layout __no_randomize_layout "
    "__percpu_read_mostly __net_init __net_exit __net_initdata __meminit __cpuinit "
    "INDIRECT_CALLABLE_SCOPE notrace __sched asmlinkage __visible nokprobe_inline __bpf_kfunc "
    "__private_extension __intentional_overflow __extension__ __restrict __free_on_error "
    "__nonstring noipa __flatten __lockfunc fastcall __naked __mocked __seccomp"
).split()
_ATTRIBUTE_CALLS = (
    "__attribute__ __attribute __aligned __aligned_largest __printf __scanf __acquires __releases "
    "__must_hold __cond_acquires __cond_lock __counted_by __counted_by_le __counted_by_be "
    "__counted_by_ptr __sized_by __guarded_by __pt_guarded_by __section __alloc_size __nonnull "
    "__returns_nonnull __assume_aligned __alias __free __cleanup __designated_init "
    "__no_context_analysis __realloc_size __diagnose_as __copy __errno __acquire_shared "
    "__acquires_shared __releases_shared __must_hold_shared __declspec __asm__ __data_racy"
).split()


def _attribute(words: list[str], calls: list[str]) -> re.Pattern[bytes]:
    """Match a word alone, or one with arguments up to the opening parenthesis.

    The first two letters are written out in front: a literal prefix makes the search fast.
    """

    def either(names: list[str]) -> str:
        return "|".join(re.escape(n[2:]) for n in sorted(names, key=len, reverse=True))

    prefix = re.escape((words + calls)[0][:2])
    with_arguments = (
        rf"(?:{either(calls)})[ \t]*\n?[ \t]*(?P<open>\()|" if calls else "(?P<open>x^)|"
    )
    return re.compile(rf"{prefix}(?:{with_arguments}(?:{either(words)})\b(?![ \t]*\())".encode())


_UNDERSCORED = [word for word in _ATTRIBUTE_WORDS if word.startswith("__")]
_PLAIN = [word for word in _ATTRIBUTE_WORDS if not word.startswith("__")]
# By what stands in each of the words: a plain search for it comes first.
_ATTRIBUTES = {
    b"__": _attribute(_UNDERSCORED, _ATTRIBUTE_CALLS),
    **{word.encode(): _attribute([word], []) for word in _PLAIN},
}
_PER_CPU = re.compile(
    rb"^((?:static[ \t]+)?)((?:DEFINE|DECLARE)_PER_CPU\w*[ \t]*\()([^,;()]*)(,)([^;()]*)(\))", re.M
)
_FOR_EACH = re.compile(rb"^([ \t]+)(\w*(?:for_?each|FOR_?EACH|_walk)\w*)([ \t]*\()", re.M)
_LOOPS = (b"each", b"EACH", b"_walk")
_TYPEOF = re.compile(rb"\b(?:typeof|__typeof__|__typeof|typeof_unqual)[ \t]*\(")
_NAMED_TYPE = re.compile(
    rb"\s*(?:const\s+)?(?:(?:struct|union|enum)\s+\w+|u\d+|(?:(?:unsigned|int|long|char|void)\b\s*)+)"
    rb"[\s*]*$"
)
_WORD = re.compile(rb"\w")
_LINE_END = re.compile(rb"([ \t\r]*)\n")
_FAR = 4000
_BRACE = re.compile(rb"[{}]")
_TRUTHY = re.compile(rb"^[ \t]*\(?[ \t]*([01])[ \t]*\)?\s*$")


class Branch(NamedTuple):
    """One branch of a conditional: its directive's text and the byte range of its body."""

    condition: str
    start: int
    end: int
    dead: bool


class Blanked(NamedTuple):
    """What `blank` returns.

    text: bytes of the same length, without comments, directives and attributes.
    branches: every branch of every conditional, in order of start.
    dropped: byte ranges that are not in `text` although a configuration could compile them.
    directives: (name, offset, bytes of the whole line) of each #define and #include in live text.
    open_comment: where a comment begins that never ends, or -1.
    """

    text: bytes
    branches: tuple[Branch, ...]
    dropped: tuple[tuple[int, int], ...]
    directives: tuple[tuple[str, int, bytes], ...]
    open_comment: int = -1


def spaces(text: bytes) -> bytes:
    """Return white space of the same length with the same newlines."""
    return text.translate(_BLANKS)


def comments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the byte range of each comment; one that never ends goes to the end of the data."""
    for match in _COMMENT_OR_STRING.finditer(data):
        if data[match.start()] == ord("/"):
            yield match.span()


def without_comments(data: bytes) -> bytes:
    """Return `data` with comments blanked; strings and character constants stay."""

    def replace(match: re.Match[bytes]) -> bytes:
        found = match.group()
        if found[:1] != b"/":
            return found
        if b"\n" in found and in_directive(data, match.start()):
            # The comment is one space: the directive goes on behind it.
            return _LINE_END.sub(_joined, spaces(found))
        return spaces(found)

    return _COMMENT_OR_STRING.sub(replace, data)


def _open_comment(data: bytes, text: bytes) -> int:
    """Return where a comment begins that the file's end cuts off, or -1."""
    at = data.rfind(b"/*")
    while at >= 0 and text[at : at + 2] == b"/*":
        # In a string.
        at = data.rfind(b"/*", 0, at)
    return at if at >= 0 and data.find(b"*/", at + 2) < 0 else -1


def _joined(match: re.Match[bytes]) -> bytes:
    blanks = match.group(1)
    return blanks[:-1] + b"\\\n" if blanks else b"\n"


def in_directive(data: bytes, offset: int) -> bool:
    """Tell whether an offset lies in a preprocessor's line."""
    return data[logical_line(data, offset) : offset].lstrip()[:1] == b"#"


def logical_line(data: bytes, offset: int) -> int:
    """Return the start of the line (continuations joined) that holds an offset."""
    start = data.rfind(b"\n", 0, offset) + 1
    while start > 1 and data[max(0, start - 3) : start].rstrip(b"\r\n")[-1:] == b"\\":
        start = data.rfind(b"\n", 0, start - 1) + 1
    return start


def blank(data: bytes, words: re.Pattern[bytes] | None = None) -> Blanked:
    """Blank everything in `data` that keeps tree-sitter from parsing kernel C.

    words: where the branches of a conditional are not brace-balanced only one can stay; the one in
    which this pattern occurs is preferred. The others are reported in `dropped`.
    """
    text = without_comments(data.replace(b"\0", b" "))
    text, branches, dropped, directives = _conditionals(text, words)
    text = readable(text)
    return Blanked(
        text, tuple(branches), tuple(dropped), tuple(directives), _open_comment(data, text)
    )


def readable(text: bytes) -> bytes:
    """Blank or rewrite what keeps tree-sitter from parsing text that has no directives."""
    if b"__" in text or b"noinline" in text or b"INDIRECT" in text:
        text = _blank_attributes(text)
    if b"typeof" in text:
        text = _typeof(text)
    if b"PER_CPU" in text:
        text = _PER_CPU.sub(_variable, text)
    return plain(_loops(text))


def _variable(match: re.Match[bytes]) -> bytes:
    start, macro, kind, comma, name, end = match.groups()
    return start + spaces(macro) + kind + spaces(comma) + name + spaces(end)


def _loops(text: bytes) -> bytes:
    out = bytearray(text)
    for word in _LOOPS:
        at = text.find(word)
        while at >= 0:
            match = _FOR_EACH.match(text, text.rfind(b"\n", max(0, at - _FAR), at) + 1)
            if match is not None:
                out[match.start() : match.end()] = _while(match)
            # One begins a line.
            end = text.find(b"\n", at)
            at = text.find(word, end) if end >= 0 else -1
    return bytes(out)


def _while(match: re.Match[bytes]) -> bytes:
    # A loop macro parses as a call followed by a block, or worse as a nested function.
    name = match.group(2)
    behind = closing(match.string, match.end() - 1)
    if len(name) < 5 or match.string[behind : behind + 80].lstrip()[:1] in (b";", b",", b")"):
        return match.group()
    return match.group(1) + b"while" + b" " * (len(name) - 5) + match.group(3)


def _blank_attributes(text: bytes) -> bytes:
    for word, pattern in _ATTRIBUTES.items():
        if word not in text:
            continue
        out = []
        at = 0
        for match in pattern.finditer(text):
            start, end = match.span()
            inside_word = start > 0 and _WORD.match(text, start - 1)
            if start < at or inside_word:
                continue
            if in_string(text, start):
                continue
            if match.group("open"):
                end = closing(text, end - 1)
            out += [text[at:start], spaces(text[start:end])]
            at = end
        if out:
            out.append(text[at:])
            text = b"".join(out)
    return text


def in_string(text: bytes, offset: int) -> bool:
    """Tell whether an offset lies in a string literal, by what stands before it in its line."""
    start = text.rfind(b"\n", 0, offset) + 1
    before = text[start:offset]
    return (before.count(b'"') - before.count(b'\\"')) % 2 == 1


def _typeof(text: bytes) -> bytes:
    # tree-sitter takes `typeof(x) y = z;` for an assignment to a call.
    out = []
    at = 0
    for match in _TYPEOF.finditer(text):
        end = closing(text, match.end() - 1)
        if match.start() < at or end - match.start() < 8 or in_string(text, match.start()):
            continue
        operand = text[match.end() : end - 1]
        if _NAMED_TYPE.match(operand):
            named = spaces(text[match.start() : match.end()]) + operand + b" "
        else:
            named = b"auto_" + spaces(text[match.start() + 5 : end])
        out += [text[at : match.start()], named]
        at = end
    out.append(text[at:])
    return b"".join(out)


_PAREN = re.compile(rb"[()]")


def closing(text: bytes, start: int) -> int:
    """Return the offset behind the parenthesis that closes the one at `start`, or an end.

    Nothing that is blanked or looked past is longer than _FAR bytes: an open one ends there.
    """
    depth = 0
    far = min(len(text), start + _FAR)
    for match in _PAREN.finditer(text, start, far):
        depth += 1 if match.group() == b"(" else -1
        if depth == 0:
            return match.end()
    return far


@dataclass
class _Part:
    """A branch while its conditional is still open; `always` is an #if 1."""

    label: str
    start: int
    dead: bool
    always: bool = False
    end: int = 0

    def closed(self) -> Branch:
        return Branch(self.label, self.start, self.end, self.dead)


_NO_BRANCHES = ("define", "undef", "include")


def _label(kind: str, rest: bytes) -> str:
    return f"#{kind} {' '.join(rest.decode('utf-8', 'replace').split())}".strip()


def _conditionals(
    text: bytes, words: re.Pattern[bytes] | None
) -> tuple[bytes, list[Branch], list[tuple[int, int]], list[tuple[str, int, bytes]]]:
    stack: list[list[_Part]] = []
    groups: list[list[Branch]] = []
    lines: list[tuple[int, int]] = []
    defines: list[tuple[str, int, bytes]] = []
    for match in _DIRECTIVE.finditer(b"\n" + text):
        kind = match.group(1).decode("ascii", "replace")
        rest = match.group(2)
        start, end = match.start(), match.end() - 1
        lines.append((start, end))
        # Most are none that a label is wanted of.
        if kind in _NO_BRANCHES:
            defines.append((kind, start, text[start:end]))
            continue
        label = _label(kind, rest)
        truth = _TRUTHY.match(rest) if kind in ("if", "elif") else None
        never = truth is not None and truth.group(1) == b"0"
        if kind in ("if", "ifdef", "ifndef"):
            stack.append([_Part(label, end, never, truth is not None and not never)])
        elif kind in ("elif", "elifdef", "elifndef", "else") and stack:
            group = stack[-1]
            group[-1].end = start
            if kind == "else":
                label += f" of {group[0].label}"
            always = truth is not None and not never
            group.append(_Part(label, end, never or any(p.always for p in group), always))
        elif kind == "endif" and stack:
            stack[-1][-1].end = start
            groups.append([part.closed() for part in stack.pop()])
    for group in stack:
        if group[-1].dead:
            # No #endif: the file ends it.
            group[-1].end = len(text)
            groups.append([group[-1].closed()])
    if not lines:
        return text, [], [], []
    branches = [branch for group in groups for branch in group]
    out = bytearray(text)
    for start, end in lines:
        out[start:end] = spaces(text[start:end])
    dropped: list[tuple[int, int]] = []
    dead_ranges = sorted((b.start, b.end) for b in branches if b.dead)
    for start, end in dead_ranges:
        out[start:end] = spaces(bytes(out[start:end]))
    # Inner conditionals come first in `groups`: they are settled when the outer one is weighed.
    for closed in groups:
        live = [b for b in closed if not b.dead]
        if len(live) < 2:
            continue
        bodies = [bytes(out[b.start : b.end]) for b in live]
        # Two bodies for one function head parse as a function and a stray block.
        blocks = sum(body.lstrip()[:1] == b"{" for body in bodies)
        if blocks < 2 and all(map(_balanced, bodies)):
            continue
        keep = max(live, key=lambda b: _interest(bytes(out[b.start : b.end]), words))
        for branch in live:
            if branch is not keep:
                body = bytes(out[branch.start : branch.end])
                if body.strip():
                    dropped.append((branch.start, branch.end))
                out[branch.start : branch.end] = spaces(body)
    branches.sort(key=lambda b: (b.start, -b.end))
    if dead_ranges:
        inside = Covered(dead_ranges)
        defines = [d for d in defines if not inside(d[1])]
    return bytes(out), branches, sorted(dropped), defines


class Covered:
    """Tells whether an offset lies in one of some sorted ranges."""

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        merged: list[list[int]] = []
        for start, end in ranges:
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(end, merged[-1][1])
            else:
                merged.append([start, end])
        self._starts = [m[0] for m in merged]
        self._ends = [m[1] for m in merged]

    def __call__(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]


def _balanced(body: bytes) -> bool:
    depth = 0
    if b'"' in body or b"'" in body:
        body = _COMMENT_OR_STRING.sub(b"", body)
    for match in _BRACE.finditer(body):
        depth += 1 if match.group() == b"{" else -1
        if depth < 0:
            return False
    return depth == 0


def _interest(body: bytes, words: re.Pattern[bytes] | None) -> int:
    if words is not None and words.search(body):
        return 2
    return 1 if body.strip() else 0

"""Same-length blanking: kernel C becomes C that tree-sitter parses, every offset stays true.

Conditionals, comments, attributes and loop macros are what breaks an unpreprocessed parse. All of
them are replaced by white space of the same length; newlines stay, so a line number never moves.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from xfrmlint.c.arguments import Arguments
from xfrmlint.c.conditionals import VERSIONED, known_in
from xfrmlint.c.dialect import TYPEOF, plain
from xfrmlint.c.features import Features, Named
from xfrmlint.c.text import in_string, open_comment, spaces, without_comments, without_literals
from xfrmlint.kernel.release import Release

# Behind the end of a line: begun by a literal it is found ten times as fast.
# A line that goes on with the one before, as a string's can, is none.
_DIRECTIVE = re.compile(
    rb"\n(?<!\\\n)(?<!\\\r\n)[ \t]*+(?:#|%:)[ \t]*+(\w*+)([^\\\n]*+(?:\\(?:\r?\n)?[^\\\n]*+)*+)"
)

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
_LOOP_NAME = rb"(?:for_?each|FOR_?EACH|_walk)"
_FOR_EACH = re.compile(rb"^([ \t]++)(?=\w*?%s)(\w++)([ \t]*+\()" % _LOOP_NAME, re.M)
# What a loop macro is read as.
LOOP = b"while"
_LOOPS = (b"each", b"EACH", b"_walk")
_TYPEOF = re.compile(rb"\b(?:typeof|__typeof__|__typeof|typeof_unqual)[ \t]*\(")
_NAMED_TYPE = re.compile(
    rb"\s*(?:const\s+)?(?:(?:struct|union|enum)\s+\w+|u\d+|(?:(?:unsigned|int|long|char|void)\b\s*)+)"
    rb"[\s*]*$"
)
_WORD = re.compile(rb"\w")
_FAR = 4000
_NEAR = 80
_PARENTHESIS = re.compile(rb"[()]")
_BRACKET = re.compile(rb"[{}()]")
_OPENED_BY = {b"}": b"{", b")": b"("}
# A branch that ends so begins what the code behind the conditional goes on with.
_OPERATOR = re.compile(rb"[-=+*/|&?<]$")
# What a statement has to follow, and which of the words has its condition in between.
_BARE_HEAD = re.compile(rb"\b(?:else|do)\Z")
_HEAD = re.compile(rb"(?:\b(?:if|for|while|switch)|(?:^|\n)[ \t]+\w*%s\w*)\s*\Z" % _LOOP_NAME)
_STATEMENT = re.compile(rb"\s*[\w{;(*+-]")
_ELSE = re.compile(rb"\s*else\b")
_SEEN = re.compile(rb"\S")
_MOST_TURNS = 4


class Branch(NamedTuple):
    """One branch of a conditional: its directive's text and the byte range of its body.

    compiled: whether it always is, or never; None if that is open. last: nothing that stands behind
    it in its conditional is compiled, nor is nothing at all.
    """

    condition: str
    start: int
    end: int
    compiled: bool | None
    last: bool

    @property
    def dead(self) -> bool:
        """Whether no configuration of this tree compiles it."""
        return self.compiled is False


class Blanked(NamedTuple):
    """What `blank` returns.

    text: bytes of the same length, without comments, directives and attributes.
    branches: every branch of every conditional, in order of start.
    left_out: byte ranges that are not in `text` although a configuration could compile them.
    dropped: those of them that are in the text of no turn.
    choices: the byte ranges of the conditionals of which one branch is in `text`.
    turns: how many texts there are.
    directives: (name, offset, bytes of the whole line) of each #define and #include in live text.
    unclosed: where something was left out that opens brackets and does not close them.
    open_comment: where a comment begins that never ends, or -1.
    features: what names are behind it.
    """

    text: bytes
    branches: tuple[Branch, ...]
    left_out: tuple[tuple[int, int], ...]
    dropped: tuple[tuple[int, int], ...]
    choices: tuple[tuple[int, int], ...]
    turns: int
    directives: tuple[tuple[str, int, bytes], ...]
    unclosed: tuple[int, ...]
    open_comment: int = -1
    features: tuple[tuple[str, Named], ...] = ()


def blank(
    data: bytes,
    words: re.Pattern[bytes] | None = None,
    release: Release | None = None,
    turn: int = 0,
    features: Iterable[tuple[str, Named]] = (),
) -> Blanked:
    """Blank everything in `data` that keeps tree-sitter from parsing kernel C.

    words: where the branches of a conditional begin or end a block (or a statement) that others go
    on with, only one can stay; the one in which this pattern occurs is preferred. turn: take the
    next one instead, or the one behind it ... release: the tree's, if it is known. features:
    what names are in the headers.
    """
    text = without_comments(data.replace(b"\0", b" "))
    conditionals = _Conditionals(words, turn, Features(known_in(release), dict(features)))
    text = conditionals.settled(text)
    arguments = Arguments((branch.start, branch.end) for branch in conditionals.branches)
    text = readable(text, arguments)
    return Blanked(
        text,
        tuple(conditionals.branches),
        tuple(sorted(conditionals.left_out)),
        tuple(sorted(conditionals.dropped)),
        tuple(sorted(conditionals.choices)),
        conditionals.turns,
        tuple(conditionals.directives),
        tuple(sorted({*conditionals.unclosed, *arguments.unclosed})),
        open_comment(data, text),
        tuple(conditionals.features.named.items()),
    )


def readable(text: bytes, arguments: Arguments | None = None) -> bytes:
    """Blank or rewrite what keeps tree-sitter from parsing text that has no directives.

    arguments: of the text, if it had some.
    """
    arguments = arguments or Arguments()
    if b"__" in text or b"noinline" in text or b"INDIRECT" in text:
        text = _blank_attributes(text, arguments)
    if b"typeof" in text:
        text = _typeof(text, arguments)
    if b"PER_CPU" in text:
        text = _per_cpu(text, arguments)
    return plain(_loops(text, arguments), arguments)


def _per_cpu(text: bytes, arguments: Arguments) -> bytes:
    """Write a per-CPU variable's macro as a declaration."""

    def variable(match: re.Match[bytes]) -> bytes:
        if arguments.leaves(*match.span()):
            arguments.unclosed.add(match.start())
            return match.group()
        start, macro, kind, comma, name, end = match.groups()
        return start + spaces(macro) + kind + spaces(comma) + name + spaces(end)

    return _PER_CPU.sub(variable, text)


@lru_cache(maxsize=1 << 14)
def is_loop(name: bytes) -> bool:
    """Tell whether a macro of this name stands for the head of a loop."""
    return any(word in name for word in _LOOPS)


def _loops(text: bytes, arguments: Arguments) -> bytes:
    out = bytearray(text)
    for word in _LOOPS:
        at = text.find(word)
        while at >= 0:
            match = _FOR_EACH.match(text, text.rfind(b"\n", max(0, at - _FAR), at) + 1)
            if match is not None:
                out[match.start() : match.end()] = _while(match, arguments)
            # One begins a line.
            end = text.find(b"\n", at)
            at = text.find(word, end) if end >= 0 else -1
    return bytes(out)


def _while(match: re.Match[bytes], arguments: Arguments) -> bytes:
    # A loop macro parses as a call followed by a block, or worse as a nested function.
    name = match.group(2)
    behind = arguments.end(match.string, match.start(), match.end() - 1)
    bodiless = match.string[behind : behind + 80].lstrip()[:1] in (b";", b",", b")")
    if bodiless or len(name) < len(LOOP):
        return match.group()
    return match.group(1) + LOOP + b" " * (len(name) - len(LOOP)) + match.group(3)


def _blank_attributes(text: bytes, arguments: Arguments) -> bytes:
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
                end = arguments.end(text, start, end - 1)
            out += [text[at:start], spaces(text[start:end])]
            at = end
        if out:
            out.append(text[at:])
            text = b"".join(out)
    return text


def _typeof(text: bytes, arguments: Arguments) -> bytes:
    # tree-sitter takes `typeof(x) y = z;` for an assignment to a call.
    out = []
    at = 0
    for match in _TYPEOF.finditer(text):
        if match.start() < at or in_string(text, match.start()):
            continue
        end = arguments.end(text, match.start(), match.end() - 1)
        operand = text[match.end() : end - 1]
        if match.start() in arguments.unclosed:
            named = spaces(text[match.start() : end])
        elif _NAMED_TYPE.match(operand):
            named = spaces(text[match.start() : match.end()]) + operand + b" "
        else:
            named = TYPEOF.encode() + spaces(text[match.start() + 5 : end])
        out += [text[at : match.start()], named]
        at = end
    out.append(text[at:])
    return b"".join(out)


@dataclass
class _Part:
    """A branch while its conditional is still open. own: whether its own condition holds.

    upto: whether one of the conditions up to this one does.
    """

    label: str
    start: int
    own: bool | None
    compiled: bool | None
    upto: bool | None
    end: int = 0

    def closed(self) -> Branch:
        return Branch(self.label, self.start, self.end, self.compiled, self.own is True)


_NO_BRANCHES = ("define", "undef", "include")


def _label(kind: str, rest: bytes) -> str:
    return f"#{kind} {' '.join(rest.decode('utf-8', 'replace').split())}".strip()


class _Conditionals:
    """Blanks the directives of a text, and what they leave out. words, turn: see `blank`."""

    def __init__(self, words: re.Pattern[bytes] | None, turn: int, features: Features) -> None:
        self._words = words
        self._turn = turn
        self.features = features
        self._alike: dict[tuple[str, ...], list[Sequence[Branch]]] = {}
        self._firsts: dict[tuple[str, ...], int] = {}
        self.branches: list[Branch] = []
        self.directives: list[tuple[str, int, bytes]] = []
        self.left_out: list[tuple[int, int]] = []
        self.dropped: list[tuple[int, int]] = []
        self.choices: list[tuple[int, int]] = []
        self.unclosed: list[int] = []
        self.turns = 1

    def settled(self, text: bytes) -> bytes:
        """Return the text that is left."""
        lines, groups = self._read(text)
        if not lines:
            return text
        self.branches = sorted((b for g in groups for b in g), key=lambda b: (b.start, -b.end))
        out = bytearray(text)
        dead_ranges = sorted((b.start, b.end) for b in self.branches if b.dead)
        for start, end in (*lines, *dead_ranges):
            _clear(out, start, end)
        if dead_ranges:
            inside = Covered(dead_ranges)
            self.directives = [d for d in self.directives if not inside(d[1])]
        living = [live for g in groups if (live := [b for b in g if not b.dead])]
        alone: list[Branch] = []
        # Inner conditionals come first in `groups`: settled when the outer one is weighed.
        for live in living:
            said = [b for b in live if len(live) == 1 or out[b.start : b.end].strip()]
            bare = bool(said) and _can_be_bare(out, said)
            if len(said) == 1 and not bare:
                alone += said
            elif bare or not _side_by_side(out, live):
                if not self._alike:
                    for group in living:
                        self._alike.setdefault(_asked(group), []).append(group)
                self._choose(out, live, bare)
        odd = any(out.count(left) != out.count(right) for left, right in (b"{}", b"()"))
        if odd and _opened(bytes(out)):
            self._drop(out, alone)
        return bytes(out)

    def _drop(self, out: bytearray, alone: Sequence[Branch]) -> None:
        """Drop branches that open brackets which no branch of the same condition closes."""
        left: dict[str, list[tuple[Branch, bytes]]] = {}
        for branch in sorted(alone):
            opened = _opened(bytes(out[branch.start : branch.end]))
            if opened:
                left.setdefault(branch.condition, []).append((branch, opened))
        for found in left.values():
            if _opened(b"".join(opened for _, opened in found)):
                for branch, _ in found:
                    seen = _SEEN.search(out, branch.start)
                    self.unclosed.append(seen.start() if seen is not None else branch.start)
                    self.dropped.append((branch.start, branch.end))
                    self.left_out.append((branch.start, branch.end))
                    _clear(out, branch.start, branch.end)

    def _read(self, text: bytes) -> tuple[list[tuple[int, int]], list[list[Branch]]]:
        """Return the ranges of all directives, and the conditionals, inner ones first."""
        stack: list[list[_Part]] = []
        groups: list[list[Branch]] = []
        lines: list[tuple[int, int]] = []
        # Elsewhere no condition is asked what names stand for.
        versioned = VERSIONED in text or bool(self.features.named)
        for match in _DIRECTIVE.finditer(b"\n" + text):
            kind = match.group(1).decode("ascii", "replace")
            start, end = match.start(), match.end() - 1
            lines.append((start, end))
            # Most are none that a label is wanted of.
            if kind in _NO_BRANCHES:
                self.directives.append((kind, start, text[start:end]))
                if versioned and kind != "include":
                    around = [(group[-1].label, group[-1].compiled) for group in stack]
                    self.features.note(text[start:end], around)
            elif kind in ("if", "ifdef", "ifndef"):
                holds = self.features.holds(kind, match.group(2))
                stack.append([_Part(_label(kind, match.group(2)), end, holds, holds, holds)])
            elif kind in ("elif", "elifdef", "elifndef", "else") and stack:
                group = stack[-1]
                group[-1].end = start
                label = _label(kind, match.group(2))
                holds = self.features.holds(kind, match.group(2)) if kind != "else" else None
                if kind == "else":
                    label += f" of {group[0].label}"
                    holds = True
                before = group[-1].upto
                compiled = holds
                if holds is not False and before:
                    compiled = False
                elif holds and before is None:
                    compiled = None
                upto = True if before or holds else None if None in (before, holds) else False
                group.append(_Part(label, end, holds, compiled, upto))
            elif kind == "endif" and stack:
                stack[-1][-1].end = start
                groups.append([part.closed() for part in stack.pop()])
        for group in stack:
            if group[-1].compiled is False:
                # No #endif: the file ends it.
                group[-1].end = len(text)
                groups.append([group[-1].closed()])
        return lines, groups

    def _choose(self, out: bytearray, live: Sequence[Branch], bare: bool) -> None:
        """Leave one branch of a conditional, this turn's.

        Its turn comes for each that opens and closes as many brackets as the one preferred; the
        code around it fits them alike. Conditionals that ask the same are answered the same.
        bare: it is fit for none of them, too, which is the last turn's.
        """
        bodies = [bytes(out[b.start : b.end]) for b in live]
        first = self._first(out, live)
        opened = _opened(bodies[first])
        if bare and not live[-1].last:
            bodies.append(b"")
        order = [(first + further) % len(bodies) for further in range(len(bodies))]
        fitting = [
            i for i in order if (bare or bodies[i].strip()) and _opened(bodies[i]) == opened
        ] or [first]
        shown = fitting[:_MOST_TURNS]
        kept = shown[self._turn % len(shown)]
        self.turns = max(self.turns, len(shown))
        self.choices.append((live[0].start, live[-1].end))
        for index, branch in enumerate(live):
            if index == kept:
                continue
            place = branch.start, branch.end
            self.left_out.append(place)
            if index not in shown and bodies[index].strip():
                self.dropped.append(place)
            _clear(out, branch.start, branch.end)

    def _first(self, out: bytearray, live: Sequence[Branch]) -> int:
        """Return which branch is preferred: where one of the words stands, whoever asks."""
        asked = _asked(live)
        if asked not in self._firsts:
            interest = [
                sum(_interest(bytes(out[b.start : b.end]), self._words) for b in branches)
                for branches in zip(*self._alike[asked], strict=True)
            ]
            self._firsts[asked] = interest.index(max(interest))
        return self._firsts[asked]


def _asked(group: Sequence[Branch]) -> tuple[str, ...]:
    return tuple(branch.condition for branch in group)


def _clear(out: bytearray, start: int, end: int) -> None:
    out[start:end] = spaces(bytes(out[start:end]))


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


def _side_by_side(out: bytearray, live: Sequence[Branch]) -> bool:
    """Tell whether all branches of a conditional can stand in the text, one behind the other."""
    bodies = [bytes(out[b.start : b.end]) for b in live]
    # Two bodies for one function head parse as a function and a stray block.
    blocks = sum(body.lstrip()[:1] == b"{" for body in bodies)
    if (
        blocks > 1
        or sum(bool(_ELSE.match(body)) for body in bodies) > 1
        or any(_opened(body) for body in bodies)
    ):
        return False
    behind = _SEEN.search(out, live[-1].end)
    block = behind is not None and behind.group() == b"{"
    return not any(_begins(body.rstrip(), block) for body in bodies)


def _can_be_bare(out: bytearray, said: Sequence[Branch]) -> bool:
    """Tell whether the code around some branches is another where none of them is compiled.

    They are the statement of what stands before them, or what stands behind them is theirs.
    """
    start, end = said[0].start, said[-1].end
    bare = _is_head(out, 0, start) and all(_STATEMENT.match(out, b.start, b.end) for b in said)
    if not bare and len(said) == 1:
        bare = _is_head(out, start, end) or bool(
            _ELSE.match(out, start, end) and _ELSE.match(out, end)
        )
    return bare and not any(_opened(bytes(out[b.start : b.end])) for b in said)


def _is_head(text: bytes | bytearray, start: int, end: int) -> bool:
    """Tell whether a text ends where the statement of an if, an else or a loop is to follow."""
    last = (
        text[max(start, end - _NEAR) : end].rstrip() or text[max(start, end - _FAR) : end].rstrip()
    )
    if not last.endswith(b")"):
        return last.endswith((b"else", b"do")) and _BARE_HEAD.search(last) is not None
    head = without_literals(bytes(text[max(start, end - _FAR) : end]))
    depth = 0
    for match in reversed(list(_PARENTHESIS.finditer(head))):
        depth += 1 if match.group() == b")" else -1
        if depth == 0:
            return _HEAD.search(head[: match.start()]) is not None
    return False


def _begins(body: bytes, block: bool) -> bool:
    """Tell whether a body ends amid a statement. block: what stands behind it is one."""
    ends = block and body.endswith(b")")
    return ends or _is_head(body, 0, len(body)) or _OPERATOR.search(body[-1:]) is not None


def _opened(body: bytes) -> bytes:
    """Return the brackets of a text that have no partner in it."""
    if b'"' in body or b"'" in body:
        body = without_literals(body)
    left: list[bytes] = []
    for match in _BRACKET.finditer(body):
        if left and left[-1] == _OPENED_BY.get(match.group()):
            left.pop()
        else:
            left.append(match.group())
    return b"".join(left)


def _interest(body: bytes, words: re.Pattern[bytes] | None) -> int:
    if words is not None and words.search(body):
        return 2
    return 1 if body.strip() else 0

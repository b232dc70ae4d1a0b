"""C23 and GNU forms that tree-sitter has no grammar for, written in forms that it has.

All keep their length, and what is left of them its place; only the words around that change:
`struct_group(head, int a;);` is read as `struct{group head; int a;};`.
"""

import re
from collections.abc import Callable

from xfrmlint.c.arguments import Arguments, marks_of
from xfrmlint.c.text import spaces

# Types that are those of the initializer: as drivers write them, and as they are written here.
AUTO = ("auto", "__auto_type", "aut_", "auto_")
# What stands for typeof(...).
TYPEOF = AUTO[3]
# The type of the first member of a struct_group(): the group's name.
GROUP = "group"
# What stands for the dots of `case 1 ... 5:`, and nobody writes.
RANGE = "||+"
# The label in front of what scoped_guard() guards: a `for` of one turn. Nobody writes it.
ONCE = "once_"
# What `goto *` is read as, the `*` as a `+`.
COMPUTED = "got_"

_AUTO = re.compile(
    rb"auto(?<![\w.]auto)(?=(?:\s+(?:const|volatile|static|register))*"
    rb"(?:\s+|\s*\*+\s*)[A-Za-z_]\w*\s*=)"
)
_NULL = re.compile(rb"nullptr(?<!\wnullptr)(?!\w)")
_ATTRIBUTE = re.compile(rb"\[\[[^][{};]*\]\]")
_LAST_LABEL = re.compile(rb":(?<=\w:)(\s*)\s\}")
_COMPUTED = re.compile(rb"goto(?<!\wgoto)(\s*)\*")
# offsetof() of an element: what is asked for is its array.
_OFFSET = re.compile(
    rb"offsetof(?<!\woffsetof)\s*\([^(),;{}]*,[^][(),;{}]*"
    rb"(\[(?:[^(),;{}]|\([^();{}]*\))*)(?=\))"
)
# The address of a label: && has nothing in front that it could join.
_LABEL = re.compile(rb"([{,=(?:[+-])(\s*)&&(?=\s*[A-Za-z_])")
_ENUM = re.compile(rb"enum(?<!\wenum)\s[^{}();=,:]*(:[^{}();=,:]*)\{")
_COLON = re.compile(rb":(?![:;])")
# A function named in a roundabout way, and called: ({ f; })(x), (0, f)(x), (*&f)(x).
_CALLEE = re.compile(
    rb"\((?=[\s*]*[{&\d])(?:\s*\{|\s*\d+\s*,)?[\s*&]*([A-Za-z_]\w*)\s*(?:;\s*\}\s*)?\)(?=\s*\()"
)
_NO_CALLEE = re.compile(rb"(?:[]\"']|\w(?<!\breturn)(?<!\belse))\s*$")
_GROUP = re.compile(rb"struct_group(?:_attr|_tagged)?(?=[ \t]*\()")
_DECLARED = re.compile(rb"DECLARE_\w+(?=[ \t]*\()")
_HOLDER = re.compile(rb"\b(?:struct|union)(?:\s+\w+)*\s*\Z")
_ARRAYS = {b"DECLARE_BITMAP": b"unsigned long", b"DECLARE_HASHTABLE": b"struct hlist_head"}
_ONCE = ONCE.encode() + b":"
_GUARD = re.compile(rb"scoped_(?:cond_)?guard(?=[ \t]*\()")
# Literals in front make a search ten times as fast. With tags, with words of more than one piece,
# and (from its star on) whatever a pointer is asked for to.
_TAGGED_TYPES = tuple(
    re.compile(rb"%s[ \t]+\w+[ \t]*[,)]" % word) for word in (b"struct", b"union", b"enum")
)
_LONG_TYPES = tuple(
    re.compile(rb"%s(?:[ \t]+(?:long|int|short|char))+[ \t]*[,)]" % word)
    for word in (b"unsigned", b"signed", b"long", b"short")
)
_POINTER_TYPE = re.compile(rb"\*[ \t]*(?:const[ \t]*)?[,)]")
_WORDS = re.compile(rb"\s*((?:[A-Za-z_]\w*\s+)*[A-Za-z_]\w*)[\s*]*(?:const\s*)?")
# What stands before a call's name, and before the type of a declaration it does not.
_BEFORE_CALLED = tuple(bytes([sign]) for sign in b"=(,!&|?:<>;{}/%^~+-")
_BEFORE_CALLED_WORDS = (b"return", b"else", b"case")
# Words in front of a parenthesis that are no calls, or take a type as it is.
_TAKE_TYPES = re.compile(
    rb"_*(?:typeof\w*|sizeof|[aA]lignof|[aA]lignas)_*|return|else|case|do|goto|if|while|for|switch"
)
# Their arguments become the types of what they define (kernel/macros.toml).
_DEFINES = re.compile(rb"(?:DEFINE_\w+|EXTEND_CLASS)[ \t]*\([^;{}]*\Z")
_RANGE = re.compile(rb"case(?<!\wcase)(?!\w)[^;{}:]{,300}?(\.\.\.)(?=[^;{}]{,300}:)")
_MARKS = re.compile(rb"[][(){},;]")
_PARENTHESIS = re.compile(rb"[()]")
_WORD = re.compile(rb"\w")
_WORD_BYTES = bytes(byte for byte in range(256) if _WORD.match(bytes([byte])))
_FAR = 4000
_NEAR = 300


def plain(text: bytes, arguments: Arguments) -> bytes:
    """Return C text of the same length, its newer and its GNU forms written in older ones."""
    if b"auto" in text:
        text = _AUTO.sub(AUTO[2].encode(), text)
    if b"nullptr" in text:
        text = _NULL.sub(b"NULL   ", text)
    if b"[[" in text:
        text = _ATTRIBUTE.sub(lambda match: spaces(match.group()), text)
    if b"goto" in text:
        text = _LAST_LABEL.sub(rb":\1;}", text)
        text, computed = _COMPUTED.subn(rb"%s\1+" % COMPUTED.encode(), text)
        text = _LABEL.sub(rb"\1\2 &", text) if computed else text
    if b"enum" in text:
        text = _ENUM.sub(_untyped, text)
    if b"struct_group" in text:
        text = _each(text, _GROUP, _group, arguments)
    if b"DECLARE_" in text:
        text = _each(text, _DECLARED, _declared, arguments)
    if b"scoped_" in text:
        text = _each(text, _GUARD, _guard, arguments)
    if b"offsetof" in text:
        text = _OFFSET.sub(_array, text)
    if b"..." in text:
        text = _RANGE.sub(lambda match: match.group()[:-3] + RANGE.encode(), text)
    if b":" in text:
        text = _fields(text)
    text = _CALLEE.sub(_named, text)
    return without_type_arguments(text)


def _fields(text: bytes) -> bytes:
    """Write `field: value` in an initializer as `.field= value`."""
    out = bytearray(text)
    for colon in _COLON.finditer(text):
        at = colon.start()
        near = max(0, at - _NEAR)
        ahead, name = _last_word(text[near:at])
        begins = ahead.rstrip()
        named = begins[-1:] in (b"{", b",") and name not in (b"", b"default", b"case")
        apart = len(begins) < len(ahead) and not name[:1].isdigit()
        if named and apart and _initializes(text, near + len(begins) - 1, at):
            out[near + len(ahead) - 1] = ord(".")
            out[at] = ord("=")
    return bytes(out)


def _initializes(text: bytes, start: int, colon: int) -> bool:
    """Tell whether a name before a colon is a member in a list, not a label or a bit-field.

    start: where the brace or the comma before it is.
    """
    before = text[max(0, start - _NEAR) : start].rstrip()[-1:]
    if text[start : start + 1] == b"{" and before not in b"=,{:)":
        return False
    depth = 0
    for match in _MARKS.finditer(text, colon + 1, min(len(text), colon + _FAR)):
        sign = match.group()
        if sign in b"([{":
            depth += 1
        elif sign in b")]}":
            depth -= 1
            if depth < 0:
                return sign == b"}"
        elif sign == b";" and (depth == 0 or before == b")"):
            return False
    return False


def _named(match: re.Match[bytes]) -> bytes:
    if _NO_CALLEE.search(match.string, max(0, match.start() - _NEAR), match.start()):
        return match.group()
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    whole = match.group()
    return spaces(whole[:start]) + whole[start:end] + spaces(whole[end:])


def _untyped(match: re.Match[bytes]) -> bytes:
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    whole = match.group()
    return whole[:start] + spaces(whole[start:end]) + whole[end:]


def _array(match: re.Match[bytes]) -> bytes:
    rest = match.group(1)
    return match.group()[: -len(rest)] + spaces(rest)


def _each(
    text: bytes,
    pattern: re.Pattern[bytes],
    write: Callable[[bytearray, int, list[int]], None],
    arguments: Arguments,
) -> bytes:
    """Rewrite each call of a macro. write: gets the text, where it begins, and its marks.

    marks: the offsets of the call's parenthesis, of the commas between its arguments, of its end.
    """
    out = bytearray(text)
    for match in pattern.finditer(text):
        start, parenthesis = match.start(), text.index(b"(", match.end())
        if pattern is _GROUP and text.endswith(b"__", 0, start):
            start -= 2
        if start > 0 and _WORD.match(text, start - 1):
            continue
        marks = marks_of(text, parenthesis)
        if marks and not arguments.leaves(start, marks[-1]):
            write(out, start, marks)
        elif pattern is _GUARD:
            # The statement behind it stays.
            _fill(out, start, arguments.end(text, start, parenthesis), _ONCE)
    return bytes(out)


def _fill(out: bytearray, start: int, end: int, text: bytes) -> None:
    """Put text where something else stood, white space behind it."""
    rest = spaces(bytes(out[start + len(text) : end]))
    out[start:end] = text + rest


def _group(out: bytearray, start: int, marks: list[int]) -> None:
    """Write struct_group(NAME, MEMBERS) as a struct, and NAME as its first member."""
    macro = bytes(out[start : marks[0]]).strip()
    tagged = macro in (b"__struct_group", b"struct_group_tagged")
    # The member's name, the tag before it, the attributes behind it.
    skipped = {b"__struct_group": 1, b"struct_group_attr": 1}.get(macro, 0)
    name_ends = tagged + 1
    if len(marks) < name_ends + skipped + 2:
        return
    tag = bytes(out[marks[0] + 1 : marks[1]]).strip() if tagged else b""
    name = bytes(out[marks[name_ends - 1] + 1 : marks[name_ends]]).strip()
    head = b"struct " + tag if tag else b"struct"
    members = marks[name_ends + skipped]
    written = head + b"{" + GROUP.encode() + b" " + name + b";"
    if len(written) > members + 1 - start:
        return
    _fill(out, start, members + 1, written)
    out[marks[-1]] = ord("}")


def _declared(out: bytearray, start: int, marks: list[int]) -> None:
    """Write DECLARE_FLEX_ARRAY(TYPE, NAME) as TYPE *NAME, the others as arrays of their type.

    Of one that nobody knows, DECLARE_KFIFO(NAME, ...), a struct's member is of a type by its name.
    """
    macro = bytes(out[start : marks[0]]).strip()
    kind = _ARRAYS.get(macro, b"")
    if not kind and macro != b"DECLARE_FLEX_ARRAY":
        if out[marks[0] + 1 : marks[1]].replace(b"_", b"").strip().isalnum() and _is_in_struct(
            out, start
        ):
            out[start : start + 8] = b"struct  "
            out[marks[0]] = ord(" ")
            _fill(out, marks[1], marks[-1] + 1, b"")
        return
    if len(marks) != 3:
        return
    _fill(out, start, marks[0] + 1, kind)
    if b"HASH" in macro:
        # It has two to the power of that.
        _fill(out, marks[1] + 1, marks[2], b"")
    out[marks[1]] = ord("[" if kind else "*")
    out[marks[2]] = ord("]" if kind else " ")


def _is_in_struct(out: bytearray, start: int) -> bool:
    """Tell whether what stands somewhere is a member of a struct or a union."""
    text, depth = bytes(out[max(0, start - _FAR) : start]), 0
    for at in range(len(text) - 1, -1, -1):
        depth += (text[at] == ord("}")) - (text[at] == ord("{"))
        if depth < 0:
            return _HOLDER.search(text, 0, at) is not None
    return False


def _guard(out: bytearray, start: int, marks: list[int]) -> None:
    """Write a guarded statement with a label, or as what is done unless the lock failed."""
    end = marks[-1] + 1
    if out[start : start + 12] == b"scoped_cond_" and len(marks) > 3:
        # scoped_cond_guard(name, return -EINTR, args) { }: once_: if (name) return -EINTR; else { }
        end += bytes(out[end : end + 2]) in (b" {", b"\n{")
        if end - marks[2] >= 5:
            _fill(out, start, marks[0] + 1, _ONCE + b"if (")
            out[marks[1]] = ord(")")
            block = bytes(out[marks[1] + 1 : marks[2]]).rstrip().endswith(b"}")
            _fill(out, marks[2], end, b" else" if block else b";else")
            return
    _fill(out, start, end, _ONCE)


def without_type_arguments(text: bytes) -> bytes:
    """Make one word of each type that is an argument: `container_of(p, struct foo, m)`."""
    out = bytearray(text)
    for pattern in (*_TAGGED_TYPES, *_LONG_TYPES, _POINTER_TYPE):
        for match in pattern.finditer(text):
            _type(out, text, match)
    return bytes(out)


def _type(out: bytearray, text: bytes, match: re.Match[bytes]) -> None:
    stars = text.find(b"*", match.start(), match.end())
    end = match.end() - 1
    near = max(0, match.start() - _NEAR)
    behind = 1 + max(text.rfind(mark, near, match.start()) for mark in (b"(", b","))
    words = _WORDS.fullmatch(text, behind, end) if behind else None
    if words is None:
        return
    start = words.start(1)
    before = text[near:behind]
    written = words.group(1).split()
    while written and written[0] in (b"const", b"volatile"):
        del written[0]
    if not written:
        return
    tagged = written[0] in (b"struct", b"union", b"enum")
    sure = tagged and stars < 0 and text[end : end + 1] == b","
    if not (sure or _is_called(before)) or _DEFINES.search(before):
        return
    name = written[-1] if tagged else b"_".join(written)
    # The tag keeps its place; of other types the first word does.
    at = text.rindex(name, start, end) if tagged else start
    out[start:end] = spaces(text[start:end])
    out[at : at + len(name)] = name


def _is_called(before: bytes) -> bool:
    """Tell whether text ends in the midst of a call's arguments, not of a declaration's."""
    opened: list[int] = []
    for match in _PARENTHESIS.finditer(before):
        if match.group() == b"(":
            opened.append(match.start())
        elif opened:
            opened.pop()
    return bool(opened) and _names_called(before[: opened[-1]])


def _names_called(before: bytes) -> bool:
    """Tell whether text ends with the name of what is called behind it."""
    ahead, name = _last_word(before)
    if not name or name[:1].isdigit() or _TAKE_TYPES.fullmatch(name):
        return False
    ahead = ahead.rstrip()
    return ahead.endswith(_BEFORE_CALLED) or _last_word(ahead)[1] in _BEFORE_CALLED_WORDS


def _last_word(text: bytes) -> tuple[bytes, bytes]:
    """Return what stands before the last word of a text, and that word, without blanks behind it.

    A pattern would be tried at each byte of the text.
    """
    text = text.rstrip(b" \t")
    ahead = text.rstrip(_WORD_BYTES)
    return ahead, text[len(ahead) :]

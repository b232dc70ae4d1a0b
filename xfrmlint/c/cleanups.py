"""What happens where a scope ends, or a lock's begins (include/linux/cleanup.h), as statements.

`T *p __free(put) = get();` ends with what DEFINE_FREE(put, ...) says of p, `u32 h __cleanup(f)`
with f(&h), and guard(lock)(l) with what DEFINE_GUARD(lock, ...) says unlocks l. The text is parsed
as if it stood where the variable is declared. Of the kernel's own classes nothing is said: what
they do (unlock, kfree) is nothing to those who follow values.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.arguments import closing, separated
from xfrmlint.c.blanking import without_comments
from xfrmlint.c.expression import arguments_of
from xfrmlint.c.unit import declarator_name, node_text, parse
from xfrmlint.c.view import View

_DEFINED = re.compile(rb"\bDEFINE_(FREE|CLASS|\w*GUARD\w*)\s*(?=\(\s*(\w+)\s*,)")
_ATTRIBUTE = re.compile(rb"\b(?:__(free)|_*cleanup_*)\s*\(\s*(\w+)\s*\)")
_HINT = re.compile(rb"__free|cleanup|guard\s*\(")
_SCOPED = re.compile(rb"\bscoped_guard\s*(?=\()")
_NAMED = re.compile(rb"\b_T\b")
_LOCK = re.compile(rb"\b_T\s*->\s*lock\b")


class Class(NamedTuple):
    """A class of cleanups by its name. kind: of the macro that defines it, behind DEFINE_."""

    kind: str
    name: str
    arguments: Sequence[bytes]


class Scope(NamedTuple):
    """What is done where a scope begins, and where it ends."""

    first: Sequence[Node] = ()
    last: Sequence[Node] = ()


def classes_in(text: bytes) -> Iterator[Class]:
    """Yield the classes that a text without comments defines."""
    for match in _DEFINED.finditer(text):
        end = closing(text, match.end())
        if end is not None:
            arguments = separated(text[match.end() + 1 : end])
            yield Class(match.group(1).decode(), match.group(2).decode(), arguments)


class Cleanups:
    """Answers about one function."""

    def __init__(self, view: View) -> None:
        self.view = view
        item = view.written
        self._raw = view.corpus.data(view.path)
        self._any = _HINT.search(self._raw, item.start, item.end) is not None

    @cached_property
    def _classes(self) -> Mapping[str, Class]:
        corpus, path = self.view.corpus, self.view.path
        return {
            found.name: found
            for file in dict.fromkeys([path, *corpus.local(path)])
            if b"DEFINE_" in corpus.data(file)
            for found in classes_in(without_comments(corpus.data(file)))
        }

    @cached_property
    def _scoped(self) -> Mapping[int, list[bytes]]:
        """Return the arguments of each scoped_guard(), by where its statement begins."""
        found = {}
        item = self.view.written
        for match in _SCOPED.finditer(self._raw, item.start, item.end):
            end = closing(self._raw, match.end())
            if end is not None:
                behind = end + len(self._raw[end:]) - len(self._raw[end:].lstrip())
                found[behind] = separated(self._raw[match.end() + 1 : end])
        return found

    def of(self, statement: Node) -> Scope | None:
        """Return what a statement does for the rest of its block, if it does anything."""
        if not self._any:
            return None
        if statement.type == "declaration":
            last = [node for named in self._variables(statement) for node in named]
            return Scope((), last) if last else None
        call = statement.named_children[0] if statement.named_child_count else None
        if statement.type != "expression_statement" or call is None:
            return None
        inner = call.child_by_field_name("function")
        named = arguments_of(inner) if inner is not None else []
        called = inner.child_by_field_name("function") if inner is not None else None
        if called is None or node_text(called) != "guard" or len(named) != 1:
            return None
        given = [node_text(one).encode() for one in arguments_of(call)]
        return self._guarded(node_text(named[0]), given, statement.start_byte)

    def around(self, statement: Node) -> Scope | None:
        """Return what a scoped_guard() does around a statement."""
        path, offset = self.view.origin(statement.start_byte)
        if not self._any or path != self.view.path or offset not in self._scoped:
            return None
        name, *given = self._scoped[offset]
        return self._guarded(name.decode("utf-8", "replace").strip(), given, statement.start_byte)

    def _guarded(self, name: str, given: Sequence[bytes], at: int) -> Scope | None:
        found = self._classes.get(name)
        if found is None or "GUARD" not in found.kind or "COND" in found.kind:
            return None
        lock = b"(" + (given[0].strip() if given else b"") + b")"
        # LOCK_GUARD_0 has no type; of LOCK_GUARD_1 the lock is a member.
        texts = found.arguments[1 if found.kind == "LOCK_GUARD_0" else 2 :][:2]
        made = [_NAMED.sub(lambda _: lock, _LOCK.sub(lambda _: lock, one)) for one in texts]
        return Scope(*(self._parsed(one, at) for one in made)) if len(made) == 2 else None

    def _variables(self, declaration: Node) -> Iterator[Sequence[Node]]:
        """Yield what is done where each of the variables ends, the last one first."""
        for name, found in self._attributes(declaration):
            yield self._released(name, found)

    def freed(self, declaration: Node) -> Iterator[tuple[Node, str, Sequence[Node]]]:
        """Yield the variables of a declaration that a class frees, the last one first.

        Each with the class, and with what that does, if the driver defines it.
        """
        if self._any and declaration.type == "declaration":
            for name, found in self._attributes(declaration):
                if found.group(1) is not None:
                    yield name, found.group(2).decode(), self._released(name, found)

    def _attributes(self, declaration: Node) -> Iterator[tuple[Node, re.Match[bytes]]]:
        """Yield the variables that have an attribute for where they end, the last one first."""
        path, start = self.view.origin(declaration.start_byte)
        path_, end = self.view.origin(declaration.end_byte - 1)
        if path != self.view.path or path_ != path or not _ATTRIBUTE.search(self._raw, start, end):
            return
        declarators = declaration.children_by_field_name("declarator")
        # Attributes stand in front of a value, and in front of what is declared next.
        ends = [one.start_byte for one in declarators[1:]] + [declaration.end_byte]
        for number in reversed(range(len(declarators))):
            one = declarators[number]
            name, value = declarator_name(one), one.child_by_field_name("value")
            begin = one.start_byte if number else declaration.start_byte
            region = (begin, value.start_byte if value is not None else ends[number])
            found = _ATTRIBUTE.search(self._raw, *(self.view.origin(at)[1] for at in region))
            if name is not None and found is not None:
                yield name, found

    def _released(self, name: Node, attribute: re.Match[bytes]) -> Sequence[Node]:
        variable, called = node_text(name).encode(), attribute.group(2)
        if attribute.group(1) is None:
            return self._parsed(called + b"(&" + variable + b")", name.end_byte)
        found = self._classes.get(called.decode())
        if found is None or found.kind != "FREE" or len(found.arguments) < 3:
            return ()
        text = b",".join(found.arguments[2:])
        return self._parsed(_NAMED.sub(lambda _: variable, text), name.end_byte)

    def _parsed(self, text: bytes, at: int) -> Sequence[Node]:
        """Return the statements of a text, as they would stand at an offset, on its line."""
        text = b" ".join(text.replace(b"\\\n", b" ").split()) + b";"
        end = self.view.text.find(b"\n", at)
        at = max(at, end - len(text))
        return parse(b" " * at + text).root_node.named_children

"""What happens where a scope ends, or a lock's begins (include/linux/cleanup.h), as statements.

`T *p __free(put) = get();` ends with __free_put(p), CLASS(c, v)(a) with class_c_destructor(v), and
guard(l)(x) with class_l_destructor(x): functions that DEFINE_FREE(put, ...) and the like make (see
kernel/macros.toml); `u32 h __cleanup(f)` ends with f(&h). The text is parsed as if it stood where
the variable is declared. Of the kernel's own classes nothing is said: what they do (unlock, kfree)
is nothing to those who follow values.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node, Query

from xfrmlint.c.arguments import closing, split_arguments
from xfrmlint.c.corpus import Corpus
from xfrmlint.c.expression import arguments_of
from xfrmlint.c.nodes import captured, language, node_text, parse
from xfrmlint.c.text import without_comments
from xfrmlint.c.unit import declarator_name
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import guard_fails

_DEFINED = re.compile(
    rb"\b(?:DEFINE_(FREE|CLASS|\w*GUARD\w*)|(EXTEND_CLASS))\s*(?=\(\s*(\w+)\s*,\s*(\w*))"
)
# How a class is used, and its name.
OF_A_CLASS = re.compile(
    rb"\b(__free|guard|scoped_(?:cond_)?guard|CLASS(?:_INIT)?|ACQUIRE)\s*\(\s*(\w+)\s*[,)]"
)
_ATTRIBUTE = re.compile(rb"\b(?:__(free)|_*cleanup_*)\s*\(\s*(\w+)\s*\)")
_INSTANCE = re.compile(rb"(?:CLASS|CLASS_INIT|ACQUIRE)\s*\(\s*(\w+)\s*,\s*(\w+)\s*[,)]")
_HINT = re.compile(rb"__free|cleanup|guard\s*\(|\b(?:CLASS|CLASS_INIT|ACQUIRE)\s*\(")
_SCOPED = re.compile(rb"\bscoped_(cond_)?guard\s*(?=\()")
_DECLARATIONS = Query(language(), "(declaration) @all")


class Class(NamedTuple):
    """A class of cleanups by its name. kind: of the macro that defines it, behind DEFINE_.

    text: what that is given, but for the names.
    """

    kind: str
    name: str
    text: bytes

    @property
    def functions(self) -> tuple[str, str]:
        """What is called where a variable of it begins, and where it ends."""
        end = f"__free_{self.name}" if self.kind == "FREE" else f"class_{self.name}_destructor"
        return f"class_{self.name}_constructor", end

    @property
    def fails(self) -> bool:
        """Whether the lock of a guard can fail to be had."""
        return "COND" in self.kind


class Scope(NamedTuple):
    """What is done where a scope begins, and where it ends. skipped: it can be left out."""

    first: Sequence[Node] = ()
    last: Sequence[Node] = ()
    skipped: bool = False


def classes_in(text: bytes) -> Iterator[Class]:
    """Yield the classes that a text without comments defines."""
    for match in _DEFINED.finditer(text):
        end = closing(text, match.end())
        if end is not None:
            kind, name = (match.group(1) or match.group(2)).decode(), match.group(3).decode()
            extends = kind == "EXTEND_CLASS" or "COND" in kind
            name += match.group(4).decode() if extends else ""
            yield Class(kind, name, text[match.end(4 if extends else 3) : end - 1])


def classes_for(corpus: Corpus, path: str) -> Mapping[str, Class]:
    """Return the classes of a driver's own that a file sees; __free_NAME are those of __free()."""
    return {
        f"__free_{found.name}" if found.kind == "FREE" else found.name: found
        for file in dict.fromkeys([path, *corpus.local(path)])
        if b"DEFINE_" in corpus.data(file)
        for found in classes_in(without_comments(corpus.data(file)))
    }


class Cleanups:
    """Answers about one function."""

    def __init__(self, view: View) -> None:
        self.view = view
        item = view.written
        self._raw = view.corpus.data(view.path)
        self._asked: set[int] = set()
        texts = (self._raw, item), (view.made, view.item)
        self._any = any(_HINT.search(text, one.start, one.end) for text, one in texts)

    @cached_property
    def _classes(self) -> Mapping[str, Class]:
        return classes_for(self.view.corpus, self.view.path)

    @cached_property
    def _scoped(self) -> Mapping[int, list[bytes]]:
        """Return class and lock of each scoped_guard(), by where its statement begins."""
        found = {}
        item = self.view.written
        for match in _SCOPED.finditer(self._raw, item.start, item.end):
            end = closing(self._raw, match.end())
            if end is not None:
                behind = end + len(self._raw[end:]) - len(self._raw[end:].lstrip())
                found[behind] = split_arguments(self._raw[match.end() + 1 : end])
                if match.group(1):
                    # What is done if the lock fails is an if of its own (see dialect.py).
                    found[behind][1:2] = []
                    self._asked.add(behind)
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
        return self._guarded(node_text(named[0]), given, statement.start_byte, open_=True)

    def around(self, statement: Node) -> Scope | None:
        """Return what a scoped_guard() does around a statement."""
        path, offset = self.view.origin(statement.start_byte)
        if not self._any or path != self.view.path or offset not in self._scoped:
            return None
        first, *given = self._scoped[offset]
        name = first.decode("utf-8", "replace").strip()
        own = self._classes.get(name)
        fails = own.fails if own is not None else guard_fails(name)
        scope = self._guarded(name, given, statement.start_byte) or Scope()
        return scope._replace(skipped=fails and offset not in self._asked)

    def _guarded(
        self, name: str, given: Sequence[bytes], at: int, open_: bool = False
    ) -> Scope | None:
        """Return what a guard does. open_: what follows is reached without the lock, too."""
        found = self._classes.get(name)
        if found is None or "GUARD" not in found.kind:
            return None
        lock = b"".join(given[:1]).strip()
        begins, ends = b"%s(%s)" % (found.functions[0].encode(), lock), self._ended(found, lock)
        if found.fails and open_:
            ends = b"if (%s_) {%s;}" % (name.encode(), ends)
        return Scope(self._parsed(begins, at), self._parsed(ends, at))

    def frees(self) -> Iterator[tuple[Node, str]]:
        """Yield the variables of a function with a __free() of the kernel's, and its name."""
        for declaration in captured(_DECLARATIONS, self.view.node, "all") if self._any else ():
            for name, attribute in self._attributes(declaration):
                called = attribute.group(2).decode()
                if attribute.group(1) is not None and f"__free_{called}" not in self._classes:
                    yield name, called

    def ends(self) -> Iterator[Node]:
        """Yield what is done where the variables of a function end, as far as that is known."""
        for declaration in captured(_DECLARATIONS, self.view.node, "all") if self._any else ():
            for done in self._variables(declaration):
                yield from done

    def _variables(self, declaration: Node) -> Iterator[Sequence[Node]]:
        """Yield what is done where each of the variables ends, the last one first."""
        path, start = self.view.origin(declaration.start_byte)
        instance = _INSTANCE.match(self._raw, start) if path == self.view.path else None
        if instance is not None:
            of = self._classes.get(instance.group(1).decode())
            variable = declarator_name(declaration.child_by_field_name("declarator"))
            if of is not None and variable is not None:
                text = self._ended(of, node_text(variable).encode())
                yield self._parsed(text, variable.end_byte)
            return
        for name, attribute in self._attributes(declaration):
            called, word = attribute.group(2), node_text(name).encode()
            if attribute.group(1) is None:
                yield self._parsed(b"%s(&%s)" % (called, word), name.end_byte)
            elif (freed := self._classes.get(f"__free_{called.decode()}")) is not None:
                yield self._parsed(self._ended(freed, word), name.end_byte)

    def _attributes(self, declaration: Node) -> Iterator[tuple[Node, re.Match[bytes]]]:
        """Yield what is declared with an attribute that says what ends it, the last one first."""
        declarators = declaration.children_by_field_name("declarator")
        # Attributes stand in front of a value, and in front of what is declared next.
        ends = [one.start_byte for one in declarators[1:]] + [declaration.end_byte]
        for number in reversed(range(len(declarators))):
            one = declarators[number]
            name, value = declarator_name(one), one.child_by_field_name("value")
            begin = one.start_byte if number else declaration.start_byte
            region = (begin, value.start_byte if value is not None else ends[number])
            found = self._attribute(*region)
            if name is not None and found is not None:
                yield name, found

    def _attribute(self, start: int, end: int) -> re.Match[bytes] | None:
        """Return the attribute in a part of the view's text, as it is written or as macros say."""
        found, item = _ATTRIBUTE.search(self.view.made, start, end), self.view.written
        ends = [self.view.origin(at) for at in (start, end - 1)]
        if found or not all(p == self.view.path and item.start <= at < item.end for p, at in ends):
            return found
        return _ATTRIBUTE.search(self._raw, ends[0][1], ends[1][1] + 1)

    def _ended(self, of: Class, what: bytes) -> bytes:
        """Return the call that ends something of a class."""
        macro = (of.kind if of.kind == "EXTEND_CLASS" else f"DEFINE_{of.kind}").encode()
        corpus, path = self.view.corpus, self.view.path
        # A driver's own copy of these macros takes its address, as the kernel's do.
        own = any(macro in corpus.defines(file) for file in corpus.local(path))
        return b"%s(%s%s)" % (of.functions[1].encode(), b"&" if own else b"", what)

    def _parsed(self, text: bytes, at: int) -> Sequence[Node]:
        """Return the statements of a text, as they would stand at an offset, on its line."""
        text = b" ".join(text.replace(b"\\\n", b" ").split()) + b";"
        end = self.view.text.find(b"\n", at)
        at = max(at, end - len(text))
        return parse(b" " * at + text).root_node.named_children

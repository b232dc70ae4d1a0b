"""A tree that notes what is asked of it, and when the same answers would be given again."""

from collections.abc import Callable, Mapping

import pytest

from tests.trees import Memory
from xfrmlint.tree import Tree, Unreadable
from xfrmlint.tree.watched import Seen, Watched

FILES = {
    "a.c": b"int xso;\n",
    "d/b.h": b"int b;\n",
    "d/Makefile": b"obj-m += b.o\n",
}


def asked(tree: Tree) -> Seen:
    """Put one question of each kind to a tree."""
    watched = Watched(tree)
    watched.read("a.c")
    watched.digest("d/Makefile")
    with pytest.raises(Unreadable):
        watched.read("gone.h")
    watched.is_file("d/b.h")
    watched.is_file("d/c.h")
    watched.folder("d")
    watched.search("xso", ["d"])
    watched.search("xso")
    return watched.seen


def changed(**files: bytes | None) -> Memory:
    both = {**FILES, **{name.replace("__", "/").replace("_", "."): v for name, v in files.items()}}
    return Memory({path: data for path, data in both.items() if data is not None})


def holds(seen: Seen, tree: Tree) -> bool:
    return seen.may_hold(tree) and seen.found_alike(tree)


def test_nothing_asked_holds_anywhere() -> None:
    assert holds(Watched(Memory({})).seen, Memory(FILES))


def test_answers_are_those_of_the_tree_below() -> None:
    watched = Watched(Memory(FILES))
    assert watched.name == "memory"
    assert watched.problems == {}
    assert watched.read("a.c") == FILES["a.c"]
    assert watched.digest("a.c") == Memory(FILES).digest("a.c")
    assert (watched.is_file("a.c"), watched.is_file("b.c")) == (True, False)
    assert list(watched.folder("d")) == ["Makefile", "b.h"]
    assert list(watched.search("xso")) == ["a.c"]
    with pytest.raises(Unreadable, match="No such file"):
        watched.digest("b.c")


@pytest.mark.parametrize(
    "tree",
    [
        changed(),
        # Nobody asked about these.
        changed(e__x_txt=b"new"),
        changed(d__b_h=b"int other;\n"),
        changed(e__y_c=b"int y;\n"),
    ],
)
def test_it_holds_for_a_tree_that_answers_alike(tree: Memory) -> None:
    assert holds(asked(Memory(FILES)), tree)


@pytest.mark.parametrize(
    "tree",
    [
        changed(a_c=b"int xso ;\n"),
        changed(a_c=None),
        changed(d__Makefile=b""),
        changed(gone_h=b""),
        changed(d__b_h=None),
        changed(d__c_h=b""),
        changed(d__new=b""),
        changed(d__b_h=b"xso"),
        changed(e__new_c=b"xso"),
    ],
)
def test_it_does_not_hold_for_one_that_does_not(tree: Memory) -> None:
    assert not holds(asked(Memory(FILES)), tree)


class Refusing(Memory):
    """Nothing can be read, for a reason."""

    def __init__(self, files: Mapping[str, bytes], why: str) -> None:
        super().__init__(files)
        self.why = why

    def read(self, path: str) -> bytes:
        raise Unreadable(self.why)


def test_why_a_file_can_not_be_read_is_an_answer_too() -> None:
    watched = Watched(Refusing(FILES, "Permission denied"))
    with pytest.raises(Unreadable):
        watched.read("a.c")
    assert holds(watched.seen, Refusing(FILES, "Permission denied"))
    assert not holds(watched.seen, Refusing(FILES, "larger than 64 MiB"))
    assert not holds(watched.seen, Memory(FILES))


@pytest.mark.parametrize(
    "ask",
    [
        lambda tree: tree.read("a.c"),
        lambda tree: tree.folder("."),
        lambda tree: tree.search("xso"),
    ],
)
def test_two_answers_to_one_question_hold_nowhere(ask: Callable[[Tree], object]) -> None:
    class Turning(Memory):
        """One that is edited while it is read."""

        def __init__(self) -> None:
            super().__init__(FILES)
            self.turn = 0

        def read(self, path: str) -> bytes:
            return b"int xso%d;" % self.turn

        def folder(self, path: str) -> list[str]:
            return [f"{self.turn}.c"]

        def search(self, pattern: str, under: object = ()) -> list[str]:
            return [f"{self.turn}.c"]

    tree = Turning()
    watched = Watched(tree)
    ask(watched)
    assert holds(watched.seen, tree)
    tree.turn = 1
    ask(watched)
    assert not holds(watched.seen, tree)
    tree.turn = 0
    assert not holds(watched.seen, tree)

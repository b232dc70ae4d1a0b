"""The kernel's functions and macros that are not read from the tree where code is run, by name.

What each of them does is said by the [[run]] rows of functions.toml.
"""

from xfrmlint.kernel.functions import Function, function_named, run_named

# Known in whatever is run; the rest of the words is about the objects of a world.
_SAID = ("said", "reads once")
_ALWAYS = ("nothing", "built in", *_SAID)
_IDLE = ("nothing", "idle")
_STORE_NOTHING = (*_IDLE, "succeeds", "looks", "bit", "listed")
_UNEVALUATED = Function(flags=frozenset({"unevaluated"}))


def word_of(name: str, in_world: bool = True) -> str:
    """Return in a word what a function does; nothing if it is read from the tree."""
    word = run_named(name)
    return word if word in _ALWAYS or (in_world and word != "looks") else ""


def is_given(name: str, in_world: bool = True) -> bool:
    """Tell whether a macro or function is not read from the tree (and never expanded)."""
    return bool(word_of(name, in_world))


def reads_once(name: str) -> bool:
    """Tell whether a macro is READ_ONCE() or a relative of it."""
    return word_of(name) == "reads once"


def stores_nothing(name: str) -> bool:
    """Tell whether a function stores nothing in a world, whatever it is told."""
    return run_named(name) in _STORE_NOTHING


def changes_world(name: str) -> bool:
    """Tell whether a function changes more of a world than the members it is told."""
    return word_of(name) in ("links", "table", "empties")


def does(name: str, in_world: bool) -> Function:
    """Return what a function does, if that is all it does."""
    word = word_of(name, in_world)
    if word in _IDLE:
        return _UNEVALUATED
    return function_named(name) if word in _SAID else Function()

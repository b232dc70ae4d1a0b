"""The kernel's macros and inlines that the evaluator has its own idea of, by name."""

import re
from functools import cache

from xfrmlint.kernel.functions import Function, function_named

# Reads of the first argument, an lvalue: include/asm-generic/rwonce.h, linux/rcupdate.h.
ONCE = re.compile(
    r"(__)?READ_ONCE|ACCESS_ONCE|rcu_access_pointer|s?rcu_dereference(_\w+)?|rtnl_dereference(_rtnl)?|"
    r"lockless_dereference"
)
# __builtin_expect(!!(x), n): a long (linux/compiler.h).
LIKELY = ("likely", "unlikely")
_NOTHING = re.compile(
    r"rcu_read_(un)?lock(_bh|_sched)?|preempt_(dis|en)able|local_bh_(dis|en)able|s?mp_[rw]?mb|"
    r"smp_[rw]?mb|barrier|might_sleep|ASSERT_RTNL|lockdep_assert\w*|RCU_LOCKDEP_WARN|BUILD_BUG_ON|"
    r"might_sleep_if|static_assert|_Static_assert"
)
GUARDS = ("rcu", "rcu_bh", "rcu_sched", "preempt")
# Of these functions.toml says all that they do.
_EXACT = re.compile(
    ONCE.pattern + r"|(un)?likely|data_race|unrcu_pointer|rcu_pointer_handoff|WARN(_ON)?(_ONCE)?|"
    r"(__)?WRITE_ONCE|__builtin_assume_aligned|rcu_assign_pointer|RCU_INIT_POINTER|rcu_replace_pointer|"
    r"DEBUG_NET_WARN_ON_ONCE|BUG_ON|IS_ERR_OR_NULL"
)
_BUILTIN = re.compile(
    r"xchg|swap|smp_load_acquire|smp_store_release|__builtin_expect|IS_ENABLED|IS_ERR|container_of|container_of_const|memset(_after|_startat)?|guard|"
    r"static_branch_(un)?likely|static_key_enabled"
)
_UNEVALUATED = Function(flags=frozenset({"unevaluated"}))


@cache
def known(name: str) -> bool:
    """Tell whether the evaluator has its own idea of a macro or function (never expanded)."""
    return any(names.fullmatch(name) is not None for names in (_EXACT, _BUILTIN, _NOTHING))


def does_nothing(name: str) -> bool:
    """Tell whether a function changes nothing that is looked at, whatever it is told."""
    return _NOTHING.fullmatch(name) is not None


def does(name: str, nothing: bool) -> Function:
    """Return what a function does, if that is all it does. nothing: it does nothing at all."""
    if nothing:
        return _UNEVALUATED
    return function_named(name) if _EXACT.fullmatch(name) else Function()

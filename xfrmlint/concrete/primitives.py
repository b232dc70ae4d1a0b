"""The kernel's macros and inlines that the evaluator has its own idea of, by name."""

import re

# Reads of the first argument, an lvalue: include/asm-generic/rwonce.h, linux/rcupdate.h.
ONCE = re.compile(
    r"(__)?READ_ONCE|ACCESS_ONCE|rcu_access_pointer|s?rcu_dereference(_\w+)?|rtnl_dereference(_rtnl)?|"
    r"lockless_dereference"
)
SAME = {"data_race", "unrcu_pointer", "rcu_pointer_handoff", "__builtin_assume_aligned"}
# __builtin_expect(!!(x), n): a long (linux/compiler.h).
LIKELY = {"likely", "unlikely"}
WARNS = {"WARN_ON", "WARN_ON_ONCE", "WARN", "WARN_ONCE"}
STORES = {"WRITE_ONCE", "__WRITE_ONCE", "rcu_assign_pointer", "RCU_INIT_POINTER"}
NOTHING = re.compile(
    r"rcu_read_(un)?lock(_bh|_sched)?|preempt_(dis|en)able|local_bh_(dis|en)able|s?mp_[rw]?mb|"
    r"smp_[rw]?mb|barrier|might_sleep|ASSERT_RTNL|lockdep_assert\w*|RCU_LOCKDEP_WARN|BUILD_BUG_ON|"
    r"might_sleep_if|static_assert|_Static_assert"
)
GUARDS = {"rcu", "rcu_bh", "rcu_sched", "preempt"}
HARMLESS = {
    "READ_ONCE",
    "rcu_access_pointer",
    "rcu_dereference",
    "rcu_dereference_bh",
    "rcu_dereference_protected",
    "rcu_dereference_check",
    "likely",
    "unlikely",
    "WARN_ON",
    "WARN_ON_ONCE",
}
_KNOWN = re.compile(
    ONCE.pattern
    + "|"
    + NOTHING.pattern
    + r"|(un)?likely|data_race|unrcu_pointer|rcu_pointer_handoff|WARN(_ON)?(_ONCE)?|WRITE_ONCE|"
    r"__WRITE_ONCE|__builtin_expect|__builtin_assume_aligned|"
    r"rcu_assign_pointer|RCU_INIT_POINTER|rcu_replace_pointer|xchg|smp_load_acquire|"
    r"smp_store_release|DEBUG_NET_WARN_ON_ONCE|BUG_ON|IS_ENABLED|IS_ERR|IS_ERR_OR_NULL|"
    r"container_of|container_of_const|memset|guard"
)


def known(name: str) -> bool:
    """Tell whether the evaluator has its own idea of a macro or function (never expanded)."""
    return _KNOWN.fullmatch(name) is not None

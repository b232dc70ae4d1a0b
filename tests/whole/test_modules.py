"""What several modules are compiled of, and modules that call what another one registers."""

import re

import pytest

from tests.laid import files_of
from tests.whole.around import BASE, HEAD, TAIL, TESTED, XMIT, laid

TEXT = (
    HEAD.replace("xfrm_dev_state_lower_handle(x, dev)", "0")
    + XMIT.replace("BODY", f"h = ASK(x, dev);\n\t{TESTED}")
    + TAIL.replace("INIT", "").replace("XFRMDEV_OPS_F_LOWER_HANDLE", "FLAGS")
)
ASKS, READS = "xfrm_dev_state_lower_handle(x, dev)", "((x)->xso.offload_handle)"
FLAG = "XFRMDEV_OPS_F_LOWER_HANDLE"
Module = tuple[str, str]


def _source(module: Module, name: str) -> str:
    ask, flags = module
    return f'#define ASK(x, dev) {ask}\n#define FLAGS {flags}\n#include "{name}"\n'


def _found(files: dict[str, str], makefile: str) -> list[tuple[str, str, str]]:
    """Return what is found, and in which of the modules a macro is that reads."""
    findings = BASE.check(laid(files, makefile)).findings
    places = (
        (f, f.path.rpartition("/")[2] if f.type.startswith("DIRECT") else "") for f in findings
    )
    return sorted((f.type, f.level, path) for f, path in places)


@pytest.mark.parametrize("name", ["text.c", "text.inc", "text.h", "sub/text.c"])
@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ((ASKS, FLAG), (ASKS, FLAG), []),
        ((READS, "0"), (ASKS, FLAG), [("DIRECT_OFFLOAD_HANDLE", "WARNING", "a.c")]),
        ((ASKS, FLAG), (READS, "0"), [("DIRECT_OFFLOAD_HANDLE", "WARNING", "b.c")]),
        (
            (ASKS, "0"),
            (READS, FLAG),
            [
                ("DIRECT_OFFLOAD_HANDLE", "ERROR", "b.c"),
                ("LOWER_HANDLE_FLAG_MISSING", "WARNING", ""),
                ("LOWER_HANDLE_NOT_RESOLVED", "ERROR", ""),
            ],
        ),
    ],
)
def test_modules_that_include_the_same_text_are_told_apart(
    first: Module, second: Module, wanted: list[tuple[str, str, str]], name: str
) -> None:
    files = {"a.c": _source(first, name), "b.c": _source(second, name), name: TEXT}
    found = _found(files, "obj-m += one.o two.o\none-y := a.o\ntwo-y := b.o\n")
    assert found == wanted


@pytest.mark.parametrize("second", [ASKS, READS])
def test_sources_of_one_module_include_the_same_text(second: str) -> None:
    files = {
        "a.c": _source((ASKS, FLAG), "text.c"),
        "b.c": _source((second, FLAG), "text.c"),
        "text.c": TEXT,
    }
    found = _found(files, "obj-m += one.o\none-y := a.o b.o\n")
    wanted = [("DIRECT_OFFLOAD_HANDLE", "ERROR", "b.c")] if second == READS else []
    assert found == wanted


FORWARDING = "adap->uld[ELM_ULD_IPSEC].xfrmdev_ops"
RETURNING = f"""
static const struct xfrmdev_ops *elm_ops(struct elm_adapter *adap)
{{
	return adap->netdev ? {FORWARDING} : NULL;
}}

static int elm_xdo_add("""


@pytest.mark.parametrize("name", ["uld-flag-on-core", "uld-flag-on-uld"])
@pytest.mark.parametrize("returned", [False, True])
@pytest.mark.parametrize("upwards", [False, True])
def test_modules_that_call_each_other_lie_anywhere(
    name: str, returned: bool, upwards: bool
) -> None:
    """The one that registers something need not lie in the other one's folder."""
    plain = {path: data for path, data in files_of(name).items() if path != "base"}
    apart = {
        re.sub(r"^(drivers/net/\w+)/core/", r"\1_core/", path): re.sub(
            rb"(drivers/net/\w+)/core\b", rb"\1_core", data
        )
        for path, data in plain.items()
    }
    if returned:
        apart = {
            path: data.replace(FORWARDING.encode(), b"elm_ops(adap)").replace(
                b"\nstatic int elm_xdo_add(", RETURNING.encode(), 1
            )
            for path, data in apart.items()
        }
    if upwards:
        # Not by a folder that a Makefile names.
        core = {path: data for path, data in apart.items() if "_core/" in path}
        apart = {
            path: re.sub(rb'"(\w+)_uld.h"', rb'"../../\1_core/\1_uld.h"', data).replace(
                b"-I", b"-W"
            )
            for path, data in apart.items()
        } | core
    found, wanted = (
        sorted((f.type, f.level, f.path.rpartition("/")[2]) for f in BASE.check(tree).findings)
        for tree in (apart, plain)
    )
    assert found == wanted

"""What a change can touch: parts of the tree, all of it, or nothing."""

import pytest

from tests.trees import FOO, HEAD, Memory, tree
from xfrmlint.change.scope import NOWHERE, Scope, folders_of, scope_of

NET = "drivers/net/ethernet"
FILES = {
    FOO: f"{HEAD}static unsigned long f(struct xfrm_state *x)\n{{\n\treturn x->xso.dev;\n}}\n",
    "drivers/net/foo/tx.c": "int nothing;\n",
    "drivers/net/foo/Makefile": "obj-m += foo.o\n",
    "drivers/net/Makefile": "obj-y += foo/\n",
    f"{NET}/big/a/a.c": '#include "cipher.h"\nint offload_handle;\n',
    f"{NET}/big/b/b.c": "int b;\n",
    f"{NET}/plain/p.c": '#include "cipher.h"\n#include <linux/slab.h>\n',
    "drivers/crypto/big/cipher.h": "#define C 1\n",
    f"{NET}/far/far.h": "#define F 1\n",
    f"{NET}/far/a.h": "#define A 1\n",
    "drivers/net/foo/foo_hw.h": '#include "../ethernet/far/far.h"\n#include "a.h"\n',
    "drivers/net/foo/a.h": "#define A 2\n",
    "fs/inode.c": "int i;\n",
    "mm/slab.h": "int s;\n",
    "net/xfrm/xfrm_state.c": "int upper_priv;\n",
}


@pytest.mark.parametrize(
    ("changed", "folders"),
    [
        ([], ()),
        (["MAINTAINERS", "Documentation/networking/xfrm.rst", "drivers/net/Kconfig"], ()),
        (["fs/inode.c", "mm/slab.h", "drivers/gpu/new.c"], ()),
        ([f"{NET}/plain/p.c"], ()),
        (["drivers/net/foo/tx.c"], ("drivers/net/foo",)),
        (["drivers/net/single.c"], ("drivers/net",)),
        (["drivers/net/foo/gone.h"], ("drivers/net/foo",)),
        ([f"{NET}/big/b/b.c"], (f"{NET}/big",)),
        (["drivers/crypto/big/cipher.h"], (f"{NET}/big",)),
        ([f"{NET}/far/far.h"], ("drivers/net/foo",)),
        # The driver has one of that name itself.
        ([f"{NET}/far/a.h"], ()),
        (["net/xfrm/xfrm_input.c"], ("net/xfrm",)),
        (["fs/inode.c", FOO, f"{NET}/big/a/new.c"], (f"{NET}/big", "drivers/net/foo")),
    ],
)
def test_folders(changed: list[str], folders: tuple[str, ...]) -> None:
    made = tree(FILES)
    assert scope_of(made, made, changed) == Scope(False, tuple(sorted(folders)))


@pytest.mark.parametrize("path", ["include/net/xfrm.h", "include/linux/new.h", "arch/x86/a.h"])
def test_a_header_of_all(path: str) -> None:
    made = tree(FILES)
    assert scope_of(made, made, [path, FOO]).everywhere


@pytest.mark.parametrize(
    ("text", "touched"),
    [
        ("# A comment.\nobj-m += foo.o\n", False),
        ("obj-m += foo.o sub/\n", False),
        ("obj-m += foo.o\nfoo-y := foo.o tx.o\n", True),
        ("obj-m += foo.o\nccflags-y += -I$(src)/include\n", True),
        ("", True),
    ],
)
def test_a_makefile_counts_for_what_it_says(text: str, touched: bool) -> None:
    before, after = tree(FILES), tree({**FILES, "drivers/net/foo/Makefile": text})
    found = scope_of(before, after, ["drivers/net/foo/Makefile"])
    assert found == (Scope(False, ("drivers/net/foo",)) if touched else NOWHERE)


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        ([], ()),
        (["."], ()),
        (["drivers"], ()),
        (["include/net/xfrm.h"], ()),
        (["drivers/crypto/big"], ()),
        (["drivers/net"], ("drivers/net",)),
        (["drivers/net/foo/tx.c"], ("drivers/net/foo",)),
        ([f"{NET}/big/a"], (f"{NET}/big",)),
        (
            [f"{NET}/big/a/a.c", f"{NET}/big/b", "drivers/net/foo"],
            (f"{NET}/big", "drivers/net/foo"),
        ),
        (["drivers/net/foo", "net/xfrm"], ()),
    ],
)
def test_where_the_findings_of_paths_are_made(paths: list[str], folders: tuple[str, ...]) -> None:
    assert folders_of(paths) == tuple(sorted(folders))


def test_a_driver_that_begins_or_ends_to_speak_of_offload() -> None:
    plain = {**FILES, FOO: "int nothing;\n"}
    for before, after in ((FILES, plain), (plain, FILES)):
        assert scope_of(tree(before), tree(after), [FOO]).folders == ("drivers/net/foo",)
    assert scope_of(Memory({}), tree(plain), [FOO]) == NOWHERE

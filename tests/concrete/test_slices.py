"""What of an owner's code is run: what can matter to states, and what a story turns out to need."""

from pathlib import Path

import pytest

from tests.concrete.test_lab import LAG, changed, got, ran, scene, told
from tests.laid import lay
from tests.slow import but_first
from xfrmlint.concrete.lab import Ran

MAIN = "drivers/net/bonding/bond_main.c"
HEADER = "include/net/bonding.h"
CHANGE = "	rcu_assign_pointer(bond->curr_active_slave, new_active);\n"
RELEASE = "	list_del(&gone->list);\n"
BEFORE = "void bond_change_active_slave("
MEMBERS = "struct slave {\n"


def owner(tree: Path, before: str, at: str, added: str) -> Ran:
    """Return the right owner with functions added to it, and statements behind one of its own."""
    lay("shared", tree)
    changed(
        tree,
        HEADER,
        MEMBERS,
        MEMBERS + "	u8 backup;\n	int delay;\n	struct slave *spare;\n	char name[16];\n",
    )
    changed(tree, MAIN, BEFORE, before + "\n" + BEFORE)
    changed(tree, MAIN, at, at + added)
    return ran(tree)


TOLD = "void tell_firmware(struct slave *slave)\n{\n	%s\n}\n"
CANT_RUN = 'asm volatile("nop");\n	firmware_write(slave->dev, 1);'


@pytest.mark.parametrize(
    ("before", "at", "added"),
    but_first(
        [
            pytest.param(
                "", CHANGE, "	if (new_active)\n		new_active->backup = 0;\n", id="a member"
            ),
            pytest.param(
                "", CHANGE, '	snprintf(new_active->name, 4, "x");\n', id="unknown call"
            ),
            pytest.param(TOLD % CANT_RUN, CHANGE, "	tell_firmware(new_active);\n", id="below"),
            pytest.param(
                TOLD % CANT_RUN,
                CHANGE,
                "	if (bond->params.mode == 4)\n		tell_firmware(new_active);\n",
                id="under a test of the owner's own numbers",
            ),
            pytest.param(
                TOLD % CANT_RUN,
                CHANGE,
                "	for (;;) {\n		struct sockaddr_storage ss;\n		read_address(&ss);\n"
                "		tell_firmware(new_active);\n	}\n",
                id="a loop, and what is its own",
            ),
            pytest.param(
                "",
                RELEASE,
                "	gone->backup = 1;\n" + "	gone->delay = gone->delay * 3 + 1;\n" * 200,
                id="much of it",
            ),
            pytest.param("", CHANGE, "	(new_active->backup) = (0);\n", id="(a) = (b)"),
            pytest.param(
                "#define put(a, b) ((a) = (b))\n",
                CHANGE,
                "	put(new_active->backup, unknown());\n",
                id="by a macro that is given the member",
            ),
            pytest.param(
                "#define mark(slave, what) ((slave)->backup = (what))\n",
                CHANGE,
                "	mark(new_active, 1);\n",
                id="by a macro",
            ),
        ],
        3,
    ),
)
def test_what_matters_to_no_state_is_not_run(
    tmp_path: Path, before: str, at: str, added: str
) -> None:
    found = owner(tmp_path / "linux", before, at, added)
    assert found.untold == ()
    assert told(found) == []


@pytest.mark.parametrize(
    ("before", "at", "added"),
    but_first(
        [
            pytest.param("", CHANGE, "	new_active = bond_next(new_active);\n", id="a variable"),
            pytest.param("", CHANGE, "	bond->ops->moved(bond);\n", id="by a pointer"),
            pytest.param(
                "", CHANGE, "	bond_next(&bond->curr_active_slave);\n", id="its address"
            ),
            pytest.param("", CHANGE, "	xfrm_dev_state_free(NULL);\n", id="the core's"),
            pytest.param(
                TOLD % "slave->dev = device_of(slave);",
                CHANGE,
                "	tell_firmware(new_active);\n",
                id="below",
            ),
            pytest.param("", CHANGE, "	(new_active->dev) = (device_of());\n", id="(a) = (b)"),
            pytest.param(
                "#define put(a, b) ((a) = (b))\n",
                CHANGE,
                "	put(new_active->dev, device_of());\n",
                id="by a macro that is given the member",
            ),
            pytest.param(
                "#define lower dev\n",
                CHANGE,
                "	new_active->lower = device_of();\n",
                id="by a macro of its name",
            ),
            pytest.param(
                "#define lower_of(slave) ((slave)->dev)\n",
                CHANGE,
                "	lower_of(new_active) = device_of();\n",
                id="by a macro of the member",
            ),
            pytest.param(
                "#define mark(slave) ((slave)->dev = device_of(slave))\n",
                CHANGE,
                "	mark(new_active);\n",
                id="by a macro",
            ),
            pytest.param(
                "",
                CHANGE,
                "	if (firmware(bond))\n		return;\n",
                id="it leaves the function",
            ),
        ],
        3,
    ),
)
def test_what_may_matter_and_cant_be_run_is_told(
    tmp_path: Path, before: str, at: str, added: str
) -> None:
    found = owner(tmp_path / "linux", before, at, added)
    assert found.untold != ()


@pytest.mark.parametrize(
    ("before", "added"),
    [
        pytest.param(
            "",
            "	gone->spare = NULL;\n	if (gone->spare)\n		return -EBUSY;\n",
            id="itself",
        ),
        pytest.param(
            TOLD % "slave->spare = NULL;",
            "	tell_firmware(gone);\n	if (gone->spare)\n		return -EBUSY;\n",
            id="below",
        ),
    ],
)
def test_what_a_decision_turns_out_to_rest_on_is_run_then(
    tmp_path: Path, before: str, added: str
) -> None:
    found = owner(tmp_path / "linux", before, RELEASE, added)
    assert found.untold == ()
    one = scene(found, "adds; A leaves", LAG)
    assert "".join(got(one).values()) == "-B--"


def test_an_owners_own_loop_over_its_ports_is_one(tmp_path: Path) -> None:
    tree = lay("shared", tmp_path / "linux")
    head = "list_for_each_entry(slave, &bond->slaves, list) {"
    changed(
        tree,
        HEADER,
        "struct slave {\n",
        "#define bond_for_each_port(bond, slave) \\\n"
        "	list_for_each_entry(slave, &(bond)->slaves, list)\n\nstruct slave {\n",
    )
    changed(tree, MAIN, head, "bond_for_each_port(bond, slave) {")
    found = ran(tree)
    assert found.untold == ()
    one = scene(found, "adds; A leaves", LAG)
    assert "".join(got(one).values()) == "-B--"

"""One NamedTuple a table of schema.sql; a test holds the two together."""

from typing import NamedTuple


class TreeRow(NamedTuple):
    version: str
    contract: str
    revision: str
    add_takes_device: int
    has_pinned: int
    shares: int = 0
    clears: int = 0


class WordRow(NamedTuple):
    kind: str
    role: str
    name: str
    path: str
    line: int


class FileRow(NamedTuple):
    path: str
    bytes: int
    lines: int
    errors: int


class CallRow(NamedTuple):
    caller: str
    caller_path: str
    callee: str
    callee_path: str
    path: str
    line: int
    via: str


class SlotRow(NamedTuple):
    struct: str
    field: str
    indexes: str
    variable: str
    target: str
    path: str
    line: int


class EntryRow(NamedTuple):
    function: str
    entry: str
    context: str
    path: str
    line: int
    via: str


class OpsTableRow(NamedTuple):
    id: int
    symbol: str
    path: str
    line: int
    column: int
    driver: str
    group_name: str
    role: str
    on_netdev: int
    opted_in: int
    promise_unknown: int
    shares: int
    test: str
    flag_path: str
    flag_line: int
    flag_column: int


class CallbackRow(NamedTuple):
    ops_table: int
    field: str
    role: str
    target: str
    path: str
    line: int
    column: int
    unseen: int


class SiteRow(NamedTuple):
    id: int
    path: str
    line: int
    column: int
    function: str
    driver: str
    group_name: str
    role: str
    opted_in: int
    field: str
    member: str
    access: str
    context: str
    entries: str
    under_removal: int
    own_states: int
    misplaced: int
    read_back: int
    accessor: str
    by_name: int
    flow: str
    asked: str = ""
    removed: str = ""


class PathRow(NamedTuple):
    id: int
    group_name: str
    entry: str
    function: str


class EventRow(NamedTuple):
    path_id: int
    position: int
    kind: str
    path: str
    line: int
    column: int
    function: str
    driver: str
    handle: int
    source: str
    device: str
    sa: str
    nonzero: int
    known: str
    text: str
    named_path: str
    named_line: int
    named_column: int
    named_function: str
    calls: str


class HopRow(NamedTuple):
    site: int
    chain: int
    position: int
    function: str
    path: str
    line: int
    via: str


class SleepRow(NamedTuple):
    id: int
    path: str
    line: int
    column: int
    function: str
    driver: str
    what: str
    symbol: str
    callback: str
    callback_path: str
    callback_line: int
    role: str
    runs: str


class FreedRow(NamedTuple):
    id: int
    path: str
    line: int
    column: int
    function: str
    driver: str
    what: str
    symbol: str
    callback: str
    callback_path: str
    callback_line: int


class ZeroHandleRow(NamedTuple):
    path: str
    line: int
    column: int
    function: str
    driver: str
    why: str
    because_path: str
    because_line: int


class ItemRow(NamedTuple):
    kind: str
    path: str
    line: int
    column: int
    function: str
    offset: int
    item_path: str
    start: int
    stop: int
    named: int


class CoreFunctionRow(NamedTuple):
    question: str
    function: str
    path: str
    line: int
    ok: int | None
    detail: str
    driver: str = ""


class SuppressionRow(NamedTuple):
    path: str
    line: int
    column: int
    function: str
    driver: str
    problem: str
    named: str


class OwnerRow(NamedTuple):
    driver: str
    path: str
    total: int
    untold: int
    unasking: int | None
    unsharing: int | None


class WorldRow(NamedTuple):
    driver: str
    number: int
    story: str
    assumed: str
    handed: int
    device: str
    outcome: str


class UntoldRow(NamedTuple):
    driver: str
    path: str
    line: int
    reason: str


class TearRow(NamedTuple):
    driver: str
    number: int
    world: str
    position: int
    line: str


class MisdeedRow(NamedTuple):
    driver: str
    kind: str
    function: str
    path: str
    line: int
    column: int
    detail: str
    supposed: int


class AnswerRow(NamedTuple):
    driver: str
    function: str
    path: str
    line: int
    answer: str
    answer_path: str
    answer_line: int


class UnknownRow(NamedTuple):
    path: str
    line: int
    function: str
    reason: str
    driver: str = ""
    matters: int = 0


TABLES: dict[type, str] = {
    TreeRow: "tree",
    WordRow: "word",
    FileRow: "file",
    CallRow: "call",
    SlotRow: "slot",
    EntryRow: "entry",
    OpsTableRow: "ops_table",
    CallbackRow: "callback",
    SiteRow: "site",
    PathRow: "path",
    EventRow: "event",
    HopRow: "hop",
    SleepRow: "sleep",
    FreedRow: "freed",
    ZeroHandleRow: "zero_handle",
    ItemRow: "item",
    CoreFunctionRow: "core_function",
    SuppressionRow: "suppression",
    AnswerRow: "answer",
    OwnerRow: "owner",
    WorldRow: "world",
    UntoldRow: "untold",
    TearRow: "tear",
    MisdeedRow: "misdeed",
    UnknownRow: "unknown",
}

# Columns that number things, by position, and what they number; sites and sleeps are one count.
NUMBERED: dict[type, dict[int, str]] = {
    OpsTableRow: {0: "ops_table"},
    CallbackRow: {0: "ops_table"},
    SiteRow: {0: "site"},
    HopRow: {0: "site"},
    SleepRow: {0: "site"},
    FreedRow: {0: "site"},
    PathRow: {0: "path"},
    EventRow: {0: "path"},
}

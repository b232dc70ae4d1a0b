-- Everything xfrmlint knows about a tree. Paths are relative to the tree's root, lines count from 1.
-- Only files on the way from a site to the driver's entries are parsed: the rows speak of those.

-- The tree itself. contract: present if the tree has the resolver, else absent. revision: absent,
-- revision 1, revision 2 or unnamed. add_takes_device: 1 where a driver's add gets the net_device (since
-- 6.16). has_pinned: 1 where xso has a member for the lower device that the owner has chosen (since 5.9):
-- before, no device hands states on. shares: 1 where an owner can ask whether devices share a state.
-- clears: 1 where the core's free takes the handle out of the state.
CREATE TABLE tree (
  version TEXT, contract TEXT, revision TEXT, add_takes_device INTEGER, has_pinned INTEGER,
  shares INTEGER, clears INTEGER
);

-- What the tree calls what the contract speaks of. kind: member (of a state's xso), slot (of struct
-- xfrmdev_ops), promise (a flag of it), function (the core's, that calls a slot) or core (the resolver and
-- its stub). path is empty for a name that the headers don't show.
CREATE TABLE word (kind TEXT, role TEXT, name TEXT, path TEXT, line INTEGER);

-- A parsed file. errors: places where the parser had to start again.
CREATE TABLE file (path TEXT PRIMARY KEY, bytes INTEGER, lines INTEGER, errors INTEGER);

-- A call on a way upwards that was followed. via: empty for a plain call, else what led there.
CREATE TABLE call (
  caller TEXT, caller_path TEXT, callee TEXT, callee_path TEXT, path TEXT, line INTEGER, via TEXT
);

-- A function pointer that was seen being filled: struct and field, constant indexes, the table.
CREATE TABLE slot (
  struct TEXT, field TEXT, indexes TEXT, variable TEXT, target TEXT, path TEXT, line INTEGER
);

-- A door of a driver: entry is the slot's or registering function's name, context datapath, control or
-- unknown.
CREATE TABLE entry (function TEXT, entry TEXT, context TEXT, path TEXT, line INTEGER, via TEXT);

-- An object of type struct xfrmdev_ops. role: upper or lower. on_netdev: 0 if only another table's
-- callbacks reach it. group_name: the driver that it belongs to. opted_in: 1 if the promise to
-- resolve is set in a table of the group that is on a net_device. promise_unknown: 1 if nobody can tell that of this
-- table. shares: 1 if this table has the promise to share a state, and a sharing test; test: what that does: tells,
-- blind (it looks behind no more than one of the devices, and can't tell two chips apart), refuses (always).
-- flag_*: where it is set in this table.
CREATE TABLE ops_table (
  id INTEGER PRIMARY KEY, symbol TEXT, path TEXT, line INTEGER, column INTEGER, driver TEXT,
  group_name TEXT, role TEXT, on_netdev INTEGER, opted_in INTEGER, promise_unknown INTEGER, shares INTEGER, test TEXT,
  flag_path TEXT, flag_line INTEGER, flag_column INTEGER
);

-- A callback in an ops table. role: of its slot (add, delete, free, resolve, ...), empty if it has none.
-- unseen: what it does in the end is not known; asked where packets are seen to get no handle.
CREATE TABLE callback (
  ops_table INTEGER, field TEXT, role TEXT, target TEXT, path TEXT, line INTEGER, column INTEGER,
  unseen INTEGER
);

-- A read or write of a state's xso, or (access = 'resolve') a call of the resolver.
-- role: upper, lower or core. member: the field's role: handle, owner (the state's device), pinned (the
-- lower that the owner has chosen), private (the owner's own, read under RCU), kept (its own, too), owner_callbacks, lower_callbacks. context: datapath, control, dead (nobody calls the function) or unknown:
-- then no rule that asks for it speaks. under_removal: reached from delete and free alone. misplaced: of a store,
-- whether it is certain to be made by more than add (of one that clears, where free may do that, by more than these two). own_states: 1 where packets get there of states alone that the device itself owns.
-- flow: of a site on the datapath: dead (no path gets there), thrown (its result is used on no path)
-- or empty; of one where flows are handed to hardware: egress (the resolver is asked for the device that
-- a flow leaves by, which comes in encrypted); in other control code: owner, pinned (the resolver is asked for that
-- device of the state's). read_back: a read after a store in the same function. accessor: the RCU accessor around it.
-- entries: the doors that lead here. by_name: the base's type is not known, only named xso.
-- asked: secpath where a packet that is transmitted is asked for that alone on some way here, not whether
-- the stack wants it offloaded. removed: of a store of 0 below delete or free: surely, where each way of the
-- callback that gets past its early returns makes it, else maybe.
CREATE TABLE site (
  id INTEGER PRIMARY KEY, path TEXT, line INTEGER, column INTEGER, function TEXT, driver TEXT,
  group_name TEXT, role TEXT, opted_in INTEGER, field TEXT, member TEXT, access TEXT, context TEXT, entries TEXT,
  under_removal INTEGER, own_states INTEGER, misplaced INTEGER, read_back INTEGER, accessor TEXT, by_name INTEGER, flow TEXT,
  asked TEXT, removed TEXT
);

-- A way through a driver's code, from a datapath entry to its return. entry is empty where the way
-- to the function was not followed. group_name: the driver.
CREATE TABLE path (id INTEGER PRIMARY KEY, group_name TEXT, entry TEXT, function TEXT);

-- What happens on a path, in order. kind: read (of the shared handle, or of where an earlier packet
-- left a handle), resolve, test, compare, same (whether the own device is the one that the state
-- names), use, store, return, cut. handle: its number within the path.
-- source, device, sa: read and resolve; device: same, too, and
-- of a kept handle own if it is kept for that device alone. nonzero: test, same. known: of the handle at that point: zero,
-- nonzero, compared (with something that may exclude 0), unseen (use: by what may test it), or empty. text: how it is used, where it is
-- stored, what is returned, why the path was cut off. named_*: resolve: the call by which the device was
-- named, the resolver's or that of a wrapper. calls: resolve: those that lead to it from the entry.
CREATE TABLE event (
  path_id INTEGER, position INTEGER, kind TEXT, path TEXT, line INTEGER, column INTEGER,
  function TEXT, driver TEXT, handle INTEGER, source TEXT, device TEXT, sa TEXT, nonzero INTEGER,
  known TEXT, text TEXT, named_path TEXT, named_line INTEGER, named_column INTEGER,
  named_function TEXT, calls TEXT
);
CREATE INDEX event_of_handle ON event (path_id, handle, kind, position);

-- The ways from a datapath entry to a site (or from a callback to a sleeping call): chain 0 is the shortest, position 0 the entry's function.
CREATE TABLE hop (
  site INTEGER, chain INTEGER, position INTEGER, function TEXT, path TEXT, line INTEGER, via TEXT
);

-- A call that can sleep below a callback that must not. id: numbered on from the sites, for hop.
-- role: of the callback's slot. runs: where the callback is called, as the tree's own core says it, or
-- the contract where that can't be read.
CREATE TABLE sleep (
  id INTEGER PRIMARY KEY, path TEXT, line INTEGER, column INTEGER, function TEXT, driver TEXT,
  what TEXT, symbol TEXT, callback TEXT, callback_path TEXT, callback_line INTEGER, role TEXT, runs TEXT
);

-- A call below a delete callback that frees what the handle leads to (what), at once. id: as sleep's.
CREATE TABLE freed (
  id INTEGER PRIMARY KEY, path TEXT, line INTEGER, column INTEGER, function TEXT, driver TEXT,
  what TEXT, symbol TEXT, callback TEXT, callback_path TEXT, callback_line INTEGER
);

-- A store by which add returns a handle that can be 0, and why (because_*: where that shows).
CREATE TABLE zero_handle (
  path TEXT, line INTEGER, column INTEGER, function TEXT, driver TEXT, why TEXT, because_path TEXT,
  because_line INTEGER
);

-- Where a site, an ops table, a callback, what sets the flag, a sleep or what is freed (kind) stands, as a compiler is
-- asked about it: its offset, and the top-level item around it, from start to stop, its name at named
-- (bytes). Of a macro's text: the items that use the macro. function: of a site, in which it was found.
CREATE TABLE item (
  kind TEXT, path TEXT, line INTEGER, column INTEGER, function TEXT, offset INTEGER,
  item_path TEXT, start INTEGER, stop INTEGER, named INTEGER
);

-- What a function of the core does, held against the contract (only where the tree has the resolver).
-- or of an upper's code, run in worlds. question: resolves (keeps P1 to P4), torn (P5: a reader in
-- between gets another device's handle; of the resolver: it reads a member twice, after the first test or
-- without READ_ONCE), stub (0 without CONFIG_XFRM_OFFLOAD), clears (on free
-- what must not stay), undoes (what its add wrote, where that fails), counts (a state with the owner's own as offloaded). ok: 1, 0, or NULL: it can't be told.
CREATE TABLE core_function (
  question TEXT, function TEXT, path TEXT, line INTEGER, ok INTEGER, detail TEXT, driver TEXT
);

-- A comment that asks for silence and is wrong: known, to the rules SUPPRESSION_* alone, when the others
-- have spoken. problem: reason (has none), type (named: what it says instead of one that exists) or
-- unused (named: the types of which nothing was found there).
CREATE TABLE suppression (
  path TEXT, line INTEGER, column INTEGER, function TEXT, driver TEXT, problem TEXT, named TEXT
);

-- What an owner's resolver callback returns on some path (answer), and where; path, line: where it is
-- filled in.
CREATE TABLE answer (
  driver TEXT, function TEXT, path TEXT, line INTEGER, answer TEXT, answer_path TEXT,
  answer_line INTEGER
);

-- An upper whose own code was run in worlds (path: of its ops table): how many there are, and how many were
-- not answered. unasking: 1 if it hands a state to a device that does not promise to ask, 0 if it
-- doesn't, NULL if that was not tried. unsharing: the same of one that transmits through several devices, of
-- which one does not promise to share a state.
CREATE TABLE owner (driver TEXT, path TEXT, total INTEGER, untold INTEGER, unasking INTEGER,
  unsharing INTEGER
);

-- What a lower device gets from an owner in a world (outcome), as `judge` prints it. handed: 1 where the
-- owner hands the state on there. assumed: what numbers of the owner's own were taken to be.
CREATE TABLE world (
  driver TEXT, number INTEGER, story TEXT, assumed TEXT, handed INTEGER, device TEXT, outcome TEXT
);

-- Why a world of an owner was not answered.
CREATE TABLE untold (driver TEXT, path TEXT, line INTEGER, reason TEXT);

-- How a reader in between gets another device's handle, a line a move; number: the shortest first.
CREATE TABLE tear (driver TEXT, number INTEGER, world TEXT, position INTEGER, line TEXT);

-- What an owner does wrong with its lower devices, at the line it is owed to. kind: unpromised (gives the
-- handle of a lower that lacks a promise), stale (calls a lower while another's handle is in the state), kept
-- (its add fails, and a lower keeps the state), left (its add fails, and what it wrote stays). supposed: 1 where
-- a pointer that nobody is seen to store was taken to lead to a port.
CREATE TABLE misdeed (
  driver TEXT, kind TEXT, function TEXT, path TEXT, line INTEGER, column INTEGER, detail TEXT, supposed INTEGER
);

-- What could not be analysed, and why. function is empty where the whole file is meant. matters: 1 where
-- it stands on a way to an access, and a finding can be missing; driver: whose way, if that is known.
CREATE TABLE unknown (
  path TEXT, line INTEGER, function TEXT, reason TEXT, driver TEXT, matters INTEGER
);

-- Accesses by lower drivers: what the lower-driver rules look at.
CREATE VIEW lower_site AS SELECT * FROM site WHERE role = 'lower' AND access <> 'resolve';

-- Whether a state can be handed on in the tree at all: before xso had a member for that (5.9) only by an upper.
CREATE VIEW handing AS
  SELECT has_pinned OR contract = 'present' OR EXISTS
    (SELECT 1 FROM ops_table WHERE role = 'upper') AS handed FROM tree;

-- Reads of the shared handle on a lower driver's datapath.
CREATE VIEW datapath_read AS
  SELECT * FROM lower_site
  WHERE member = 'handle' AND access IN ('read', 'readwrite') AND context = 'datapath';

-- Resolver calls of lower drivers that packets reach, and whose result something is done with.
CREATE VIEW resolved_use AS
  SELECT * FROM site
  WHERE role = 'lower' AND access = 'resolve' AND context = 'datapath' AND flow = '';

-- Drivers (group_name) of which it is not known whether packets get a handle, if they are not seen to.
CREATE VIEW undecided AS
  SELECT group_name FROM site
  WHERE role = 'lower' AND context = 'unknown'
    AND (access = 'resolve' OR member = 'handle' AND access <> 'write')
  UNION
  SELECT t.group_name FROM callback c JOIN ops_table t ON t.id = c.ops_table WHERE c.unseen;

-- What is done with a handle (use, test, store, ...), and where the handle came from. opted_in: the
-- driver's. site: where it came from, if that is a site.
CREATE VIEW handled AS
  SELECT e.*, m.kind AS made_by, m.source AS made_from, m.device AS asked_for, m.path AS made_path,
    m.line AS made_line, m.calls AS made_calls, p.entry, p.group_name, s.id AS site, s.opted_in
  FROM event e JOIN path p ON p.id = e.path_id
  JOIN event m ON m.path_id = e.path_id AND m.handle = e.handle AND m.kind IN ('read', 'resolve')
    AND m.position = (
      SELECT max(position) FROM event o WHERE o.path_id = e.path_id AND o.handle = e.handle
        AND o.kind IN ('read', 'resolve') AND o.position <= e.position)
  LEFT JOIN site s ON s.path = m.path AND s.line = m.line AND s.column = m.column;

-- Lower drivers, one row each, with what their datapath does; the table is the one on the net_device.
-- resolved_unknown, direct_unknown: calls and reads of which nobody can tell whether packets reach them.
CREATE VIEW lower_driver AS
  SELECT t.*,
    (SELECT count(*) FROM datapath_read d WHERE d.group_name = t.group_name) AS direct,
    (SELECT count(*) FROM resolved_use r WHERE r.group_name = t.group_name) AS resolved,
    (SELECT count(*) FROM site u WHERE u.group_name = t.group_name AND u.role = 'lower'
      AND u.context = 'unknown' AND u.access = 'resolve') AS resolved_unknown,
    (SELECT count(*) FROM lower_site u WHERE u.group_name = t.group_name AND u.context = 'unknown'
      AND u.member = 'handle' AND u.access <> 'write') AS direct_unknown
  FROM ops_table t WHERE t.role = 'lower';

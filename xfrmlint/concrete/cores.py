"""The definitions of the xfrm core's functions in one tree."""

from itertools import chain

from xfrmlint.c.reader import Reader
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.sources import USUAL, Sources, core_files
from xfrmlint.contract.words import DEVICE, STATE


def core_definitions(
    reader: Reader, sources: Sources, name: str, headers: bool = False
) -> list[Source]:
    """Return the core's definitions of a function. headers: the one that these have for sure."""
    contract = reader.contract
    known = [*contract.functions.values(), *contract.wrappers]
    known += [contract.resolver] if contract.resolver is not None else []
    places = [*(one.place.path for one in known if one.name == name), *USUAL]
    usual = [path for path in places if path and reader.corpus.tree.is_file(path)]
    # The others are only searched for where it is in none of these.
    elsewhere = (path for _ in (0,) for path in core_files(reader, name) if path not in usual)
    for path in chain(dict.fromkeys(usual), elsewhere):
        if headers and not path.endswith(".h"):
            continue
        if name.encode() not in reader.corpus.data(path):
            continue
        found = sources.definitions(name, path)
        if found:
            if headers:
                return [sources.only(name, found)]
            if len(found) > 1:
                reason = f"{name}() is defined more than once"
                return [s._replace(problem=s.problem or reason) for s, _ in found]
            return [source for source, _ in found]
    macro = _resolving_macro(reader, sources, name)
    return [macro] if macro is not None else []


def _resolving_macro(reader: Reader, sources: Sources, name: str) -> Source | None:
    """Return the resolver, where it is a macro, as a function of a state and a net_device."""
    resolver = reader.contract.resolver
    if resolver is None or resolver.kind != "macro" or resolver.name != name:
        return None
    macro = sources.macro(name, resolver.place.path)
    if macro is None or len(macro.parameters or ()) != 2:
        return None
    return sources.of_macro(macro, "static unsigned long", (f"{STATE} *", f"{DEVICE} *"))

"""libclang, and the few of its functions that its Python binding lacks."""

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from xfrmlint.clang.vocabulary import Failed
from xfrmlint.errors import InputError

try:
    # The binding has no types; what comes of it is Any.
    import clang.cindex as _cindex  # type: ignore[import-untyped]
except ImportError:
    raise InputError("libclang is not installed; install xfrmlint with pip") from None

# CXTranslationUnit_Flags of clang-c/Index.h.
_PREPROCESSING, _FOR_SERIALIZATION, _SKIP_BODIES, _KEEP_GOING = 0x1, 0x10, 0x40, 0x200
# CXDiagnostic_Error; with KEEP_GOING a missing header is one, too.
_ERROR = 3
# CXBinaryOperatorKind: CXBinaryOperator_Assign.
ASSIGN = 22
# CXUnaryOperatorKind: CXUnaryOperator_AddrOf.
ADDRESS = 5
# CX_StorageClass: CX_SC_Static.
_STATIC = 3

Cursor = Any
GAVE_UP = "libclang gave up on it"


class Spot(NamedTuple):
    """Where something stands in a file, macros seen as names. offset: from 0, line: from 1."""

    path: str
    offset: int
    line: int


def load() -> str:
    """Load libclang and return its version; raises InputError that says why it can't."""
    try:
        lib = _cindex.conf.lib
        _declare(lib)
        lib.clang_getClangVersion.restype = _cindex._CXString
        return str(_cindex._CXString.from_result(lib.clang_getClangVersion()))
    except (_cindex.LibclangError, OSError, AttributeError) as error:
        said = str(error).split(". ")[0]
        raise InputError(f"libclang can't be loaded ({said}); install xfrmlint with pip") from None


def _declare(lib: Any) -> None:
    numbers = [ctypes.POINTER(ctypes.c_uint)] * 3
    lib.clang_getFileLocation.argtypes = [
        _cindex.SourceLocation,
        ctypes.POINTER(ctypes.c_void_p),
        *numbers,
    ]
    lib.clang_getCursorBinaryOperatorKind.argtypes = [_cindex.Cursor]
    lib.clang_getCursorBinaryOperatorKind.restype = ctypes.c_int
    lib.clang_getCursorUnaryOperatorKind.argtypes = [_cindex.Cursor]
    lib.clang_getCursorUnaryOperatorKind.restype = ctypes.c_int
    lib.clang_Cursor_getVarDeclInitializer.argtypes = [_cindex.Cursor]
    lib.clang_Cursor_getVarDeclInitializer.restype = _cindex.Cursor
    lib.clang_getSkippedRanges.argtypes = [_cindex.TranslationUnit, _cindex.File]
    lib.clang_getSkippedRanges.restype = ctypes.POINTER(_Ranges)
    lib.clang_disposeSourceRangeList.argtypes = [ctypes.POINTER(_Ranges)]
    lib.clang_disposeSourceRangeList.restype = None


class _Ranges(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint), ("ranges", ctypes.POINTER(_cindex.SourceRange))]


class Parsed:
    """One source, parsed, or a header to be saved. Raises Failed where libclang gives up.

    bodies: of functions are parsed; of a header's own, half of the time goes into them.
    """

    def __init__(
        self,
        path: str,
        arguments: Sequence[str],
        texts: Mapping[str, bytes],
        header: bool = False,
        bodies: bool = True,
    ) -> None:
        # Declarations of the precompiled header are not gone through again and again.
        self._index = _cindex.Index.create(not header)
        unsaved = [(_encoded(name), text) for name, text in texts.items()]
        options = _KEEP_GOING | (_FOR_SERIALIZATION if header else _PREPROCESSING)
        options |= 0 if bodies else _SKIP_BODIES
        try:
            self._unit = _cindex.TranslationUnit.from_source(
                _encoded(path),
                [_encoded(argument) for argument in arguments],
                unsaved_files=unsaved,
                options=options,
                index=self._index,
            )
        except _cindex.TranslationUnitLoadError:
            raise Failed(GAVE_UP) from None
        self._names: dict[int, str] = {}
        self._file_at = ctypes.c_void_p()
        self._numbers = (ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint())
        # Asked for tens of thousands of times: the same four places are filled again and again.
        self._outputs = (ctypes.byref(self._file_at), *map(ctypes.byref, self._numbers))

    def save(self, path: str) -> None:
        """Write the precompiled header; raises Failed."""
        try:
            self._unit.save(path)
        except _cindex.TranslationUnitSaveError as error:
            raise Failed(f"no precompiled header ({error})") from None

    def errors(self) -> list[Spot]:
        """Return where errors are."""
        found = []
        for one in self._unit.diagnostics:
            if one.severity >= _ERROR:
                file = one.location.file
                path = file.name if file is not None else ""
                found.append(Spot(path, one.location.offset, one.location.line))
        return found

    def top(self) -> Iterator[Cursor]:
        """Yield the top-level declarations of the source and of headers not precompiled."""
        yield from children(self._unit.cursor)

    def at(self, path: str, offset: int) -> Cursor | None:
        """Return the innermost cursor at an offset of a file."""
        file = self._file(path)
        if file is None:
            return None
        location = _cindex.SourceLocation.from_offset(self._unit, file, offset)
        return _cindex.Cursor.from_location(self._unit, location)

    def _file(self, path: str) -> Any:
        try:
            return _cindex.File.from_name(self._unit, _encoded(path))
        except (_cindex.LibclangError, ctypes.ArgumentError):
            return None

    def reads(self, path: str) -> bool:
        """Tell whether a file was read for this source."""
        file = self._file(path)
        return file is not None and bool(file)

    def skipped(self, path: str) -> list[tuple[int, int]]:
        """Return the byte ranges of a file that conditionals left out."""
        file = self._file(path)
        if file is None or not file:
            return []
        listed = _cindex.conf.lib.clang_getSkippedRanges(self._unit, file)
        found = []
        for number in range(listed.contents.count):
            one = listed.contents.ranges[number]
            found.append((one.start.offset, one.end.offset))
        _cindex.conf.lib.clang_disposeSourceRangeList(listed)
        return found

    def spot(self, cursor: Cursor) -> Spot:
        """Return where a cursor's name stands."""
        return self._spot(_cindex.conf.lib.clang_getCursorLocation(cursor))

    def extent(self, cursor: Cursor) -> tuple[Spot, Spot]:
        """Return where a cursor starts and ends."""
        found = cursor.extent
        return self._spot(found.start), self._spot(found.end)

    def _spot(self, location: Any) -> Spot:
        _cindex.conf.lib.clang_getFileLocation(location, *self._outputs)
        address = self._file_at.value
        if not address:
            return Spot("", 0, 0)
        if address not in self._names:
            file = ctypes.cast(self._file_at, _cindex.c_object_p)
            self._names[address] = str(_cindex.File(file).name)
        line, _, offset = self._numbers
        return Spot(self._names[address], offset.value, line.value)


def children(cursor: Cursor) -> list[Cursor]:
    """Return a cursor's children, in half the time that the binding takes for it."""
    found: list[Cursor] = []
    _cindex.conf.lib.clang_visitChildren(cursor, _COLLECT, found)
    unit = cursor._tu
    for child in found:
        child._tu = unit
    return found


def _collect(child: Cursor, _: Cursor, found: list[Cursor]) -> int:
    found.append(child)
    # CXChildVisit_Continue.
    return 1


_COLLECT = _cindex.callbacks["cursor_visit"](_collect)


def operator(cursor: Cursor) -> int:
    """Return which operator a binary operator is."""
    return int(_cindex.conf.lib.clang_getCursorBinaryOperatorKind(cursor))


def operand(cursor: Cursor) -> int:
    """Return which operator a unary operator is."""
    return int(_cindex.conf.lib.clang_getCursorUnaryOperatorKind(cursor))


def is_static(cursor: Cursor) -> bool:
    """Tell whether a function is known to its own source alone."""
    return int(_cindex.conf.lib.clang_Cursor_getStorageClass(cursor)) == _STATIC


def initializer(cursor: Cursor) -> Cursor | None:
    """Return the initializer of a variable."""
    found = _cindex.conf.lib.clang_Cursor_getVarDeclInitializer(cursor)
    found._tu = cursor._tu
    return None if found._kind_id in (70, 71) else found


def kind(cursor: Cursor) -> int:
    """Return a cursor's kind as a number, which is ten times as fast as its name."""
    return int(cursor._kind_id)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

"""Lines of a file's bytes, as findings show them."""


def line_text(data: bytes, line: int) -> str:
    """Return one line (from 1) of a file, undecodable bytes replaced."""
    lines = data.split(b"\n", line)
    return lines[line - 1].decode("utf-8", "replace").rstrip("\r") if line <= len(lines) else ""

"""What a file's content is called: as git calls it, so that a commit's needn't be read."""

import hashlib


def blob_name(data: bytes, object_format: str = "sha1") -> str:
    """Return the name that git gives a blob (Documentation/technical, "object format")."""
    made = hashlib.new(object_format, b"blob %d\0" % len(data), usedforsecurity=False)
    made.update(data)
    return made.hexdigest()

"""What a file's content is called: as git calls it, so that a commit's needn't be read."""

import hashlib


def blob_name(data: bytes) -> str:
    """Return the SHA-1 name that git gives a blob (Documentation/technical, "object format")."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

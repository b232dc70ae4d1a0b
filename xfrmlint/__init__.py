"""xfrmlint: checks kernel drivers for the xfrm offload lower-handle contract."""

__version__ = "0.1.0"

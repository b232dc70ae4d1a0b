"""Mirrors the rooms of xfrmlint; tests/real wants an unpacked kernel."""

"""Findings in, text out: one module a format, all of them sorted by path, line and type."""

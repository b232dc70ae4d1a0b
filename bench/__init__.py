"""Measurements of xfrmlint beside grep and its peers, never asserted in a test."""

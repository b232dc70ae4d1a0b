"""Inputs made by dice: mutated C, patches, git objects, Makefiles, settings, rules, caches.

A kind and a seed always give the same input. `python -m tests.fuzz --help` runs them by the clock;
tests/whole/test_fuzz.py runs a few of each.
"""

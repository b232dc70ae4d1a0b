"""A change of a tree, judged by what it brings."""

"""Which contract a tree has: its words (data), and how they are read from its headers."""

"""C text in, rows out: no rule and no driver is known in here."""

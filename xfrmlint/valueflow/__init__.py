"""Where values come from and where they go: followed once, for every question."""

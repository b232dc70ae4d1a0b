"""What earlier runs found, for as long as the tree gives the same answers."""

"""What git and mail write: commits, the index, patches, and trees laid over others in memory."""

"""The patch that converts a driver: edits as data, judged before they are printed."""

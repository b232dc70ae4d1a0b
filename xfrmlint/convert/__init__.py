"""The patch that converts a driver: edits as data, shown right by the judge before they are told."""

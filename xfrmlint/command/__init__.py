"""The commands, a module for what belongs together: parse, call, print."""

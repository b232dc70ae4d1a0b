"""From a tree to its facts, part by part."""

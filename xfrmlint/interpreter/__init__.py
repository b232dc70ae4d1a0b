"""A small, strict interpreter of kernel C: runs the core's own functions over the model's states."""

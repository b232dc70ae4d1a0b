"""A small, strict interpreter of kernel C, for the core's own functions and the model's states."""

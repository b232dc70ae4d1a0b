"""A compiler's view of the few files that matter: libclang on a tree that was never configured.

Nothing here is imported unless it is asked for. All text comes through Tree and is given to
libclang in memory, under paths that exist on no disk.
"""

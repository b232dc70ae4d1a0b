"""The contract's own names (the RFC's patches to include/linux/netdevice.h, include/net/xfrm.h)."""

RESOLVER = "xfrm_dev_state_lower_handle"
CALLBACK = "xdo_dev_state_lower_handle"
FLAG = "XFRMDEV_OPS_F_LOWER_HANDLE"

# What a comment for xfrmlint begins with; as a regular expression, too.
MARK = "xfrmlint:"

# What makes a file worth reading, besides the type of a state's xso.
WORDS = rf"xfrmdev_ops|offload_handle|upper_priv|{RESOLVER}|{FLAG}|\bxso\b|xdo_dev_"

# That type's name: since 5.19, and until then.
TYPES = ("xfrm_dev_offload", "xfrm_state_offload")

# What a whole tree is searched for, unless the type has a third name.
ASKED = "|".join((WORDS, *TYPES, MARK))

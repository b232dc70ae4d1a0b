"""A kernel tree in memory: the few headers the front end needs, and whatever C a test is about."""

import posixpath
import re
from collections.abc import Mapping, Sequence

from xfrmlint.analysis.parts import reader_of
from xfrmlint.c.reader import Reader
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.tree import Unreadable
from xfrmlint.tree.digest import blob_name

OFFLOAD = "struct xfrm_dev_offload"
FOO = "drivers/net/foo/foo.c"
HEAD = "#include <linux/netdevice.h>\n#include <net/xfrm.h>\n"

_NETDEVICE = """\
#ifndef _LINUX_NETDEVICE_H
#define _LINUX_NETDEVICE_H
#define XFRMDEV_OPS_F_LOWER_HANDLE	(1 << 0)
typedef unsigned int u32;
typedef unsigned long netdev_features_t;
typedef enum netdev_tx netdev_tx_t;
struct list_head {
	struct list_head *next, *prev;
};
struct sk_buff {
	struct net_device *dev;
	unsigned int len;
};
struct napi_struct {
	struct list_head poll_list;
	int (*poll)(struct napi_struct *napi, int budget);
	struct net_device *dev;
};
struct packet_type {
	u32 type;
	int (*func)(struct sk_buff *skb, struct net_device *dev, struct packet_type *pt);
};
struct xfrmdev_ops {
	int	(*xdo_dev_state_add)(struct net_device *dev, struct xfrm_state *x,
				     struct netlink_ext_ack *extack);
	void	(*xdo_dev_state_delete)(struct net_device *dev, struct xfrm_state *x);
	void	(*xdo_dev_state_free)(struct net_device *dev, struct xfrm_state *x);
	bool	(*xdo_dev_offload_ok)(struct sk_buff *skb, struct xfrm_state *x);
	void	(*xdo_dev_state_advance_esn)(struct xfrm_state *x);
	int	(*xdo_dev_policy_add)(struct xfrm_policy *x, struct netlink_ext_ack *extack);
	unsigned long (*xdo_dev_state_lower_handle)(struct net_device *dev, struct xfrm_state *x,
						    struct net_device *lower_dev);
	u32	flags;
};
struct net_device_ops {
	int		(*ndo_open)(struct net_device *dev);
	netdev_tx_t	(*ndo_start_xmit)(struct sk_buff *skb, struct net_device *dev);
	netdev_features_t (*ndo_features_check)(struct sk_buff *skb, struct net_device *dev,
						netdev_features_t features);
	u16		(*ndo_select_queue)(struct net_device *dev, struct sk_buff *skb,
					    struct net_device *sb_dev);
	int		(*ndo_set_features)(struct net_device *dev, netdev_features_t features);
	int		(*ndo_add_slave)(struct net_device *dev, struct net_device *slave);
	int		(*ndo_xdp_xmit)(struct net_device *dev, int n, struct xdp_frame **xdp, u32 f);
	int		(*ndo_xsk_wakeup)(struct net_device *dev, u32 queue, u32 flags);
};
struct net_device {
	char name[16];
	const struct net_device_ops *netdev_ops;
	const struct xfrmdev_ops *xfrmdev_ops;
	void *ml_priv;
};
static inline void *netdev_priv(const struct net_device *dev)
{
	return (void *)(dev + 1);
}
void netif_napi_add(struct net_device *dev, struct napi_struct *napi,
		    int (*poll)(struct napi_struct *, int));
void netif_napi_add_weight(struct net_device *dev, struct napi_struct *napi,
			   int (*poll)(struct napi_struct *, int), int weight);
void netif_napi_add_tx(struct net_device *dev, struct napi_struct *napi,
		       int (*poll)(struct napi_struct *, int));
void netif_threaded_napi_add(struct net_device *dev, struct napi_struct *napi,
			     int (*poll)(struct napi_struct *, int));
#endif
"""

_XFRM = """\
#ifndef _NET_XFRM_H
#define _NET_XFRM_H
#include <linux/netdevice.h>
struct xfrm_dev_offload {
	struct net_device	*dev;
	struct net_device	*real_dev;
	unsigned long		offload_handle;
	void __rcu		*upper_priv;
	unsigned char		dir : 2;
	unsigned char		flags : 2;
};
struct xfrm_state {
	struct {
		unsigned char	mode;
		unsigned short	family;
	} props;
	struct xfrm_dev_offload	xso;
	void			*data;
};
struct xfrm_policy {
	u32			index;
	struct xfrm_dev_offload	xdo;
};
struct sec_path {
	int			len;
	struct xfrm_state	*xvec[6];
};
struct sec_path *skb_sec_path(const struct sk_buff *skb);
static inline struct xfrm_state *xfrm_input_state(struct sk_buff *skb)
{
	return skb_sec_path(skb)->xvec[0];
}
static inline unsigned long
xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)
{
	return lower_dev ? READ_ONCE(x->xso.offload_handle) : 0;
}
#endif
"""

_BASE = {
    "Makefile": "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n",
    "include/linux/netdevice.h": _NETDEVICE,
    "include/net/xfrm.h": _XFRM,
}


class Memory:
    """A tree whose files are the values of a dictionary."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self.problems: dict[str, str] = {}

    @property
    def name(self) -> str:
        return "memory"

    def read(self, path: str) -> bytes:
        if path not in self._files:
            raise Unreadable("No such file or directory")
        return self._files[path]

    def digest(self, path: str) -> str:
        return blob_name(self.read(path))

    def is_file(self, path: str) -> bool:
        return path in self._files

    def folder(self, path: str) -> Sequence[str]:
        return sorted(
            posixpath.basename(name) for name in self._files if posixpath.dirname(name) == path
        )

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        wanted = re.compile(pattern.encode())
        return sorted(
            path
            for path, data in self._files.items()
            if path.endswith((".c", ".h"))
            and any(top == "." or path.startswith(f"{top}/") for top in under or ["."])
            and wanted.search(data)
        )


def tree(files: Mapping[str, str]) -> Memory:
    """Return a kernel that has the base headers and `files` (path -> text)."""
    return Memory({path: text.encode() for path, text in {**_BASE, **files}.items()})


def reader(files: Mapping[str, str]) -> Reader:
    """Return the reader of such a kernel, with the words of a real run."""
    return reader_of(tree(files))


def graph(files: Mapping[str, str]) -> CallGraph:
    """Return the call graph of such a kernel; nothing is followed yet."""
    return CallGraph(reader(files))

"""The arguments that libclang gets for a source: the kernel's own, of an x86-64 build."""

from collections.abc import Sequence

from xfrmlint.clang.compilation import Command
from xfrmlint.clang.sources import GENERATED, ROOT, SEARCHED
from xfrmlint.tree import Tree

# Makefile and scripts/Makefile.lib of Linux 7.3: LINUXINCLUDE, USERINCLUDE, KBUILD_CFLAGS.
_FIRST = ("linux/compiler-version.h", "linux/kconfig.h", "linux/compiler_types.h")
_LANGUAGE = "-std=gnu11 --target=x86_64-linux-gnu -nostdinc -fshort-wchar -fms-extensions".split()
# One source is looked at, not built: every error counts, no warning does.
_QUIET = "-w -ferror-limit=0 -fno-spell-checking".split()
AUTOCONF = "generated/autoconf.h"
# What drivers include most, so that a precompiled header spares the most.
_COMMON = """
linux/netdevice.h linux/etherdevice.h linux/pci.h linux/if_vlan.h linux/interrupt.h linux/module.h
net/xfrm.h net/esp.h linux/ethtool.h net/devlink.h linux/inetdevice.h linux/ip.h linux/ipv6.h
linux/tcp.h linux/udp.h linux/rtnetlink.h linux/bpf.h linux/filter.h net/pkt_cls.h net/udp_tunnel.h
net/tls.h net/xdp_sock_drv.h net/page_pool/helpers.h linux/dma-mapping.h linux/workqueue.h
linux/debugfs.h linux/ptp_clock_kernel.h linux/net_tstamp.h linux/netlink.h
""".split()


def first_headers(tree: Tree) -> list[str]:
    """Return the full paths of what kbuild includes before every source; those the tree has."""
    kernels = [f"include/{name}" for name in _FIRST if tree.is_file(f"include/{name}")]
    return [f"{GENERATED}/{AUTOCONF}", *(f"{ROOT}/{path}" for path in kernels)]


def common_headers(tree: Tree) -> str:
    """Return the text of the header that is precompiled."""
    names = [name for name in _COMMON if tree.is_file(f"include/{name}")]
    return "".join(f"#include <{name}>\n" for name in names)


def arguments(folders: Sequence[str], language: str = "c") -> list[str]:
    """Return the arguments but for what is included first. folders: full paths of own -I."""
    given = ["-x", language, *_LANGUAGE, *_QUIET]
    given += [f"-I{folder}" for folder in (*SEARCHED, *folders)]
    names = ("KBUILD_MODNAME", "KBUILD_BASENAME", "KBUILD_MODFILE")
    return [*given, "-D__KERNEL__", "-DMODULE", *(f'-D{name}="module"' for name in names)]


def built(command: Command) -> list[str]:
    """Return the arguments of a build's own command."""
    return ["-x", "c", "-nostdinc", *_QUIET, *command.arguments]


def including(headers: Sequence[str]) -> list[str]:
    """Return the arguments that include headers first."""
    return [word for header in headers for word in ("-include", header)]

"""The headers that a build generates, as a configured x86 kernel would have them.

Found by compiling drivers/net of Linux 6.1, 6.12 and 7.3: with these no header stays missing. Lists
of wrappers come from the tree's own Kbuild files (scripts/Makefile.asm-headers).
"""

import os
import re
from collections.abc import Iterable, Mapping

from xfrmlint.kernel.release import release, version_macros
from xfrmlint.tree import Tree, Unreadable

ARCH = "arch/x86/include"
_WRAPPER = re.compile(r"^[ \t]*(?:mandatory|generic)-y\s*\+?=\s*((?:[^\n\\]|\\\n)*)", re.M)

# Switched on, whatever the driver: an SMP x86-64 with networking, PCI and IPsec.
_ON = """
64BIT X86 X86_64 SMP MMU TREE_RCU TREE_SRCU THREAD_INFO_IN_TASK FLATMEM SLUB GENERIC_IOMAP
HAVE_ARCH_WITHIN_STACK_FRAMES HAVE_ARCH_THREAD_STRUCT_WHITELIST ARCH_HAS_PTE_SPECIAL
HAVE_MOD_ARCH_SPECIFIC ARCH_HAS_MEM_ENCRYPT AMD_MEM_ENCRYPT NET INET IPV6 XFRM XFRM_OFFLOAD INET_ESP
INET_ESP_OFFLOAD INET6_ESP INET6_ESP_OFFLOAD SKB_EXTENSIONS PCI PCI_MSI PCI_ATS PCI_IOV MODULES
""".split()
_NUMBERS = {
    "PAGE_SHIFT": "12",
    "PGTABLE_LEVELS": "4",
    "X86_L1_CACHE_SHIFT": "6",
    "X86_INTERNODE_CACHE_SHIFT": "6",
    "HZ": "250",
    "NR_CPUS": "64",
    "NODES_SHIFT": "6",
    "MAX_SKB_FRAGS": "17",
    "SPLIT_PTLOCK_CPUS": "4",
    "PHYSICAL_ALIGN": "0x200000",
    "PHYSICAL_START": "0x1000000",
    "ILLEGAL_POINTER_VALUE": "0xdead000000000000",
    "RCU_FANOUT": "64",
    "RCU_FANOUT_LEAF": "16",
    "LOG_BUF_SHIFT": "18",
}
_EMPTY = """
generated/timeconst.h generated/asm-offsets.h asm/unistd_64.h asm/unistd_32_ia32.h
asm/unistd_64_x32.h
""".split()
_KERNEL_VERSION = (
    "#define KERNEL_VERSION(a,b,c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))\n"
)
_BOUNDS = {
    "NR_PAGEFLAGS": 24,
    "MAX_NR_ZONES": 4,
    "NR_CPUS_BITS": 6,
    "SPINLOCK_SIZE": 4,
    "LRU_GEN_WIDTH": 0,
    "__LRU_REFS_WIDTH": 0,
}


def headers(tree: Tree) -> dict[str, bytes]:
    """Return the generated headers: name as #include lines have it -> text."""
    found = dict.fromkeys(_EMPTY, "")
    known = release(tree)
    if known is not None:
        found["linux/version.h"] = _defines(version_macros(known)) + _KERNEL_VERSION
    found["generated/utsrelease.h"] = '#define UTS_RELEASE "0"\n'
    found["generated/rq-offsets.h"] = _defines({"RQ_nr_pinned": 0})
    found["generated/bounds.h"] = _defines(_BOUNDS)
    found["asm/cpufeaturemasks.h"] = _defines(
        {"DISABLED_MASK_BIT_SET(x)": 0, "REQUIRED_MASK_BIT_SET(x)": 0}
    )
    for inner in ("", "uapi/"):
        for name in _wrapped(tree, inner):
            if not tree.is_file(f"{ARCH}/{inner}asm/{name}"):
                found.setdefault(f"asm/{name}", f"#include <asm-generic/{name}>\n")
    return {name: os.fsencode(text) for name, text in found.items() if _is_missing(tree, name)}


def autoconf(symbols: Iterable[str]) -> bytes:
    """Return generated/autoconf.h. symbols: CONFIG_ names set besides those that always are."""
    fixed = {f"CONFIG_{name}": 1 for name in _ON}
    numbers = {f"CONFIG_{name}": value for name, value in _NUMBERS.items()}
    more = dict.fromkeys(sorted(symbols), 1)
    text = _defines({**more, **fixed, **numbers})
    return f"#ifndef XFRMLINT_AUTOCONF_H\n#define XFRMLINT_AUTOCONF_H\n{text}#endif\n".encode()


def names_header(module: str, stem: str, symbols: Iterable[str]) -> bytes:
    """Return a header with the names that kbuild gives a source by -D.

    symbols: CONFIG_ names that are set for it alone.
    """
    plain = {"KBUILD_MODNAME": module, "KBUILD_MODFILE": module, "KBUILD_BASENAME": stem}
    lines = []
    for name, text in plain.items():
        word = re.sub(r"\W", "_", text, flags=re.ASCII)
        lines.append(f'#undef {name}\n#define {name} "{word}"\n')
    return ("".join(lines) + _defines(dict.fromkeys(symbols, 1))).encode()


def _defines(values: Mapping[str, object]) -> str:
    return "".join(f"#define {name} {value}\n" for name, value in values.items())


def _is_missing(tree: Tree, name: str) -> bool:
    folders = (ARCH, "include", f"{ARCH}/uapi", "include/uapi")
    return name.startswith("generated/") or not any(tree.is_file(f"{f}/{name}") for f in folders)


def _wrapped(tree: Tree, inner: str) -> list[str]:
    """Return the headers that an architecture takes from asm-generic."""
    found: dict[str, None] = {}
    for path in (f"include/{inner}asm-generic/Kbuild", f"{ARCH}/{inner}asm/Kbuild"):
        try:
            text = os.fsdecode(tree.read(path))
        except Unreadable:
            continue
        for match in _WRAPPER.finditer(text):
            words = match.group(1).replace("\\\n", " ").split()
            found.update(dict.fromkeys(w for w in words if re.fullmatch(r"[\w.-]+\.h", w)))
    return list(found)

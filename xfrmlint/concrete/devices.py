"""What the kernel's functions about net_devices do in a world: their ports, uppers and packets."""

from collections.abc import Iterator, Sequence

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import INT, Int
from xfrmlint.c.syntax import Call, Expression
from xfrmlint.concrete.expressions import Expressions
from xfrmlint.concrete.kernel import Kernel
from xfrmlint.concrete.values import NULL, Cell, Pointer, Struct, Value, Void


class Devices(Expressions):
    """A machine that knows a world's devices."""

    def _made(self, kernel: Kernel, call: Call) -> Value:
        """Make the owner's device, where code runs that is told its ports."""
        if not kernel.creates:
            raise self._outside("another device is made", call.start)
        kernel.creates = False
        return kernel.owner

    def _port_looked_up(self, kernel: Kernel, call: Call) -> Value:
        if kernel.offered is None:
            raise self._outside(f"which device {call.name}() gives is not known", call.start)
        return Pointer(kernel.devices[kernel.offered.pop(0)]) if kernel.offered else NULL

    def _sent(self, kernel: Kernel, call: Call) -> Value:
        value = self._value(call.arguments[0])
        target = value.target if isinstance(value, Pointer) else None
        device = self.grown(target, "dev", call) if isinstance(target, Struct) else None
        name = kernel.name_of(device.value) if isinstance(device, Cell) else None
        if name is None:
            raise self._outside("a packet is queued on no device of the world", call.start)
        kernel.sent.add(name)
        return Int(0, INT)

    def _of_device(self, kernel: Kernel, call: Call) -> Value:
        name = call.name
        device = kernel.name_of(self._value(call.arguments[0]))
        if device is None:
            raise self._outside(f"{name}() of what is no device of the world", call.start)
        master = kernel.masters.get(device)
        if name == "netdev_priv":
            return Pointer(kernel.private_of(device))
        if name.startswith("netdev_master"):
            return Pointer(kernel.devices[master]) if master else NULL
        if name.startswith("netdev_lower"):
            lower = kernel.name_of(self._value(call.arguments[1]))
            if lower is None or kernel.masters.get(lower) != device:
                return NULL
            return self._linked_with(kernel, lower, self._frames[-1].body.view.result, call)
        if name.startswith("netdev_has_any"):
            return Int(int(master is not None), INT)
        if name.startswith("netdev_has"):
            upper = kernel.name_of(self._value(call.arguments[1]))
            return Int(int(master is not None and upper == master), INT)
        if name.endswith("_master"):
            return Int(int(device in kernel.masters.values()), INT)
        if name.endswith(("_port", "_slave")):
            return Int(int(master is not None), INT)
        # It is up, and runs.
        return Int(1, INT)

    def _links(self, kernel: Kernel, call: Call) -> Value:
        port, upper = (kernel.name_of(self._value(one)) for one in call.arguments[:2])
        if port is None or upper is None:
            raise self._outside(f"{call.name}() of what is no device of the world", call.start)
        if call.name.endswith("unlink"):
            kernel.masters.pop(port, None)
            kernel.linked.pop(port, None)
            return Void()
        kernel.masters[port] = upper
        if call.name.startswith("netdev_master"):
            kernel.linked[port] = self._value(call.arguments[2])
        return Int(0, INT)

    def _over_lowers(
        self, kernel: Kernel, name: str, arguments: Sequence[Expression]
    ) -> Iterator[Value]:
        """Yield a device's lowers, or what was linked with each: an entry of the owner's for it."""
        upper = kernel.name_of(self._value(arguments[0]))
        kind = self._declared(arguments[1])
        for port in [port for port, master in kernel.masters.items() if master == upper]:
            if "_private" in name:
                yield self._linked_with(kernel, port, kind, arguments[1])
            else:
                yield Pointer(kernel.devices[port])
        self._leave(arguments[1], NULL)

    def _linked_with(self, kernel: Kernel, port: str, kind: CType | None, at: Expression) -> Value:
        """Return what a port was linked with, or an entry of the owner's for it. kind: of that."""
        if port in kernel.linked:
            return kernel.linked[port]
        if kernel.populated or kind is None:
            raise self._outside("what a port was linked with is not seen", at.start)
        made = self._entry(kernel, kind.base, port)
        if made is None:
            raise self._outside(f"no {kind.base} of {port} is seen", at.start)
        return Pointer(made)

    def _ports(self, kernel: Kernel, variable: Expression, member: str) -> Iterator[Struct]:
        """Yield entries for the owner's ports, of a list in its private data that nobody filled.

        The elements of such a list hold a device each: the upper's ports are in there.
        """
        kind = self._declared(variable)
        for port in kernel.masters if kind is not None else ():
            made = self._entry(kernel, kind.base, port) if kind is not None else None
            linked = self.grown(made, member, variable) if made is not None else None
            if isinstance(linked, Struct):
                yield linked

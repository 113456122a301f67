"""A process in a pod, with CAP_NET_ADMIN there: what it can do to the one who visits its pod."""

from __future__ import annotations

import errno
import socket
import threading

from cni_route.address import Address, Prefix
from cni_route.model import Batch, Hop, KernelRoute, Operation, key_of
from cni_route.netlink.channel import OWN_PORTS
from cni_route.netlink.layout import RTM_NEWROUTE
from cni_route.netlink.routes import encode_route
from cni_route.netlink.table import NetlinkKernel
from cni_route.netlink.wire import HEADER
from tests.kernel.namespaces import Namespace, needs_root, pod

pytestmark = needs_root

FORGED = KernelRoute(key_of(Prefix.parse("10.66.0.0/16")), (Hop(1),), 4)
WANTED = KernelRoute(key_of(Prefix.parse("10.7.0.0/16")), (Hop(0, Address.parse("10.0.0.1")),), 114)


class Rogue:
    """Answers in the kernel's place, to whoever has a netlink socket open in the pod."""

    def __init__(self, namespace: Namespace) -> None:
        self._socket = namespace.call(
            lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        )
        self._namespace = namespace

    def ports(self) -> list[int]:
        """Our sockets in the pod, as any process there can see them."""

        def read() -> list[int]:
            with open("/proc/thread-self/net/netlink", encoding="ascii") as file:
                return [int(line.split()[2]) for line in file.readlines()[1:]]

        return [port for port in self._namespace.call(read) if 0 <= port - OWN_PORTS < 1024]

    def forge(self, port: int, sequence: int) -> int:
        """Send a dump's message and an acknowledgement of success; the errno, 0 if it went."""
        body = encode_route(FORGED, RTM_NEWROUTE, 0, sequence)[16:]
        route = HEADER.pack(len(body) + 16, RTM_NEWROUTE, 2, sequence, port) + body
        done = HEADER.pack(36, 2, 0, sequence, port) + bytes(20)
        try:
            for data in (route, done):
                self._socket.sendto(data, (port, 0))
        except OSError as error:
            return error.errno or -1
        return 0

    def close(self) -> None:
        self._socket.close()


def test_a_pod_cannot_forge_the_kernels_answers() -> None:
    """What a dump shows and what is acknowledged is the kernel's word, and nobody else's."""
    with pod() as namespace:
        rogue = Rogue(namespace)
        table = NetlinkKernel().open(namespace.descriptor)
        try:
            (port,) = rogue.ports()
            next_one = table._channel._sequence + 1  # a good guess
            refused = {rogue.forge(port, next_one + ahead) for ahead in range(20)}
            assert FORGED.key not in {route.key for route in table.dump()}
            route = WANTED._replace(hops=(Hop(9999),))  # of a NIC that is not there
            (refusal,) = table.apply(Batch(namespace.inode, (Operation("add", route),)))
            assert refusal.errno == errno.ENODEV
            assert set(table.links()) == {"lo", "eth0", "eth1", "p0", "p1"}
            assert refused == {errno.ECONNREFUSED}
        finally:
            table.close()
            rogue.close()


def test_a_pod_that_floods_our_socket_holds_up_nobody() -> None:
    """Forged answers come before a socket can be closed to them, too: they answer nothing."""
    with pod() as namespace:
        rogue = Rogue(namespace)
        stop = threading.Event()
        sent = [0]

        def flood() -> None:
            while not stop.is_set():
                for port in range(OWN_PORTS, OWN_PORTS + 4):
                    rogue.forge(port, 1)
                    sent[0] += 1

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            for _ in range(100):
                table = NetlinkKernel().open(namespace.descriptor)
                assert FORGED.key not in {route.key for route in table.dump()}
                assert "eth0" in table.links()
                table.close()
        finally:
            stop.set()
            thread.join()
            rogue.close()
        assert sent[0] > 100

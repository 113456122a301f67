"""What happens in all pods' namespaces, heard on one socket in the host's.

NETLINK_LISTEN_ALL_NSID (since Linux 4.2) delivers the events of every namespace that has an id in
the socket's own; the id comes as a control message. assign_nsid gives one to a namespace that has
none. A filter in the kernel drops what this process wrote itself, by the port ids of channel.py.
A pod's own process could take such a port id to hide what it does to its own pod: sweeps find it.
"""

from __future__ import annotations

from _socket import AF_NETLINK, MSG_DONTWAIT, SOCK_RAW, SOL_SOCKET, socket
from array import array
from contextlib import closing
from errno import EEXIST, ENOBUFS
from struct import Struct, pack, unpack
from typing import Literal, NamedTuple

from cni_route.model import KernelRoute, LinkAddress, PolicyRule
from cni_route.netlink.channel import (
    OWN_PORTS,
    OWN_PORTS_MASK,
    SOL_NETLINK,
    Answers,
    Channel,
    bind,
    make_roomy,
)
from cni_route.netlink.enter import NETLINK_ROUTE
from cni_route.netlink.layout import RTM_DELROUTE, RTM_NEWROUTE
from cni_route.netlink.links import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    decode_address,
    decode_link,
)
from cni_route.netlink.route_reader import decode_route
from cni_route.netlink.rules import RTM_DELRULE, RTM_NEWRULE, decode_rule
from cni_route.netlink.wire import (
    INTEGER,
    UNSIGNED,
    WireError,
    attribute,
    first_attribute,
    messages,
)

__all__ = ["Event", "Listener", "assign_nsid"]

NETLINK_LISTEN_ALL_NSID = 8
# RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, _IPV6_RULE
GROUPS = sum(1 << group - 1 for group in (1, 5, 7, 8, 9, 11, 19))
SO_ATTACH_FILTER = 26
DATAGRAM_BYTES = 65536
CONTROL_BYTES = 64  # one control message with an int takes 24
DATAGRAMS = 512  # read at one go, so that a caller gets to act under any flood
DISCARDED = 100_000  # more than the buffer holds
INSTRUCTION = Struct("=HBBI")  # sock_filter: code, jump if true, jump if false, constant

RTM_NEWNSID = 88
RTM_GETNSID = 90
RTGENMSG = b"\0\0\0\0"
NETNSA_NSID = 1
NETNSA_FD = 3
NSID_NONE = -1  # in an answer: it has none; in a request: choose one
NSID_TRIES = 5
CHOOSE_ONE = attribute(NETNSA_NSID, INTEGER.pack(NSID_NONE))


class Event(NamedTuple):
    """One change in one namespace, or the word that some were lost.

    `overrun`: events were lost, of any namespace where nsid is None; all that is remembered of
    their namespaces is doubtful from here on. Routes that the kernel keeps for itself (local,
    broadcast, multicast, cloned) make no event.
    """

    nsid: int | None  # the namespace's id in the listener's; None: the listener's own, or unknown
    kind: Literal["link", "address", "route", "rule", "overrun"]
    new: bool = True  # made or changed; False: gone
    ifindex: int = 0  # link and address
    name: str = ""  # link
    up: bool = False  # link: IFF_UP
    carrier: bool = False  # link: IFF_LOWER_UP
    address: LinkAddress | None = None
    route: KernelRoute | None = None
    rule: PolicyRule | None = None


class Listener:
    """One socket in the calling thread's namespace; needs CAP_NET_BROADCAST for the others.

    `host`: deliver that namespace's own events too.
    """

    def __init__(self, *, host: bool = False) -> None:
        self._host = host
        self._congested = False  # overflowed, and not yet read empty
        self._socket = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
        try:
            _deaf_to_ourselves(self._socket)
            make_roomy(self._socket)
            self._socket.setsockopt(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
            bind(self._socket, GROUPS)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For select and poll: readable when there is something to read."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening; twice is fine."""
        self._socket.close()

    def read(self) -> tuple[Event, ...]:
        """The events that have come, oldest first; never waits, () if there are none."""
        events: list[Event] = []
        try:
            for _ in range(DATAGRAMS):
                if self._congested:
                    self._discard()
                    events.append(Event(None, "overrun"))
                    break
                events += self._next()
        except BlockingIOError:
            pass
        return tuple(events)

    def _next(self) -> list[Event]:
        try:
            data, control, _, _ = self._socket.recvmsg(DATAGRAM_BYTES, CONTROL_BYTES, MSG_DONTWAIT)
        except OSError as failure:
            if failure.errno != ENOBUFS:
                raise
            self._congested = True
            return []
        nsid = _nsid(control)
        return _decode(data, nsid) if self._host or nsid is not None else []

    def _discard(self) -> None:
        """Empty the queue after an overflow: until then the kernel drops events unannounced."""
        for _ in range(DISCARDED):
            try:
                self._socket.recv(1, MSG_DONTWAIT)
            except BlockingIOError:
                self._congested = False
                return
            except OSError as failure:
                if failure.errno != ENOBUFS:
                    raise


def _nsid(control: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, value in control:
        if level == SOL_NETLINK and kind == NETLINK_LISTEN_ALL_NSID and len(value) == 4:
            return int(INTEGER.unpack(value)[0])
    return None


def _decode(data: bytes, nsid: int | None) -> list[Event]:
    """The events in one datagram; one that cannot be read makes the namespace doubtful."""
    events: list[Event] = []
    try:
        for kind, _, _, _, body in messages(data):
            event = _event(kind, body, nsid)
            if event:
                events.append(event)
    except WireError:
        events.append(Event(nsid, "overrun"))
    return events


def _event(kind: int, body: bytes, nsid: int | None) -> Event | None:
    if kind in (RTM_NEWROUTE, RTM_DELROUTE):
        route = decode_route(body)
        return Event(nsid, "route", kind == RTM_NEWROUTE, route=route) if route else None
    if kind in (RTM_NEWLINK, RTM_DELLINK):
        link = decode_link(body)
        new = kind == RTM_NEWLINK
        return link and Event(nsid, "link", new, link.ifindex, link.name, link.up, link.carrier)
    if kind in (RTM_NEWADDR, RTM_DELADDR):
        found = decode_address(body)
        return found and Event(nsid, "address", kind == RTM_NEWADDR, found[0], address=found[1])
    if kind in (RTM_NEWRULE, RTM_DELRULE):
        rule = decode_rule(body)
        return Event(nsid, "rule", kind == RTM_NEWRULE, rule=rule) if rule else None
    return None


def _deaf_to_ourselves(opened: socket) -> None:
    """Let the kernel drop notifications that carry a port id of this process.

    A classic BPF program; it loads words in network order, so its constants are turned round.
    """
    mask, own = (unpack(">I", UNSIGNED.pack(number))[0] for number in (OWN_PORTS_MASK, OWN_PORTS))
    program = b"".join(
        INSTRUCTION.pack(*instruction)
        for instruction in (
            (0x20, 0, 0, 12),  # load nlmsg_pid: the notification's cause
            (0x54, 0, 0, mask),  # and
            (0x15, 0, 1, own),  # if it is one of ours
            (0x06, 0, 0, 0),  # drop
            (0x06, 0, 0, 0xFFFFFFFF),  # else take all of it
        )
    )
    memory = array("B", program)  # the kernel copies it before setsockopt returns
    address, _ = memory.buffer_info()
    count = len(program) // INSTRUCTION.size
    opened.setsockopt(SOL_SOCKET, SO_ATTACH_FILTER, pack("@HP", count, address))


def assign_nsid(descriptor: int) -> int:
    """The id of the descriptor's namespace in the calling thread's, assigned if it has none.

    Ids are given out again once their namespace is gone. OSError: EINVAL or EBADF where the
    descriptor is no network namespace.
    """
    target = RTGENMSG + attribute(NETNSA_FD, UNSIGNED.pack(descriptor))
    with closing(Channel(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE))) as channel:
        for _ in range(NSID_TRIES):
            nsid = _nsid_in(channel.ask(RTM_GETNSID, target))
            if nsid != NSID_NONE:
                return nsid
            try:
                list(channel.ask(RTM_NEWNSID, target, CHOOSE_ONE))
            except OSError as failure:
                if failure.errno != EEXIST:  # somebody else was faster
                    raise
    raise OSError(EEXIST, "the namespace's id comes and goes")


def _nsid_in(answers: Answers) -> int:
    nsid = NSID_NONE
    for kind, body in answers:
        value = first_attribute(body, 4, NETNSA_NSID) if kind == RTM_NEWNSID else None
        if value and len(value) == 4:
            nsid = INTEGER.unpack(value)[0]
    return nsid

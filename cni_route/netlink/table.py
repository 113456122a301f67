"""The seam's implementation: one pod's interfaces, routes and policy rules over netlink."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from errno import EBADMSG, EINVAL, ENOENT
from typing import TypeVar

from cni_route.kernel import ForeignBatch
from cni_route.model import (
    MAIN_TABLE,
    Batch,
    KernelRoute,
    Link,
    LinkAddress,
    Operation,
    PolicyRule,
    Refusal,
)
from cni_route.netlink.channel import Channel, whole
from cni_route.netlink.enter import open_socket
from cni_route.netlink.layout import RTM_GETROUTE, RTM_NEWROUTE
from cni_route.netlink.links import (
    ADDRESSES_REQUEST,
    LINKS_REQUEST,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    decode_address,
    decode_link,
)
from cni_route.netlink.route_reader import RouteReader
from cni_route.netlink.routes import VERBS as ROUTE_VERBS
from cni_route.netlink.routes import encode_dump_request, encode_route
from cni_route.netlink.rules import (
    RTM_GETRULE,
    RTM_NEWRULE,
    RULES_REQUEST,
    decode_rule,
    encode_rule,
)
from cni_route.netlink.rules import VERBS as RULE_VERBS
from cni_route.netlink.wire import WireError

__all__ = ["NetlinkKernel", "NetlinkTable"]

T = TypeVar("T")

UNSTEADY = 1 << 10  # RTNLGRP_IPV6_ROUTE; a dump of IPv4 routes goes on by key, not by counting
CHUNK_MESSAGES = 250  # refusals come unasked: more could overflow the receive buffer
CHUNK_BYTES = 128 << 10  # the default send buffer refuses more (EMSGSIZE)


class NetlinkKernel:
    """Opens the tables of namespaces; kernel.Kernel.

    `home` is for a process that opens hundreds of tables in a row and whose threads are all in one
    network namespace: a descriptor of that one, open as long as this object is used. Without it,
    each open looks up where its thread is.
    """

    def __init__(self, home: int | None = None) -> None:
        self._home = home
        self._read = RouteReader().read

    def open(self, namespace: int) -> NetlinkTable:
        """The table behind an open namespace descriptor, which stays the caller's.

        OSError: EBADF or EINVAL where it is no network namespace. StrandedThread (enter.py) if
        the thread cannot come back.
        """
        identity = os.fstat(namespace).st_ino
        return NetlinkTable(identity, Channel(open_socket(namespace, self._home)), self._read)


class NetlinkTable:
    """kernel.Table; used by one thread at a time."""

    __slots__ = ("_channel", "_namespace", "_read")

    def __init__(
        self, namespace: int, channel: Channel, read: Callable[[bytes], KernelRoute | None]
    ) -> None:
        self._namespace = namespace
        self._channel = channel
        self._read = read

    @property
    def namespace(self) -> int:
        """The inode of the namespace."""
        return self._namespace

    def close(self) -> None:
        """Let go of the namespace; twice is fine."""
        self._channel.close()

    def links(self) -> dict[str, Link]:
        """Interfaces by name, with their addresses."""
        return _sound(self._links)

    def _links(self) -> dict[str, Link]:
        addresses: dict[int, list[LinkAddress]] = {}
        with closing(self._channel.dump(RTM_GETADDR, ADDRESSES_REQUEST)) as answers:
            for kind, body in answers:
                found = decode_address(body) if kind == RTM_NEWADDR else None
                if found:
                    addresses.setdefault(found[0], []).append(found[1])
        with closing(self._channel.dump(RTM_GETLINK, LINKS_REQUEST)) as answers:
            links = [decode_link(body, addresses) for kind, body in answers if kind == RTM_NEWLINK]
        return {link.name: link for link in links if link}

    def dump(self, table: int = MAIN_TABLE) -> tuple[KernelRoute, ...]:
        """All routes of one routing table, both families; a table that is not there is empty."""
        try:
            return _sound(lambda: self._dump(table))
        except OSError as failure:
            if failure.errno == ENOENT:
                return ()
            raise

    def _dump(self, table: int) -> tuple[KernelRoute, ...]:
        read = self._read
        request = encode_dump_request(table)
        with closing(self._channel.dump(RTM_GETROUTE, request, watched=UNSTEADY)) as answers:
            routes = [read(body) for kind, body in answers if kind == RTM_NEWROUTE]
        # kernels before 4.20 do not filter by table
        return tuple([route for route in routes if route and route.key.table == table])

    def rules(self) -> tuple[PolicyRule, ...]:
        """All policy rules, both families."""
        return _sound(self._rules)

    def _rules(self) -> tuple[PolicyRule, ...]:
        with closing(self._channel.dump(RTM_GETRULE, RULES_REQUEST)) as answers:
            rules = [decode_rule(body) for kind, body in answers if kind == RTM_NEWRULE]
        return tuple(filter(None, rules))

    def apply(self, batch: Batch) -> tuple[Refusal, ...]:
        """Send the operations in their order; return those refused, in that order.

        An operation that no message can say is refused with EINVAL, unsent.
        """
        if batch.namespace != self._namespace:
            raise ForeignBatch(
                f"a batch for namespace {batch.namespace} on the table of {self._namespace}"
            )
        operations = batch.operations
        first = self._channel.reserve(len(operations))
        requests: list[bytes] = []
        refused: dict[int, Refusal] = {}
        for place, operation in enumerate(operations):
            try:
                requests.append(_encode(operation, first + place))
            except WireError as mistake:
                refused[place] = Refusal(operation, EINVAL, str(mistake))
        try:
            for chunk in _chunks(requests):
                for sequence, reply in self._channel.transact(chunk):
                    place = sequence - first
                    refused[place] = Refusal(operations[place], reply.errno, reply.message)
        except WireError as mistake:
            raise _unreadable(mistake) from mistake
        return tuple(refused[place] for place in sorted(refused))


def _chunks(requests: list[bytes]) -> Iterator[list[bytes]]:
    """The requests in portions that one datagram holds, and whose refusals do not overflow."""
    start = 0
    while start < len(requests):
        chunk = requests[start : start + CHUNK_MESSAGES]
        while sum(map(len, chunk)) > CHUNK_BYTES:
            chunk = chunk[: len(chunk) // 2]
        yield chunk
        start += len(chunk)


def _encode(operation: Operation, sequence: int) -> bytes:
    verb, subject = operation
    if isinstance(subject, KernelRoute):
        kind, flags = ROUTE_VERBS[verb]
        request = encode_route(subject, kind, flags, sequence)
    elif verb in RULE_VERBS:
        kind, flags = RULE_VERBS[verb]
        request = encode_rule(subject, kind, flags, sequence)
    else:
        raise WireError(f"there is no {verb!r} for policy rules")
    if len(request) > CHUNK_BYTES:
        raise WireError(f"a message of {len(request)} bytes")
    return request


def _unreadable(mistake: WireError) -> OSError:
    """An answer that is no netlink message is an OSError to the seam, like any other trouble."""
    return OSError(EBADMSG, f"the kernel's answer: {mistake}")


def _sound(read: Callable[[], T]) -> T:
    """What `read` returns as a whole, read again after an interruption."""
    try:
        return whole(read)
    except WireError as mistake:
        raise _unreadable(mistake) from mistake

"""Dumps on the real kernel are whole, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from errno import EINTR

import pytest

from cni_route.address import AF_INET, AF_INET6
from cni_route.netlink import channel
from cni_route.netlink.enter import open_socket
from cni_route.netlink.layout import RTM_GETROUTE
from cni_route.netlink.links import LINKS_REQUEST, RTM_GETLINK
from cni_route.netlink.routes import encode_dump_request
from cni_route.netlink.table import UNSTEADY, NetlinkKernel, NetlinkTable
from tests.kernel.namespaces import Namespace, needs_root, pod
from tests.kernel.sending import direct, fill, send

pytestmark = needs_root


@pytest.fixture
def space() -> Iterator[Namespace]:
    with pod() as made:
        yield made


@pytest.fixture
def table(space: Namespace) -> Iterator[NetlinkTable]:
    with closing(NetlinkKernel().open(space.descriptor)) as opened:
        yield opened


def test_an_interrupted_dump_says_so_and_frees_the_socket(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    fill(table, eth0, AF_INET6, 3000)
    with closing(channel.Channel(open_socket(space.descriptor))) as asking:
        answers = asking.dump(RTM_GETROUTE, encode_dump_request(254), watched=UNSTEADY)
        next(answers)
        # this makes the kernel skip five routes that stay, and say nothing
        assert send(table, *(("delete", direct(eth0, n, AF_INET6)) for n in range(5))) == ()
        assert send(table, ("add", direct(eth0, 5000, AF_INET6))) == ()
        with pytest.raises(channel.Interrupted):
            for _ in answers:
                pass
        again = list(asking.dump(RTM_GETROUTE, encode_dump_request(254), watched=UNSTEADY))
        assert len(again) == len(table.dump())


def test_a_dump_drowned_in_events_is_interrupted(
    space: Namespace, table: NetlinkTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    eth0 = space.index("eth0")
    fill(table, eth0, AF_INET6, 3000)
    monkeypatch.setattr(channel, "BUFFER_BYTES", 1)
    opened = open_socket(space.descriptor)
    channel.make_roomy(opened)
    with closing(channel.Channel(opened)) as asking:
        answers = asking.dump(RTM_GETROUTE, encode_dump_request(254), watched=UNSTEADY)
        next(answers)
        assert send(table, *(("add", direct(eth0, n, AF_INET6)) for n in range(5000, 5200))) == ()
        with pytest.raises(channel.Interrupted):
            for _ in answers:
                pass
        again = list(asking.dump(RTM_GETROUTE, encode_dump_request(254), watched=UNSTEADY))
        assert len(again) == len(table.dump())


def test_an_event_with_our_sequence_number_is_no_answer(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    fill(table, eth0, AF_INET6, 3000)
    with (
        closing(channel.Channel(open_socket(space.descriptor))) as asking,
        closing(NetlinkKernel().open(space.descriptor)) as other,
    ):
        answers = asking.dump(RTM_GETROUTE, encode_dump_request(254), watched=UNSTEADY)
        next(answers)
        assert send(other, ("add", direct(eth0, 5000, AF_INET6))) == ()  # number 1, as the dump
        with pytest.raises(channel.Interrupted):
            for _ in answers:
                pass


def test_an_interruption_that_the_kernel_tells_of(space: Namespace, table: NetlinkTable) -> None:
    space.batch(*(f"link add v{n} type veth peer name w{n}" for n in range(50)))
    with closing(channel.Channel(open_socket(space.descriptor))) as asking:
        answers = asking.dump(RTM_GETLINK, LINKS_REQUEST)
        next(answers)
        space.ip("link del v0")
        with pytest.raises(channel.Interrupted):
            for _ in answers:
                pass
        assert len(list(asking.dump(RTM_GETLINK, LINKS_REQUEST))) == len(table.links())


def test_a_dump_given_up_half_way_frees_the_socket(space: Namespace, table: NetlinkTable) -> None:
    fill(table, space.index("eth0"), AF_INET6, 3000)
    with closing(channel.Channel(open_socket(space.descriptor))) as asking:
        answers = asking.dump(RTM_GETROUTE, encode_dump_request(254))
        next(answers)
        answers.close()
        assert len(list(asking.dump(RTM_GETROUTE, encode_dump_request(254)))) >= 3000


def test_dumps_are_whole_while_others_write(space: Namespace, table: NetlinkTable) -> None:
    eth0 = space.index("eth0")
    stable = fill(table, eth0, AF_INET6, 600) | fill(table, eth0, AF_INET, 600)
    passing = direct(eth0, 5000, AF_INET6)
    over = threading.Event()

    def flap() -> None:
        with closing(NetlinkKernel().open(space.descriptor)) as other:
            while not over.wait(0.05):
                send(other, ("add", passing))
                send(other, ("delete", passing))

    writer = threading.Thread(target=flap)
    writer.start()
    try:
        for _ in range(50):
            found = table.dump()
            assert stable <= set(found)
            assert len(found) == len(set(found))
    finally:
        over.set()
        writer.join()


def test_a_dump_that_never_is_whole_is_eintr() -> None:
    tries = []

    def read() -> None:
        tries.append(1)
        raise channel.Interrupted

    with pytest.raises(OSError, match="changed during") as raised:
        channel.whole(read)
    assert raised.value.errno == EINTR
    assert 1 < len(tries) < 100

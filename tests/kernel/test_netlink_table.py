"""The real table: links, policy rules, long batches, refusals, overflow, interruption, closing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from errno import EBADF, EEXIST, EINTR, EINVAL, ENETUNREACH, ENOBUFS, ENODEV, ENOENT, ESRCH

import pytest

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.kernel import ForeignBatch, Kernel, Table
from cni_route.model import (
    SCOPE_LINK,
    Batch,
    Hop,
    KernelRoute,
    LinkAddress,
    Operation,
    PolicyRule,
    Refusal,
    Verb,
    key_of,
)
from cni_route.netlink import channel
from cni_route.netlink.enter import open_socket
from cni_route.netlink.layout import RTM_GETROUTE
from cni_route.netlink.links import LINKS_REQUEST, RTM_GETLINK
from cni_route.netlink.routes import encode_dump_request
from cni_route.netlink.table import UNSTEADY, NetlinkKernel, NetlinkTable
from cni_route.netlink.wire import HEADER, REQUEST
from tests.kernel import oracle
from tests.kernel.namespaces import Namespace, bare, descriptors, needs_root, pod, until

pytestmark = needs_root

MANY = 10_000


@pytest.fixture
def space() -> Iterator[Namespace]:
    with pod() as made:
        yield made


@pytest.fixture
def table(space: Namespace) -> Iterator[NetlinkTable]:
    with closing(NetlinkKernel().open(space.descriptor)) as opened:
        yield opened


def send(table: Table, *steps: tuple[Verb, KernelRoute | PolicyRule]) -> tuple[Refusal, ...]:
    operations = tuple(Operation(verb, subject) for verb, subject in steps)
    return table.apply(Batch(table.namespace, operations))


def direct(index: int, number: int, family: int = AF_INET) -> KernelRoute:
    """One of many routes to a device."""
    packed = number.to_bytes(2, "big")
    if family == AF_INET:
        prefix = Prefix(Address(b"\x0b" + packed + b"\0"), 24)
        return KernelRoute(key_of(prefix), (Hop(index),), scope=SCOPE_LINK)
    prefix = Prefix(Address(b"\xfd\0" + packed + bytes(12)), 64)
    return KernelRoute(key_of(prefix), (Hop(index),))


def test_it_is_what_the_seam_asks_for(space: Namespace) -> None:
    kernel: Kernel = NetlinkKernel()
    opened: Table = kernel.open(space.descriptor)
    assert opened.namespace == space.inode
    opened.close()
    opened.close()
    with pytest.raises(OSError, match=str(EBADF)):
        opened.dump()


# ---------------------------------------------------------------- links


def test_links_have_their_state_and_addresses(space: Namespace, table: NetlinkTable) -> None:
    space.ip("address add 10.9.9.1 peer 10.9.9.2/31 dev eth1")
    space.ip("-6 address add 2001:db8:9::1 peer 2001:db8:9::2 dev eth1 nodad")
    space.ip("link set p0 down")
    links = until(
        lambda: (found := table.links()) and not found["eth0"].carrier and found, "no carrier"
    )
    assert set(links) == {"lo", "eth0", "eth1", "p0", "p1"}
    assert links["lo"].loopback
    assert links["lo"].up
    assert (links["eth0"].up, links["eth0"].loopback) == (True, False)
    assert (links["p0"].up, links["p0"].carrier) == (False, False)
    assert (links["eth1"].up, links["eth1"].carrier) == (True, True)
    assert links["eth1"].ifindex == space.index("eth1")
    assert set(links["eth1"].addresses) == {
        LinkAddress(Address.parse("10.1.0.2"), 24),
        LinkAddress(Address.parse("10.9.9.1"), 31),
        LinkAddress(Address.parse("2001:db8:1::2"), 64),
        LinkAddress(Address.parse("2001:db8:9::1"), 128),
    }
    assert links["p1"].addresses == ()


def test_a_bridge_and_odd_names_are_links_like_others(
    space: Namespace, table: NetlinkTable
) -> None:
    space.batch("link add br0 type bridge", "link set p1 master br0")
    space.ip("link add été~#[]'\"\\ type veth peer name x")
    links = table.links()
    assert {"br0", "p1", "été~#[]'\"\\"} <= set(links)
    assert links["p1"].ifindex == space.index("p1")


def test_hundreds_of_links(space: Namespace, table: NetlinkTable) -> None:
    space.batch(*(f"link add v{n} type veth peer name w{n}" for n in range(150)))
    space.batch(*(f"address add 10.77.{n}.1/24 dev v{n}" for n in range(150)))
    links = table.links()
    assert len(links) == 305
    for n in range(150):
        assert links[f"v{n}"].addresses == (LinkAddress(Address.parse(f"10.77.{n}.1"), 24),)


# ---------------------------------------------------------------- policy rules


def test_rules_are_written_read_and_taken_out(space: Namespace, table: NetlinkTable) -> None:
    before = set(table.rules())
    assert before == oracle.read_rules(space)
    ours = (
        PolicyRule(AF_INET, 20000, 77000, Prefix.parse("10.0.0.2"), 114),
        PolicyRule(AF_INET, 20000, 100, Prefix.parse("10.0.0.0/24"), 114),
        PolicyRule(AF_INET, 20001, 100, None, 114),
        PolicyRule(AF_INET6, 20000, 77000, Prefix.parse("2001:db8::2"), 114),
    )
    assert send(table, *(("add", rule) for rule in ours)) == ()
    assert set(table.rules()) == before | set(ours) == oracle.read_rules(space)
    assert "from 10.0.0.2 lookup 77000 proto 114" in space.ip("rule show")
    refused = send(table, ("add", ours[0]))
    assert [refusal.errno for refusal in refused] == [EEXIST]
    assert send(table, *(("delete", rule) for rule in ours)) == ()
    assert set(table.rules()) == before
    assert [refusal.errno for refusal in send(table, ("delete", ours[0]))] == [ENOENT]


def test_a_rule_of_another_protocol_stays(space: Namespace, table: NetlinkTable) -> None:
    space.ip("rule add pref 20000 from 10.0.0.2 lookup 1000 proto 17")
    ours = PolicyRule(AF_INET, 20000, 1000, Prefix.parse("10.0.0.2"), 114)
    foreign = ours._replace(protocol=17)
    assert send(table, ("delete", ours))[0].errno == ENOENT
    assert send(table, ("add", ours), ("delete", ours)) == ()
    assert foreign in table.rules()
    assert ours not in table.rules()


@pytest.mark.parametrize(
    "words",
    [
        "from 10.0.0.2 iif eth0 lookup 100",
        "from 10.0.0.0/24 to 10.7.0.0/16 lookup 100",
        "to 10.7.0.0/16 lookup 100",
        "not from 10.0.0.2 lookup 100",
        "from 10.0.0.2 fwmark 0x5/0xff lookup 100",
        "from 10.0.0.2 tos 8 lookup 100",
        "from 10.0.0.2 ipproto tcp dport 80-90 lookup 100",
        "from 10.0.0.2 lookup 100 suppress_prefixlength 0",
        "from 10.0.0.2 blackhole",
        "from all uidrange 5-7 lookup 100",
    ],
)
def test_foreign_rules_show_that_they_are(
    space: Namespace, table: NetlinkTable, words: str
) -> None:
    before = set(table.rules())
    space.ip(f"rule add pref 500 {words}")
    by_ip = space.ip("rule show")
    (rule,) = set(table.rules()) - before
    assert rule.extra, "a rule with more than ours must not look like one of ours"
    assert rule.preference == 500
    assert send(table, ("delete", rule)) == ()
    assert set(table.rules()) == before
    assert send(table, ("add", rule)) == ()
    assert space.ip("rule show") == by_ip


# ---------------------------------------------------------------- batches and refusals


def test_refusals_come_in_their_order_with_the_kernels_words(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    good = direct(eth0, 1)
    unreachable = direct(eth0, 2)._replace(hops=(Hop(eth0, Address.parse("10.77.0.1")),), scope=0)
    no_device = direct(999, 3)
    source = direct(eth0, 4)._replace(src=Address.parse("10.77.0.9"))
    rule = PolicyRule(AF_INET, 20000, 100, Prefix.parse("10.0.0.2"), 114)
    refused = send(
        table,
        ("delete", good),
        ("add", good),
        ("add", good),
        ("add", unreachable),
        ("add", no_device),
        ("add", rule),
        ("delete", rule),
        ("delete", rule),
        ("replace", source),
    )
    assert [(r.operation.verb, r.operation.subject, r.errno) for r in refused] == [
        ("delete", good, ESRCH),
        ("add", good, EEXIST),
        ("add", unreachable, ENETUNREACH),
        ("add", no_device, ENODEV),
        ("delete", rule, ENOENT),
        ("replace", source, EINVAL),
    ]
    assert refused[2].message == "Nexthop has invalid gateway"
    assert refused[5].message == "Invalid prefsrc address"
    assert good in table.dump()


def test_one_refused_operation_alone_has_the_kernels_words(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    route = KernelRoute(
        key_of(Prefix.parse("10.5.0.0/16")), (Hop(eth0, Address.parse("10.8.0.1")),)
    )
    assert send(table, ("add", route)) == (
        Refusal(Operation("add", route), ENETUNREACH, "Nexthop has invalid gateway"),
    )


def test_what_no_message_can_say_is_refused_and_the_rest_done(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    first, last = direct(eth0, 1), direct(eth0, 5)
    too_heavy = direct(eth0, 2)._replace(hops=(Hop(eth0), Hop(eth0, None, 300)))
    negative = direct(eth0, 3)._replace(mtu=-1)
    hops = tuple(Hop(eth0, Address.parse("10.0.0.1")) for _ in range(9000))
    too_long = direct(eth0, 4)._replace(hops=hops)
    too_much = direct(eth0, 6)._replace(extra=tuple((kind, bytes(60_000)) for kind in (97, 98, 99)))
    rule = PolicyRule(AF_INET, 1 << 40, 100)
    refused = send(
        table,
        ("delete", first),
        ("add", too_heavy),
        ("add", first),
        ("add", too_much),
        ("add", negative),
        ("add", too_long),
        ("replace", PolicyRule(AF_INET, 500, 100)),
        ("add", rule),
        ("add", last),
        ("add", last),
    )
    assert [r.errno for r in refused] == [ESRCH, *[EINVAL] * 6, EEXIST]
    assert all(r.message for r in refused[1:7])
    assert {first, last} <= set(table.dump())
    assert send(table, ("add", too_heavy))[0].errno == EINVAL, "nothing else to send"
    assert send(table) == ()


def test_a_batch_for_another_namespace_is_not_sent(space: Namespace, table: NetlinkTable) -> None:
    route = direct(space.index("eth0"), 1)
    with bare() as other, closing(NetlinkKernel().open(other.descriptor)) as others:
        with pytest.raises(ForeignBatch):
            table.apply(Batch(others.namespace, (Operation("add", route),)))
        with pytest.raises(ForeignBatch):
            others.apply(Batch(table.namespace, ()))
    assert route not in table.dump()


@pytest.mark.parametrize("family", [AF_INET, AF_INET6])
def test_ten_thousand_routes_in_one_batch(
    space: Namespace, table: NetlinkTable, family: int
) -> None:
    eth0 = space.index("eth0")
    routes = [direct(eth0, number, family) for number in range(MANY)]
    before = table.dump()
    assert send(table, *(("add", route) for route in routes)) == ()
    assert set(table.dump()) == set(before) | set(routes)
    assert len(table.dump()) == len(before) + MANY
    every_third = routes[::3]
    refused = send(table, *(("add", route) for route in every_third))
    assert [r.operation.subject for r in refused] == every_third
    assert {r.errno for r in refused} == {EEXIST}
    mixed: list[tuple[Verb, KernelRoute]] = [
        ("delete" if number % 2 else "add", route) for number, route in enumerate(routes)
    ]
    refused = send(table, *mixed)
    assert [r.operation.subject for r in refused] == routes[::2]
    assert set(table.dump()) == set(before) | set(routes[::2])


def test_a_batch_of_long_messages_is_cut_by_bytes(space: Namespace, table: NetlinkTable) -> None:
    eth0 = space.index("eth0")
    hops = tuple(
        Hop(eth0, Address(b"\x0a\0\0" + bytes((3 + number % 200,)))) for number in range(200)
    )
    routes = [direct(eth0, number)._replace(hops=hops, scope=0) for number in range(400)]
    assert send(table, *(("add", route) for route in routes)) == ()
    assert set(routes) <= set(table.dump())


# ---------------------------------------------------------------- overflow and interruption


def test_lost_replies_are_enobufs_and_the_table_goes_on(
    space: Namespace, table: NetlinkTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "BUFFER_BYTES", 1)  # the kernel makes 2 KB of it
    eth0 = space.index("eth0")
    missing = [direct(eth0, number) for number in range(4000)]
    good = direct(eth0, 5000)
    with pytest.raises(OSError, match=str(ENOBUFS)) as raised:
        send(table, *(("delete", route) for route in missing))
    assert raised.value.errno == ENOBUFS
    assert send(table, ("add", good)) == ()
    with pytest.raises(OSError, match=str(ENOBUFS)):
        send(table, *(("delete", route) for route in missing))
    assert good in table.dump()
    assert send(table, ("add", good))[0].errno == EEXIST
    assert "eth0" in table.links()


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "RECEIVE_SECONDS", 1)
    with closing(channel.Channel(open_socket(space.descriptor))) as asking:
        # the kernel says nothing to a message that is shorter than it claims
        with pytest.raises(TimeoutError):
            asking.transact([HEADER.pack(100, 24, REQUEST, asking.reserve(1), 0)])
        assert list(asking.dump(RTM_GETROUTE, encode_dump_request(254)))


def fill(table: NetlinkTable, index: int, family: int, count: int) -> set[KernelRoute]:
    routes = [direct(index, number, family) for number in range(count)]
    assert send(table, *(("add", route) for route in routes)) == ()
    return set(routes)


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


# ---------------------------------------------------------------- opening and closing


def test_nothing_is_left_open(space: Namespace) -> None:
    kernel = NetlinkKernel()
    route = direct(space.index("eth0"), 1)
    kernel.open(space.descriptor).close()
    with open("/dev/null", encoding="ascii") as other, open(os.devnull, encoding="ascii") as gone:
        before = descriptors()
        dead = gone.fileno()
        for number in range(1000):
            opened = kernel.open(space.descriptor)
            if number % 100 == 0:
                send(opened, ("replace", route))
                opened.dump()
            opened.close()
            with pytest.raises(OSError, match=str(EINVAL)):
                kernel.open(other.fileno())
        assert descriptors() == before
    with pytest.raises(OSError, match=str(EBADF)):
        kernel.open(dead)


def test_many_tables_of_one_namespace_at_once(space: Namespace) -> None:
    kernel = NetlinkKernel()
    route = direct(space.index("eth0"), 1)
    tables = [kernel.open(space.descriptor) for _ in range(20)]
    for opened in tables:
        assert send(opened, ("replace", route)) == ()
        assert route in opened.dump()
    for opened in tables:
        opened.close()


def test_a_table_keeps_its_namespace_until_it_is_closed() -> None:
    with bare() as host:
        space = Namespace()
        host.ip("link add far type veth peer name near")
        host.ip(f"link set near netns /proc/{os.getpid()}/fd/{space.descriptor}")
        opened = NetlinkKernel().open(space.descriptor)
        space.close()
        assert set(opened.links()) == {"lo", "near"}
        assert "far" in host.ip("link show")
        opened.close()
        # with the namespace its veth goes, and so does the other end
        until(lambda: "far" not in host.ip("link show"), "the namespace is gone")


def test_threads_work_in_different_namespaces_at_once() -> None:
    kernel = NetlinkKernel()
    failures: list[BaseException] = []

    def work(space: Namespace) -> None:
        try:
            mine = os.readlink("/proc/thread-self/ns/net")
            for number in range(100):
                opened = kernel.open(space.descriptor)
                assert opened.namespace == space.inode
                assert send(opened, ("add", direct(1, number))) == ()
                assert direct(1, number) in opened.dump()
                opened.close()
                assert os.readlink("/proc/thread-self/ns/net") == mine
        except BaseException as failure:
            failures.append(failure)

    with bare() as one, bare() as two, bare() as three:
        threads = [threading.Thread(target=work, args=(space,)) for space in (one, two, three)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        for space in (one, two, three):
            assert space.ip("route show").count("11.0.") == 100

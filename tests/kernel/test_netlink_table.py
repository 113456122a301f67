"""The real table: links, policy rules, opening and closing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from errno import EBADF, EEXIST, EINVAL, ENOENT

import pytest

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.kernel import Kernel, Table
from cni_route.model import (
    LinkAddress,
    PolicyRule,
)
from cni_route.netlink.table import NetlinkKernel, NetlinkTable
from tests.kernel import oracle
from tests.kernel.namespaces import Namespace, bare, descriptors, needs_root, pod, until
from tests.kernel.sending import direct, send

pytestmark = needs_root


@pytest.fixture
def space() -> Iterator[Namespace]:
    with pod() as made:
        yield made


@pytest.fixture
def table(space: Namespace) -> Iterator[NetlinkTable]:
    with closing(NetlinkKernel().open(space.descriptor)) as opened:
        yield opened


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

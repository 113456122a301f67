"""The data that the rooms hand each other; plain values, no behaviour beyond their own text.

Named tuples throughout: they compare and hash as values, cannot be changed behind a reader's
back, and cost the plugin's start far less than dataclasses.

Numbers are the kernel's: protocols, scopes and route types as in linux/rtnetlink.h.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from cni_route.address import AF_INET, AF_INET6, Address, Prefix

MAIN_TABLE = 254  # RT_TABLE_MAIN
OWN_PROTOCOL = 114  # rtm_protocol of our routes, unless configured otherwise
BACKUP_PROTOCOL = 115  # rtm_protocol of the copies of displaced routes
SCOPE_UNIVERSE = 0
SCOPE_LINK = 253
TYPE_UNICAST = 1
IPV6_METRIC = 1024  # IP6_RT_PRIO_USER: what the kernel stores where none is given


# ---------------------------------------------------------------- what users write


class LabelExpression(NamedTuple):
    """One requirement of a label selector; `values` is empty for Exists and DoesNotExist."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class Selector(NamedTuple):
    """One entry of a filter; what is None is not restricted."""

    kind: str
    namespace: str | None = None
    name: str | None = None
    labels: tuple[LabelExpression, ...] | None = None


class Filter(NamedTuple):
    """Which pods a Route is for; both empty: every pod that has the NIC."""

    include: tuple[Selector, ...] = ()
    exclude: tuple[Selector, ...] = ()


class Rule(NamedTuple):
    """One valid line of a Route: a network (`dst`) or a Service (`service`), never both."""

    path: str  # where it stands: "spec.route[2]"
    dev: str
    dst: Prefix | None = None
    service: tuple[str, str] | None = None  # (namespace, name)
    via: Address | Literal["auto"] | None = None
    metric: int | None = None  # None: 0 for IPv4, 1024 for IPv6
    src: Address | None = None
    mtu: int | None = None  # bytes
    onlink: bool = False


class Problem(NamedTuple):
    """What is wrong with one value: where it stands, and the sentence for a person.

    `path` is empty for what concerns a whole document; `document` is the 1-based place in a file
    of several documents, None where there is only one.
    """

    source: str
    path: str
    message: str
    document: int | None = None

    def __str__(self) -> str:
        place = self.source if self.document is None else f"{self.source}[{self.document}]"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class Route(NamedTuple):
    """A Route document: its valid rules, and what is wrong with the others."""

    name: str
    rules: tuple[Rule, ...] = ()
    uid: str = ""
    generation: int = 0
    created: str = ""  # RFC 3339; empty: not known, counts as the newest
    priority: int = 0
    mode: Literal["Apply", "Observe"] = "Apply"
    feature_gate: tuple[tuple[str, str], ...] = ()
    filter: Filter = Filter()
    problems: tuple[Problem, ...] = ()
    source: str = ""  # the file it came from, or "Route NAME" in a cluster


# ---------------------------------------------------------------- what the source knows


class OwnerReference(NamedTuple):
    kind: str
    name: str
    uid: str


class Pod(NamedTuple):
    namespace: str
    name: str
    uid: str
    labels: tuple[tuple[str, str], ...] | None = None  # None: not known (CNI arguments alone)
    owners: tuple[OwnerReference, ...] | None = None  # None: not known
    node: str = ""
    host_network: bool = False
    config_hash: str = ""  # kubernetes.io/config.hash: the UID a static pod has in CNI_ARGS


class Service(NamedTuple):
    namespace: str
    name: str
    addresses: tuple[Address, ...] = ()
    without: str = ""  # why it has no address: "headless", "ExternalName", ...


class Namespace(NamedTuple):
    name: str
    labels: tuple[tuple[str, str], ...] = ()


class Workload(NamedTuple):
    """A Deployment, ReplicaSet, DaemonSet, StatefulSet, Job or CronJob: its name and owners."""

    kind: str
    namespace: str
    name: str
    uid: str = ""
    owners: tuple[OwnerReference, ...] = ()


# ---------------------------------------------------------------- what the kernel holds


class Key(NamedTuple):
    """What the kernel files a route under; several routes can share one."""

    dst: Prefix
    metric: int  # as the kernel holds it: never 0 for IPv6
    tos: int = 0
    table: int = MAIN_TABLE

    @property
    def family(self) -> int:
        return self.dst.family


def key_of(dst: Prefix, metric: int | None = None) -> Key:
    """The key of a rule's route in main, its metric normalised as the kernel does."""
    if dst.family == AF_INET6:
        return Key(dst, metric or IPV6_METRIC)
    return Key(dst, metric or 0)


class Hop(NamedTuple):
    """One next hop. Of its flags only ONLINK is kept: the others are the kernel's to set."""

    dev: int  # interface index
    via: Address | None = None  # may be IPv6 for an IPv4 route (RTA_VIA)
    weight: int = 1  # 1 to 256, as ip route shows it
    onlink: bool = False
    extra: tuple[tuple[int, bytes], ...] = ()  # other attributes (encapsulation, realm), opaque


class KernelRoute(NamedTuple):
    """A route as the kernel holds it, with all that is needed to write it again.

    `hops` is empty for types without a device (blackhole, unreachable, prohibit). A route with a
    nexthop object has `nexthop_id`, and its hops as the kernel showed them; they are not written.
    IPv6 multipath is one route here, as in a dump.
    """

    key: Key
    hops: tuple[Hop, ...]
    protocol: int = OWN_PROTOCOL
    scope: int = SCOPE_UNIVERSE  # IPv6 has this one only
    type: int = TYPE_UNICAST
    src: Address | None = None  # RTA_PREFSRC
    mtu: int = 0  # RTAX_MTU in bytes, 0: none
    nexthop_id: int = 0  # RTA_NH_ID, 0: none
    metrics: tuple[tuple[int, bytes], ...] = ()  # other RTA_METRICS, opaque, in ascending order
    extra: tuple[tuple[int, bytes], ...] = ()  # other attributes that belong to it, opaque
    transient: bool = False  # expires, or came from a router advertisement
    source: Prefix | None = None  # IPv6 source-specific routes (RTA_SRC): a key of their own


class PolicyRule(NamedTuple):
    """An `ip rule` of the form that we write; others are only read."""

    family: int
    preference: int
    table: int
    src: Prefix | None = None
    protocol: int = 0  # FRA_PROTOCOL, 0: none
    extra: tuple[tuple[int, bytes], ...] = ()  # whatever else it has: then it is foreign


class LinkAddress(NamedTuple):
    address: Address
    length: int  # bits


class Link(NamedTuple):
    ifindex: int
    name: str
    up: bool = True  # IFF_UP: the administrator's wish
    carrier: bool = True  # IFF_LOWER_UP
    loopback: bool = False
    addresses: tuple[LinkAddress, ...] = ()

    def has_family(self, family: int) -> bool:
        """Whether the NIC has an address of the family; IPv6 link-local ones do not count."""
        return any(
            a.address.family == family
            and not (family == AF_INET6 and a.address[0] == 0xFE and a.address[1] & 0xC0 == 0x80)
            for a in self.addresses
        )


Verb = Literal["add", "append", "prepend", "replace", "delete"]


class Operation(NamedTuple):
    """One message to the kernel.

    add: refused where the key exists (NLM_F_CREATE|EXCL); append: behind what the key holds
    (CREATE|APPEND; IPv6 merges gatewayed routes into one multipath); prepend: before it (CREATE
    alone; IPv6 has no before and appends); replace: CREATE|REPLACE; delete: by every attribute,
    protocol included. For a PolicyRule only add and delete.
    """

    verb: Verb
    subject: KernelRoute | PolicyRule


class Batch(NamedTuple):
    """Operations for one namespace; no table but that namespace's accepts them."""

    namespace: int  # the identity that Table.namespace has
    operations: tuple[Operation, ...]


class Refusal(NamedTuple):
    """What the kernel would not do: errno, and its extended message ('' if it gave none)."""

    operation: Operation
    errno: int
    message: str = ""


# ---------------------------------------------------------------- what is decided


class Want(NamedTuple):
    """A route that a pod should have, by device name; `rule` names who asks."""

    key: Key
    dev: str
    via: Address | None = None
    src: Address | None = None
    mtu: int = 0
    onlink: bool = False


Outcome = Literal[
    "applied",  # in the kernel, by us or exactly so by somebody else
    "observed",  # would be applied; the Route's mode is Observe, or the service is paused
    "skipped",  # not for this pod: no such NIC, no address of the family, hostNetwork
    "filtered",  # the Route's filter leaves the pod out
    "deferred",  # what the filter needs is not known yet
    "pending",  # waits for something: the Service, its address, a gateway, a link
    "conflict",  # another rule wins the destination
    "failed",  # the kernel or a rule of ours refuses it
]


class Verdict(NamedTuple):
    """What became of one rule, for one destination, in one pod, and why."""

    route: str
    path: str
    outcome: Outcome
    code: str = ""  # one CamelCase word for status and metrics: NoSuchDevice, NoSuchGateway
    reason: str = ""  # a sentence for people
    dst: str = ""  # the destination in text; empty where there is none (yet)
    dev: str = ""


__all__ = [
    "AF_INET",
    "AF_INET6",
    "BACKUP_PROTOCOL",
    "IPV6_METRIC",
    "MAIN_TABLE",
    "OWN_PROTOCOL",
    "SCOPE_LINK",
    "SCOPE_UNIVERSE",
    "TYPE_UNICAST",
    "Batch",
    "Filter",
    "Hop",
    "KernelRoute",
    "Key",
    "LabelExpression",
    "Link",
    "LinkAddress",
    "Namespace",
    "Operation",
    "Outcome",
    "OwnerReference",
    "Pod",
    "PolicyRule",
    "Problem",
    "Refusal",
    "Route",
    "Rule",
    "Selector",
    "Service",
    "Verb",
    "Verdict",
    "Want",
    "Workload",
    "key_of",
]

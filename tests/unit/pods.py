"""A pod on the fake kernel with its record, and passes over it: what reconcile's tests stand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cni_route.address import Address, Prefix
from cni_route.memory import Memory
from cni_route.model import KernelRoute, Route, Rule, Service
from cni_route.reconcile import DEFAULTS, Options, Outcome, reconcile
from cni_route.record import Attachment, Record
from cni_route.sandbox import Sandboxes
from cni_route.view import EMPTY, View, build
from tests.fakes.fake_kernel import FakeKernel


def rule(dst: str, dev: str = "eth1", via: str = "", **more: object) -> Rule:
    """A network rule; via '' is none."""
    prefix = {"default": "0.0.0.0/0", "default6": "::/0"}.get(dst, dst)
    gateway = "auto" if via == "auto" else Address.parse(via) if via else None
    return Rule("spec.route[0]", dev, Prefix.parse(prefix), None, gateway, **more)  # type: ignore[arg-type]


def svc(name: str, dev: str = "eth1", via: str = "") -> Rule:
    """A Service rule for default/NAME."""
    gateway = "auto" if via == "auto" else Address.parse(via) if via else None
    return Rule("spec.svc[0]", dev, None, ("default", name), gateway)  # type: ignore[arg-type]


def view_of(*rules: Rule, services: dict[str, str] | None = None) -> View:
    """A view of one Route 'demo' with these rules; services by name, addresses by blanks."""
    made = [
        Service("default", name, tuple(Address.parse(a) for a in text.split()))
        for name, text in (services or {}).items()
    ]
    numbered = tuple(r._replace(path=f"spec.route[{i}]") for i, r in enumerate(rules))
    return build([Route("demo", numbered)], made)


class FakePod:
    """eth0 and eth1 as two CNI plugins leave them, dual stack; eth0 has the default."""

    def __init__(self, folder: Path, *, attachments: tuple[Attachment, ...] = ()) -> None:
        self.kernel = FakeKernel()
        self.ns = self.kernel.make()
        self.ns.add_link("eth0", "10.244.1.5/24", "fd00:244::5/64")
        self.ns.add_link("eth1", "10.124.2.5/24", "fd00:124::5/64")
        self.ns.route("default via 10.244.1.1 dev eth0")
        self.ns.route("default via fd00:244::1 dev eth0 metric 1024")
        self.said: list[str] = []
        self.sandboxes = Sandboxes(str(folder), self.said.append)
        self.sandboxes.save(
            Record("pod1", "/netns", self.ns.inode, "default", "web", "uid-1", attachments)
        )
        self.memory = Memory()
        self.last = EMPTY  # the view of the last pass

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Its namespace cannot be opened meanwhile."""
        descriptor, self.ns.descriptor = self.ns.descriptor, -1
        try:
            yield
        finally:
            self.ns.descriptor = descriptor

    def go(
        self, view: View = EMPTY, options: Options = DEFAULTS, *, fresh: bool = False
    ) -> Outcome:
        """One pass; `fresh` forgets what the last one remembered, as a restart does."""
        self.last = view
        if fresh:
            self.memory = Memory()
        record = self.sandboxes.load("pod1")
        assert record is not None
        return reconcile(
            record,
            view,
            self.kernel,
            self.sandboxes,
            namespace=self.ns.descriptor,
            options=options,
            memory=self.memory,
        )

    def routes(self, protocol: int | None = None) -> list[str]:
        """The main table in words, the kernel's own routes left out."""
        return [
            words(route, self.names())
            for route in self.ns.dump()
            if route.protocol != 2 and protocol in (None, route.protocol)
        ]

    def names(self) -> dict[int, str]:
        """Interface names by index."""
        return {link.ifindex: name for name, link in self.ns.links().items()}


def words(route: KernelRoute, names: dict[int, str]) -> str:
    """A route as a short line: dst via A dev D proto N [metric M]."""
    parts = [str(route.key.dst)]
    for hop in route.hops:
        parts += ["via", str(hop.via)] if hop.via else []
        parts += ["dev", names[hop.dev]]
    parts += ["proto", str(route.protocol)]
    if route.key.metric not in (0, 1024):
        parts += ["metric", str(route.key.metric)]
    return " ".join(parts)

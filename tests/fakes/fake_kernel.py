"""A kernel in memory behind cni_route/kernel.py's seam, which behaves as Linux does.

    kernel = FakeKernel()
    pod = kernel.make()
    pod.add_link("eth0")
    pod.add_address("eth0", "10.244.1.5/24")
    pod.route("default via 10.244.1.1 dev eth0")          # as `ip route add` would
    table = kernel.open(pod.descriptor)

That it agrees with the real one is held up by tests/contract and
tests/kernel/test_machine_fake_vs_real.py.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from cni_route.kernel import ForeignBatch
from cni_route.model import MAIN_TABLE, Batch, KernelRoute, Link, Operation, PolicyRule, Refusal
from tests.fakes.faults import Call, Faults, Overrun
from tests.fakes.faults import Refusal as AskedRefusal
from tests.fakes.namespace import FakeNamespace
from tests.fakes.refused import Refused

_FIRST_DESCRIPTOR = 1 << 20  # no descriptor of the process: used as one, it is EBADF
_FIRST_INODE = 4026533000


class Logged(NamedTuple):
    """One operation that reached the kernel, and how it went (errno 0: done)."""

    namespace: int
    operation: Operation
    errno: int


class FakeKernel:
    """Namespaces, the tables open on them, the faults asked for, and a log of all operations."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.log: list[Logged] = []
        self.open_tables: list[FakeTable] = []
        self._namespaces: dict[int, FakeNamespace] = {}
        self._made = 0

    @property
    def writes(self) -> int:
        """How many operations were sent to any table, refused ones too."""
        return len(self.log)

    def make(self) -> FakeNamespace:
        """A new namespace with its loopback up."""
        self._made += 1
        made = FakeNamespace(_FIRST_DESCRIPTOR + self._made, _FIRST_INODE + self._made)
        self._namespaces[made.descriptor] = made
        return made

    def destroy(self, namespace: FakeNamespace) -> None:
        """Let the namespace go: it cannot be opened again; tables open on it keep it in being."""
        del self._namespaces[namespace.descriptor]

    def vanish(self, namespace: FakeNamespace) -> None:
        """Let the namespace go and its tables too: every call from now on is ENODEV.

        In the midst of a pass: kernel.faults.rival(lambda: kernel.vanish(pod), call="apply").
        """
        self._namespaces.pop(namespace.descriptor, None)
        namespace.gone = True

    def open(self, namespace: int) -> FakeTable:
        """The table of a namespace by its (fake) descriptor; OSError."""
        with _around(self.faults, "open"):
            found = self._namespaces.get(namespace)
            if found is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            table = FakeTable(self, found)
            self.open_tables.append(table)
        return table


class FakeTable:
    """cni_route.kernel.Table on a fake namespace."""

    def __init__(self, kernel: FakeKernel, namespace: FakeNamespace) -> None:
        self._kernel = kernel
        self._namespace = namespace
        self._closed = False

    @property
    def namespace(self) -> int:
        return self._namespace.inode

    def links(self) -> Mapping[str, Link]:
        with self._call("links"):
            return self._namespace.links()

    def dump(self, table: int = MAIN_TABLE) -> tuple[KernelRoute, ...]:
        with self._call("dump"):
            return self._namespace.dump(table)

    def rules(self) -> tuple[PolicyRule, ...]:
        with self._call("rules"):
            return self._namespace.rules()

    def apply(self, batch: Batch) -> tuple[Refusal, ...]:
        if batch.namespace != self.namespace:
            raise ForeignBatch(f"for {batch.namespace}, not {self.namespace}")
        refusals = []
        with self._call("apply"):
            for operation in batch.operations:
                refusal = self._one(operation)
                if refusal is not None:
                    refusals.append(refusal)
        return tuple(refusals)

    def close(self) -> None:
        with _around(self._kernel.faults, "close"):
            if not self._closed:
                self._closed = True
                self._kernel.open_tables.remove(self)

    def _one(self, operation: Operation) -> Refusal | None:
        kernel = self._kernel
        try:
            kernel.faults.at_operation(operation)
            self._namespace.operate(operation)
        except Overrun:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS)) from None
        except (Refused, AskedRefusal) as refused:
            kernel.log.append(Logged(self.namespace, operation, refused.errno))
            return Refusal(operation, refused.errno, refused.message)
        kernel.log.append(Logged(self.namespace, operation, 0))
        return None

    @contextmanager
    def _call(self, name: Call) -> Iterator[None]:
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        with _around(self._kernel.faults, name):
            if self._namespace.gone:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            yield


@contextmanager
def _around(faults: Faults, name: Call) -> Iterator[None]:
    faults.at_call(name, "before")
    yield
    faults.at_call(name, "after")

"""The CNI verbs: call × context → answer, by the same code in the service and alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cni_route.cni.frame import Answer

if TYPE_CHECKING:
    from cni_route.model import Pod
    from cni_route.reconcile import Outcome
    from cni_route.sandbox import Record, Sandboxes

__all__ = ["Answer", "Call", "Context", "handle"]


class Call(NamedTuple):
    """One execution of the plugin: its CNI_* variables, standard input, and the namespace.

    `descriptor` is the open CNI_NETNS, -1 where there is none; not checked yet. Who makes the
    call closes it.
    """

    environment: Mapping[str, str]
    stdin: bytes
    descriptor: int = -1


class Context(NamedTuple):
    """What the verbs work on.

    `pass_over(record, namespace descriptor, dry)` is reconcile with everything else bound; it may
    raise OSError or TimeoutError. `find_pod(namespace, name, uid)` finds the pod of a request and
    may take its time about it (the service waits and reads once where a filter needs the pod);
    None: not known. `forget(container_id)`: its record is gone. `not_ready`: a sentence, where
    there is nothing to decide an ADD by; empty where there is. `agent`: namespace and name of the
    DaemonSet whose pods pass unasked. `log` gets sentences and never raises. `alone`: there is no
    service that would mend anything later.
    """

    sandboxes: Sandboxes
    pass_over: Callable[[Record, int, bool], Outcome]
    find_pod: Callable[[str, str, str], Pod | None]
    log: Callable[[str], None]
    forget: Callable[[str], None] = lambda _id: None
    not_ready: str = ""
    agent: tuple[str, str] = ("", "")
    alone: bool = False


def handle(call: Call, context: Context) -> Answer:
    """Do what the call asks. Never raises; what goes wrong is a CNI error or, by policy, logged."""
    raise NotImplementedError

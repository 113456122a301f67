"""The CNI verbs: a call and a context make an answer, by the same code in the service and alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cni_route.cni import protocol, result, settings
from cni_route.cni.attachments import attach, collect, detach
from cni_route.cni.frame import MAX_ANSWER, Answer
from cni_route.cni.journal import append
from cni_route.cni.judge import SHOWN, check_applied, check_wanted, faults, summary
from cni_route.cni.protocol import CniError, Code, Request
from cni_route.cni.settings import Settings
from cni_route.document_fields import quote
from cni_route.model import OWN_PROTOCOL
from cni_route.record import Attachment, Record
from cni_route.sandbox import HostNamespace, Sandboxes, check_namespace, open_namespace, valid_id

if TYPE_CHECKING:
    from cni_route.model import Pod
    from cni_route.reconcile import Outcome

__all__ = ["Answer", "Call", "Context", "handle"]

_SUFFIX = 5  # letters that a DaemonSet adds to its name for a pod's


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
    raise OSError (TimeoutError too). `find_pod(namespace, name, uid)` finds the pod of a request
    and may take its time about it (the service waits and reads once where a filter needs the
    pod); None: not known. `forget(container_id)`: its record is gone. `not_ready`: a sentence
    where there is nothing to decide an ADD by, empty where there is. `agent`: namespace and name
    of the DaemonSet whose pods pass unasked. `log` gets sentences and never raises. `alone`:
    there is no service, which would mend later what is left open now. `protocol` marks our routes.
    """

    sandboxes: Sandboxes
    pass_over: Callable[[Record, int, bool], Outcome]
    find_pod: Callable[[str, str, str], Pod | None]
    log: Callable[[str], None]
    forget: Callable[[str], None] = lambda _container_id: None
    not_ready: str = ""
    agent: tuple[str, str] = ("", "")
    alone: bool = False
    protocol: int = OWN_PROTOCOL


class _Work(NamedTuple):
    """A call on its way through a verb."""

    request: Request
    call: Call
    context: Context
    settings: Settings

    def log(self, sentence: str) -> None:
        """To the service's log (alone: nobody's) and to the entry's log file."""
        r = self.request
        words = (r.verb, r.container_id, r.ifname, "/".join(filter(None, _pod_of(r)[:2])))
        line = f"{' '.join(filter(None, words))}: {sentence}"
        self.context.log(line)
        append(self.settings.log_file, line)

    def bear(self, troubles: list[CniError]) -> None:
        """Raise by failurePolicy Fail; by Ignore the pod goes on and the log says why.

        A route that is gone is always an error: nobody was pardoned for it.
        """
        for trouble in troubles:
            if self.settings.fail or trouble.code == Code.GONE:
                raise trouble
            self.log(f"{trouble.message} (code {trouble.code}, but failurePolicy is Ignore)")


def handle(call: Call, context: Context) -> Answer:
    """Do what the call asks. Never raises: what goes wrong is a CNI error or, by policy, logged."""
    try:
        request = protocol.read_request(call.environment, call.stdin)
        if request.verb == "VERSION":
            return protocol.version_answer(call.stdin)
        read = settings.strict if request.verb in ("ADD", "STATUS") else settings.lenient
        work = _Work(request, call, context, read(request.config))
        return Answer(0, _VERBS[request.verb](work))
    except Exception as error:
        verb = call.environment.get("CNI_COMMAND", "")
        fault = _fault(error)
        line = f"{verb} {call.environment.get('CNI_CONTAINERID', '')}: {fault.message}"
        context.log(f"{line} (code {fault.code})")
        append(_log_file(call.stdin), f"{line} (code {fault.code})")
        if verb == "DEL" and not isinstance(error, CniError):
            return Answer(0)
        return protocol.error_answer(fault, protocol.spoken_version(call.stdin))


def _fault(error: Exception) -> CniError:
    """Whatever was raised, as CNI reports it."""
    if isinstance(error, CniError):
        return error
    if isinstance(error, OSError):
        return CniError(Code.PASS, f"the pod's routes: {_words(error)}")
    return CniError(Code.INTERNAL, f"a mistake in cni-route: {_words(error)}")


def _words(error: Exception) -> str:
    if not isinstance(error, OSError):
        return f"{type(error).__name__}: {error}"
    words = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {words}" if error.filename else words


def _log_file(stdin: bytes) -> str:
    try:
        return settings.lenient(protocol.decode(stdin)).log_file
    except CniError:
        return ""


# ---------------------------------------------------------------- ADD


def _add(work: _Work) -> bytes:
    request, context = work.request, work.context
    printed = result.handed_on(result.previous(request.config), request.version)
    if len(printed) > MAX_ANSWER:
        raise CniError(Code.DECODE, f"prevResult is over the bound of {MAX_ANSWER} bytes")
    if _is_agent(request, context.agent):
        work.log("passes: it is the agent's own pod")
        return printed
    with _namespace(work) as descriptor:
        if descriptor is not None:
            _bring_up(work, descriptor)
    return printed


def _bring_up(work: _Work, descriptor: int) -> None:
    """Record the sandbox and give it its routes."""
    context = work.context
    if context.not_ready:
        work.bear([CniError(Code.LATER, context.not_ready)])
    try:
        pod = context.find_pod(*_pod_of(work.request))
        if pod is not None and pod.host_network:
            work.log("passes: the pod is on the host's network")
            return
        record = _remember(work, descriptor)
        outcome = context.pass_over(record, descriptor, False)
    except Exception as error:
        work.bear([_fault(error)])
        return
    work.log(summary(outcome))
    work.bear(faults(outcome))


def _remember(work: _Work, descriptor: int) -> Record:
    """The sandbox's record with what this call says of it, written."""
    request, own = work.request, work.settings
    inode = os.fstat(descriptor).st_ino
    found = Record(request.container_id, request.netns, inode, *_pod_of(request))
    gateways = result.gateways(result.previous(request.config), request.ifname)
    attachment = Attachment(request.name, request.ifname, gateways, own.rules)
    try:
        return attach(work.context.sandboxes, found, attachment, own.timeout_seconds)
    except OSError as error:
        raise CniError(Code.RECORD, f"the sandbox's record: {_words(error)}") from None


# ---------------------------------------------------------------- who and where


@contextlib.contextmanager
def _namespace(work: _Work) -> Iterator[int | None]:
    """The checked descriptor of the pod's namespace; None on the host's network: it passes."""
    request, opened = work.request, -1
    if not valid_id(request.container_id):
        raise CniError(
            Code.ENVIRONMENT,
            f"CNI_CONTAINERID: {quote(request.container_id)} is too long for a file's name",
        )
    try:
        if work.call.descriptor < 0:
            opened = open_namespace(request.netns)
        else:
            check_namespace(work.call.descriptor, request.netns)
    except OSError as error:
        if not isinstance(error, HostNamespace):
            raise CniError(Code.NETNS, f"CNI_NETNS: {_words(error)}") from None
        work.log(f"passes: {_words(error)}")
        yield None
        return
    try:
        yield work.call.descriptor if opened < 0 else opened
    finally:
        if opened >= 0:
            os.close(opened)


def _pod_of(request: Request) -> tuple[str, str, str]:
    """Namespace, name and UID by the request's arguments; empty where they are not given."""
    get = request.arguments.get
    return get("K8S_POD_NAMESPACE", ""), get("K8S_POD_NAME", ""), get("K8S_POD_UID", "")


def _is_agent(request: Request, agent: tuple[str, str]) -> bool:
    """Whether it is a pod of the agent's DaemonSet: were it to wait for the agent, both would."""
    namespace, name, _ = _pod_of(request)
    head, _, tail = name.rpartition("-")
    return (namespace, head) == agent and head != "" and len(tail) == _SUFFIX and tail.isalnum()


# ---------------------------------------------------------------- the other verbs


def _del(work: _Work) -> bytes:
    """Never an error: what stays behind is found again once the namespace is gone."""
    request = work.request

    def leaves(each: Attachment) -> bool:
        return each.ifname == request.ifname and request.name in ("", each.network)

    try:
        if valid_id(request.container_id) and detach(
            work.context.sandboxes, request.container_id, leaves
        ):
            work.context.forget(request.container_id)
        work.log("done")
    except Exception as error:
        work.log(f"the record stays for now: {_words(error)}")
    return b""


def _check(work: _Work) -> bytes:
    """Right after an ADD, too (CRI-O): what that ADD was pardoned, is pardoned here."""
    context, request = work.context, work.request
    with _namespace(work) as descriptor:
        if descriptor is None:
            return b""
        record = context.sandboxes.load(request.container_id)
        if record is not None and record.inode not in (0, os.fstat(descriptor).st_ino):
            record = None
        try:
            troubles = _check_table(work, record, descriptor)
        except Exception as error:
            troubles = [_fault(error)]
        work.bear(troubles)
    return b""


def _check_table(work: _Work, record: Record | None, descriptor: int) -> list[CniError]:
    """Judge the kernel against what is wanted now, or alone by what was there."""
    context = work.context
    if context.alone:
        if record is None:
            return []
        looked = context.pass_over(record, descriptor, True)
        return check_applied(record, looked, context.protocol)
    if record is None:
        record = _remember(work, descriptor)
    done = context.pass_over(record, descriptor, False)
    looked = context.pass_over(record, descriptor, True)
    return check_wanted(done, looked) + faults(done)


def _gc(work: _Work) -> bytes:
    valid = _valid_attachments(work.request.config)
    if valid is None:
        work.log("nothing is cleaned: the request has no usable cni.dev/valid-attachments")
        return b""
    context = work.context
    try:
        troubles = collect(context.sandboxes, work.request.name, valid, context.forget)
    except OSError as error:
        troubles = [_words(error)]
    if troubles:
        raise CniError(Code.IO, f"records stay for now: {'; '.join(troubles[:SHOWN])}")
    return b""


def _valid_attachments(config: Mapping[str, object]) -> set[tuple[str, str]] | None:
    """(container id, ifname) of each attachment in use; None: not known, so nothing may go.

    libcni sends the list under a misspelt key, too (containernetworking/cni#1101).
    """
    keys = [k for k in ("cni.dev/valid-attachments", "cni.dev/attachments") if k in config]
    valid: set[tuple[str, str]] = set()
    for key in keys:
        listed = config[key]
        if not isinstance(listed, list):
            return None
        for each in listed:
            container_id = each.get("containerID") if isinstance(each, dict) else None
            ifname = each.get("ifname") if isinstance(each, dict) else None
            if not isinstance(container_id, str) or not isinstance(ifname, str):
                return None
            valid.add((container_id, ifname))
    return valid if keys else None


def _status(work: _Work) -> bytes:
    """Not ready only where an ADD would fail; runtimes ask every few seconds."""
    if work.context.not_ready and work.settings.fail:
        raise CniError(Code.NOT_READY, work.context.not_ready)
    return b""


_VERBS: Mapping[str, Callable[[_Work], bytes]] = {
    "ADD": _add,
    "DEL": _del,
    "CHECK": _check,
    "GC": _gc,
    "STATUS": _status,
}

"""Results: prevResult handed on as it is, and the gateways that it tells of.

Nothing is converted between versions: prevResult comes in the configuration's version, and what
is unknown in it is kept. So later plugins and their CHECK find what earlier ones wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cni_route.address import Address, Prefix
from cni_route.cni.protocol import CniError, Code
from cni_route.document_fields import describe

__all__ = ["gateways", "handed_on", "previous"]


def previous(config: Mapping[str, object]) -> dict[str, object] | None:
    """The configuration's prevResult, None where there is none; CniError where it is no object."""
    result = config.get("prevResult")
    if result is None or isinstance(result, dict):
        return result
    raise CniError(Code.DECODE, f"prevResult: must be a JSON object, not {describe(result)}")


def handed_on(result: Mapping[str, object] | None, version: str) -> bytes:
    """What ADD prints: prevResult, or where there is none an empty result of the version.

    Before 1.0 prevResult may come without its cniVersion; a result must have one.
    """
    body = {"cniVersion": version, "dns": {}} if result is None else dict(result)
    if not isinstance(body.get("cniVersion"), str) or not body["cniVersion"]:
        body["cniVersion"] = version
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can hold
        return json.dumps(body, separators=(",", ":")).encode()


def gateways(result: Mapping[str, object] | None, ifname: str) -> tuple[Address, ...]:
    """The gateways of one NIC, the likeliest first: of its addresses, default routes, routes.

    Whatever is malformed tells nothing; it is not ours to judge.
    """
    if result is None:
        return ()
    found = _old_form(result) if "ip4" in result or "ip6" in result else _of_nic(result, ifname)
    return tuple(dict.fromkeys(address for address in found if any(address)))


def _old_form(result: Mapping[str, object]) -> Iterator[Address]:
    """Versions 0.1.0 and 0.2.0: one NIC, one address a family, and no interfaces."""
    halves = [half for half in (result.get("ip4"), result.get("ip6")) if isinstance(half, dict)]
    for half in halves:
        yield from _address(half.get("gateway"))
    for half in halves:
        yield from _routed(half.get("routes"))


def _of_nic(result: Mapping[str, object], ifname: str) -> Iterator[Address]:
    """Versions from 0.3.0: an address names its interface by index; a route names none."""
    pods = _pod_interfaces(result)
    ips = [
        ip
        for ip in _objects(result.get("ips"))
        if ip.get("interface") is None or pods.get(_index(ip["interface"])) == ifname
    ]
    for ip in ips:
        yield from _address(ip.get("gateway"))
    networks = [network for ip in ips for network in _network(ip.get("address"))]
    alone = all(name == ifname for name in pods.values())
    for gateway in _routed(result.get("routes")):
        if alone or any(network.contains(gateway) for network in networks):
            yield gateway


def _pod_interfaces(result: Mapping[str, object]) -> dict[int, str]:
    """Names of the interfaces in the pod by their index; those on the host have no sandbox."""
    listed = result.get("interfaces")
    return {
        index: str(each.get("name"))
        for index, each in enumerate(listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and each.get("sandbox")
    }


def _routed(routes: object) -> Iterator[Address]:
    """Gateways of routes, the default routes' first."""
    entries = list(_objects(routes))
    for default in (True, False):
        for entry in entries:
            if str(entry.get("dst")).endswith("/0") is default:
                yield from _address(entry.get("gw"))


def _objects(listed: object) -> Iterator[dict[str, object]]:
    if isinstance(listed, list):
        yield from (each for each in listed if isinstance(each, dict))


def _index(number: object) -> int:
    return number if isinstance(number, int) else -1


def _address(text: object) -> Iterator[Address]:
    if isinstance(text, str):
        try:
            yield Address.parse(text)
        except ValueError:
            return


def _network(text: object) -> Iterator[Prefix]:
    """The network of an interface's address, which has host bits."""
    if isinstance(text, str):
        address, _, length = text.partition("/")
        for parsed in _address(address):
            if length.isdecimal() and int(length[:4]) <= parsed.bits:
                yield Prefix.masked(parsed, int(length[:4]))

"""Which pod a person means by [NAMESPACE/]NAME."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["UnknownPod", "find"]

MAX_NAMED = 5  # names that one sentence lists


class UnknownPod(LookupError):
    """No pod or several are meant; str() is a sentence that lists the near names."""


def find(text: str, pods: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The one (namespace, name) that `text` means among `pods`, or UnknownPod.

    A name without a namespace is looked for in all of them, as a node has few pods.
    """
    known = sorted(set(pods))
    namespace, slash, name = text.rpartition("/")
    meant = [pod for pod in known if pod[1] == name and (not slash or pod[0] == namespace)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UnknownPod(f"There are several pods named {name}: {_list(meant)}; name one of them.")
    if not known:
        raise UnknownPod(f"There is no pod {text!r}: no pod of this node is known yet.")
    near = _near(text, known)
    if near:
        raise UnknownPod(
            f"There is no pod {text!r} on this node; did you mean {_list(near, 'or')}?"
        )
    raise UnknownPod(f"There is no pod {text!r} on this node; there are {_list(known)}.")


def _near(text: str, known: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pods of that name elsewhere, whose name contains it, or that are spelt nearly so."""
    import difflib  # noqa: PLC0415 - costs a fifth of a command's start, and is seldom needed

    name = text.rpartition("/")[2]
    holding = [pod for pod in known if name and name in pod[1]]
    spelt = difflib.get_close_matches(name, [pod[1] for pod in known], n=MAX_NAMED)
    return holding or [pod for pod in known if pod[1] in spelt]


def _list(pods: list[tuple[str, str]], last: str = "and") -> str:
    names = ["/".join(pod) for pod in pods[:MAX_NAMED]]
    if len(pods) > MAX_NAMED:
        names.append(f"{len(pods) - MAX_NAMED} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"

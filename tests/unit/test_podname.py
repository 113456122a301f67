"""Which pod a person means."""

from __future__ import annotations

import pytest

from sync_service.podname import UnknownPod, find

PODS = [("default", "web-1"), ("default", "db"), ("prod", "web-1"), ("prod", "cache")]


@pytest.mark.parametrize(
    ("text", "pod"),
    [
        ("db", ("default", "db")),
        ("default/db", ("default", "db")),
        ("prod/web-1", ("prod", "web-1")),
        ("cache", ("prod", "cache")),
    ],
)
def test_one_pod_is_meant(text: str, pod: tuple[str, str]) -> None:
    assert find(text, PODS) == pod


def test_two_sandboxes_of_a_pod_are_one_pod() -> None:
    assert find("db", [("default", "db"), ("default", "db")]) == ("default", "db")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "web-1",
            "There are several pods named web-1: default/web-1 and prod/web-1; name one of them.",
        ),
        ("prod/db", "There is no pod 'prod/db' on this node; did you mean default/db?"),
        (
            "web",
            "There is no pod 'web' on this node; did you mean default/web-1 or prod/web-1?",
        ),
        ("cahce", "There is no pod 'cahce' on this node; did you mean prod/cache?"),
        (
            "nothing",
            "There is no pod 'nothing' on this node; there are default/db, default/web-1,"
            " prod/cache and prod/web-1.",
        ),
        (
            "",
            "There is no pod '' on this node; there are default/db, default/web-1, prod/cache"
            " and prod/web-1.",
        ),
        ("a/b/db", "There is no pod 'a/b/db' on this node; did you mean default/db?"),
    ],
)
def test_none_or_several(text: str, sentence: str) -> None:
    with pytest.raises(UnknownPod) as caught:
        find(text, PODS)
    assert str(caught.value) == sentence


def test_many_pods_are_not_all_listed() -> None:
    with pytest.raises(UnknownPod, match=r"default/pod-103, default/pod-104 and 195 more\.$"):
        find("x", [("default", f"pod-{number}") for number in range(100, 300)])


def test_no_pod_at_all() -> None:
    with pytest.raises(UnknownPod, match="no pod of this node is known yet"):
        find("web", [])

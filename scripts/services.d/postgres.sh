# shellcheck shell=bash
# PostgreSQL: a cluster of our own with wal_level=logical, from Debian's package.
# Sourced by scripts/services, which sets `root` and `state`.
# shellcheck disable=SC2154

# PostgreSQL refuses to run as root: then it runs as the user that Debian's package makes.
postgres_user=postgres

# Prints the directory of initdb and postgres, after installing them if need be.
postgres_binaries() {
    if [[ -n ${CHANGECAST_TEST_POSTGRES_BIN:-} ]]; then
        [[ -x $CHANGECAST_TEST_POSTGRES_BIN/initdb ]] ||
            die "CHANGECAST_TEST_POSTGRES_BIN holds no initdb: $CHANGECAST_TEST_POSTGRES_BIN"
        printf '%s\n' "$CHANGECAST_TEST_POSTGRES_BIN"
        return
    fi
    postgres_newest || { apt_install postgresql && postgres_newest; } ||
        die "there is no initdb in /usr/lib/postgresql/*/bin"
}

postgres_newest() {
    local newest
    newest=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) || return 1
    [[ -n $newest ]] && dirname "$newest"
}

# Runs a command as whom PostgreSQL may be.
postgres_as() {
    if ((EUID == 0)); then
        setpriv --reuid="$postgres_user" --regid="$postgres_user" --clear-groups "$@"
    else
        "$@"
    fi
}

# Prints the pid of our server, if it runs: after a crash the number may belong to another process.
postgres_pid() {
    local pid
    pid=$(head -n 1 "$state/postgres/data/postmaster.pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    # The process may end at any moment, and one that is dead but not reaped has no arguments.
    { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null |
        grep -qxF -- "$state/postgres/data" || return 1
    printf '%s\n' "$pid"
}

postgres_up() {
    local dir=$state/postgres binaries pid attempt
    if pid=$(postgres_pid) && [[ -s $dir/port ]]; then
        say "postgres: already running on port $(cat "$dir/port"), pid $pid"
        return
    fi
    binaries=$(postgres_binaries)
    have python3 || apt_install python3
    # Another process may take the port between our choice and the server's start.
    for attempt in 1 2 3; do
        postgres_down
        postgres_start "$binaries" && return
        say "postgres: attempt $attempt did not succeed"
    done
    tail -n 20 "$dir/start" "$dir/log" >&2 || true
    die "PostgreSQL does not start: its last words are above, all of them in $dir"
}

postgres_start() {
    local dir=$state/postgres binaries=$1 port
    mkdir -p "$dir"
    install -d -m 700 "$dir/data"
    ((EUID != 0)) || chown "$postgres_user:" "$dir/data"
    postgres_as test -x "$dir/data" ||
        die "the user $postgres_user cannot reach $dir: name another place by CHANGECAST_SERVICES_DIR"
    port=$(free_port)
    # From its own directory, since ours may be closed to that user.
    (cd / && LC_ALL=C.UTF-8 postgres_as "$binaries/initdb" --pgdata "$dir/data" \
        --username postgres --auth trust --encoding UTF8 --no-sync) >"$dir/start" 2>&1 || return 1
    postgres_configure "$port" >>"$dir/data/postgresql.conf"
    (cd / && LC_ALL=C.UTF-8 postgres_as setsid "$binaries/postgres" -D "$dir/data") \
        >"$dir/log" 2>&1 </dev/null 9<&- &
    postgres_wait_start "$binaries" "$port" || return 1
    printf '%s\n' "$port" >"$dir/port"
    say "postgres: $("$binaries/postgres" --version) on port $port, pid $(postgres_pid)"
}

# The tests kill servers, not the machine: what the system has in memory is safe enough.
postgres_configure() {
    cat <<CONFIGURATION
listen_addresses = '127.0.0.1'
port = $1
unix_socket_directories = ''
wal_level = logical
max_wal_senders = 100
max_replication_slots = 1000
max_slot_wal_keep_size = 2GB
max_connections = 300
shared_buffers = 32MB
fsync = off
CONFIGURATION
}

# Waits for at most 15 s until it answers.
postgres_wait_start() {
    local turn
    for ((turn = 0; turn < 300; turn++)); do
        "$1/pg_isready" --quiet --username postgres --host 127.0.0.1 --port "$2" && return 0
        sleep 0.05
    done
    return 1
}

postgres_down() {
    local pid
    if pid=$(postgres_pid); then
        # An immediate end: its data goes anyway.
        kill -QUIT "$pid" 2>/dev/null || true
        postgres_wait_end 200 || kill -KILL "$pid" 2>/dev/null || true
        postgres_wait_end 100 || die "PostgreSQL, pid $pid, does not end"
        say "postgres: stopped"
    fi
    rm -rf "$state/postgres"
}

# Waits for at most $1 × 50 ms. The process is no child of ours, so `wait` cannot be used.
postgres_wait_end() {
    local turn
    for ((turn = 0; turn < $1; turn++)); do
        postgres_pid >/dev/null || return 0
        sleep 0.05
    done
    return 1
}

postgres_status() {
    local pid
    if pid=$(postgres_pid) && [[ -s $state/postgres/port ]]; then
        say "postgres: running on port $(cat "$state/postgres/port"), pid $pid"
    elif [[ -d $state/postgres ]]; then
        say "postgres: died, or did not finish starting; its log is $state/postgres/log"
        return 1
    else
        say "postgres: not running"
        return 1
    fi
}

postgres_env() {
    local binaries url user=
    binaries=$(postgres_binaries)
    url="postgres://postgres@127.0.0.1:$(cat "$state/postgres/port")"
    ((EUID != 0)) || user=$postgres_user
    printf 'export CHANGECAST_TEST_POSTGRES=%s\n' "${url@Q}"
    printf 'export CHANGECAST_TEST_POSTGRES_BIN=%s\n' "${binaries@Q}"
    printf 'export CHANGECAST_TEST_POSTGRES_USER=%s\n' "${user@Q}"
}

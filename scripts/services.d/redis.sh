# shellcheck shell=bash
# Redis: one server without persistence, on the loopback. Sourced by scripts/services, which sets
# `root` and `state`. Tests that kill or trim start their own by CHANGECAST_TEST_REDIS_SERVER.
# shellcheck disable=SC2154

# Prints the path of a redis-server, after installing it if need be.
redis_binary() {
    if [[ -n ${CHANGECAST_TEST_REDIS_SERVER:-} ]]; then
        [[ -x $CHANGECAST_TEST_REDIS_SERVER ]] ||
            die "CHANGECAST_TEST_REDIS_SERVER is not an executable: $CHANGECAST_TEST_REDIS_SERVER"
        printf '%s\n' "$CHANGECAST_TEST_REDIS_SERVER"
        return
    fi
    if have redis-server; then
        command -v redis-server
        return
    fi
    # Debian's redis-server package would start a server of its own. The program itself is in
    # redis-tools, where it does whatever the name says that it is called by.
    have redis-check-rdb || apt_install redis-tools
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/changecast
    mkdir -p "$cache"
    ln -sfn "$(command -v redis-check-rdb)" "$cache/redis-server"
    printf '%s\n' "$cache/redis-server"
}

# Prints the pid of our server, if it runs: after a crash the number may belong to another process,
# which does not stand in our directory.
redis_pid() {
    local pid
    pid=$(cat "$state/redis/pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$state/redis" ]] || return 1
    printf '%s\n' "$pid"
}

redis_up() {
    local dir=$state/redis binary pid attempt
    if pid=$(redis_pid) && [[ -s $dir/port ]]; then
        say "redis: already running on port $(cat "$dir/port"), pid $pid"
        return
    fi
    binary=$(redis_binary)
    have python3 || apt_install python3
    # Another process may take the port between our choice and the server's start.
    for attempt in 1 2 3; do
        redis_down
        redis_start "$binary" && return
        say "redis: attempt $attempt did not succeed"
    done
    tail -n 20 "$dir/log" >&2 || true
    die "redis-server does not start: its last words are above"
}

redis_start() {
    local dir=$state/redis binary=$1 port turn
    mkdir -p "$dir"
    port=$(free_port)
    LC_ALL=C "$binary" --bind 127.0.0.1 --port "$port" --dir "$dir" --pidfile "$dir/pid" \
        --logfile "$dir/log" --save "" --appendonly no --daemonize yes 9<&- || return 1
    # It answers only once it listens; before, the connection is refused.
    for ((turn = 0; turn < 200; turn++)); do
        if redis_answers "$port"; then
            printf '%s\n' "$port" >"$dir/port"
            say "redis: $("$binary" --version | cut -d ' ' -f 1-3) on port $port, pid $(redis_pid)"
            return
        fi
        sleep 0.05
    done
    return 1
}

redis_answers() {
    local answer
    { exec 7<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf 'PING\r\n' >&7
    read -r -t 2 answer <&7 || answer=
    exec 7<&-
    [[ $answer == +PONG* ]] && redis_pid >/dev/null
}

redis_down() {
    local pid turn
    if pid=$(redis_pid); then
        kill "$pid" 2>/dev/null || true
        for ((turn = 0; turn < 200; turn++)); do
            redis_pid >/dev/null || break
            sleep 0.05
        done
        redis_pid >/dev/null && die "redis-server, pid $pid, does not end"
        say "redis: stopped"
    fi
    rm -rf "$state/redis"
}

redis_status() {
    local pid
    if pid=$(redis_pid) && [[ -s $state/redis/port ]]; then
        say "redis: running on port $(cat "$state/redis/port"), pid $pid"
    elif [[ -d $state/redis ]]; then
        say "redis: died, or did not finish starting; its log is $state/redis/log"
        return 1
    else
        say "redis: not running"
        return 1
    fi
}

redis_env() {
    local binary
    binary=$(redis_binary)
    printf 'export CHANGECAST_TEST_REDIS=%s\n' "redis://127.0.0.1:$(cat "$state/redis/port")/0"
    printf 'export CHANGECAST_TEST_REDIS_SERVER=%s\n' "${binary@Q}"
}

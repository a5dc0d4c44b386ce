# shellcheck shell=bash disable=SC2154,SC2164 # sourced by e2e/cluster, which sets what is not set here
# The daemons of e2e/cluster: started into its network namespace, told from other processes, waited for, killed.
# A process is ours by its recorded id *and* start time; nothing is ever killed by its name.

# The start time of a live process, in clock ticks since boot; nothing if it is gone or a zombie. With the boot's id, it
# tells a process from a later one of the same number.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -ra stat <<<"${stat##*) }"      # what follows the name, which may hold anything: state, then 18 fields, then it
  [[ ${stat[0]} == [ZX] ]] || echo "${stat[19]}"
}

# The id of a daemon that this cluster started and that still lives; fails if there is none.
daemon() {
  local pid start boot
  [ -s "$dir/pid/$1" ] && read -r pid start boot <"$dir/pid/$1" || return 1
  [ "$boot" = "$(</proc/sys/kernel/random/boot_id)" ] && [ "$(start_time "$pid")" = "$start" ] || return 1
  echo "$pid"
}

all_alive() { # names of daemons
  local name
  for name in "$@"; do daemon "$name" >/dev/null || return 1; done
  [ -e "/run/netns/$netns" ]
}

start() { # name of a daemon, its arguments
  local name=$1; shift
  # The process itself records what it is and then becomes the daemon: an `up` that is killed in between loses none.
  rm -f "$dir/pid/$name"
  (
    exec </dev/null >>"$dir/log/$name.log" 2>&1 9<&-
    pid=$BASHPID                       # which inside $(...) is another one
    echo "$pid $(start_time "$pid") $(</proc/sys/kernel/random/boot_id)" >"$dir/pid/$name"
    cd "$dir"
    inside_exec setsid "$(program "$name")" "$@"
  ) &
  until [ -s "$dir/pid/$name" ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
  disown $! 2>/dev/null || true
}

# Killed, not asked: it takes some of them seconds to say goodbye, and there is nothing to save.
kill_daemons() { # names
  local name pid
  for name in "$@"; do
    pid=$(daemon "$name") || continue
    kill -KILL "$pid" 2>/dev/null || true
    while daemon "$name" >/dev/null; do sleep 0.02; done
  done
  # What is stopped on purpose is not to be taken for something that died.
  for name in "$@"; do rm -f "$dir/pid/$name"; done
}

# Runs a command in the namespace. A proxy, which could not be reached from there, must not be tried.
inside() { ( inside_exec "$@" ); }
inside_exec() {
  unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
  exec nsenter --net="/run/netns/$netns" "$@"
}

await() { # name of the daemon that is waited for, what for, command that tells
  local name=$1 what=$2 other deadline=$((SECONDS + 120)); shift 2
  until "$@" >/dev/null 2>&1; do
    for other in "${DAEMONS[@]}"; do
      [ ! -e "$dir/pid/$other" ] || daemon "$other" >/dev/null || blame "$other" "$other died"
    done
    [ $SECONDS -lt $deadline ] || blame "$name" "$name: no $what after 120 s"
    sleep 0.1
  done
}

blame() { # the daemon whose log is shown, the reason
  say "the end of $1's log:"
  tail -n 40 "$dir/log/$1.log" >&2
  die "$2"
}

# Those in the namespace that are neither our daemons nor of our pods: "id name" lines.
foreign_processes() {
  local pid name ours=" "
  for name in "${DAEMONS[@]}"; do ours+="$(daemon "$name" || true) "; done
  for pid in $(shims) $(pod_processes); do ours+="$pid "; done
  for pid in $(ip netns pids "$netns" 2>/dev/null); do
    [[ $ours == *" $pid "* || $pid == "$$" ]] || echo "$pid $(cat "/proc/$pid/comm" 2>/dev/null || echo gone)"
  done
}

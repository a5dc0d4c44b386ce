# shellcheck shell=bash disable=SC2154,SC2164 # sourced by e2e/cluster, which sets what is not set here
# Images for the node without a builder and without a registry: a program, the libraries it is linked to, certificates.
# They are laid out as those of the Dockerfile are: same paths, same user, no shell.

readonly REGISTRY=registry.local USER_ID=65532

make_pause_image() {
  local root=$dir/images/pause
  umask 022
  mkdir -p "$root"
  quietly cc -static -O2 -s -o "$root/pause" "$here/cluster.d/pause.c"
  quietly python3 "$here/cluster.d/image.py" "$root" "$REGISTRY/pause:1" "$root.tar" --entrypoint /pause
  umask 077
  quietly load_archive "$root.tar"
}

load_archive() { ctr images import "$1"; }

# Makes both images from the programs in a folder and loads them into the node.
images() {
  local programs=${1:-} gateway
  need_node
  if [ -z "$programs" ]; then programs=$("$here/../deploy/build" | tail -n 1); fi
  [[ -x $programs/route-switch && -x $programs/route-switch-operator ]] ||
    die "$programs does not hold route-switch and route-switch-operator; build them: deploy/build (prints the folder)"
  umask 022
  make_image gateway "$programs/route-switch" /var/lib/route-switch &
  gateway=$!
  make_image operator "$programs/route-switch-operator"
  wait "$gateway" || die "the image of the gateway could not be made"
  load_archive "$dir/images/gateway.tar" >/dev/null
  load_archive "$dir/images/operator.tar" >/dev/null
}

make_image() { # name, program, a folder that it writes to
  local root=$dir/images/$1 program=$2 data=${3:-} owned=() library place
  rm -rf "$root"
  mkdir -p "$root"/{etc/ssl/certs,tmp,usr/local/bin}
  chmod 1777 "$root/tmp"
  # Line numbers stay in the build's folder: names of functions are enough for a backtrace, and they are a tenth of it.
  strip --strip-debug -o "$root/usr/local/bin/${program##*/}" "$program"
  while read -r library place; do
    # What lies beside the program stays beside it; the rest is where the system's loader looks.
    [ "${place%/*}" != "${program%/*}" ] || library=usr/local/bin/$library
    [ "${place%/*}" = "${program%/*}" ] || library=$place
    mkdir -p "$root/$(dirname "$library")"
    cp -L "$place" "$root/$library"
  done < <(libraries_of "$program")
  cp -L "$(authorities)" "$root/etc/ssl/certs/ca-certificates.crt"
  printf '%s\n' root:x:0:0:root:/:/sbin/nologin "route-switch:x:$USER_ID:$USER_ID:route-switch:/:/sbin/nologin" >"$root/etc/passwd"
  printf '%s\n' root:x:0: "route-switch:x:$USER_ID:" >"$root/etc/group"
  echo "hosts: files dns" >"$root/etc/nsswitch.conf"
  if [ -n "$data" ]; then
    install -d -m 0750 "$root$data"
    owned=(--owned "$data")
  fi
  python3 "$here/cluster.d/image.py" "$root" "$REGISTRY/route-switch/$1:e2e" "$root.tar" \
    --entrypoint "/usr/local/bin/${program##*/}" --user "$USER_ID:$USER_ID" "${owned[@]}"
  rm -rf "$root"
}

# The shared libraries of a program: "name path" lines, the loader among them.
libraries_of() {
  local said
  said=$(env -u LD_LIBRARY_PATH ldd "$1")
  [[ $said != *"not found"* ]] || die "a library of $1 is missing: $said"
  sed -nE 's/^\s*(\S+) => (\/\S+) \(.*/\1 \2/p; s/^\s*(\/\S+) \(.*/\1 \1/p' <<<"$said"
}

authorities() {
  local file
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    if [ -e "$file" ]; then echo "$file"; return; fi
  done
  die "the list of certificate authorities is missing: apt-get install ca-certificates"
}

need_node() {
  is_marked || die "no cluster is up in $dir; first: $0 up full"
  [ "$level" = full ] || die "the cluster in $dir has no node; take it down, then: $0 up full"
  daemon containerd >/dev/null || die "the node is stopped; first: $0 node start"
}

load() {
  need_node
  [ -f "$1" ] || die "no such archive of an image: $1"
  load_archive "$1"
}

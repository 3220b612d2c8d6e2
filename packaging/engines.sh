#!/bin/sh
# Installs and starts what the engine tests need on a bare Debian 12: a Docker engine, a registry on loopback and
# a D-Bus session with an unlocked Secret Service; and installs Xvfb, which tests start for themselves, and
# iproute2, by which they make network namespaces. Prints the variables that lead to them:
#
#     eval "$(sh packaging/engines.sh)"
#
# Everything that runs already is left alone, so it may be called again and again. Installing and starting
# needs root; another user gets the exports of what runs, and is told what is missing.
set -eu
state="${GPN_ENGINES_STATE:-/var/lib/gpn-engines}"
registry="${GPN_REGISTRY:-127.0.0.1:5000}"
packages="docker.io docker-registry dbus gnome-keyring xvfb iproute2"
failed=0

say() { echo "engines: $*" >&2; }

# until_ready NAME LOG COMMAND...: polls COMMAND for at most 30 s; shows the end of LOG where it never succeeds.
until_ready() {
    name="$1" log="$2" tries=300
    shift 2
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ]; then
            say "$name did not become ready in 30 s; the end of its log:"
            tail -n 15 "$log" >&2 || true
            return 1
        fi
        sleep 0.1
    done
}

# launch LOG COMMAND...: a background process that outlives this script and holds none of its files.
launch() {
    log="$1"
    shift
    setsid "$@" </dev/null >"$log" 2>&1 &
}

docker_ready() { docker version; }

registry_ready() {
    python3 -c 'import sys, urllib.request; urllib.request.urlopen("http://" + sys.argv[1] + "/v2/", timeout=2)' \
        "$registry"
}

bus_ready() {
    [ -n "${DBUS_SESSION_BUS_ADDRESS:-}" ] &&
        dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId
}

# Asking the service itself would make the bus start one with a locked keyring; so its name is looked up first.
secrets_ready() {
    bus_ready && dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
        org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q 'boolean true' &&
        dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets/aliases/default \
            org.freedesktop.DBus.Properties.Get string:org.freedesktop.Secret.Collection string:Locked |
        grep -q 'boolean false'
}

install_packages() {
    missing=""
    for package in $packages; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    apt-get update -qq >&2
    # shellcheck disable=SC2086  # a list of words is meant
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    # Where systemd runs, the package starts a registry of its own on the same port, which demands htpasswd.
    case "$missing" in
        *docker-registry*) if [ -d /run/systemd/system ]; then systemctl disable --quiet --now docker-registry; fi ;;
    esac
}

start_docker() {
    docker_ready >/dev/null 2>&1 && return 0
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ] && [ ! -d /sys/fs/cgroup/memory ]; then
        # A container's root without cgroups: dockerd refuses to start there.
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends cgroupfs-mount >/dev/null
        cgroupfs-mount
    fi
    launch "$state/dockerd.log" dockerd
    until_ready "Docker" "$state/dockerd.log" docker_ready
}

start_registry() {
    registry_ready >/dev/null 2>&1 && return 0
    # The stock configuration demands htpasswd.
    cat >"$state/registry.yml" <<YAML
version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: $state/registry}
  delete: {enabled: true}
http: {addr: "$registry"}
YAML
    launch "$state/registry.log" docker-registry serve "$state/registry.yml"
    until_ready "The registry" "$state/registry.log" registry_ready
}

start_bus() {
    bus_ready >/dev/null 2>&1 && return 0
    DBUS_SESSION_BUS_ADDRESS="unix:path=$state/bus"
    export DBUS_SESSION_BUS_ADDRESS
    bus_ready >/dev/null 2>&1 && return 0
    rm -f "$state/bus"
    launch "$state/dbus.log" env HOME="$state/home" dbus-daemon --session --nofork "--address=$DBUS_SESSION_BUS_ADDRESS"
    until_ready "D-Bus" "$state/dbus.log" bus_ready
}

start_secrets() {
    secrets_ready >/dev/null 2>&1 && return 0
    # A home of its own: the keyring of whoever runs this is never touched. --unlock reads the password.
    printf 'gpn-test' | HOME="$state/home" XDG_DATA_HOME="$state/home" XDG_RUNTIME_DIR="$state/home" \
        gnome-keyring-daemon --replace --daemonize --unlock --components=secrets >"$state/keyring.log" 2>&1
    until_ready "The Secret Service" "$state/keyring.log" secrets_ready
}

attempt() { "$@" || failed=1; }

if [ "$(id -u)" = 0 ]; then
    install -d -m 700 "$state" "$state/home"
    install_packages
    attempt start_docker
    attempt start_registry
    attempt start_bus
    attempt start_secrets
else
    docker_ready >/dev/null 2>&1 || say "no Docker engine answers: install docker.io and join the group docker"
    registry_ready >/dev/null 2>&1 || say "no registry answers at $registry: start docker-registry there"
    secrets_ready >/dev/null 2>&1 || say "no Secret Service on the session bus: start gnome-keyring"
fi

if docker_ready >/dev/null 2>&1 && [ -n "${DOCKER_HOST:-}" ]; then echo "export DOCKER_HOST='$DOCKER_HOST'"; fi
if registry_ready >/dev/null 2>&1; then echo "export GPN_REGISTRY='$registry'"; fi
if bus_ready >/dev/null 2>&1; then echo "export DBUS_SESSION_BUS_ADDRESS='$DBUS_SESSION_BUS_ADDRESS'"; fi
exit "$failed"

# shellcheck shell=bash
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by scripts that install packages (Debian and Ubuntu).  Never decides
# who may install: who calls says which command makes apt-get root.

# How long another program may hold a lock of the package system, in seconds;
# how long to wait between two looks.
packages_limit=${PACKAGES_LIMIT:-600}
packages_pause=${PACKAGES_PAUSE:-3}

# packages_missing NAME...: those that are not installed, one a line.
packages_missing()
{
    local name

    for name in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$name" 2>/dev/null \
            | grep -qx installed || printf '%s\n' "$name"
    done
}

# packages_holder LOG: who holds the lock for which apt-get ended; fails where
# it did not end for a lock.
packages_holder()
{
    local line

    line=$(grep -m 1 -E 'Could not get lock|Unable to (acquire|lock) |frontend lock was locked' \
        "$1") || return 1
    if [[ $line =~ lock\ (/[^ ]*[^ .]).*process\ ([0-9]+)\ \((.*)\) ]]; then
        echo "${BASH_REMATCH[3]} (process ${BASH_REMATCH[2]}), which holds" \
            "${BASH_REMATCH[1]}"
    else
        echo "another program: $line"
    fi
}

# packages_apt LOG COMMAND...: an apt-get, again and again while another program
# holds a lock; 75 where that lasts too long.  (DPkg::Lock::Timeout makes apt-get
# wait for dpkg's lock, but neither for that of the lists nor for that of the
# archives.)
packages_apt()
{
    local log=$1 holder told='' end=$((SECONDS + packages_limit))

    shift
    until "${packages_as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        apt-get -q "$@" >"$log" 2>&1 </dev/null; do
        holder=$(packages_holder "$log") || return 1
        if [ $SECONDS -ge $end ]; then
            echo "waited $packages_limit seconds for $holder" >>"$log"
            return 75
        fi
        [ -n "$told" ] || echo "waiting for $holder"
        told=1
        sleep "$packages_pause"
    done
}

# packages_install LOG NAME...: as root, or by the command in the array
# packages_as_root.  The end of what went wrong is in LOG.  Lists that cannot be
# brought up to date may be good enough.
packages_as_root=()
packages_install()
{
    local log=$1 rc=0

    shift
    packages_apt "$log" update || rc=$?
    [ "$rc" -ne 75 ] || return 1
    packages_apt "$log" -y install --no-install-recommends "$@"
}

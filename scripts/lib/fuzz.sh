# shellcheck shell=bash disable=SC2154 # step, show and these are the caller's
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The fuzzers of test/fuzz, for scripts/check: built by clang from $src into
# $work, and run for $fuzz_s seconds each (ten without it).

# fuzz NAME SOURCES-AND-LIBRARIES...: new octets every time, for ten seconds; an
# input that breaks something is shown in base64.  All at once, until fuzz_end;
# by --fuzz one by one, each with the number of its runs.
fuzzers=()
fuzz() {
    if [ -n "$fuzz_s" ]; then
        fuzz_one "$@"
        sed -n 's/^Done /    /p' "$work/log/fuzz-$1" | show
    else
        fuzz_one "$@" & fuzzers+=($!)
    fi
}
fuzz_end() { [ ${#fuzzers[@]} -eq 0 ] || wait "${fuzzers[@]}"; }

fuzz_one() {
    local name=$1 flags corpus=$work/fuzz-$1.d faults=1

    # The index handles faults itself, and keeps what a fault has left.
    [ "$name" != index ] || faults=0
    shift
    flags=$(apr-1-config --includes --cppflags)
    mkdir -p "$corpus" && cp "$src/test/fuzz/seeds/$name"* "$corpus" 2>/dev/null
    # shellcheck disable=SC2086
    step "fuzz: $name" "${gently[@]}" sh -c '
        cd "$0" && name=$1 && work=$2 && faults=$3 && seconds=$4 && shift 4 \
        && clang -g -O1 -fsanitize=fuzzer,address,undefined \
            -fno-sanitize-recover=all -D_GNU_SOURCE -I. -Iinclude -Icli \
            -DVLD_SERVER_GROUP="\"www-data\"" \
            -DVLD_DEFAULT_INDEX="\"/nowhere/validators.mdb\"" \
            "test/fuzz/fuzz_$name.c" "$@" -o "$work/fuzz-$name" \
        && ASAN_OPTIONS=detect_leaks=$faults:handle_segv=$faults:handle_sigbus=$faults:handle_sigfpe=$faults \
            "$work/fuzz-$name" "$work/fuzz-$name.d" -max_total_time="$seconds" \
            -max_len=2000 -artifact_prefix="$work/" -rss_limit_mb=4096 \
            -handle_segv="$faults" -handle_bus="$faults" \
            -handle_fpe="$faults" >"$work/log/fuzz-$name" 2>&1 \
        || { cat "$work/log/fuzz-$name"; exit 1; }' \
        "$src" "$name" "$work" "$faults" "${fuzz_s:-10}" $flags "$@"
}

run_fuzzers() {
    local digest="content/digest.c -lcrypto -lxxhash -lapr-1 -llmdb" access
    local names="content/promise.c content/identity.c $digest"

    access="server/access/foreign_directives.c server/access/note*.c
        server/access/variables.c server/access/kept_fields.c
        server/access/conditions.c server/access/filters.c server/config.c
        -I$(apxs -q INCLUDEDIR) -lapr-1"
    fuzz precond precond/date.c precond/etag.c precond/evaluate.c
    fuzz answers answers/codec.c
    fuzz wanted wanted/*.c slots/slots.c -lxxhash
    fuzz field_list server/request/field_list.c
    # shellcheck disable=SC2086
    fuzz directives $access server/arguments.c
    # shellcheck disable=SC2086
    fuzz filters $access
    # shellcheck disable=SC2086
    fuzz record index/record.c $names
    # shellcheck disable=SC2086
    fuzz index index/*.c content/[!d]*.c content/dates.c $digest
    # shellcheck disable=SC2086
    fuzz manifest cli/manifest.c $names
    fuzz_end
}

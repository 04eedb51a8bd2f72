#!/usr/bin/env bash
# GSSAPI (zmq_gssapi(7)) between this library, built with its feature `gssapi`, and the system's libzmq, which has to have it, in both
# roles, with a Kerberos realm of its own.
#
#   bash tests/gssapi.sh [LIBRARY]
#
# Without a library it builds one, in its own target folder. The realm's files, its key distribution centre on a port of 127.0.0.1 and
# the tickets live in a temporary folder; nothing of the system's configuration is read or changed. It installs what is missing (as
# root): Debian's krb5-kdc, krb5-admin-server, krb5-user, libkrb5-dev, libclang-dev (the bindings are generated) and libzmq3-dev.
# MONOCOQUE_DRIVER chooses the driver. The last line is the count; the exit code is 0 only if nothing failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
PATH=$PATH:/usr/sbin
realm=MONOCOQUE.TEST
packages=(krb5-kdc krb5-admin-server krb5-user libkrb5-dev libclang-dev libzmq3-dev pkg-config gcc)
missing=()
for package in "${packages[@]}"; do
    dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" > /dev/null
fi

if [ $# -gt 0 ]; then
    ours=$(realpath "$1")
else
    target=${CARGO_TARGET_DIR:-$root/target}/gssapi
    cargo build --manifest-path "$root/Cargo.toml" --target-dir "$target" --release --features gssapi
    ours=$target/release/libmonocoque.so
fi

work=$(mktemp -d)
kdc=
server=
finish() {
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    [ -z "$kdc" ] || kill "$kdc" 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# --- The realm.

free_port() {
    local port
    for port in $(shuf -i 20000-30000 -n 100); do
        if ! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
            echo "$port"
            return
        fi
    done
    return 1
}

port=$(free_port)
export KRB5_CONFIG=$work/krb5.conf KRB5_KDC_PROFILE=$work/kdc.conf KRB5RCACHENAME="file2:$work/replay"
cat > "$KRB5_CONFIG" << END
[libdefaults]
    default_realm = $realm
    dns_lookup_realm = false
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    $realm = {
        kdc = 127.0.0.1:$port
    }
END
cat > "$KRB5_KDC_PROFILE" << END
[kdcdefaults]
    kdc_listen = 127.0.0.1:$port
    kdc_tcp_listen = 127.0.0.1:$port
[realms]
    $realm = {
        database_name = $work/principal
        key_stash_file = $work/stash
    }
END

admin() {
    kadmin.local -q "$*" > "$work/admin.log" 2>&1 || { cat "$work/admin.log"; return 1; }
}

kdb5_util create -s -r "$realm" -P "$(head -c 24 /dev/urandom | base64)" > /dev/null 2>&1
for principal in zmq/localhost other/localhost alice; do
    admin addprinc -randkey "$principal"
done
# libzmq takes credentials for both directions whatever it is: a server has tickets as well, and a client a key table.
admin ktadd -k "$work/server.keytab" zmq/localhost other/localhost
admin ktadd -k "$work/client.keytab" alice
krb5kdc -n -P "$work/kdc.pid" > "$work/kdc.log" 2>&1 &
kdc=$!
for attempt in $(seq 100); do
    KRB5CCNAME=FILE:$work/client.cc kinit -k -t "$work/client.keytab" alice 2> "$work/kinit.log" && break
    [ "$attempt" -lt 100 ] || { cat "$work/kinit.log" "$work/kdc.log"; exit 1; }
    sleep 0.1
done
KRB5CCNAME=FILE:$work/server.cc kinit -k -t "$work/server.keytab" zmq/localhost

# --- The program, and how it is run.

${CC:-gcc} -O1 -g -Wall -Wextra -o "$work/peer" "$here/gssapi/peer.c" -lzmq -lpthread

${CC:-gcc} -O1 -g -Wall -Wextra -o "$work/stranger" "$here/gssapi/stranger.c" -lgssapi_krb5

declare -A preload=([libzmq]="" [ours]="$ours")
passed=0
failed=0

# run LIBRARY ROLE OPTION...: the peer, with the credentials of its role; for the library `stranger` that program with its case.
run() {
    if [ "$1" = stranger ]; then
        KRB5CCNAME=FILE:$work/client.cc timeout --kill-after=5 60 "$work/stranger" "$work/endpoint" "$stranger"
        return
    fi
    env LD_PRELOAD="${preload[$1]}" KRB5CCNAME="FILE:$work/$2.cc" KRB5_KTNAME="FILE:$work/$2.keytab" \
        timeout --kill-after=5 60 "$work/peer" "$2" "$work/endpoint" "${@:3}"
}

has() {
    [ "$(cat "$1" 2> /dev/null)" = "$2" ]
}

# meet SERVER'S-LIBRARY CLIENT'S-LIBRARY "SERVER'S OPTIONS" "CLIENT'S OPTIONS" [SERVER-PRINTS]: both, until the client has ended, and the
# server has printed that or a while is over. What they print goes to server.out and client.out.
meet() {
    local options_of_server options_of_client
    read -ra options_of_server <<< "$3"
    read -ra options_of_client <<< "$4"
    rm -f "$work/endpoint" "$work/server.out" "$work/client.out"
    run "$1" server "${options_of_server[@]}" > "$work/server.out" 2>&1 &
    server=$!
    for _ in $(seq 200); do
        [ ! -s "$work/endpoint" ] || break
        sleep 0.05
    done
    run "$2" client "${options_of_client[@]}" > "$work/client.out" 2>&1 || true
    for _ in $(seq 40); do
        [ "$(cat "$work/server.out")" != "${5-}" ] || break
        sleep 0.05
    done
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
}

# check NAME SERVER-PRINTS CLIENT-PRINTS: whether they were printed.
check() {
    if [ "$(cat "$work/server.out")" = "$2" ] && [ "$(cat "$work/client.out")" = "$3" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED $1"
    diff <(echo "$2") "$work/server.out" | sed 's/^/    server: /' || true
    diff <(echo "$3") "$work/client.out" | sed 's/^/    client: /' || true
}

# agree NAME "SERVER'S OPTIONS" "CLIENT'S OPTIONS": messages pass, and all see what two libzmq do.
agree() {
    meet libzmq libzmq "$2" "$3"
    local of_server of_client
    of_server=$(cat "$work/server.out")
    of_client=$(cat "$work/client.out")
    if [[ $of_server != *succeeded*part* || $of_client != *succeeded*part* ]]; then
        failed=$((failed + 1))
        printf 'FAILED %s, between two libzmq:\n%s\n%s\n' "$1" "$of_server" "$of_client"
        return
    fi
    local pair
    for pair in "ours libzmq" "libzmq ours" "ours ours"; do
        meet ${pair% *} ${pair#* } "$2" "$3" "$of_server"
        check "$1: ${pair% *} serves ${pair#* }" "$of_server" "$of_client"
    done
}

# refuse NAME SERVER'S-LIBRARY CLIENT'S-LIBRARY "SERVER'S OPTIONS" "CLIENT'S OPTIONS" SERVER-PRINTS CLIENT-PRINTS
refuse() {
    meet "$2" "$3" "$4" "$5 wait=2000" "$6"
    check "$1: $2 serves $3" "$6" "$7"
}

service=service=zmq@localhost

# --- What passes.

agree encrypted "" "$service"
agree "in clear" plaintext=1 "plaintext=1 $service"
agree "1 byte short of a long frame" "" "size=190 $service"
agree "long frames" "" "size=70000 $service"
agree "very long frames" "" "size=3000000 $service"
agree "very long frames in clear" plaintext=1 "size=3000000 plaintext=1 $service"
agree ipc "at=ipc://$work/socket" "$service"
agree "a subscription in clear" "pattern=pubsub plaintext=1" "pattern=pubsub plaintext=1 $service"
# An encrypted one of libzmq's has lost the name of its command on the way, and subscribes to nothing.
of_server=$(cat "$work/server.out")
of_client=$(cat "$work/client.out")
for library in ours libzmq; do
    meet $library ours pattern=pubsub "pattern=pubsub $service" "$of_server"
    check "a subscription: $library serves ours" "$of_server" "$of_client"
done
agree "a user's name" "" "principal=alice nametype=1 $service"
agree "names of Kerberos" "principal=zmq/localhost@$realm nametype=2" \
    "principal=alice@$realm nametype=2 servicetype=2 service=zmq/localhost@$realm"
agree "a name of the service" principal=zmq@localhost "$service"
agree "another service" "" service=other@localhost
agree "an authentication handler" "zap=200 domain=global" "$service"
agree "an authentication handler without a domain, in clear" "zap=200 plaintext=1" "plaintext=1 $service"
agree "a domain and no handler" domain=global "$service"

# --- What does not.

asked="asked: 7 frames, domain 'global', mechanism GSSAPI, principal alice@$realm"
for code in 400 500; do
    refuse "status code $code" ours ours "zap=$code domain=global" "$service" \
        "$asked"$'\n'"failed: status code $code" "failed: status code $code"
    # libzmq's client knows no ERROR under GSSAPI.
    refuse "status code $code" ours libzmq "zap=$code domain=global plaintext=1" "plaintext=1 $service" \
        "$asked"$'\n'"failed: status code $code" "failed: protocol error 0x10000001"
done
for client in ours libzmq; do
    refuse "status code 300" ours $client "zap=300 domain=global" "$service" "$asked"$'\nfailed: status code 300' "nothing comes"
    refuse "no handler and ZMQ_ZAP_ENFORCE_DOMAIN" ours $client "domain=global enforce=1" "$service" failed failed
    refuse "another service than the server's" ours $client principal=zmq@localhost service=other@localhost \
        "failed: protocol error 0x11000001" failed
done
refuse "a service that there is not" libzmq ours "" service=nobody@localhost failed failed
refuse "no service" ours ours "" "principal=alice nametype=1" failed failed
refuse "a principal without credentials" ours ours "" "principal=nobody nametype=1 $service" failed failed
refuse "a server without credentials" ours ours principal=nobody@localhost "$service" failed "nothing comes"
for pair in "ours libzmq" "libzmq ours" "ours ours"; do
    refuse "only the server in clear" ${pair% *} ${pair#* } plaintext=1 "$service" failed "failed: protocol error 0x10000001"
    refuse "only the client in clear" ${pair% *} ${pair#* } "" "plaintext=1 $service" failed "failed: protocol error 0x10000001"
done

# strange CASE SERVER-PRINTS CLIENT-PRINTS: the program that breaks the rules. There is no comparison with libzmq: it ends the process
# (abort) for a token that is signed only, and for an empty one.
strange() {
    stranger=$1
    meet ours stranger "" "" "$2"
    # Events and messages come by different ways.
    sort -o "$work/server.out" "$work/server.out"
    check "$1" "$(sort <<< "$2")" "$3"
}

succeeded=$'succeeded\n'
first='part: 5 bytes, sum 97440432, more 0, user -, peer DEALER'
cryptographic="failed: protocol error 0x11000001"
unexpected="failed: protocol error 0x10000001"
strange "all is well" "$succeeded$first"$'\n'"part: 6 bytes, sum 3388687476, more 0, user -, peer DEALER" answered
strange "another command" "$unexpected" closed
strange "READY in clear" "$unexpected" closed
strange "READY signed only" "$cryptographic" closed
strange "signed only" "$succeeded$cryptographic" closed
strange changed "$succeeded$cryptographic" closed
strange "in clear" "$succeeded$unexpected" closed
strange again "$succeeded$first"$'\n'"$cryptographic" closed
strange "one left out" "$succeeded$cryptographic" closed
strange empty "${succeeded}failed: protocol error 0x10000012" closed

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

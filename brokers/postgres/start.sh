# Starts the server in the foreground, and makes its cluster the first time: sh -c THIS start DIR HOST PORT [-c NAME=VALUE]...
set -eu
dir=$1 host=$2 port=$3
shift 3

bin=$(command -v postgres || ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
bin=$(dirname "$(readlink -f "$bin")")
data=$dir/cluster
cd /

# The server refuses to be root. It dies with this script, whatever ends that.
as=
if [ "$(id -u)" -eq 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --pdeathsig KILL"
  chown "$user" "$dir"
elif command -v setpriv >/dev/null; then
  as="setpriv --pdeathsig KILL"
fi

# A cluster whose making was cut short is made again.
if [ ! -d "$data" ]; then
  rm -rf "$data.new"
  $as "$bin/initdb" -D "$data.new" -U taskbench -A trust -N -E UTF8 --no-locale >/dev/null
  echo 'host all all all trust' >>"$data.new/pg_hba.conf"
  mv "$data.new" "$data"
fi

# After a SIGKILL the file names a process that is gone, or has become another. The directory is this server's alone.
rm -f "$data/postmaster.pid"

$as "$bin/postgres" -D "$data" -c "listen_addresses=$host" -c "port=$port" -c unix_socket_directories= "$@" &
server=$!

# SIGTERM would have the server wait until the last client has gone.
trap 'kill -INT "$server"' TERM INT
code=0
while kill -0 "$server" 2>/dev/null; do
  code=0
  wait "$server" || code=$?
done
exit "$code"

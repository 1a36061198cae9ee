# Starts MariaDB or MySQL in the foreground, and makes its database the first time: sh -c THIS start DIR HOST PORT [--NAME=VALUE]...
set -eu
dir=$1 host=$2 port=$3
shift 3
PATH=$PATH:/usr/sbin
cd "$dir"
data=$dir/server
export TMPDIR=$dir # at its start a server removes all temporary tables from there, and there may be others

# The server refuses to be root. It dies with whoever starts it.
as=
if [ "$(id -u)" -eq 0 ]; then
  user=mysql
  id "$user" >/dev/null 2>&1 || user=nobody
  chown "$user" "$dir"
  if command -v setpriv >/dev/null; then
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --pdeathsig KILL"
  else
    set -- "--user=$user" "$@"
  fi
elif command -v setpriv >/dev/null; then
  as="setpriv --pdeathsig KILL"
fi

# The first server wins that is there; a database whose making was cut short is made again.
# MySQL wants a directory for the files of statements that nobody here uses, unless it is told that there is none.
if command -v mariadbd >/dev/null; then
  server=mariadbd
else
  server=mysqld
  set -- --secure-file-priv=NULL "$@"
fi
if [ ! -d "$data" ]; then
  rm -rf "$data.new"
  if command -v mariadb-install-db >/dev/null; then
    owner=
    [ -n "$as" ] || [ "$(id -u)" -ne 0 ] || owner=--user=$user
    $as mariadb-install-db --no-defaults "--datadir=$data.new" --skip-test-db --auth-root-authentication-method=normal --skip-name-resolve $owner >/dev/null
  else
    owner=
    [ -n "$as" ] || [ "$(id -u)" -ne 0 ] || owner=--user=$user
    $as "$server" --no-defaults --initialize-insecure "--datadir=$data.new" $owner
  fi
  cat >"$dir/accounts.sql" <<SQL
CREATE DATABASE IF NOT EXISTS taskbench;
CREATE USER IF NOT EXISTS taskbench@'%';
GRANT ALL ON taskbench.* TO taskbench@'%';
SQL
  chmod 644 "$dir/accounts.sql"
  mv "$data.new" "$data"
fi

# The paths of socket and process id are relative to the data: that of a socket may not be long.
exec $as "$server" --no-defaults "--datadir=$data" "--bind-address=$host" "--port=$port" --socket=socket --pid-file=pid \
  "--init-file=$dir/accounts.sql" --character-set-server=utf8mb4 --loose-mysqlx=OFF "$@"

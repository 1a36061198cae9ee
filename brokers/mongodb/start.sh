# Arguments: host, port, data directory, and how SQLite is to wait for the disk where FerretDB runs on it.
if command -v mongod >/dev/null; then
	# The cache would else take half of the machine's memory, which it shares with all that is measured.
	exec mongod --bind_ip "$1" --port "$2" --dbpath "$3" --nounixsocket --quiet --wiredTigerCacheSizeGB 0.5
fi
exec ferretdb -synchronous "$4" "$1:$2" "$3"

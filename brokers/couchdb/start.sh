# Arguments: host, port, data directory, and what makes PouchDB Server wait for the disk.
if command -v couchdb >/dev/null || [ -x /opt/couchdb/bin/couchdb ]; then
	program=$(command -v couchdb || echo /opt/couchdb/bin/couchdb)
	root=$(dirname "$(dirname "$(readlink -f "$program")")")
	cat >"$3/taskbench.ini" <<-END
		[couchdb]
		single_node = true
		database_dir = $3
		view_index_dir = $3
		uuid = 7461736b62656e63687461736b62656e
		[chttpd]
		bind_address = $1
		port = $2
		[admins]
		taskbench = opensesame
		[log]
		level = warning
	END
	# What the server changes of its configuration it writes to the last file: a hash in place of the password.
	ERL_FLAGS="-couch_ini $root/etc/default.ini $3/taskbench.ini" exec "$program"
fi
printf '%s' "$4" >"$3/synced.js"
[ -e "$3/config.json" ] || printf '{"log": {"level": "error", "file": "/dev/null"}}' >"$3/config.json"
cd "$3" || exit
NODE_OPTIONS="--require $3/synced.js" exec pouchdb-server --no-stdout-logs --host "$1" --port "$2" --dir "$3" --config "$3/config.json"

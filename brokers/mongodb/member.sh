# Runs one member of a replica set. The environment names it and its peers. The first one makes the set, once they all answer,
# unless it was made before.
if [ "$MEMBER" = "${PEERS%% *}" ]; then
	members= id=0
	for peer in $PEERS; do
		members="$members{_id: $id, host: '$peer:$PORT'}, "
		id=$((id + 1))
	done
	config="{_id: '$SET', members: [$members], settings: {electionTimeoutMillis: $ELECTION_TIMEOUT, heartbeatIntervalMillis: $HEARTBEAT_INTERVAL}}"
	uninitiated=94
	until mongosh --quiet --port "$PORT" --eval "try { rs.status() } catch (e) { if (e.code != $uninitiated) throw e; rs.initiate($config) }"; do
		sleep 0.5
	done > /dev/null 2>&1 &
fi
# The cache would else take half of the machine's memory, which it shares with all that is measured.
exec mongod --bind_ip "$HOST" --port "$PORT" --dbpath "$DIR" --nounixsocket --quiet --wiredTigerCacheSizeGB 0.25 --replSet "$SET"

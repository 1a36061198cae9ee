# Runs a server, and beside it the sentinel that watches all of them, for as long as the server lives. The environment names
# the member, its peers, and what the sentinels call the primary.
cd "$DIR" || exit
# A name that nobody answers to, because its server is down, must not keep the sentinel from its work.
grep -q attempts /etc/resolv.conf || echo "options timeout:1 attempts:1" >> /etc/resolv.conf

# Who is the primary is what the sentinels agreed on last: what the own one has written down, unless another one knows of a
# later election. So a primary that comes back after its replica took over does not take itself for the primary.
primary=$(sed -n "s/^sentinel monitor $PRIMARY_NAME \([^ ]*\) .*/\1/p" sentinel.conf)
epoch=$(sed -n "s/^sentinel config-epoch $PRIMARY_NAME //p" sentinel.conf)
epoch=${epoch:-0}
for peer in $PEERS; do
	[ "$peer" = "$MEMBER" ] && continue
	view=$(timeout 1 redis-cli -h "$peer" -p "$SENTINEL_PORT" sentinel master "$PRIMARY_NAME" 2> /dev/null) || continue
	later=$(echo "$view" | sed -n '/^config-epoch$/{n;p;}')
	if [ "${later:-0}" -gt "$epoch" ]; then
		epoch=$later
		primary=$(echo "$view" | sed -n '/^ip$/{n;p;}')
	fi
done

while :; do
	redis-server sentinel.conf --sentinel &
	until redis-cli -p "$SENTINEL_PORT" sentinel debug info-period "$INFO_PERIOD"; do sleep 0.1; done > /dev/null 2>&1
	wait
	sleep 1
done &
if [ "$primary" = "$MEMBER" ]; then
	exec redis-server redis.conf --replicaof no one
fi
exec redis-server redis.conf --replicaof "$primary" "$PORT"

if [ -n "$CLUSTER_COOKIE" ]; then
  (umask 077 && rm -f "$HOME/.erlang.cookie" && printf %s "$CLUSTER_COOKIE" >"$HOME/.erlang.cookie" && chmod 400 "$HOME/.erlang.cookie")
fi
if command -v epmd >/dev/null; then
  epmd &
  tries=0
  until epmd -names >/dev/null 2>&1 || [ "$tries" = 100 ]; do
    tries=$((tries + 1))
    sleep 0.02
  done
else
  unset ERL_FLAGS # the server starts one itself
fi
debian=/usr/lib/rabbitmq/bin/rabbitmq-server
[ -x "$debian" ] && exec "$debian"
exec rabbitmq-server

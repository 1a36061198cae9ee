# nats-server, for machines without a registry: the static binary that the machine's own Go makes of it, which the embedded
# lab and the tests of brokers/nats have, too. Debian's, 2.9.10, knows no sync_interval.
# No entrypoint and no default command: the lab says how the server starts.
# program: github.com/nats-io/nats-server/v2@v2.15.2
ARG BASE=taskbench/base:1
FROM ${BASE}
COPY nats /usr/local/bin/nats-server
RUN mkdir -p /data && nats-server -v
EXPOSE 4222

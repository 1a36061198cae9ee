# nats-server, for machines without a registry: the version that the tests of brokers/nats have, too.
# The program is the static binary that Go makes of a module of this repository: Debian's, 2.9.10, knows no sync_interval.
# No entrypoint and no default command: the lab says how the server starts.
# program: ci/nats
ARG BASE=taskbench/base:1
FROM ${BASE}
COPY nats /usr/local/bin/nats-server
RUN mkdir -p /data && nats-server -v
EXPOSE 4222

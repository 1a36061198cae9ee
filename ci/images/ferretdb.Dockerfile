# FerretDB on SQLite, in place of MongoDB, for machines without a registry: Debian has no MongoDB.
# The program is the static binary that Go makes of a module of this repository, since Debian's Go is too old for it.
# No entrypoint and no default command: the lab says how the server starts.
# program: ci/ferretdb
ARG BASE=taskbench/base:1
FROM ${BASE}
COPY ferretdb /usr/local/bin/ferretdb
RUN mkdir -p /data/db
EXPOSE 27017

# PouchDB Server on leveldb, in place of CouchDB, for machines without a registry: Debian has no CouchDB, and what this
# server speaks is CouchDB's protocol. The packages are fetched by the machine's own npm, as a lock file of this repository
# pins them: a container may not trust what the machine trusts. Their leveldb is a binary that needs no compiler.
# No entrypoint and no default command: the lab says how the server starts.
# modules: ci/pouchdb
ARG BASE=taskbench/base:1
FROM ${BASE}
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update \
 && apt-get install -y --no-install-recommends nodejs \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/sbin/policy-rc.d \
 && node --version
ADD pouchdb.tar /opt/pouchdb/
RUN ln -s /opt/pouchdb/node_modules/pouchdb-server/bin/pouchdb-server /usr/local/bin/pouchdb-server \
 && pouchdb-server --help >/dev/null && mkdir -p /data
EXPOSE 5984

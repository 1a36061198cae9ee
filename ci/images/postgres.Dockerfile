# The PostgreSQL server of Debian bookworm, for machines without a registry.
# No entrypoint and no default command: the lab says how the server starts. The cluster that the installation would
# make is not wanted, since each container makes one of its own; nor are the translations and the compiler of queries,
# which are most of the size.
ARG BASE=taskbench/base:1
FROM ${BASE}
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
 && apt-get update \
 && apt-get install -y --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/sbin/policy-rc.d /usr/share/locale/*/LC_MESSAGES/*postgres* \
 && ls /usr/lib/postgresql/*/bin/postgres
EXPOSE 5432

# The MariaDB server of Debian bookworm, for machines without a registry.
# No entrypoint and no default command: the lab says how the server starts. The packages named "core" have the server and
# what makes its database, and none of the scripts that would make and start one; what else comes along must not either.
ARG BASE=taskbench/base:1
FROM ${BASE}
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update \
 && apt-get install -y --no-install-recommends mariadb-server-core mariadb-client-core \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/sbin/policy-rc.d \
 && groupadd --system mysql && useradd --system --gid mysql --no-create-home --home-dir /nonexistent mysql \
 && command -v mariadb-install-db my_print_defaults && mariadbd --version
EXPOSE 3306

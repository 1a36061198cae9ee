# The MySQL server, for machines without a registry. Debian has one in its unstable suite alone, sid, which moves: on some
# days it cannot be installed, and on others it is a newer one. So it is left out where it cannot be built, and what the
# server needs besides comes from sid, too. Sid's index counts as old after a week, while a mirror may lag behind for longer:
# its date is not looked at, its signature is.
# No entrypoint and no default command: the lab says how the server starts. The package named "core" has the server, and
# none of the scripts that would make a database and start one.
# optional: Debian has it in its unstable suite alone
ARG BASE=taskbench/base:1
FROM ${BASE}
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && mirror=$(grep -rhE '^(deb|URIs:) ' /etc/apt/sources.list* | grep -oEm 1 'https?://[^ ]+') \
 && rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* \
 && echo "deb [check-valid-until=no] $mirror sid main" > /etc/apt/sources.list \
 && apt-get update -o Acquire::Languages=none \
 && apt-get install -y --no-install-recommends mysql-server-core \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/sbin/policy-rc.d \
 && groupadd --system mysql && useradd --system --gid mysql --no-create-home --home-dir /nonexistent mysql \
 && mysqld --version
EXPOSE 3306

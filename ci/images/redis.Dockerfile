# The Redis server of Debian bookworm, for machines without a registry.
# No entrypoint and no default command: the lab says how the server starts.
ARG BASE=taskbench/base:1
FROM ${BASE}
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update \
 && apt-get install -y --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/lib/redis/* /usr/sbin/policy-rc.d \
 && redis-server --version
EXPOSE 6379

# The RabbitMQ server of Debian bookworm, for machines without a registry.
# No entrypoint and no default command: the lab says how the server starts.
# policy-rc.d keeps the installation from starting a broker inside the build; whatever it wrote is removed, so
# that each container makes a cookie and a database of its own.
# Debian's rabbitmq-server is a wrapper that starts the real one through su and, as process 1, is deaf to SIGTERM;
# the real one comes first on PATH.
ARG BASE=taskbench/base:1
FROM ${BASE}
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update \
 && apt-get install -y --no-install-recommends rabbitmq-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/lib/rabbitmq/mnesia /var/lib/rabbitmq/.erlang.cookie /usr/sbin/policy-rc.d \
 && command -v rabbitmq-server
ENV LANG=C.UTF-8 PATH=/usr/lib/rabbitmq/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
EXPOSE 5672

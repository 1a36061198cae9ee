# The beanstalkd server of Debian bookworm, for all machines: there is no official image.
# No entrypoint and no default command: the lab says how the server starts.
ARG BASE=taskbench/base:1
FROM ${BASE}
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update \
 && apt-get install -y --no-install-recommends beanstalkd \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/sbin/policy-rc.d \
 && beanstalkd -v
EXPOSE 11300

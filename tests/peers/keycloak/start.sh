#!/bin/sh
# Runs Keycloak in the foreground, on a free port of the loopback address. Its log names the port.
#
# usage: start.sh <folder for its temporary files>     (environment: KC_BOOTSTRAP_ADMIN_…)
set -eu
home=$(cd "$(dirname "$0")/../../.." && pwd)/target/peers/keycloak

# Runs Java directly, because bin/kc.sh would not pass signals on. With little memory, and a compiler setting
# that favours a quick start.
exec java -Xms64m -Xmx512m -XX:MaxMetaspaceSize=256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -Djava.net.preferIPv4Stack=true -Djava.io.tmpdir="$1" \
  -Dkc.home.dir="$home" -Djboss.server.config.dir="$home/conf" \
  -Djava.util.logging.manager=org.jboss.logmanager.LogManager \
  -Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory \
  -cp "$home/lib/quarkus-run.jar" io.quarkus.bootstrap.runner.QuarkusEntryPoint \
  start --optimized --cache=local --http-enabled=true --http-host=127.0.0.1 --http-port=0 --hostname-strict=false

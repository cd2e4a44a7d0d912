#!/bin/sh
# Installs Keycloak from Maven Central into target/peers. The local Maven repository keeps a copy for the next
# time. Needs Java 17 or later, and Maven.
set -eu
version=26.7.3
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
peers=$(cd "$(dirname "$0")/../../.." && pwd)/target/peers
home=$peers/keycloak

[ "$(cat "$home/installed" 2>/dev/null)" = "$version" ] && exit 0
rm -rf "$home" "$peers/keycloak-$version"
mvn -q -B "$plugin:unpack" -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" \
  -DoutputDirectory="$peers" -Dproject.basedir="$peers"
mv "$peers/keycloak-$version" "$home"
# Prepares what can be prepared once, so that a start takes only seconds. The database is in memory.
sh "$home/bin/kc.sh" build --db=dev-mem --cache=local --health-enabled=false
echo "$version" >"$home/installed"

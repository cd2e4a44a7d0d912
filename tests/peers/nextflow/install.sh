#!/bin/sh
# Installs Nextflow's libraries from Maven Central into target/peers. The local Maven repository keeps a copy
# for the next time. Needs Java 17 or later, and Maven.
set -eu
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
here=$(cd "$(dirname "$0")" && pwd)
home=$here/../../../target/peers/nextflow

cmp -s "$here/pom.xml" "$home/installed" && exit 0
rm -rf "$home"
mkdir -p "$home"
mvn -q -B -f "$here/pom.xml" "$plugin:copy-dependencies" -DoutputDirectory="$(cd "$home" && pwd)/lib"
cp "$here/pom.xml" "$home/installed"

#!/bin/sh
# Installs VS Code as a server below target/peers: the one in npm's code-server, which is started without that program
# around it. Of its native parts those for terminals and for logs are built; the server does without the others.
set -eu

version=4.100.3
sha512=abf161d833b10913610bf5a21bfeac02148a9e3ed90024d505a79e67ead68e897fff41426e5fea835967e5e719f7d8d871fa8cc59640c9670df98048a340e0a4

cd "$(dirname "$0")/../../.."
place="$PWD/target/peers/vscode"
rm -rf "$place"
mkdir -p "$place"
cd "$place"

npm pack --silent "code-server@$version"
echo "$sha512  code-server-$version.tgz" | sha512sum --check --status
tar -xzf "code-server-$version.tgz" package/lib/vscode
rm "code-server-$version.tgz"

cd package/lib/vscode
npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
# What the packages do after their build is for Windows. npm has a node-gyp of its own for scripts; the headers are those
# beside node, which it would look for on the network.
prefix=$(dirname "$(dirname "$(node -p process.execPath)")")
for part in node-pty @vscode/spdlog; do
  (
    cd "node_modules/$part"
    npm pkg set scripts.native='node-gyp rebuild'
    npm_config_nodedir="$prefix" npm run --silent native
  )
done

cp package.json "$place/installed"

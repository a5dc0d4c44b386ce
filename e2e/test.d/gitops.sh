# shellcheck shell=bash disable=SC2154,SC2164,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The suite `gitops`: what deploy/ offers to those who keep their manifests in Git, as far as it can be told without a node.
#
# Helm and kubectl are those of the cluster's programs, which `e2e/cluster build` makes: rendering is compared byte for byte, and
# only one version of each is known to give these bytes.

gitops_kustomize_obstacle() { programs_obstacle helm kubectl; }

# Why programs of e2e/cluster cannot be had, if so.
programs_obstacle() { # program...
  local program
  for program in "$@"; do
    [ -x "$cache/k8s/$program" ] || (PATH=$PATH:/usr/local/go/bin; has go) ||
      { echo "there is neither $program in $cache/k8s nor Go to build it ($root/e2e/cluster --help)"; return; }
    [ -x "$cache/k8s/$program" ] || [ -n "$named" ] ||
      { echo "$program is not built yet (when named, it is: minutes)"; return; }
  done
}

gitops_kustomize() {
  local folder overlay
  e2e/cluster build helm kubectl
  folder=$(mktemp -d)
  # shellcheck disable=SC2064 # the name is needed now
  trap "rm -rf '$folder'" EXIT
  for overlay in deploy/kubernetes/base deploy/kubernetes/overlays/*; do
    check "kubectl kustomize $overlay" kustomize "$overlay" "$folder/out"
  done
  check "the base is the chart" same_as_chart "$folder" deploy/kubernetes/base
  check "the overlay simulated is the chart with a simulator" same_as_chart "$folder" deploy/kubernetes/overlays/simulated \
    --set simulator.enabled=true
  check "the overlay production is the chart with its values.yaml" same_as_chart "$folder" deploy/kubernetes/overlays/production \
    --values deploy/kubernetes/overlays/production/values.yaml
  check "the manifests of Argo CD and Flux can be read" controllers_manifests "$folder"
  check "the paths that they name are there" named_paths_exist
  check "the chart takes the values that Argo CD gives it" argo_cd_values
}

CONTROLLERS=(deploy/gitops/argo-cd/{applications,argocd-cm}.yaml deploy/gitops/flux/{route-switch,prompts}.yaml)

controllers_manifests() { # folder for the work
  rm -rf "$1/controllers"; mkdir "$1/controllers"
  cp "${CONTROLLERS[@]}" "$1/controllers"
  printf 'resources: [applications.yaml, argocd-cm.yaml, route-switch.yaml, prompts.yaml]\n' >"$1/controllers/kustomization.yaml"
  kustomize "$1/controllers" "$1/out"
}

# In this repository, or in the example of another one.
named_paths_exist() {
  local path found=0
  while read -r path; do
    found=$((found + 1))
    [ -d "$path" ] || [ -d "deploy/gitops/example/$path" ] || { echo "there is no $path"; return 1; }
  done < <(sed -n 's/^ *path: //p' "${CONTROLLERS[@]}")
  [ $found = 6 ] || { echo "6 paths should be named, and $found are"; return 1; }
}

argo_cd_values() {
  local values
  values=$(awk '/^ *valuesObject:$/ { match($0, /^ */); depth = RLENGTH; on = 1; next }
    on { match($0, /^ */); if (RLENGTH <= depth) exit; print }' deploy/gitops/argo-cd/applications.yaml)
  grep -q autoscaling <<<"$values" || { echo "no values found: $values"; return 1; }
  deploy/render --chart --values - <<<"$values" | grep HorizontalPodAutoscaler >/dev/null
}

kustomize() { "$cache/k8s/kubectl" kustomize "$1" >"$2"; } # folder, where to

# Options of a program in one order: a patch can only put another one at their end.
options_sorted() {
  awk '
    function flush() { if (n) { for (i = 1; i <= n; i++) print held[i] | "LC_ALL=C sort"; close("LC_ALL=C sort"); n = 0 } }
    /^ *- --/ { held[++n] = $0; next }
    { flush(); print; fflush() }
    END { flush() }'
}

# Says how an overlay differs from the chart with these values. Kustomize brings both into one order of objects and fields.
same_as_chart() { # folder for the work, overlay, arguments of helm
  local work=$1/chart overlay=$2; shift 2
  rm -rf "$work"; mkdir "$work"
  deploy/render --chart "$@" >"$work/chart.yaml" || return 1
  cp deploy/kubernetes/base/namespace.yaml "$work"
  printf 'resources: [chart.yaml, namespace.yaml]\n' >"$work/kustomization.yaml"
  kustomize "$work" "$work/expected" && kustomize "$overlay" "$work/found" &&
    diff -u --label "the chart" --label "$overlay" <(options_sorted <"$work/expected") <(options_sorted <"$work/found")
}

# === On an API server ===

gitops_apply_obstacle() { crds_rust_obstacle; }

# Everything that deploy/ offers to apply, on an API server without a node.
gitops_apply() {
  CLUSTER_DIR=$(mktemp -d)
  export CLUSTER_DIR CLUSTER_NETNS=rs-test-$$
  trap 'e2e/cluster down' EXIT
  e2e/cluster up control
  check "the kinds are applied" on_cluster apply --server-side --validate=strict --filename deploy/crds
  on_cluster wait --for=condition=Established --all crds >/dev/null
  local folder
  for folder in deploy/kubernetes/base deploy/kubernetes/overlays/*; do
    check "$folder is applied, no unknown field" on_cluster apply --server-side --validate=strict --kustomize "$folder"
    check "$folder applied again changes nothing" changes_nothing --kustomize "$folder"
    # The next one's volumes are others, which cannot be changed.
    on_cluster delete --namespace route-switch --all statefulsets
  done
  for folder in deploy/samples deploy/gitops/example/manifests; do
    check "$folder is applied, no unknown field" on_cluster apply --server-side --validate=strict --recursive --filename "$folder"
    check "$folder applied again changes nothing" changes_nothing --recursive --filename "$folder"
    check "$folder has no fault that route-switch finds" "$programs/route-switch" prompt check --manifests "$folder"
  done
}

on_cluster() { e2e/cluster run kubectl "$@"; }

# Nor does it count as a new generation: a controller that applies every few minutes must not look like somebody who edits.
changes_nothing() { on_cluster diff --server-side --field-manager=kubectl "$@"; }

# === Health ===

readonly VERDICTS_GO_MINOR=26          # the least Go 1.x that go.mod of its modules asks for

verdicts_folder() { echo "$cache/tools/verdicts-$(cat e2e/verdicts/main.go e2e/verdicts/go.mod | sha256sum | cut -c1-16)"; }

gitops_health_obstacle() {
  (cd "$root" && [ -e "$(verdicts_folder)/.complete" ]) || (has_go $VERDICTS_GO_MINOR) ||
    echo "it takes Go 1.$VERDICTS_GO_MINOR or newer to build kstatus and Argo CD's Lua (https://go.dev/doc/install)"
}

make_verdicts() { make_go_program verdicts "$1"; }

# Line by line, so that each object is a test.
gitops_health() {
  local folder said name line
  folder=$(verdicts_folder)
  [ -e "$folder/.complete" ] || { has_go $VERDICTS_GO_MINOR; make_once "$folder" make_verdicts; }
  said=$("$folder/verdicts" deploy/gitops/argo-cd/argocd-cm.yaml e2e/verdicts/objects/*.json)
  check "every recorded object has a line in expected.tsv, and every line an object" same_names "$said"
  while IFS= read -r line; do
    name=${line%%$'\t'*}
    check "kstatus and Argo CD on $name" same_verdict "$line" "$(grep "^$name"$'\t' <<<"$said")"
  done < <(grep -v '^#' e2e/verdicts/expected.tsv)
}

same_names() { diff <(grep -v '^#' e2e/verdicts/expected.tsv | cut -f1 | sort) <(cut -f1 <<<"$1" | sort); }
same_verdict() { [ "$1" = "$2" ] || { printf 'expected: %s\nfound:    %s\n' "$1" "$2"; return 1; }; }

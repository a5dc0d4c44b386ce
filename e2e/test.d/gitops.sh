# shellcheck shell=bash disable=SC2154,SC2164,SC2016,SC2317 # sourced by e2e/test, which sets what is not set here
# The suite `gitops`: what deploy/ offers to those who keep their manifests in Git, as far as it can be told without a cluster.
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
  for overlay in deploy/kubernetes/base deploy/kubernetes/overlays/* deploy/gitops/flux/*/ deploy/gitops/argo-cd/*/; do
    [ -e "$overlay/kustomization.yaml" ] || continue
    check "kubectl kustomize $overlay" kustomize "$overlay" "$folder/out"
  done
  check "the base is the chart" same_as_chart "$folder" deploy/kubernetes/base
  check "the overlay simulated is the chart with a simulator" same_as_chart "$folder" deploy/kubernetes/overlays/simulated \
    --set simulator.enabled=true
  check "the overlay production is the chart with its values.yaml" same_as_chart "$folder" deploy/kubernetes/overlays/production \
    --values deploy/kubernetes/overlays/production/values.yaml
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

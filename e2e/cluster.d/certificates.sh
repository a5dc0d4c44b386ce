# shellcheck shell=bash disable=SC2154,SC2164 # sourced by e2e/cluster, which sets what is not set here
# The keys, certificates and kubeconfigs of a cluster, which live as long as it does.

make_certificates() {
  # Elliptic keys: made in a hundredth of the time of RSA ones. A configuration of our own: the system's may say anything.
  local pki=$dir/pki
  mkdir "$pki"; cd "$pki"
  cat >openssl.cnf <<C
[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, IP:$ADDRESS, IP:$FIRST_SERVICE, DNS:localhost, DNS:$NODE, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local
C
  new_key ca
  quietly openssl req -x509 -new -config openssl.cnf -key ca.key -out ca.crt -days 365 -subj /CN=e2e
  new_key sa
  quietly openssl pkey -in sa.key -pubout -out sa.pub
  certificate apiserver server /CN=kube-apiserver
  certificate admin client /O=system:masters/CN=admin
  certificate controller-manager client /CN=system:kube-controller-manager
  kubeconfig admin >"$dir/admin.kubeconfig"
  kubeconfig controller-manager >"$pki/controller-manager.kubeconfig"
  [ "$level" != full ] || make_node_certificates
}

make_node_certificates() {
  local name
  certificate apiserver-kubelet client /O=system:masters/CN=kube-apiserver-kubelet-client
  certificate kubelet-server server "/CN=$NODE"
  certificate kubelet client "/O=system:nodes/CN=system:node:$NODE"
  certificate kube-scheduler client /CN=system:kube-scheduler
  certificate kube-proxy client /CN=system:kube-proxy
  # It only looks; a role that says so would be one more thing to keep in step with it.
  certificate coredns client /O=system:masters/CN=coredns
  for name in kubelet kube-scheduler kube-proxy coredns; do kubeconfig "$name" >"$pki/$name.kubeconfig"; done
}

# openssl talks also when all is well.
quietly() {
  local said
  said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; die "failed: $*"; }
}

new_key() { quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

certificate() { # name, section of openssl.cnf, subject
  new_key "$1"
  quietly openssl req -new -config openssl.cnf -key "$1.key" -subj "$3" -out "$1.csr"
  quietly openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 \
    -extfile openssl.cnf -extensions "$2" -out "$1.crt"
}

kubeconfig() { # name of the certificate; certificates are held inside, so that the file may be copied anywhere
  cat <<K
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://$ADDRESS:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: e2e, context: {cluster: e2e, user: $1, namespace: default}}]
current-context: e2e
K
}

{{/* A Role with its RoleBinding to the operator, or for namespace "*" a ClusterRole. Takes root, suffix, namespace and rules. */}}
{{- define "route-switch.rights" -}}
{{- $full := printf "%s-operator" (include "route-switch.fullname" .root) }}
{{- $kind := ternary "ClusterRole" "Role" (eq .namespace "*") }}
{{- $metadata := include "route-switch.metadata" (dict "root" .root "component" "operator" "suffix" .suffix "namespace" .namespace) }}
{{- if eq .namespace "*" }}
{{- $metadata = $metadata | replace "namespace: *\n" "" }}
{{- end -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- $metadata | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- $metadata | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $full }}{{ .suffix }}
subjects:
  - kind: ServiceAccount
    name: {{ $full }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* Of the operator's own namespace: its Lease, the fleet key, Events. */}}
{{- define "route-switch.rules-own" -}}
# Which replica leads. What is created cannot be restricted by name.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "route-switch.fullname" . }}-operator]
  verbs: [get, update]
{{- if not .Values.fleetKey.existingSecret }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
{{- end }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "route-switch.fleet-key" . }}]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Of a namespace with our kinds. People's objects are read, and only their status is written. PromptRevisions are made and collected. */}}
{{- define "route-switch.rules-watched" -}}
- apiGroups: [routeswitch.io]
  resources: [providers, prompttemplates, routes]
  verbs: [list, watch]
- apiGroups: [routeswitch.io]
  resources: [providers/status, prompttemplates/status, routes/status]
  verbs: [patch]
- apiGroups: [routeswitch.io]
  resources: [promptrevisions]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Of a namespace with credentials and client keys. Those that carry our labels are listed and watched; rights cannot be as narrow. */}}
{{- define "route-switch.rules-secrets" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Of the gateways' namespace: pods are found by watching, and configured over their own admin ports. */}}
{{- define "route-switch.rules-gateways" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}

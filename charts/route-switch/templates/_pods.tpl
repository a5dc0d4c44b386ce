{{/* What the pods of all components have in common: Pod Security's profile `restricted`, and a root filesystem that is only read. */}}

{{- define "route-switch.pod-security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "route-switch.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Labels and annotations of the pods of a component. Takes root, component and settings (the component's values). */}}
{{- define "route-switch.pod-metadata" -}}
labels:
  {{- with merge (dict) (.settings.podLabels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "route-switch.selector" (dict "root" .root "component" .component) | nindent 2 }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
annotations:
  {{- merge (dict) (.settings.podAnnotations | default dict) (dict "kubectl.kubernetes.io/default-container" .component) | toYaml | nindent 2 }}
{{- end }}

{{/* Where the pods of a component run. Takes root, component and settings. */}}
{{- define "route-switch.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $pods := dict "matchLabels" (include "route-switch.selector" (dict "root" .root "component" .component) | fromYaml) }}
{{- with .settings.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- merge (dict) . (dict "labelSelector" $pods) | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A probe of the port that no traffic reaches. */}}
{{- define "route-switch.admin-probe" -}}
httpGet:
  path: {{ . }}
  port: admin
{{- end }}

{{/* What every pod may ask for: addresses. */}}
{{- define "route-switch.dns-egress" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

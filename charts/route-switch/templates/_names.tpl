{{/* Names and labels of everything in this chart. */}}

{{- define "route-switch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for what follows it: a StatefulSet's pods carry a hash of its name in a label of 63 characters. */}}
{{- define "route-switch.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := include "route-switch.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is written on every object. */}}
{{- define "route-switch.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
{{ include "route-switch.own-labels" . }}
{{- end }}

{{- define "route-switch.own-labels" -}}
app.kubernetes.io/name: {{ include "route-switch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* By which the pods of a component are found; never changed, since selectors cannot be. Takes root and component. */}}
{{- define "route-switch.selector" -}}
app.kubernetes.io/name: {{ include "route-switch.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Name, namespace and labels of an object of a component. Takes root and component, and suffix, namespace and labels where they are others. */}}
{{- define "route-switch.metadata" -}}
name: {{ include "route-switch.fullname" .root }}-{{ .component }}{{ .suffix }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- with merge (dict) (.labels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "route-switch.own-labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* As the image of a container. Takes root and image. */}}
{{- define "route-switch.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "route-switch.fleet-key" -}}
{{- .Values.fleetKey.existingSecret | default (printf "%s-fleet-key" (include "route-switch.fullname" .)) }}
{{- end }}

{{/* Fails where the cluster lacks a kind that a value asks for. Takes root, value, kind (GROUP/VERSION/KIND) and whose. */}}
{{- define "route-switch.needs" -}}
{{- if not (.root.Capabilities.APIVersions.Has .kind) }}
{{- fail (printf "%s: this cluster has no %s, which comes with %s; install that first, or set %s=false. (`helm template` knows no cluster: tell it with --api-versions %s.)" .value .kind .whose .value .kind) }}
{{- end }}
{{- end }}

{{/* Fails if labels that a value gives are among those that the chart writes. Takes value and labels. */}}
{{- define "route-switch.not-ours" -}}
{{- range $label, $_ := .labels }}
{{- if regexMatch "^(app\\.kubernetes\\.io/(name|instance|component|version|managed-by)|helm\\.sh/chart)$" $label }}
{{- fail (printf "%s: the label %s is written by the chart itself; leave it out" $.value $label) }}
{{- end }}
{{- end }}
{{- end }}

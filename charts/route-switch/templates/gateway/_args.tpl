{{/* What a gateway is started with. Takes root, name (of the StatefulSet) and grace (seconds for streams to end). */}}
{{- define "route-switch.gateway-args" -}}
{{- $root := .root }}
{{- with .root.Values.gateway -}}
- serve
- --fleet
- --fleet-key=/etc/route-switch/fleet-key
- --siblings={{ $.name }}-peers:9090
- --listen=0.0.0.0:8080
- --admin=0.0.0.0:9090
- --data=/var/lib/route-switch
- --drain-delay={{ .drainDelay }}
- --grace={{ $.grace }}s
- --log-format={{ .log.format }}
- {{ printf "--log=%s" .log.filter | quote }}
{{- with .threads }}
- --threads={{ . }}
{{- end }}
{{- with .dataMaxBytes }}
- --data-max-bytes={{ . }}
{{- end }}
{{- with .maxPromptBytes }}
- --max-prompt-bytes={{ . }}
{{- end }}
{{- with .otlp.endpoint }}
- {{ printf "--otlp-endpoint=%s" . | quote }}
- {{ printf "--otlp-service-name=%s" $root.Values.gateway.otlp.serviceName | quote }}
- --otlp-sample-ratio={{ $root.Values.gateway.otlp.sampleRatio }}
{{- end }}
{{- end }}
{{- end }}

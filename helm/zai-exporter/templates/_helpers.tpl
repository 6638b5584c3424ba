{{/* Names */}}

{{- define "zai-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "zai-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
  {{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
  {{- $name := include "zai-exporter.name" . -}}
  {{- if contains $name .Release.Name -}}
    {{- .Release.Name | trunc 63 | trimSuffix "-" -}}
  {{- else -}}
    {{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* A shorter trunk, so that the suffix is never cut off. */}}
{{- define "zai-exporter.daemonSet.fullname" -}}
{{- printf "%s-node" (include "zai-exporter.fullname" . | trunc 58 | trimSuffix "-") -}}
{{- end -}}

{{- define "zai-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
  {{- .Values.serviceAccount.name | default (include "zai-exporter.daemonSet.fullname" .) -}}
{{- else -}}
  {{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Labels */}}

{{- define "zai-exporter.labels" -}}
app.kubernetes.io/name: {{ include "zai-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: zai-exporter
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "zai-exporter.daemonSet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "zai-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end -}}

{{/* The metadata of an object of the Prometheus Operator. Takes a dict of root, name and section. */}}
{{- define "zai-exporter.operatorMetadata" -}}
name: {{ .name }}
namespace: {{ .section.namespace | default .root.Release.Namespace }}
labels:
  {{- mustMergeOverwrite (include "zai-exporter.labels" .root | fromYaml) (deepCopy .section.additionalLabels) | toYaml | nindent 2 }}
{{- with .section.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What an endpoint of a PodMonitor and of a ServiceMonitor have in common. Takes a dict of section and settings. */}}
{{- define "zai-exporter.endpoint" -}}
port: zai-metrics
path: {{ .settings.telemetryPath }}
scheme: {{ .section.scheme }}
honorLabels: {{ .section.honorLabels }}
{{- with .section.interval }}
interval: {{ . }}
{{- end }}
{{- with .section.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .section.tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .section.basicAuth }}
basicAuth:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .section.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .section.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The image, with the chart's appVersion for an empty tag. As YAML. */}}
{{- define "zai-exporter.image" -}}
{{- $image := deepCopy .Values.image -}}
{{- if not $image.tag -}}{{- $_ := set $image "tag" .Chart.AppVersion -}}{{- end -}}
{{- toYaml $image -}}
{{- end -}}

{{/* The values of the sidecar, as the named templates of _sidecar.tpl take them. As YAML. */}}
{{- define "zai-exporter.sidecar.values" -}}
{{- $values := deepCopy .Values.sidecar -}}
{{- $_ := set $values "image" (include "zai-exporter.image" . | fromYaml) -}}
{{- toYaml $values -}}
{{- end -}}

{{/* The same for the container of the DaemonSet. Its configuration file says what is followed, so it has no paths. */}}
{{- define "zai-exporter.daemonSet.values" -}}
{{- $values := deepCopy .Values.daemonSet -}}
{{- $_ := set $values "image" (include "zai-exporter.image" . | fromYaml) -}}
{{- $_ := set $values "lastScrapeSeconds" 0 -}}
{{- if not $values.state.volume -}}
  {{- $_ := set $values.state "volume" (dict "hostPath" (dict "path" "/var/lib/zai-exporter" "type" "DirectoryOrCreate")) -}}
{{- end -}}
{{- $_ := set $values "config" (dict "existingConfigMap" (include "zai-exporter.daemonSet.fullname" .) "key" "config.yaml") -}}
{{- $_ := set $values "logs" (dict "existingVolume" "node-logs" "mountPath" .Values.daemonSet.logs.mountPath "subPath" "" "sizeLimit" "") -}}
{{- range $index, $path := .Values.daemonSet.logs.extraHostPaths -}}
  {{- $mount := dict "name" (printf "node-logs-%d" $index) "mountPath" $path "readOnly" true -}}
  {{- $_ := set $values "extraVolumeMounts" (append $values.extraVolumeMounts $mount) -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* The configuration file of the DaemonSet: the user's, with a source for the logs of the node where it names none. */}}
{{- define "zai-exporter.daemonSet.config" -}}
{{- $config := deepCopy .Values.daemonSet.config -}}
{{- if not $config.sources -}}
  {{- $root := trimSuffix "/" .Values.daemonSet.logs.mountPath -}}
  {{- $paths := list -}}
  {{- range .Values.daemonSet.namespaces -}}
    {{- $paths = append $paths (printf "%s/%s_*/*/*.log" $root .) -}}
  {{- end -}}
  {{- $source := dict "paths" ($paths | default (list (printf "%s/*/*/*.log" $root))) "path_labels" "kubernetes" -}}
  {{- $_ := set $config "sources" (list $source) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

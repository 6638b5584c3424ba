{{/* A copy, made by helm/build.py, of templates/_sidecar.tpl in zai-exporter-lib: change that one. */}}
{{/*
The sidecar, in named templates. For your own chart:

  zai-exporter.sidecar.podLabels      the label that the PodMonitor selects by        metadata.labels of the Pod template
  zai-exporter.sidecar.initContainer  the sidecar as a native sidecar (1.29 or newer) spec.initContainers
  zai-exporter.sidecar.container      the sidecar as an ordinary container instead    spec.containers
  zai-exporter.sidecar.volumes        the volumes of the logs, the state, the files   spec.volumes
  zai-exporter.sidecar.volumeMounts   the mount of the logs                           volumeMounts of the APPLICATION's container

Each takes the context (`.`) and gives list items, or map entries for podLabels. Two workloads of one chart with different
settings: pass a dict, `(dict "context" . "values" .Values.worker.zaiExporter)`; its values win over the common ones.
*/}}

{{- define "zai-exporter.sidecar.podLabels" -}}
{{- include "zai-exporter.sidecar.labels.of" (include "zai-exporter.sidecar.values" . | fromYaml) -}}
{{- end -}}

{{- define "zai-exporter.sidecar.initContainer" -}}
- {{ include "zai-exporter.sidecar.container.of" (include "zai-exporter.sidecar.values" . | fromYaml) | nindent 2 | trim }}
  restartPolicy: Always
{{- end -}}

{{- define "zai-exporter.sidecar.container" -}}
- {{ include "zai-exporter.sidecar.container.of" (include "zai-exporter.sidecar.values" . | fromYaml) | nindent 2 | trim }}
{{- end -}}

{{- define "zai-exporter.sidecar.volumes" -}}
{{- include "zai-exporter.sidecar.volumes.of" (include "zai-exporter.sidecar.values" . | fromYaml) -}}
{{- end -}}

{{- define "zai-exporter.sidecar.volumeMounts" -}}
{{- include "zai-exporter.sidecar.mounts.of" (include "zai-exporter.sidecar.values" . | fromYaml) -}}
{{- end -}}

{{/* The version of the exporter that these templates belong to. `.Chart` is your chart here, not this one. */}}
{{- define "zai-exporter.sidecar.appVersion" -}}
0.1.0
{{- end -}}

{{/*
The values in force, as YAML. A library chart's values reach the chart that depends on it under the name or the alias of the
dependency; the two names that are looked for are `zaiExporter` (the alias of the examples) and `zai-exporter-lib`.
*/}}
{{- define "zai-exporter.sidecar.values" -}}
{{- $context := . -}}
{{- $own := dict -}}
{{- if hasKey . "context" -}}
  {{- $context = .context -}}
  {{- $own = .values | default dict -}}
{{- end -}}
{{- $common := index $context.Values "zaiExporter" | default (index $context.Values "zai-exporter-lib") -}}
{{- if not (dig "image" "repository" "" ($common | default dict)) -}}
  {{- fail "zai-exporter-lib: its values were found neither under `zaiExporter` nor under `zai-exporter-lib`: give the dependency in Chart.yaml no alias, or `alias: zaiExporter`" -}}
{{- end -}}
{{- mustMergeOverwrite (deepCopy $common) (deepCopy $own) | toYaml -}}
{{- end -}}

{{/* What follows takes the values themselves. */}}

{{- define "zai-exporter.sidecar.labels.of" -}}
zai-exporter/job: {{ .job | quote }}
{{- end -}}

{{- define "zai-exporter.sidecar.image.of" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}{{- $name = printf "%s/%s" .image.registry .image.repository -}}{{- end -}}
{{- if .image.digest -}}
  {{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
  {{- printf "%s:%s" $name (.image.tag | default (include "zai-exporter.sidecar.appVersion" .)) -}}
{{- end -}}
{{- end -}}

{{- define "zai-exporter.sidecar.logVolume.of" -}}
{{- .logs.existingVolume | default "zai-logs" -}}
{{- end -}}

{{/* Every setting goes by the environment: so an argument (`extraArgs`) can win over each. */}}
{{- define "zai-exporter.sidecar.env.of" -}}
{{- $paths := .logs.paths -}}
{{- if not (or $paths .config.existingConfigMap) -}}
  {{- $paths = list (printf "%s/**/*.log" (trimSuffix "/" .logs.mountPath)) -}}
{{- end -}}
{{- if $paths -}}
- name: ZAI_EXPORTER_PATHS
  value: {{ join "," $paths | quote }}
{{ end -}}
- name: ZAI_EXPORTER_WEB_LISTEN_ADDRESS
  value: {{ .settings.listenAddress | default (printf ":%d" (int .port)) | quote }}
- name: ZAI_EXPORTER_WEB_TELEMETRY_PATH
  value: {{ .settings.telemetryPath | quote }}
- name: ZAI_EXPORTER_WEB_MAX_CONNECTIONS
  value: {{ .settings.maxConnections | quote }}
- name: ZAI_EXPORTER_LOG_READ_FROM
  value: {{ .settings.readFrom | quote }}
- name: ZAI_EXPORTER_LOG_LEVEL
  value: {{ .settings.logLevel | quote }}
- name: ZAI_EXPORTER_LOG_FORMAT
  value: {{ .settings.logFormat | quote }}
{{- if .state.enabled }}
- name: ZAI_EXPORTER_STATE_DIR
  value: {{ .state.mountPath | quote }}
{{- end }}
{{- if .config.existingConfigMap }}
- name: ZAI_EXPORTER_CONFIG_FILE
  value: {{ printf "/etc/zai-exporter/config/%s" .config.key | quote }}
{{- end }}
{{- if .web.existingSecret }}
- name: ZAI_EXPORTER_WEB_CONFIG_FILE
  value: {{ printf "/etc/zai-exporter/web/%s" .web.key | quote }}
{{- end }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "zai-exporter.sidecar.container.of" -}}
name: {{ .name }}
image: {{ include "zai-exporter.sidecar.image.of" . | quote }}
imagePullPolicy: {{ .image.pullPolicy }}
args:
  - serve
  {{- range .extraArgs }}
  - {{ . | quote }}
  {{- end }}
env:
  {{- include "zai-exporter.sidecar.env.of" . | nindent 2 }}
ports:
  - name: zai-metrics
    containerPort: {{ int .port }}
    protocol: TCP
{{- if .livenessProbe.enabled }}
livenessProbe:
  {{- if .web.existingSecret }}
  # The chart does not see whether the Secret sets up TLS, and client certificates would refuse a probe by HTTP.
  tcpSocket:
    port: zai-metrics
  {{- else }}
  httpGet:
    path: /-/healthy
    port: zai-metrics
  {{- end }}
  periodSeconds: {{ int .livenessProbe.periodSeconds }}
  timeoutSeconds: {{ int .livenessProbe.timeoutSeconds }}
  failureThreshold: {{ int .livenessProbe.failureThreshold }}
{{- end }}
{{- if .lastScrapeSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ int .lastScrapeSeconds }}
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- toYaml .containerSecurityContext | nindent 2 }}
volumeMounts:
  - name: {{ include "zai-exporter.sidecar.logVolume.of" . }}
    mountPath: {{ .logs.mountPath | quote }}
    {{- with .logs.subPath }}
    subPath: {{ . | quote }}
    {{- end }}
    readOnly: true
  {{- if .state.enabled }}
  - name: zai-exporter-state
    mountPath: {{ .state.mountPath | quote }}
  {{- end }}
  {{- if .config.existingConfigMap }}
  # The directory, not a subPath: so a changed ConfigMap reaches the exporter, which reloads by itself.
  - name: zai-exporter-config
    mountPath: /etc/zai-exporter/config
    readOnly: true
  {{- end }}
  {{- if .web.existingSecret }}
  - name: zai-exporter-web
    mountPath: /etc/zai-exporter/web
    readOnly: true
  {{- end }}
  {{- with .extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The volumes other than that of the logs. */}}
{{- define "zai-exporter.sidecar.ownVolumes.of" -}}
{{- if .state.enabled }}
- name: zai-exporter-state
  {{- .state.volume | default (dict "emptyDir" dict) | toYaml | nindent 2 }}
{{- end }}
{{- if .config.existingConfigMap }}
- name: zai-exporter-config
  configMap:
    name: {{ .config.existingConfigMap }}
{{- end }}
{{- if .web.existingSecret }}
- name: zai-exporter-web
  secret:
    secretName: {{ .web.existingSecret }}
{{- end }}
{{- end -}}

{{- define "zai-exporter.sidecar.volumes.of" -}}
{{- if not .logs.existingVolume }}
- name: {{ include "zai-exporter.sidecar.logVolume.of" . }}
  {{- if .logs.sizeLimit }}
  emptyDir:
    sizeLimit: {{ .logs.sizeLimit | quote }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end }}
{{- include "zai-exporter.sidecar.ownVolumes.of" . }}
{{- end -}}

{{/* Nothing for an existing volume: the application mounts that by itself, and a second mount at one path is refused. */}}
{{- define "zai-exporter.sidecar.mounts.of" -}}
{{- if not .logs.existingVolume -}}
- name: {{ include "zai-exporter.sidecar.logVolume.of" . }}
  mountPath: {{ .logs.mountPath | quote }}
{{- end -}}
{{- end -}}

{{- /*
Where the alerts go, once for both shapes of configuration.

  include "zai-exporter.alertmanager" $                 a whole alertmanager.yml, for Alertmanager itself
  include "zai-exporter.alertmanagerConfig" $           the `spec:` of an AlertmanagerConfig, for the Prometheus operator
  include "zai-exporter.alertmanagerConfigExample" $    the whole object, for the example beside the rules

Matchers are written here as [name, operator, value].
*/}}
{{- define "zai-exporter.alertmanager.table" -}}
routes:
- comment: A dead account stops every service that uses it. One page tells of all of them.
  receiver: page
  matchers: [[severity, "=", critical], [zai_scope, "=", account]]
  groupBy: [cluster, alertname]
- receiver: page
  matchers: [[severity, "=", critical]]
  groupBy: [cluster, namespace, job, alertname]
- receiver: ticket
  matchers: [[severity, "=", warning]]
  groupBy: [cluster, namespace, job, alertname]
- comment: What is left is severity info, for dashboards only.
  receiver: "null"
inhibit:
- comment: Without an account every call fails, in whatever way. Tell the cause, not what follows from it.
  source: [[severity, "=", critical], [zai_scope, "=", account]]
  target: [[alertname, "=~", "ZaiErrorBudgetBurn|ZaiServerErrorsHigh|ZaiRateLimited|ZaiAuthenticationErrors|ZaiAccountAccessErrors"]]
  equal: [cluster, namespace, job]
- comment: A fast burn of the error budget includes the slow one.
  source: [[alertname, "=", ZaiErrorBudgetBurn], [severity, "=", critical]]
  target: [[alertname, "=", ZaiErrorBudgetBurn], [severity, "=", warning]]
  equal: [cluster, namespace, job]
- comment: What was last heard of an exporter that is down says nothing about it now.
  source: [[alertname, "=", ZaiExporterDown]]
  target: [[alertname, "=~", "ZaiExporter.+"], [alertname, "!=", ZaiExporterDown]]
  equal: [cluster, namespace, job, pod, instance]
{{- end -}}

{{- /* Times by receiver. Tickets wait longer for others of their group: nobody is waiting for them. */}}
{{- define "zai-exporter.alertmanager.times" -}}
page: {groupWait: {{ .pageGroupWait }}, groupInterval: 5m, repeatInterval: {{ .pageRepeatInterval }}}
ticket: {groupWait: 1m, groupInterval: 15m, repeatInterval: {{ .ticketRepeatInterval }}}
{{- end -}}

{{- define "zai-exporter.alertmanager.plainMatchers" -}}
{{- range . }}
- {{ printf "%s%s\"%s\"" (index . 0) (index . 1) (index . 2) | squote }}
{{- end }}
{{- end -}}

{{- define "zai-exporter.alertmanager.operatorMatchers" -}}
{{- range . }}
- {name: {{ index . 0 }}, matchType: {{ index . 1 | quote }}, value: {{ index . 2 | quote }}}
{{- end }}
{{- end -}}

{{- define "zai-exporter.alertmanager" -}}
{{- $table := include "zai-exporter.alertmanager.table" . | fromYaml -}}
{{- $times := include "zai-exporter.alertmanager.times" .Values.alerts.alertmanager | fromYaml -}}
#
# For Alertmanager 0.25 or later. To use it: put your own receivers in place of the two webhooks, or copy the route below
# `routes`, the receivers and the inhibit rules into the configuration that you have.
route:
  receiver: default
  routes:
  - matchers: ['alertname=~"Zai.+"']
    receiver: "null"
    routes:
    {{- range $route := $table.routes }}
    {{- with $route.comment }}
    # {{ . }}
    {{- end }}
    - receiver: {{ $route.receiver | quote }}
      {{- with $route.matchers }}
      matchers:
      {{- include "zai-exporter.alertmanager.plainMatchers" . | trim | nindent 6 }}
      {{- end }}
      {{- with $route.groupBy }}
      group_by: [{{ join ", " . }}]
      {{- end }}
      {{- with get $times $route.receiver }}
      group_wait: {{ .groupWait }}
      group_interval: {{ .groupInterval }}
      repeat_interval: {{ .repeatInterval }}
      {{- end }}
    {{- end }}
receivers:
# Your other alerts go where they went before; this stands for that.
- name: default
- name: page
  webhook_configs:
  - url: https://example.com/page
    send_resolved: true
- name: ticket
  webhook_configs:
  - url: https://example.com/ticket
    send_resolved: true
- name: "null"
inhibit_rules:
{{- range $rule := $table.inhibit }}
# {{ $rule.comment }}
- source_matchers:
  {{- include "zai-exporter.alertmanager.plainMatchers" $rule.source | trim | nindent 2 }}
  target_matchers:
  {{- include "zai-exporter.alertmanager.plainMatchers" $rule.target | trim | nindent 2 }}
  equal: [{{ join ", " $rule.equal }}]
{{- end }}
{{- end -}}

{{- define "zai-exporter.alertmanagerConfig" -}}
{{- $table := include "zai-exporter.alertmanager.table" . | fromYaml -}}
{{- $settings := .Values.alerts.alertmanager -}}
{{- $times := include "zai-exporter.alertmanager.times" $settings | fromYaml -}}
route:
  receiver: "null"
  matchers:
  - {name: alertname, matchType: "=~", value: "Zai.+"}
  routes:
  {{- range $route := $table.routes }}
  {{- with $route.comment }}
  # {{ . }}
  {{- end }}
  - receiver: {{ $route.receiver | quote }}
    {{- with $route.matchers }}
    matchers:
    {{- include "zai-exporter.alertmanager.operatorMatchers" . | trim | nindent 4 }}
    {{- end }}
    {{- with $route.groupBy }}
    groupBy: [{{ join ", " . }}]
    {{- end }}
    {{- with get $times $route.receiver }}
    groupWait: {{ .groupWait }}
    groupInterval: {{ .groupInterval }}
    repeatInterval: {{ .repeatInterval }}
    {{- end }}
  {{- end }}
receivers:
- name: page
  {{- toYaml $settings.pageReceiver | nindent 2 }}
- name: ticket
  {{- toYaml $settings.ticketReceiver | nindent 2 }}
- name: "null"
inhibitRules:
{{- range $rule := $table.inhibit }}
# {{ $rule.comment }}
- sourceMatch:
  {{- include "zai-exporter.alertmanager.operatorMatchers" $rule.source | trim | nindent 2 }}
  targetMatch:
  {{- include "zai-exporter.alertmanager.operatorMatchers" $rule.target | trim | nindent 2 }}
  equal: [{{ join ", " $rule.equal }}]
{{- end }}
{{- end -}}

{{- define "zai-exporter.alertmanagerConfigExample" -}}
#
# For the Prometheus operator. Its namespace matters: the operator adds `namespace="<the object's own>"` to the first route
# and to every inhibition, so by default it sees only the alerts of the namespace that it is in.
#   - One team, one namespace: create it in that namespace. Alerts without a namespace label (ZaiExporterAbsent) pass it by.
#   - One for the whole cluster: set `alertmanagerConfigMatcherStrategy: {type: None}` in the Alertmanager object, or
#     `OnNamespaceExceptForAlertmanagerNamespace` and create this in Alertmanager's own namespace.
# The Alertmanager object must select it (alertmanagerConfigSelector, alertmanagerConfigNamespaceSelector). The addresses
# come from a Secret in the same namespace:
#   kubectl create secret generic zai-alert-receivers --from-literal=page-url=... --from-literal=ticket-url=...
apiVersion: monitoring.coreos.com/v1alpha1
kind: AlertmanagerConfig
metadata:
  name: zai-exporter
  namespace: monitoring
spec:
  {{- include "zai-exporter.alertmanagerConfig" . | nindent 2 }}
{{- end -}}

{{- /*
The Prometheus rules: recording rules and alerts, in one place.

  include "zai-exporter.rules" $    renders `groups:` and all below it, from .Values.alerts, and from what the chart's own
                                    DaemonSet follows. A PrometheusRule takes it under `spec:`; alerts/zai.rules.yaml is
                                    the same with the default values.

How it is put together
  zai-exporter.rules.recording      the recording rules, one set per window
  zai-exporter.rules.table          the alerts, as data; which settings an alert has is in .Values.alerts.rules
  zai-exporter.rules.fill           puts the values in

The link of an alert (dashboard_url) opens one panel: `dashboard` is the uid of its board, `panel` the id of the panel, as the
source of the boards gives it (dashboards/boards). The panel shows what the alert fires on, all of it: a test of the dashboards
holds the metrics and label values of both against each other.

Notation in the tables
  [[ ]]          stands for the double braces of Prometheus' own templates, which Helm would take for itself
  @name@         is a setting of the alert (@threshold@, @minCalls@ ...) or one of
  @selector@     .Values.alerts.selector, always the first matcher in its braces
  @match@        the matchers that the row's `match` holds
  @also@         those that its `also` holds: what belongs to the alert beside, told by code
  @events@       the calls that failed with @match@ within the event window (see zai-exporter.rules.events)
  @where@        in a text: the job, and namespace and cluster where the alert has them
  @calls@        in a text: about how many calls failed with @match@ in 15 minutes (at least 1), seen by how many exporters
  @documented@   in a text: code, documented message and solution of the events
  @frequent@     in a text: the five most frequent codes with @match@ or @also@

Everything is aggregated by (cluster, namespace, job), for one page per affected service however many pods it has, and
because the `equal` of an inhibition needs the same labels on both sides. The exporter's own alerts keep pod and instance.
*/}}

{{- /* A Prometheus duration such as 1h30m in seconds; PromQL compares timestamps with numbers. */}}
{{- define "zai-exporter.rules.seconds" -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 "w" 604800.0 -}}
{{- if not (regexMatch "^([0-9]+(ms|s|m|h|d|w))+$" (toString .)) -}}
{{- fail (printf "alerts: %q is no duration such as 90s, 15m or 1h30m" (toString .)) -}}
{{- end -}}
{{- $seconds := 0.0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d|w)" (toString .) -1 -}}
{{- $seconds = addf $seconds (mulf (regexFind "^[0-9]+" . | float64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{- /*
A counter's increase over a window, for series that may be born above 0.

increase() does not see the value that a series is born with. The documented rows are there at 0 from the first scrape, but
others (an undocumented code, a path that a log has just appeared on) are born by their first error. Such a series is new
if it was not there before the window and has fewer samples in it than its exporter; then all of its value counts. A
series that came with the exporter's very first scrape has as many samples as the exporter: it tells of what the files
held before, which is history.
*/}}
{{- define "zai-exporter.rules.increase" -}}
{{- $series := .series -}}
{{- $any := regexReplaceAll "@selector@,[^}]*" $series "@selector@" -}}
(
  max_over_time({{ $series }}[{{ .window }}])
  unless
  last_over_time({{ $any }}[1h] offset {{ .window }})
  and
  count_over_time({{ $any }}[{{ .window }}])
  < on (cluster, job, instance) group_left
  sum by (cluster, job, instance) (count_over_time(zai_exporter_build_info{@selector@}[{{ .window }}]))
)
or
increase({{ $series }}[{{ .window }}])
{{- end -}}

{{- /*
The failed calls that page, each on its own.

The time that the log line itself gives decides, so that neither an old error in a file read at start, nor a restart, nor
a counter's reset is news; that a pod's very first error is, though no counter has moved in Prometheus' view; and that an
error stays news for the window, whether the pod dies or scrapes fail meanwhile. 0 means never. A value that Prometheus
knew a window ago is no news either, whatever time it gives: a clock that is ahead pages when the error is seen, then no
more, and not again when the time it gave has come.
*/}}
{{- define "zai-exporter.rules.events" -}}
{{- $series := "zai_api_error_last_seen_timestamp_seconds{@selector@,@match@}" -}}
max_over_time({{ $series }}[@eventWindow@]) > 0 > time() - @eventSeconds@
unless
max_over_time({{ $series }}[@eventWindow@])
== max_over_time({{ $series }}[1h] offset @eventWindow@)
{{- end -}}

{{- define "zai-exporter.rules.recording" -}}
{{- range $window := list "5m" "10m" "15m" }}
- record: zai:api_errors:increase{{ $window }}
  expr: |-
    sum by (cluster, namespace, job, category, code, condition) (
      {{- include "zai-exporter.rules.increase" (dict "series" "zai_api_errors_total{@selector@}" "window" $window) | nindent 6 }}
    )
- record: zai:finish_reasons:increase{{ $window }}
  expr: |-
    sum by (cluster, namespace, job, finish_reason) (
      {{- include "zai-exporter.rules.increase" (dict "series" "zai_finish_reasons_total{@selector@}" "window" $window) | nindent 6 }}
    )
# Clients log the HTTP answer, the end of the stream, or both: the larger number is nearer to the truth than the sum.
- record: zai:answers:increase{{ $window }}
  expr: |-
    max by (cluster, namespace, job) (
      label_replace(
        sum by (cluster, namespace, job) (
          {{- include "zai-exporter.rules.increase" (dict "series" "zai_http_responses_total{@selector@,status=~\"2..\"}" "window" $window) | nindent 10 }}
        ),
        "seen_as", "http", "", ""
      )
      or
      label_replace(
        sum by (cluster, namespace, job) (zai:finish_reasons:increase{{ $window }}),
        "seen_as", "finish_reason", "", ""
      )
    )
- record: zai:calls:increase{{ $window }}
  expr: sum by (cluster, namespace, job) (zai:api_errors:increase{{ $window }} or zai:answers:increase{{ $window }})
{{- end }}
# What counts against the objective: all failures that the caller did not cause, and streams that broke off. HTTP 400 is the
# caller's too, where the client logs no more than the status.
{{- range $window := list "5m" "15m" }}
- record: zai:budget_errors:increase{{ $window }}
  expr: |-
    sum by (cluster, namespace, job) (
      zai:api_errors:increase{{ $window }}{condition!~"@budgetExcluded@",code!="400"}
      or
      zai:finish_reasons:increase{{ $window }}{finish_reason="network_error"}
    )
{{- end }}
{{- end -}}

{{- /*
The error budget, whose three alerts differ only in numbers. A day is summed up from the increases over 15 minutes that are
recorded anyway: increase() over a day would read every sample of every pod's series again at each evaluation.
*/}}
{{- define "zai-exporter.rules.burn" -}}
{{- $share := printf "sum_over_time(zai:budget_errors:increase%[1]s[%%[1]s:%[1]s]) / sum_over_time(zai:calls:increase%[1]s[%%[1]s:%[1]s]) * 100" .step -}}
- name: ZaiErrorBudgetBurn
  part: {{ .part }}
  scope: api
  dashboard: zai-errors
  panel: 44
  labels: {long_window: {{ .long }}, short_window: {{ .short }}}
  match: condition!~"@budgetExcluded@",code!="400"
  summary: Calls of the Z.ai API fail so often that the error budget is burning.
  description: >-
    About [[ $value | printf "%.0f" ]] % of the Z.ai API calls of @where@ failed over the last {{ .long }}, and the failures go
    on. At an objective of @objective@ % that burns the error budget at least @factor@ times as fast as it may.
    @frequent@ Find the failing condition on the dashboard; the runbook of the alert on that condition says what the
    documentation says to do.
  expr: |-
    {{ printf $share .long }}
    > @factor@ * (100 - @objective@)
    and
    {{ .recent | default (printf $share .short) }}
    > @factor@ * (100 - @objective@)
    and
    sum_over_time(zai:budget_errors:increase{{ .step }}[{{ .long }}:{{ .step }}]) >= @minErrors@
    and
    sum_over_time(zai:answers:increase15m[1d:15m]) > 0
{{- end -}}

{{- /*
The Service of the chart's DaemonSet, where a node may well have nothing to follow: no Pod of the namespaces, or of the sources,
that it was narrowed to. Its targets bear this name as the label `service`, which those of a PodMonitor do not have; their job
may be the same. Empty where all Pods are followed: then each node has some.
*/}}
{{- define "zai-exporter.rules.narrowedService" -}}
{{- with .Values.daemonSet -}}
{{- if and .enabled (or .namespaces .config.sources) -}}
{{- include "zai-exporter.daemonSet.fullname" $ -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "zai-exporter.rules.table" -}}
{{- $narrowed := include "zai-exporter.rules.narrowedService" . -}}
- group: zai-account
  alerts:
  - name: ZaiBalanceExhausted
    scope: account
    dashboard: zai-overview
    panel: 10
    match: condition="balance_exhausted"
    summary: The balance of a Z.ai account is exhausted.
    description: >-
      The Z.ai account that @where@ uses has no balance left. @calls@ Until the account is recharged, every call will
      fail. Recharge the account to ensure sufficient balance. @documented@
    expr: "@events@"
  - name: ZaiAccountLocked
    scope: account
    dashboard: zai-overview
    panel: 10
    match: condition="account_locked"
    summary: A Z.ai account is locked.
    description: >-
      The Z.ai account that @where@ uses is locked. @calls@ Retries do not help. Contact customer service to unlock the
      account, and find out which violation it was locked for. @documented@
    expr: "@events@"
  - name: ZaiEndUserLocked
    scope: end_user
    dashboard: zai-overview
    panel: 10
    match: condition="end_user_locked"
    summary: Z.ai has locked an end user for a violation.
    description: >-
      Z.ai refuses calls of @where@ because an end user (terminal user) has a violation and was locked. @calls@ Other
      users still get through. Find the user in the application's log and stop what they send. @documented@
    expr: "@events@"
  - name: ZaiAccountUnusable
    scope: account
    dashboard: zai-overview
    panel: 10
    match: condition=~"account_inactive|account_missing"
    summary: A Z.ai account is inactive or does not exist.
    description: >-
      The Z.ai account that @where@ uses is inactive or does not exist. @calls@ Check the account information, and which
      account the API key belongs to. @documented@
    expr: "@events@"
  - name: ZaiPlanExpired
    scope: account
    dashboard: zai-overview
    panel: 10
    match: condition="plan_expired"
    summary: A Z.ai plan has expired.
    description: >-
      The Z.ai plan that @where@ uses has expired. @calls@ Renew the subscription, or ask the enterprise administrator
      to. @documented@
    expr: "@events@"
  - name: ZaiQuotaExhausted
    scope: account
    dashboard: zai-overview
    panel: 10
    match: condition="quota_exhausted"
    summary: A usage limit of a Z.ai account is reached.
    description: >-
      A usage limit of the Z.ai account that @where@ uses is reached. @calls@ Wait for the limit to reset, or contact
      customer service to purchase more. @documented@
    expr: "@events@"
- group: zai-policy
  alerts:
  - name: ZaiPolicyBlocked
    why: >-
      By code and not by condition alone, since 1301 is one prompt refused, which ZaiSensitiveContentHigh watches; any policy
      code that the catalogue gains pages here.
    scope: policy
    dashboard: zai-overview
    panel: 10
    match: condition="policy_block",code!="1301"
    summary: Z.ai blocks calls by policy.
    description: >-
      Z.ai blocks calls of @where@ by policy. @calls@ The account may be locked if they go on. Find out which policy
      blocks the calls, and contact customer service. @documented@
    expr: "@events@"
  - name: ZaiSensitiveContentHigh
    scope: policy
    dashboard: zai-errors
    panel: 30
    match: code="1301"
    summary: Z.ai refuses many prompts or answers as sensitive.
    description: >-
      Z.ai refused about [[ $value | printf "%.0f" ]] % of the calls of @where@ in the last 15 minutes as unsafe or
      sensitive content (code 1301, or a stream that ended with `sensitive`). Avoid using prompts that may generate
      sensitive content: find the feature or user that sends them, before Z.ai locks the account or the user.
    expr: |-
      sum by (cluster, namespace, job) (
        zai:api_errors:increase15m{code="1301"}
        or
        zai:finish_reasons:increase15m{finish_reason=~"sensitive|content_filter"}
      )
      / zai:calls:increase15m * 100 > @threshold@
      and
      zai:calls:increase15m >= @minCalls@
- group: zai-api
  alerts:
  - name: ZaiApiOffline
    scope: api
    dashboard: zai-overview
    panel: 10
    match: condition="api_unavailable"
    summary: Z.ai has taken an API offline.
    description: >-
      Z.ai says that an API which @where@ calls has been taken offline. @calls@ Use another API. @documented@
    expr: "@events@"
  - name: ZaiAuthenticationFailing
    scope: account
    dashboard: zai-errors
    panel: 22
    match: condition="authentication"
    summary: Most calls of the Z.ai API fail to authenticate.
    description: >-
      About [[ $value | printf "%.0f" ]] % of the Z.ai API calls of @where@ in the last 5 minutes failed to
      authenticate. @frequent@ Confirm that the API key and authentication token are correctly generated, sent
      completely, and not expired.
    expr: |-
      sum by (cluster, namespace, job) (zai:api_errors:increase5m{@match@})
      / zai:calls:increase5m * 100 > @threshold@
      and
      zai:calls:increase5m >= @minCalls@
  - name: ZaiAuthenticationErrors
    scope: api
    dashboard: zai-overview
    panel: 10
    match: condition="authentication"
    summary: Some calls of the Z.ai API keep failing to authenticate.
    description: >-
      Z.ai API calls of @where@ keep failing to authenticate: about [[ $value | printf "%.0f" ]] in the last 15 minutes.
      @frequent@ If others succeed, one of several keys is wrong or has expired. Confirm that the API key and
      authentication token are correctly generated.
    expr: sum by (cluster, namespace, job) (zai:api_errors:increase15m{@match@}) > 0
  - name: ZaiAccountAccessErrors
    scope: api
    dashboard: zai-overview
    panel: 10
    match: condition="account_access"
    summary: Z.ai keeps failing to access the account.
    description: >-
      Z.ai cannot access the account that @where@ uses. Failed calls in the last 10 minutes: about [[ $value | printf
      "%.0f" ]]. @frequent@ Try again later; if it stays, contact customer service.
    expr: sum by (cluster, namespace, job) (zai:api_errors:increase10m{@match@}) > 0
  - name: ZaiRateLimited
    why: >-
      A bare 429 is counted too: a client that logs no more than the status is most often limited. It can as well be an
      exhausted balance, and the text says so.
    scope: api
    dashboard: zai-errors
    panel: 22
    match: condition=~"concurrency_limit|rate_limit"
    also: code="429",condition="unspecified"
    summary: Z.ai limits the rate of calls.
    description: >-
      Z.ai turned away about [[ $value | printf "%.0f" ]] % of the calls of @where@ in the last 10 minutes for their
      rate or concurrency. @frequent@ Reduce the request frequency or concurrency, or contact customer service to
      increase the limits. If all that the log shows is HTTP 429, check the balance too: that status stands for both.
    expr: |-
      sum by (cluster, namespace, job) (
        zai:api_errors:increase10m{@match@}
        or
        zai:api_errors:increase10m{@also@}
      )
      / zai:calls:increase10m * 100 > @threshold@
      and
      zai:calls:increase10m >= @minCalls@
  - name: ZaiModelOrApiUnavailable
    why: >-
      More than a passing error: one call with a wrong task id or model name is gone from the window before `for` is over.
      1212 is an invalid request by condition, but what helps is the same as here; 403 and 404 are what a client logs that
      shows no more than the status.
    scope: api
    dashboard: zai-errors
    panel: 10
    match: condition=~"feature_unavailable|model_unavailable|not_found|permission_denied"
    also: code=~"1212|403|404"
    summary: Calls keep naming a Z.ai model or API that is not there for them.
    description: >-
      @where@ keeps calling a Z.ai model, method or API that does not exist, is not open to the account, or is not
      supported. Failed calls in the last 5 minutes: about [[ $value | printf "%.0f" ]]. @frequent@ Check the model
      code, the method and the path, and whether the account or plan has access; apply to customer service for what it
      lacks.
    expr: |-
      sum by (cluster, namespace, job) (
        zai:api_errors:increase5m{@match@}
        or
        zai:api_errors:increase5m{@also@}
      ) > 0
  - name: ZaiBadRequestsHigh
    scope: api
    dashboard: zai-errors
    panel: 22
    match: condition=~"duplicate_request|file_too_large|invalid_file|invalid_request",code!="1212"
    also: code="400"
    summary: Z.ai refuses many calls as wrong.
    description: >-
      Z.ai refused about [[ $value | printf "%.0f" ]] % of the calls of @where@ in the last 15 minutes as wrong.
      @frequent@ Check the parameters of these calls against the documentation; a release of the service is the usual
      cause.
    expr: |-
      sum by (cluster, namespace, job) (
        zai:api_errors:increase15m{@match@}
        or
        zai:api_errors:increase15m{@also@}
      )
      / zai:calls:increase15m * 100 > @threshold@
      and
      zai:calls:increase15m >= @minCalls@
  - name: ZaiServerErrorsHigh
    scope: api
    dashboard: zai-errors
    panel: 22
    match: condition=~"network|overloaded|server_error"
    summary: Many calls fail on the side of Z.ai.
    description: >-
      About [[ $value | printf "%.0f" ]] % of the Z.ai API calls of @where@ in the last 5 minutes failed on the side of
      Z.ai: a server error, an overload, or a stream that broke off. @frequent@ Try again later or contact customer
      service, with the error id where there is one.
    expr: |-
      sum by (cluster, namespace, job) (
        zai:api_errors:increase5m{@match@}
        or
        zai:finish_reasons:increase5m{finish_reason="network_error"}
      )
      / zai:calls:increase5m * 100 > @threshold@
      and
      zai:calls:increase5m >= @minCalls@
  - name: ZaiUnknownErrors
    scope: api
    dashboard: zai-errors
    panel: 10
    match: category="unknown"
    summary: Z.ai answers with errors that the documentation does not list.
    description: >-
      Z.ai API calls of @where@ keep failing with codes that are in no documented table: about [[ $value | printf "%.0f"
      ]] in the last 15 minutes. @frequent@ Look the code up, and add it under `catalogue` in the configuration file
      with the condition that fits, so that the alert on that condition sees it.
    expr: sum by (cluster, namespace, job) (zai:api_errors:increase15m{@match@}) > 0
- group: zai-error-budget
  why: >-
    Each burn rate has a short window, so that the alert ends soon after the errors do; a least number of errors, so that two
    failures in a quiet night are no outage; and asks that successes can be seen, since without them every share is 100 %.
  alerts:
  {{- include "zai-exporter.rules.burn" (dict "part" "fast" "long" "1h" "short" "5m" "step" "5m" "recent" "zai:budget_errors:increase5m / zai:calls:increase5m * 100") | nindent 2 }}
  {{- include "zai-exporter.rules.burn" (dict "part" "medium" "long" "6h" "short" "30m" "step" "15m") | nindent 2 }}
  {{- include "zai-exporter.rules.burn" (dict "part" "slow" "long" "1d" "short" "2h" "step" "15m") | nindent 2 }}
- group: zai-exporter
  alerts:
  - name: ZaiLogTimesOff
    why: >-
      The blind spot of all alerts on single events, since these go by the time in the log: an error that was counted just
      now and is too old to page. Usually a log in local time that is read as another zone's, or an application that
      buffers its log.
    scope: exporter
    dashboard: zai-exporter
    panel: 23
    summary: The times in a log are off, so that errors in it may not page.
    description: >-
      Errors of @where@ that were counted within the last 2 minutes bear times more than @eventWindow@ old or
      @clockTolerance@ ahead, at [[ $value ]] exporter(s). Alerts on single errors go by that time: errors as old as
      that do not page. If the log gives local time without an offset, set `timezone` in the exporter's configuration
      file; if not, the log is written or read late.
    expr: |-
      count by (cluster, namespace, job) (
        group by (cluster, namespace, job, instance) (
          zai_api_error_last_seen_timestamp_seconds{@selector@}
          > max_over_time(zai_api_error_last_seen_timestamp_seconds{@selector@}[1h] offset 2m)
          and
          (
            zai_api_error_last_seen_timestamp_seconds{@selector@} < time() - @eventSeconds@
            or
            zai_api_error_last_seen_timestamp_seconds{@selector@} > time() + @toleranceSeconds@
          )
        )
      )
  - name: ZaiExporterDown
    why: >-
      The targets of exporters, known by the port that the chart names, whether or not they ever came up; and those of jobs
      that have shown build_info in the last week, for other scrape configurations: that needs no job's name, but forgets
      a job all of whose exporters are down for longer, and never learns of one that did not come up.
    scope: exporter
    dashboard: zai-exporter
    panel: 10
    summary: A zai-exporter cannot be scraped.
    description: >-
      Prometheus cannot scrape the zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of
      @where@. Failed API calls in the logs that it follows are counted once it is back, but page nobody until then.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        up{@selector@,@targets@} == 0
        or
        up{@selector@} == 0
        and on (cluster, namespace, job, container, endpoint)
        last_over_time(zai_exporter_build_info{@selector@}[7d])
      )
  - name: ZaiExporterAbsent
    scope: exporter
    dashboard: zai-exporter
    panel: 1
    summary: Prometheus knows no zai-exporter.
    description: >-
      No zai-exporter has been scraped: the alerts on the Z.ai API can see nothing. Check that the exporters run and
      that a scrape configuration or PodMonitor selects them.
    expr: absent(zai_exporter_build_info{@selector@})
  - name: ZaiExporterNoLogFile
    {{- if $narrowed }}
    why: >-
      A node without a Pod of the namespaces or sources that the DaemonSet {{ $narrowed }} is narrowed to has nothing to
      follow, so this counts only if no node has.
    {{- end }}
    scope: exporter
    dashboard: zai-exporter
    panel: 10
    summary: A zai-exporter has no log file to read.
    description: >-
      {{- if $narrowed }}
      [[ with $labels.instance ]]The zai-exporter [[ . ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]][[ else ]]Each
      zai-exporter of the DaemonSet {{ $narrowed }}[[ end ]]
      {{- else }}
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]]
      {{- end }} of @where@ follows no file
      at all, or waits for one that it was given by name. Check the path, the volume and its mount in the application's
      container.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        zai_exporter_files_waiting{@selector@} > 0
        or
        {{- if $narrowed }}
        zai_exporter_files_followed{@selector@,service!={{ $narrowed | quote }}} == 0
        or
        max by (cluster, namespace, job) (zai_exporter_files_followed{@selector@,service={{ $narrowed | quote }}}) == 0
        {{- else }}
        zai_exporter_files_followed{@selector@} == 0
        {{- end }}
      )
  - name: ZaiExporterReadErrors
    scope: exporter
    dashboard: zai-exporter
    panel: 32
    summary: A zai-exporter cannot read all of its logs.
    description: >-
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ fails to read a
      log, or has closed one whose last line was never finished. Failed API calls in what was not read are not counted.
      Its own log names the file and the reason.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        increase(zai_exporter_read_errors_total{@selector@}[5m]) > 0
        or
        increase(zai_exporter_abandoned_bytes_total{@selector@}[15m]) > 0
      )
  - name: ZaiExporterLagging
    scope: exporter
    dashboard: zai-exporter
    panel: 22
    summary: A zai-exporter is behind the logs.
    description: >-
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ has [[ $value |
      humanize1024 ]]B still to read. Alerts come late by what that takes.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        zai_exporter_lag_bytes{@selector@}
      ) > @thresholdMiB@ * 1024 * 1024
  - name: ZaiExporterStalled
    why: >-
      Growth and not presence of unread bytes: the half line that a process left behind when it died stays unread for good.
    scope: exporter
    dashboard: zai-exporter
    panel: 22
    summary: A zai-exporter has stopped reading.
    description: >-
      The logs of the zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ have
      grown, and it has read nothing for 10 minutes. Its metrics stand still, so the alerts on the API do too.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        delta(zai_exporter_lag_bytes{@selector@}[10m]) > 0
        and
        increase(zai_exporter_read_bytes_total{@selector@}[10m]) == 0
      )
  - name: ZaiExporterStateNotCommitted
    why: >-
      An exporter with nothing new to commit may leave the file alone, so age alone says nothing.
    scope: exporter
    dashboard: zai-exporter
    panel: 41
    summary: A zai-exporter cannot save its state.
    description: >-
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ fails to save
      counts and read positions in its state directory. It goes on counting in memory, but a restart now loses what was
      counted since the last commit, as far as the logs no longer hold it. Check the space and the permissions of the
      volume.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        increase(zai_exporter_state_commit_failures_total{@selector@}[5m]) > 0
        or
        (
          time() - zai_exporter_state_last_commit_timestamp_seconds{@selector@} > 900
          and
          zai_exporter_state_persistent{@selector@} == 1
          and
          increase(zai_exporter_read_bytes_total{@selector@}[10m]) > 0
        )
      )
  - name: ZaiExporterRestarting
    scope: exporter
    dashboard: zai-exporter
    panel: 52
    summary: A zai-exporter keeps restarting.
    description: >-
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ has restarted [[
      $value ]] times within an hour. Look at why it ended: memory limit, liveness probe, or a message in its log.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        changes(process_start_time_seconds{@selector@}[1h])
        and on (cluster, namespace, job, instance)
        zai_exporter_build_info{@selector@}
      ) > @maxRestartsPerHour@
  - name: ZaiExporterConfigReloadFailed
    scope: exporter
    dashboard: zai-exporter
    panel: 10
    summary: A zai-exporter refused its new configuration.
    description: >-
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ refused its
      configuration file, or the web configuration, at the last reload and goes on with the one before. Its log, and
      `zai-exporter check-config`, name the mistake and its line.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        zai_exporter_config_last_reload_successful{@selector@} == 0
        or
        zai_exporter_web_config_last_reload_successful{@selector@} == 0
      )
  - name: ZaiExporterUnrecognisedErrors
    scope: exporter
    dashboard: zai-exporter
    panel: 32
    summary: A log holds what looks like errors of the API but is not recognised.
    description: >-
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ saw about [[
      $value | printf "%.0f" ]] lines within an hour that look like errors of the Z.ai API, and are none that it knows.
      The client library may have a new log format: then errors go uncounted.
    expr: |-
      max by (cluster, namespace, job, pod, instance) (
        increase(zai_exporter_unrecognised_lookalikes_total{@selector@}[1h]) > 0
      )
  - name: ZaiExporterLabelValuesFolded
    why: >-
      The series is born by the first value that is folded, above 0, where increase() sees nothing; so one that was not there
      an hour ago counts too. Both are over an hour after the last such value, or the start at which it was read.
    scope: exporter
    dashboard: zai-exporter
    panel: 32
    summary: A configured label has more values than a zai-exporter may keep apart.
    description: >-
      The zai-exporter [[ $labels.instance ]][[ with $labels.pod ]] in pod [[ . ]][[ end ]] of @where@ has as many
      values of the label `[[ $labels.label ]]` as `limits.label_values` allows. Errors in the logs of new ones are
      counted and still page, but under the value `other`. Raise the limit in its configuration file, or drop the label.
    expr: |-
      max by (cluster, namespace, job, pod, instance, label) (
        zai_exporter_label_values_folded_total{@selector@}
        unless
        last_over_time(zai_exporter_label_values_folded_total{@selector@}[1h] offset 1h)
        or
        increase(zai_exporter_label_values_folded_total{@selector@}[1h]) > 0
      )
{{- end -}}

{{- /* Puts settings and values into a text of the tables: dict "root" $ "settings" map "match" string "also" string "text" string. */}}
{{- define "zai-exporter.rules.fill" -}}
{{- $alerts := .root.Values.alerts -}}
{{- $text := .text -}}
{{- $ours := "cluster=%q,namespace=%q,job=%q}" -}}
{{- $code := "[[ if eq .Labels.category \"http\" ]]HTTP [[ end ]][[ .Labels.code ]]" -}}
{{- $event := include "zai-exporter.rules.events" . -}}
{{- $text = $text | replace "@events@" (printf "count by (cluster, namespace, job) (\n  group by (cluster, namespace, job, instance) (\n%s\n  )\n)" (indent 4 $event)) -}}
{{- $text = $text | replace "@where@" "[[ $labels.job ]][[ with $labels.namespace ]] in namespace [[ . ]][[ end ]][[ with $labels.cluster ]] of cluster [[ . ]][[ end ]]" -}}
{{- $text = $text | replace "@calls@" (printf "Failed calls in the last 15 minutes: about [[ with printf `clamp_min(sum(zai:api_errors:increase15m{@match@,%s), 1) or vector(1)` $labels.cluster $labels.namespace $labels.job | query ]][[ . | first | value | printf \"%%.0f\" ]][[ end ]], seen by [[ $value ]] exporter(s)." $ours) -}}
{{- $text = $text | replace " @documented@" (printf "[[ with printf `max by (category, code, message, solution) (last_over_time(zai_api_error_info{@selector@,@match@}[@eventWindow@]) and on (cluster, job, instance, category, code, condition) max_over_time(zai_api_error_last_seen_timestamp_seconds{@selector@,@match@,%s[@eventWindow@]) > 0 > time() - @eventSeconds@)` $labels.cluster $labels.namespace $labels.job | query | sortByLabel \"code\" ]] The documentation on what was seen:[[ range . ]] %s \"[[ .Labels.message ]]\": [[ .Labels.solution ]].[[ end ]][[ end ]]" $ours $code) -}}
{{- $labels := "$labels.cluster $labels.namespace $labels.job" -}}
{{- $series := printf "zai:api_errors:increase15m{@match@,%s" $ours -}}
{{- if .also -}}
{{- $series = printf "%s or zai:api_errors:increase15m{@also@,%s" $series $ours -}}
{{- $labels = printf "%s %s" $labels $labels -}}
{{- end -}}
{{- $text = $text | replace " @frequent@" (printf "[[ with printf `topk(5, sum by (category, code) (%s) > 0)` %s | query | sortByLabel \"code\" ]] Most frequent codes of the last 15 minutes:[[ range . ]] %s (about [[ .Value | printf \"%%.0f\" ]])[[ end ]].[[ end ]]" $series $labels $code) -}}
{{- $text = $text | replace "@match@" .match | replace "@also@" (.also | default "") -}}
{{- /* Before the values: square brackets in those are of regular expressions. */ -}}
{{- $text = $text | replace "[[" "{{" | replace "]]" "}}" -}}
{{- $settings := merge (dict
  "eventWindow" $alerts.eventWindow
  "eventSeconds" (include "zai-exporter.rules.seconds" $alerts.eventWindow)
  "clockTolerance" $alerts.clockTolerance
  "toleranceSeconds" (include "zai-exporter.rules.seconds" $alerts.clockTolerance)
  "objective" $alerts.objective
  "budgetExcluded" (join "|" $alerts.budgetExcludedConditions)
) .settings -}}
{{- range $name, $value := $settings -}}
{{- $text = $text | replace (printf "@%s@" $name) (toString $value) -}}
{{- end -}}
{{- if $alerts.selector -}}
{{- $text = $text | replace "@selector@" $alerts.selector -}}
{{- else -}}
{{- $text = $text | replace "{@selector@}" "" | replace "@selector@," "" -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- /* Refuses a rule or a setting that the tables do not have: a misspelt one would leave the default in force in silence. */}}
{{- define "zai-exporter.rules.check" -}}
{{- $known := dict -}}
{{- range $group := .table -}}
{{- range $row := $group.alerts -}}
{{- $keys := get $known $row.name | default (dict "enabled" true "severity" true "for" true "keepFiringFor" true "labels" true "annotations" true) -}}
{{- range regexFindAll "@[A-Za-z]+@" (printf "%s %s" $row.expr $row.description) -1 -}}
{{- $_ := set $keys (trimAll "@" .) true -}}
{{- end -}}
{{- with $row.part -}}{{- $_ := set $keys . true -}}{{- end -}}
{{- $_ := set $known $row.name $keys -}}
{{- end -}}
{{- end -}}
{{- range $name, $settings := .root.Values.alerts.rules -}}
{{- if not (hasKey $known $name) -}}
{{- fail (printf "alerts.rules has no alert %q; there are %s" $name (keys $known | sortAlpha | join ", ")) -}}
{{- end -}}
{{- $keys := get $known $name -}}
{{- range $key, $value := $settings -}}
{{- if not (hasKey $keys $key) -}}
{{- fail (printf "alerts.rules.%s has no setting %q" $name $key) -}}
{{- end -}}
{{- if and (kindIs "map" $value) (not (has $key (list "labels" "annotations"))) -}}
{{- range $inner, $_ := $value -}}
{{- if not (hasKey $keys $inner) -}}
{{- fail (printf "alerts.rules.%s.%s has no setting %q" $name $key $inner) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $budget := subf 100.0 (float64 .root.Values.alerts.objective) -}}
{{- $burn := .root.Values.alerts.rules.ZaiErrorBudgetBurn -}}
{{- if $burn.enabled -}}
{{- range list "fast" "medium" "slow" -}}
{{- $factor := get (get $burn .) "factor" | float64 -}}
{{- if or (le $budget 0.0) (ge (mulf $budget $factor) 100.0) -}}
{{- fail (printf "alerts.objective %v cannot be used: it must be below 100, and with the factor %v of alerts.rules.ZaiErrorBudgetBurn.%s above %.1f, or not even a total failure would fire" $.root.Values.alerts.objective $factor . (subf 100.0 (divf 100.0 $factor))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "zai-exporter.rules.alert" -}}
{{- $alerts := .root.Values.alerts -}}
{{- $rule := get $alerts.rules .row.name -}}
{{- $settings := $rule -}}
{{- with .row.part -}}{{- $settings = merge (deepCopy (get $rule .)) $rule -}}{{- end -}}
{{- if not (has $settings.severity (list "critical" "warning" "info")) -}}
{{- fail (printf "alerts.rules.%s: severity %q is none of critical, warning, info" .row.name (toString $settings.severity)) -}}
{{- end -}}
{{- $fill := dict "root" .root "settings" $settings "match" (.row.match | default "") "also" (.row.also | default "") -}}
{{- with .row.why }}
{{ wrap 116 . | replace "\n" "\n# " | printf "# %s" }}
{{- end }}
- alert: {{ .row.name }}
  expr: |-
    {{- include "zai-exporter.rules.fill" (set $fill "text" .row.expr) | nindent 4 }}
  {{- if ne (include "zai-exporter.rules.seconds" $settings.for) "0" }}
  for: {{ $settings.for }}
  {{- end }}
  {{- if ne (include "zai-exporter.rules.seconds" $settings.keepFiringFor) "0" }}
  keep_firing_for: {{ $settings.keepFiringFor }}
  {{- end }}
  labels:
    {{- merge (dict "severity" $settings.severity "zai_scope" .row.scope) (.row.labels | default dict) ($settings.labels | default dict) $alerts.labels | toYaml | nindent 4 }}
  annotations:
    {{- $link := "[[ with $labels.cluster ]]&var-cluster=[[ urlquery . ]][[ end ]][[ with $labels.namespace ]]&var-namespace=[[ urlquery . ]][[ end ]][[ with $labels.job ]]&var-job=[[ urlquery . ]][[ end ]][[ with $labels.instance ]]&var-instance=[[ urlquery . ]][[ end ]]" -}}
    {{- $own := dict
      "summary" .row.summary
      "description" (include "zai-exporter.rules.fill" (set $fill "text" .row.description) | trim)
      "runbook_url" (printf "%s#%s" $alerts.runbookBaseUrl (lower .row.name))
      "dashboard_url" (printf "%s/d/%s?viewPanel=%v&from=now-6h%s" $alerts.dashboardBaseUrl .row.dashboard .row.panel (include "zai-exporter.rules.fill" (set $fill "text" $link)))
    -}}
    {{- range $name, $text := merge ($settings.annotations | default dict | deepCopy) (deepCopy $alerts.annotations) $own }}
    {{ $name }}: |-
      {{- trim $text | nindent 6 }}
    {{- end }}
{{- end -}}

{{- define "zai-exporter.rules" -}}
{{- $alerts := .Values.alerts -}}
{{- $table := include "zai-exporter.rules.table" . | fromYamlArray -}}
{{- include "zai-exporter.rules.check" (dict "root" . "table" $table) -}}
groups:
- name: zai-recording
  {{- with $alerts.interval }}
  interval: {{ . }}
  {{- end }}
  rules:
  {{- include "zai-exporter.rules.fill" (dict "root" . "settings" dict "match" "" "text" (include "zai-exporter.rules.recording" . | trim)) | nindent 2 }}
{{- range $group := $table }}
{{- $rules := "" -}}
{{- range $row := $group.alerts }}
{{- if (get $alerts.rules $row.name).enabled }}
{{- $rules = printf "%s\n%s" $rules (include "zai-exporter.rules.alert" (dict "root" $ "row" $row) | trim) }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- with $group.why }}
{{ wrap 118 . | replace "\n" "\n# " | printf "# %s" }}
{{- end }}
- name: {{ $group.group }}
  {{- with $alerts.interval }}
  interval: {{ . }}
  {{- end }}
  rules:
  {{- trim $rules | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

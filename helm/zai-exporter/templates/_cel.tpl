{{/*
A value of a manifest as a CEL expression, for the JSON patch of the injection policy. Takes a dict of value, type (the name
of its type by its path, such as Object.spec.initContainers) and indent.

  - A map becomes an object of that type. Kubernetes' CEL wants the members of a map literal to be all of one type, so a map
    literal serves only for what is a map of strings in the API: quantities, and whatever has a key that is no identifier.
  - A string that begins with `@@cel:` is an expression by itself.
*/}}
{{- define "zai-exporter.cel" -}}
{{- $pad := repeat (int .indent) " " -}}
{{- $inner := repeat (add .indent 2 | int) " " -}}
{{- $root := . -}}
{{- if kindIs "map" .value -}}
  {{- $strings := has (splitList "." .type | last) (list "limits" "requests" "labels" "annotations" "matchLabels" "nodeSelector") -}}
  {{- range $key, $_ := .value -}}
    {{- if not (regexMatch "^[A-Za-z_][A-Za-z0-9_]*$" $key) -}}{{- $strings = true -}}{{- end -}}
  {{- end -}}
  {{- $members := list -}}
  {{- range $key, $value := .value -}}
    {{- if not (kindIs "invalid" $value) -}}
      {{- if $strings -}}
        {{- $members = append $members (printf "%s%s: %s" $inner (toJson $key) (toString $value | toJson)) -}}
      {{- else -}}
        {{- $member := dict "value" $value "type" (printf "%s.%s" $root.type $key) "indent" (add $root.indent 2) -}}
        {{- $members = append $members (printf "%s%s: %s" $inner $key (include "zai-exporter.cel" $member)) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
  {{- $opening := ternary "{" (printf "%s{" .type) $strings -}}
  {{- if $members -}}
    {{- printf "%s\n%s\n%s}" $opening (join ",\n" $members) $pad -}}
  {{- else -}}
    {{- printf "%s}" $opening -}}
  {{- end -}}
{{- else if kindIs "slice" .value -}}
  {{- $members := list -}}
  {{- range .value -}}
    {{- $member := dict "value" . "type" $root.type "indent" (add $root.indent 2) -}}
    {{- $members = append $members (printf "%s%s" $inner (include "zai-exporter.cel" $member)) -}}
  {{- end -}}
  {{- if $members -}}
    {{- printf "[\n%s\n%s]" (join ",\n" $members) $pad -}}
  {{- else -}}
    {{- print "[]" -}}
  {{- end -}}
{{- else if kindIs "string" .value -}}
  {{- if hasPrefix "@@cel:" .value -}}
    {{- trimPrefix "@@cel:" .value -}}
  {{- else -}}
    {{- toJson .value -}}
  {{- end -}}
{{- else if kindIs "bool" .value -}}
  {{- .value -}}
{{- else if eq (float64 (int64 .value)) (float64 .value) -}}
  {{- int64 .value -}}
{{- else -}}
  {{- .value -}}
{{- end -}}
{{- end -}}

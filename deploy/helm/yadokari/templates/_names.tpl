{{/* Labels of everything. */}}
{{- define "yadokari.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/name: yadokari
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: yadokari
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What selects the pods of one component. Call: (list . "operator") */}}
{{- define "yadokari.selector" -}}
app.kubernetes.io/name: yadokari
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of an object of one component. Call: (list . "operator") */}}
{{- define "yadokari.componentLabels" -}}
{{ include "yadokari.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image by its digest, else its tag. Call: (list . "operator") */}}
{{- define "yadokari.image" -}}
{{- $images := (index . 0).Values.images -}}
{{- $digest := index $images.digests (index . 1) -}}
{{- $name := printf "%s/%s" (trimSuffix "/" $images.registry) (index . 1) -}}
{{- if $digest }}{{ $name }}@{{ $digest }}{{ else }}{{ $name }}:{{ $images.tag | default (index . 0).Chart.AppVersion }}{{ end -}}
{{- end }}

{{/* A ServiceAccount's subject. Call: (list . "yadokari-agent") */}}
{{- define "yadokari.subject" -}}
- {kind: ServiceAccount, name: {{ index . 1 }}, namespace: {{ (index . 0).Release.Namespace }}}
{{- end }}

{{/* Objects that outlive the chart. */}}
{{- define "yadokari.keep" -}}
helm.sh/resource-policy: keep
{{- end }}

{{- define "yadokari.crdAnnotations" -}}
{{- if .Values.crds.keep }}{{ include "yadokari.keep" . }}{{ end -}}
{{- end }}

{{/* While machines stay behind, nobody else may make what looks like an anchor. */}}
{{- define "yadokari.admissionAnnotations" -}}
{{- if eq .Values.uninstall.virtualMachines "keep" }}{{ include "yadokari.keep" . }}{{ end -}}
{{- end }}

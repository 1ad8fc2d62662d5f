{{/* What all of the chart's pods share. */}}
{{- define "yadokari.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Pod Security level restricted: of a pod, and of a container in it. */}}
{{- define "yadokari.restrictedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "yadokari.restrictedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods that serve guests run: agents and the managed libvirt on the same nodes. */}}
{{- define "yadokari.guestNodes" -}}
nodeSelector: {{- toYaml .Values.agent.nodeSelector | nindent 2 }}
tolerations: {{- toYaml .Values.agent.tolerations | nindent 2 }}
{{- with .Values.agent.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.agent.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* A folder of the host at the same path. Call: (list "name" "/path" "DirectoryOrCreate") */}}
{{- define "yadokari.hostFolder" -}}
- name: {{ index . 0 }}
  hostPath: {path: {{ index . 1 }}, type: {{ index . 2 }}}
{{- end }}

{{/* Probes of /healthz and /readyz on the port `metrics`. */}}
{{- define "yadokari.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  initialDelaySeconds: 10
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end }}

{{/* Name servers that guests are told, as arguments of the agent. */}}
{{- define "yadokari.dnsArgs" -}}
{{- $servers := .Values.network.dns.servers -}}
{{- if not $servers -}}
{{- with lookup "v1" "Service" "kube-system" "kube-dns" -}}{{- $servers = list .spec.clusterIP -}}{{- end -}}
{{- end -}}
{{- range $servers }}
- --cluster-dns={{ . }}
{{- end }}
- --cluster-domain={{ .Values.network.dns.domain }}
{{- end }}

{{/* A container that runs one of files/scripts as a service account. Call: (list . "smoke-test.mjs") */}}
{{- define "yadokari.scriptContainer" -}}
image: {{ include "yadokari.image" (list (index . 0) "operator") }}
imagePullPolicy: {{ (index . 0).Values.images.pullPolicy }}
command: [node, /scripts/{{ index . 1 }}]
resources:
  requests: {cpu: 10m, memory: 64Mi}
  limits: {memory: 256Mi}
securityContext: {{- include "yadokari.restrictedContainer" (index . 0) | nindent 2 }}
{{- end }}
{{- define "yadokari.scriptEnv" -}}
- {name: NODE_EXTRA_CA_CERTS, value: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}
{{- end }}

{{/* What `helm test` makes: an image, a machine and a Pod that each serve a page on port 8080. The test's own pod has another name. */}}
{{- define "yadokari.testObjects" -}}
{{- $guest := .Values.test.guest -}}
- apiVersion: yadokari.dev/v1alpha1
  kind: VirtualMachineImage
  metadata: {name: yadokari-hello}
  spec:
    format: {{ $guest.format }}
    {{- with $guest.checksum }}
    checksum: {{ . }}
    {{- end }}
    {{- if $guest.url }}
    source: {http: {url: {{ $guest.url | quote }}}}
    {{- else }}
    source: {file: {path: {{ $guest.file | quote }}}}
    {{- end }}
- apiVersion: yadokari.dev/v1alpha1
  kind: VirtualMachine
  metadata: {name: yadokari-hello}
  spec:
    cpu: 1
    memory: {{ $guest.memory }}
    {{- if eq $guest.format "tar" }}
    kernelBoot: {image: yadokari-hello}
    {{- else }}
    disks: [{name: root, image: yadokari-hello, ephemeral: true}]
    {{- end }}
    network: {ports: [{name: http, port: 8080}]}
    probes: {readiness: {httpGet: {port: http}}}
    terminationGracePeriodSeconds: 10
    cloudInit:
      userData: |
        #!/bin/sh
        mkdir -p /tmp/www
        echo "Hello from virtual machine $(hostname)" > /tmp/www/index.html
        httpd -p 0.0.0.0:8080 -h /tmp/www || busybox httpd -p 0.0.0.0:8080 -h /tmp/www || (cd /tmp/www && nohup python3 -m http.server 8080 &)
- apiVersion: yadokari.dev/v1alpha1
  kind: Pod
  metadata: {name: yadokari-hello}
  spec:
    terminationGracePeriodSeconds: 1
    {{- with .Values.images.pullSecrets }}
    imagePullSecrets:
    {{- range . }}
      - name: {{ . }}
    {{- end }}
    {{- end }}
    securityContext: {{- include "yadokari.restrictedPod" . | nindent 6 }}
    containers:
      - name: web
        image: {{ .Values.test.containerImage | default (include "yadokari.image" (list . "operator")) }}
        imagePullPolicy: {{ .Values.images.pullPolicy }}
        command: [node, -e, "require('node:http').createServer((_, answer) => answer.end('Hello from container ' + require('node:os').hostname())).listen(8080, '0.0.0.0')"]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {port: http, path: /}, periodSeconds: 1}
        resources:
          requests: {cpu: 10m, memory: 64Mi}
          limits: {memory: 256Mi}
        securityContext: {{- include "yadokari.restrictedContainer" . | nindent 10 }}
{{- end }}

{{/* Puts our CNI plugin and its configuration onto the host. Complete, so that the node is Ready at once. */}}
{{- define "yadokari.native.initContainer" -}}
- name: install-cni
  image: {{ include "yadokari.image" (list . "agent") }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  command: [sh, -euc]
  args:
    - |
      cp /opt/cni/bin/yado-cni /host/cni-bin/.yado-cni.new
      mv /host/cni-bin/.yado-cni.new /host/cni-bin/yado-cni
      echo '{"cniVersion":"1.0.0","name":"k8s-pod-network","plugins":[{"type":"yado-cni","socket":"/run/yadokari/cni.sock"}]}' > /host/cni-conf/.10-yadokari.new
      mv /host/cni-conf/.10-yadokari.new /host/cni-conf/10-yadokari.conflist
      [ -e /etc/yadokari/bird.conf ] || echo "log stderr all; router id $NODE_ADDRESS; protocol device { scan time 10; }" > /etc/yadokari/bird.conf
  env:
    - {name: NODE_ADDRESS, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
  resources: {{- toYaml .Values.network.native.birdResources | nindent 4 }}
  securityContext: {privileged: true, runAsUser: 0, runAsGroup: 0}
  volumeMounts:
    - {name: cni-bin, mountPath: /host/cni-bin}
    - {name: cni-conf, mountPath: /host/cni-conf}
    - {name: bird, mountPath: /etc/yadokari}
{{- end }}

{{/* BIRD keeps its routes over a restart; the agent tells it what to announce. */}}
{{- define "yadokari.native.bird" -}}
- name: bird
  image: {{ include "yadokari.image" (list . "agent") }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  command: [bird, -f, -R, -c, /etc/yadokari/bird.conf, -s, /run/yadokari/bird.ctl]
  resources: {{- toYaml .Values.network.native.birdResources | nindent 4 }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    runAsUser: 0
    runAsGroup: 0
    capabilities: {drop: [ALL], add: [NET_ADMIN, NET_BIND_SERVICE, NET_RAW]}
  volumeMounts:
    - {name: bird, mountPath: /etc/yadokari}
    - {name: run, mountPath: /run/yadokari}
{{- end }}

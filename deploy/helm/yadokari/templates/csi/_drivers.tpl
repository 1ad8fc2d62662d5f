{{/* The drivers that run, as a JSON list: kind, backend, driver (its name in the API), name (of its objects here) and, of NFS that is managed, server. */}}
{{- define "yadokari.csi.drivers" -}}
{{- $storage := .Values.storage -}}
{{- $wanted := list -}}
{{- if $storage.local.enabled -}}{{- $wanted = append $wanted (list "local" "local") -}}{{- end -}}
{{- if $storage.nfs.enabled -}}
{{- range $storage.nfs.backends -}}{{- $wanted = append $wanted (list "nfs" .) -}}{{- end -}}
{{- end -}}
{{- if $storage.ceph.enabled -}}
{{- range $storage.ceph.backends -}}
{{- if $storage.ceph.images -}}{{- $wanted = append $wanted (list "rbd" .) -}}{{- end -}}
{{- if $storage.ceph.files -}}{{- $wanted = append $wanted (list "cephfs" .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if $storage.drbd.enabled -}}
{{- range $storage.drbd.backends -}}{{- $wanted = append $wanted (list "drbd" .) -}}{{- end -}}
{{- end -}}
{{- $drivers := list -}}
{{- range $wanted -}}
{{- $kind := index . 0 -}}{{- $backend := index . 1 -}}
{{- $same := eq $kind $backend -}}
{{- $drivers = append $drivers (dict "kind" $kind "backend" $backend
  "driver" (ternary (printf "%s.csi.yadokari.dev" $kind) (printf "%s.%s.csi.yadokari.dev" $backend $kind) $same)
  "name" (ternary (printf "yadokari-csi-%s" $kind) (printf "yadokari-csi-%s-%s" $backend $kind) $same)
  "server" (ternary (get (default dict $storage.nfs.managed) $backend) "" (eq $kind "nfs"))) -}}
{{- end -}}
{{- toJson $drivers -}}
{{- end }}

{{/* Whether the cluster has the definitions of snapshots: "true", or nothing. One that was made a moment ago is not served yet. */}}
{{- define "yadokari.csi.snapshotDefinitions" -}}
{{- if or (.Capabilities.APIVersions.Has "snapshot.storage.k8s.io/v1/VolumeSnapshot") (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "volumesnapshots.snapshot.storage.k8s.io") -}}true{{- end -}}
{{- end }}

{{/* Whether there are snapshots: "true", or nothing. */}}
{{- define "yadokari.csi.snapshots" -}}
{{- $storage := .Values.storage -}}
{{- $known := include "yadokari.csi.snapshotDefinitions" . -}}
{{- if or $storage.snapshotController.enabled (eq (toString $storage.snapshots) "true") (and (eq (toString $storage.snapshots) "auto") $known) -}}true{{- end -}}
{{- end }}

{{/* nfs-ganesha, on what the node has mounted below the folder. Call: (list $ $server) */}}
{{- define "yadokari.csi.nfsServer" -}}
{{- $root := index . 0 -}}{{- $server := index . 1 -}}
- name: server
  image: {{ include "yadokari.image" (list $root "nfs") }}
  imagePullPolicy: {{ $root.Values.images.pullPolicy }}
  args:
    - --node={{ $server.node }}
    - --path={{ $server.path }}
    - --address={{ $server.server }}
    - --port={{ $server.port | default 2049 }}
    {{- range $server.clients }}
    - --client={{ . }}
    {{- end }}
    - --log-level={{ $root.Values.logLevel }}
  readinessProbe:
    tcpSocket: {host: {{ $server.server | quote }}, port: {{ $server.port | default 2049 }}}
  resources: {{- toYaml $root.Values.storage.nfs.managedResources | nindent 4 }}
  securityContext: {privileged: true, runAsUser: 0, runAsGroup: 0}
  volumeMounts:
    - {name: volumes, mountPath: {{ $server.path | quote }}, mountPropagation: Bidirectional}
    - {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Where alone the folder of a server is. Call: $server */}}
{{- define "yadokari.csi.onNode" -}}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchFields: [{key: metadata.name, operator: In, values: [{{ .node | quote }}]}]
{{- end }}

{{/* Kubernetes' own programs beside a driver. Call: (dict "root" $ "driver" $driver "names" (list …) "args" (list …) "folder" "/csi") */}}
{{- define "yadokari.csi.sidecars" -}}
{{- $root := .root -}}
{{- $more := dict "provisioner" (list "--extra-create-metadata") "attacher" list "resizer" list "snapshotter" list -}}
{{- $args := .args -}}{{- $folder := .folder -}}
{{- range .names }}
- name: {{ . }}
  image: {{ index $root.Values.storage.sidecars . }}
  imagePullPolicy: {{ $root.Values.images.pullPolicy }}
  env:
    - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  args:
    - --csi-address={{ $folder }}/csi.sock
    {{- range concat $args (index $more .) }}
    - {{ . }}
    {{- end }}
  resources: {{- toYaml $root.Values.storage.sidecarResources | nindent 4 }}
  securityContext:
    {{- include "yadokari.restrictedContainer" $root | nindent 4 }}
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
  volumeMounts:
    - {name: socket, mountPath: {{ $folder }}}
{{- end }}
{{- end }}

{{/* Arguments of a driver. Call: (list $ $driver "/csi") */}}
{{- define "yadokari.csi.args" -}}
{{- $driver := index . 1 -}}
- --backend={{ $driver.kind }}
- --storage-backend={{ $driver.backend }}
- --node=$(NODE_NAME)
- --socket={{ index . 2 }}/csi.sock
- --socket-group=65532
- --log-level={{ (index . 0).Values.logLevel }}
{{- end }}

{{/* Folders of the host that DRBD's and LVM's programs share with those that the host's kernel and udev call, by volumes' names. */}}
{{- define "yadokari.csi.drbdFolders" -}}
resources: /etc/drbd.d
drbd-state: /var/lib/drbd
facts: /run/yadokari
lvm: /etc/lvm
lvm-run: /run/lvm
locks: /run/lock
udev: /run/udev
{{- end }}

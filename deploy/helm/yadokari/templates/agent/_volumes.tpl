{{/* Folders of the host at the host's own paths: libvirt, which runs on the host, is told these paths. */}}
{{- define "yadokari.agentMounts" -}}
- {name: state, mountPath: /var/lib/yadokari}
- {name: run, mountPath: /run/yadokari}
- {name: libvirt, mountPath: {{ .Values.libvirt.socketDirectory }}}
{{- /* Some runtimes keep the network namespaces of pods below their own folder. */}}
- {name: containerd, mountPath: {{ dir .Values.agent.containerdSocket }}, mountPropagation: HostToContainer}
{{- /* Volumes of machines appear here when the kubelet publishes them. */}}
- {name: kubelet, mountPath: {{ .Values.agent.kubeletDirectory }}, mountPropagation: HostToContainer}
- {name: pod-logs, mountPath: /var/log/pods}
- {name: netns, mountPath: /run/netns, mountPropagation: HostToContainer}
- {name: dev, mountPath: /dev}
- {name: sys, mountPath: /sys}
- {name: tmp, mountPath: /tmp}
{{- if eq .Values.network.mode "native" }}
- {name: bird, mountPath: /etc/yadokari}
{{- end }}
{{- range $index, $folder := include "yadokari.imageFolders" . | fromJsonArray }}
- {name: images-{{ $index }}, mountPath: {{ $folder }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "yadokari.agentVolumes" -}}
{{ include "yadokari.hostFolder" (list "state" "/var/lib/yadokari" "DirectoryOrCreate") }}
{{ include "yadokari.hostFolder" (list "run" "/run/yadokari" "DirectoryOrCreate") }}
{{ include "yadokari.hostFolder" (list "libvirt" .Values.libvirt.socketDirectory "DirectoryOrCreate") }}
{{ include "yadokari.hostFolder" (list "containerd" (dir .Values.agent.containerdSocket) "Directory") }}
{{ include "yadokari.hostFolder" (list "kubelet" .Values.agent.kubeletDirectory "Directory") }}
{{ include "yadokari.hostFolder" (list "pod-logs" "/var/log/pods" "DirectoryOrCreate") }}
{{ include "yadokari.hostFolder" (list "netns" "/run/netns" "DirectoryOrCreate") }}
{{ include "yadokari.hostFolder" (list "dev" "/dev" "Directory") }}
{{ include "yadokari.hostFolder" (list "sys" "/sys" "Directory") }}
- name: tmp
  emptyDir: {}
{{- if eq .Values.network.mode "native" }}
{{ include "yadokari.hostFolder" (list "bird" "/var/lib/yadokari/bird" "DirectoryOrCreate") }}
{{ include "yadokari.hostFolder" (list "cni-bin" .Values.network.native.cniBinDirectory "DirectoryOrCreate") }}
{{ include "yadokari.hostFolder" (list "cni-conf" .Values.network.native.cniConfDirectory "DirectoryOrCreate") }}
{{- end }}
{{- range $index, $folder := include "yadokari.imageFolders" . | fromJsonArray }}
{{ include "yadokari.hostFolder" (list (printf "images-%d" $index) $folder "DirectoryOrCreate") }}
{{- end }}
{{- end }}

{{/* Folders of images that are not below what is mounted anyway, as a JSON list. */}}
{{- define "yadokari.imageFolders" -}}
{{- $folders := list -}}
{{- range .Values.agent.imageDirectories -}}
{{- if not (hasPrefix "/var/lib/yadokari/" .) -}}{{- $folders = append $folders . -}}{{- end -}}
{{- end -}}
{{- toJson $folders -}}
{{- end }}

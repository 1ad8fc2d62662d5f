{{/* BGP neighbours outside of the cluster. */}}
{{- define "yadokari.networkPeers" -}}
{{- range .Values.network.native.bgpPeers }}
- apiVersion: crd.projectcalico.org/v1
  kind: BGPPeer
  metadata: {name: {{ .name }}}
  spec: {peerIP: {{ .address }}, asNumber: {{ .asNumber }}}
{{- end }}
{{- end }}

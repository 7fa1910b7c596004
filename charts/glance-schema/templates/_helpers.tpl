{{- define "glance-schema.labels" -}}
app.kubernetes.io/name: glance-schema
app.kubernetes.io/component: operator
{{- end }}

{{- define "glance-schema.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* What the operator may do in the namespaces that it serves; docs/security.md says what for. */}}
{{- define "glance-schema.rules" -}}
- apiGroups: [db.glance.openstack.org]
  resources: [glanceschemas]
  verbs: [list, watch, patch]
- apiGroups: [db.glance.openstack.org]
  resources: [glanceschemas/status]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: ['']
  resources: [pods]
  verbs: [list, watch]
- apiGroups: ['']
  resources: [pods/log]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- define "glance-schema.subjects" -}}
- kind: ServiceAccount
  name: glance-schema-operator
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "glance-schema.base" -}}
{{- $name := .Values.nameOverride | default "glance-schema" -}}
{{- if contains $name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ $name }}{{ end }}
{{- end }}

{{- define "glance-schema.fullname" -}}
{{- .Values.fullnameOverride | default (printf "%s-operator" (include "glance-schema.base" .)) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of what is beside the operator: the argument is [root, suffix]. */}}
{{- define "glance-schema.name-of" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s" ($root.Values.fullnameOverride | default (include "glance-schema.base" $root) | trunc 50 | trimSuffix "-") (index . 1) }}
{{- end }}

{{- define "glance-schema.service-account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "glance-schema.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "glance-schema.selector" -}}
app.kubernetes.io/name: glance-schema
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- /* On every object: the argument is [root, component or "", more labels]. */}}
{{- define "glance-schema.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
  "app.kubernetes.io/name" "glance-schema"
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/version" (toString $root.Chart.AppVersion)
  "app.kubernetes.io/managed-by" $root.Release.Service
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63)
-}}
{{- with index . 1 }}{{ $_ := set $own "app.kubernetes.io/component" . }}{{ end -}}
{{- toYaml (merge $own (index . 2) $root.Values.commonLabels) }}
{{- end }}

{{- /* The rest of an object's metadata: the argument is [root, component or "", more labels, more annotations]. */}}
{{- define "glance-schema.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- include "glance-schema.labels" . | nindent 2 }}
{{- with merge (dict) (index . 3) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "glance-schema.image" -}}
{{- $registry := .Values.image.registry | default .Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "glance-schema.pull-secrets" -}}
{{- range concat .Values.imagePullSecrets .Values.global.imagePullSecrets }}
- name: {{ kindIs "string" . | ternary . (get (kindIs "map" . | ternary . (dict)) "name") }}
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
{{- if .Values.rbac.rollOuts }}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get]
{{- end }}
{{- end }}

{{- define "glance-schema.subjects" -}}
- kind: ServiceAccount
  name: {{ include "glance-schema.service-account" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

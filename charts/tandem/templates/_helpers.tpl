{{/* What several templates share. Every object is named after the release: R, R-operator, R-proxy. */}}

{{- define "tandem.selector" -}}
app.kubernetes.io/name: tandem
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Of an object that belongs to no component, and of CRDs: without instance and component. */}}
{{- define "tandem.chartLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tandem
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tandem.labels" -}}
{{ include "tandem.selector" . }}
{{ include "tandem.chartLabels" .root }}
{{- end }}

{{/* metadata of a namespaced object: root, component, name, and labels and annotations of its own. */}}
{{- define "tandem.metadata" -}}
name: {{ .name }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "tandem.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The one sentence of somebody's first `helm install` without an image. */}}
{{- define "tandem.image" -}}
{{- with .Values.image -}}
{{- if not .repository -}}
{{- fail "image.repository is not set: no image of Tandem is published yet, so make one in the checkout with `npm run image` (or `docker build -t NAME .`), push or import it where your nodes find it, and give its name with --set image.repository=NAME" -}}
{{- end -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/* The Pod Security Standard "restricted"; fsGroup lets the user read the mounted Secret. */}}
{{- define "tandem.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tandem.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Where pods go, as component (.values) says. Without a word: one copy per zone and node as far as possible. */}}
{{- define "tandem.scheduling" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
{{ toYaml .values.topologySpreadConstraints }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tandem.selector" $ | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}

{{/*
Environment of both processes. The heap follows the memory limit (.heapPercent of it), the rest is for buffers and code.
HOME: Node's compile cache and whatever else is written goes to the writable /tmp.
*/}}
{{- define "tandem.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: HOME
  value: /tmp
- name: NODE_OPTIONS
  value: --max-old-space-size-percentage={{ .heapPercent }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Both processes answer here. They get a minute to start, and half a minute of silence before a restart: a restart cures
a process that hangs, and nothing else.
*/}}
{{- define "tandem.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  initialDelaySeconds: 1
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* "true" when more than one pod may be expected of .values. */}}
{{- define "tandem.isMany" -}}
{{- $autoscaling := .values.autoscaling | default dict -}}
{{- $least := ternary $autoscaling.minReplicas .values.replicas (eq true $autoscaling.enabled) -}}
{{- if gt (int $least) 1 }}true{{ end -}}
{{- end }}

{{- define "tandem.clusterRoleName" -}}
{{ .Release.Name }}-operator-{{ .Release.Namespace }}
{{- end }}

{{/* What the operator may do in the namespaces that it watches. */}}
{{- define "tandem.watchRules" -}}
- apiGroups: [tandem.dev]
  resources: [aiproviders, airoutes, aiclients]
  verbs: [get, list, watch]
- apiGroups: [tandem.dev]
  resources: [aiproviders/status, airoutes/status, aiclients/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Pieces of a NetworkPolicy. */}}
{{- define "tandem.dns" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}
{{- define "tandem.ports" -}}
{{- range . }}
- {port: {{ int . }}, protocol: TCP}
{{- end }}
{{- end }}

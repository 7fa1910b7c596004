// Pins the Prometheus Operator whose resources manifests/monitoring has; its CRDs are in its sources.
module glance-schema/lab/tools/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0

//! Drover: a multi-cluster Kubernetes gateway.

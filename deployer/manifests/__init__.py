"""Kubernetes manifests of a deployment. They are plain data, and a library writes them as YAML."""

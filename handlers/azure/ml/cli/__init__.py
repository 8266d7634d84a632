"""YAML files of the Azure ML CLI: read and checked as azure-ai-ml does."""

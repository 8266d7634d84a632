"""The resource providers: Azure Machine Learning, its data planes, and Data Factory."""

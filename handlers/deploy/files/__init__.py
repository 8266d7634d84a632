"""The Azure ML CLI's YAML files of deployments and endpoints, which a rule names.

fields.py      kinds of values, and what is wrong with a value
schema.py      the keys of each kind of file
definition.py  reads a file, checks it without network, and says what the handler needs to know of it
"""

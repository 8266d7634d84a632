"""What tests share: worlds, storage doubles, faults, scripted handlers, rules files, payloads and local services."""

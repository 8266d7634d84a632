"""`mlevents test`: tests of rules, in YAML files beside the rules."""

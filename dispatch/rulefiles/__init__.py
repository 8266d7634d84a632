"""From the text of rules files to drafts of rules, and every mistake on the way.

    read.py          bytes ─▶ nodes (nodes.py): YAML 1.2 in which everything knows its line and column
    trouble.py       what YAML's errors mean
    substitution.py  ${RULES_NAME} in a text
    places.py        workspaces.yaml, and what a rule's `in:` chooses of it
    draft.py         one rule: `on`, `in`, `when` (when.py), `after`, `do` and `with` (doing.py), `retry`, the guards
    fields.py        what pydantic says of `with:`, at the line and column where it stands; secrets stay out of it
    links.py         what shows only when all rules of all files are known: names, `after`, how many
    mistakes.py      what a mistake is

Nothing here raises for what a file contains.
"""

"""The kinds of rules, one a file: what it holds beside every rule's fields, and how it judges what was read."""

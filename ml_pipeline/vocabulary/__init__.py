"""Words the whole house shares. Standard library only; docs/glossary.md says what each means."""

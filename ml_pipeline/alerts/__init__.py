"""What a person should hear of: rules as data, their judgement, and the life of an alert from open to resolved."""

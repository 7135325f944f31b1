"""What a recipe can choose by name: one entry says all about a choice but how it is computed."""

"""Graph text to tokens to syntax tree, recovering from every error."""

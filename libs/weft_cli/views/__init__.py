"""How results are shown: to people as text that fits their terminal, to programs as JSON."""

"""How answers look: for people as text that fits their terminal, for programs as JSON."""

"""Who may come in, and how often: keys, and the rates they are held to."""

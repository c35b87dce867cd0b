"""One document on its way in: checked, read, cut, embedded, stored."""

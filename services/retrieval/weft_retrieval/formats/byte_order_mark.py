"""Byte order marks: the encoding that a document declares itself."""

# The longer ones first: UTF-32's begins like UTF-16's.
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\xef\xbb\xbf", "UTF-8-sig"),
)


def declared_encoding(content: bytes) -> str | None:
    """Returns the encoding that a byte order mark names; Python's codec of that name reads the mark, too."""
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)

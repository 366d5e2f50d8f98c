"""Tables that went through a spreadsheet: their encoding, their separator."""


def decoded(data):
    """Return the text of a file that a spreadsheet saved."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def delimiter(text):
    """Return what separates the columns in the first line."""
    return max(",;\t", key=text.partition("\n")[0].count)

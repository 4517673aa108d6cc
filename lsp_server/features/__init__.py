"""One thin module a feature: decode the request, call what knows no protocol, encode the answer."""

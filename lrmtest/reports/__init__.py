"""Reports: they only format what `lrmtest.analysis` returns."""

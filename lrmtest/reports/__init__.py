"""How it is shown: these modules only format what `lrmtest.analysis` returns."""

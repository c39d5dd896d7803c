"""What the TDL and CDL profiles of 3GPP 38.901 have in common."""

# Power of the specular component over all the rest (linear), from the powers of 38.901, Tables
# 7.7.1-4 and 7.7.1-5 (CDL), 7.7.2-4 and 7.7.2-5 (TDL), which agree. A test compares them with
# Sionna's own tables.
SPECULAR_RATIO = {"A": 0.0, "B": 0.0, "C": 0.0, "D": 7.915250, "E": 8.454200}

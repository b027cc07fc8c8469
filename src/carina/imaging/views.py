"""The words for views of the chest that files use."""

LATERAL = "LATERAL"
LATERAL_VIEWS = frozenset(
    {"LL", "RL", "LLAT", "RLAT", "LAT", "LATERAL", "LEFT LATERAL", "RIGHT LATERAL", "ML", "LM"}
)

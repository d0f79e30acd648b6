# PRIVATE to the collection: the programs that a host's copy of this package starts with.

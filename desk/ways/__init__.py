"""By which ways people are told: in their order, up the ladder until they have seen it, with canaries."""

"""The recent past of every series on this host, in bounded memory and on disk."""

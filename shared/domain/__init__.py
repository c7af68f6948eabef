"""The rules of the business: plain data and plain functions, standard library only."""

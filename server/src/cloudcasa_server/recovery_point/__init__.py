"""Recovery points: what one can restore from. Made by jobs; clients list and delete them."""

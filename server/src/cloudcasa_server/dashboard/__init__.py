"""The numbers of the first page: clusters, accounts and how jobs ended lately."""

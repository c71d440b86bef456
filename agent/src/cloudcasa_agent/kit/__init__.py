"""What every room stands on and no domain word is in: settings, logging, time budgets, the root of the error tree."""

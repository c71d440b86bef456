"""What any server of this kind needs and no domain word: settings, logging, errors, clock, crypto, bus, store, rest."""

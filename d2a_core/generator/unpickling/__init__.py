"""Read pickles of strangers without running what they name, in bounded memory and time."""

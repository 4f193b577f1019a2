"""A long run of the bundled model, watched from outside: memory, open files, threads and step times must stay flat."""

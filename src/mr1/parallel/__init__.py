"""Several processes that train one model, as torchrun starts them.

Every process runs the same loop on the same prompts, groups and advantages; what is divided is the work (`shares`), and
the weights (`sharding`). What one has made of its share the others are told (`ranks`). So a method never sees a rank,
and a run is the same run whatever their number, up to rounding.
"""

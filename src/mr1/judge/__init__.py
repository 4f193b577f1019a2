"""The judge: does a model's output state the true answer?

Two scorers. `strict` reads the last <answer> tag and compares what it says with the truth; it is what rewards and
evaluation use. `r1v` is R1-V's rules to the letter, so that published numbers compare.

    tags      what of an output its prompt has opened, and where the answer is in it
    reading   what a short answer says: a letter, words, a number with a unit, an expression
    strict    strict's rules, on readings
    r1v       R1-V's three rules
    algebra   what needs math-verify; runs in a worker process only
    pool      the caller's end of the workers: bounded in time, in any thread
    worker    the workers' end

Nothing here imports torch, and only `algebra` imports math-verify: workers start in half a second.
"""

"""The judge: does a model's output state the true answer?

Two scorers. `strict` reads the last <answer> tag and compares what it says with the truth; it is what rewards and
evaluation use. `r1v` is R1-V's rules to the letter, so that published numbers compare.

    tags      what of an output its prompt has opened, and where the answer is in it
    truth     what is accepted as an answer, and how it is meant
    notation  one notation for what is written in many ways
    boxes     what a box states, with what stands beside it
    frame     the statement in an answer: conclusions, boxes, quotes, words apart from values
    numbers, unit_names, units, calendar, spoken, quantity
              literals, units, dates and times; one value with its unit and the words around it
    codes     what has digits and is no value
    choices   how letters of a multiple choice are written
    readers, reading
              a reader for each kind; what a text says, as a typed value or nothing
    values    the typed values
    solution  inequalities as intervals
    compare   kinds with kinds
    strict    strict's verdicts, and why
    r1v       R1-V's three rules
    algebra   what needs math-verify; runs in a worker process only
    pool      the caller's end of the workers: bounded in time, in any thread
    worker    the workers' end

Nothing here imports torch, and only `algebra` imports math-verify: workers start in half a second.
"""

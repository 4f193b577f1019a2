"""How often the judge is wrong: on pairs whose label is known by construction, and on real answers labelled by hand.

values/       what an answer can mean: a value of each kind, how to draw one, and how to change its meaning
systematic/   one author's notations: every way to write a value, and every frame around it, each as likely
chat/         another's: how chat models write the same values, and what they say around them
pairs         from values and notations to (answer, truth, label)
measure       the judge on pairs: a table by kind, its speed
rows          the judge on real answers labelled by hand

python -m benchmarks.judge pairs --pairs 100000 --seed 0
"""

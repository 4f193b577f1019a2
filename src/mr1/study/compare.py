"""`mr1 compare`: run a study, and write what it comes to."""

from __future__ import annotations

from mr1.report.console import Console, words_table
from mr1.study.run import results_so_far, run_study
from mr1.study.settings import Study
from mr1.study.tables import same_task
from mr1.study.write import write_results


def compare(study: Study, jobs: int, console: Console, start: bool = True) -> None:
    """Run what is not done yet, then write tables, plots and the page into the study's folder.

    Args:
        study: which.
        jobs: runs at a time.
        console: shows how far it has come, and the first table.
        start: whether runs are started; else the tables are of what is done.

    Raises:
        UserError: see `run_study` and `write_results`.
    """
    placed, tried = run_study(study, jobs, console) if start else results_so_far(study)
    results = write_results(study, placed, tried)
    table = same_task(results)
    console.show(words_table(table.title, table.head, table.rows))
    console.say(f"{results.done} of {results.asked} results: {study.folder / 'index.html'}")

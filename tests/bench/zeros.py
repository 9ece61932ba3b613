"""How many NaN logged as 0 `suspect_zeros` finds, and how many true zeros it takes for NaN.

    python -m tests.bench.zeros [--seeds 20] [--verbose]

Exits non-zero when more than one curve in a hundred with NaN is judged wrong, or more than one in
two hundred with true zeros. More families, and those that were held out while the rule was chosen,
are counted beside them.
"""

import argparse
import sys
from collections import Counter
from typing import Final

from tests.support import curves_held_out, curves_more
from tests.support.curves import Case, suspects, with_nan, with_true_zeros

LENGTHS: Final = (20, 100, 400)
MOST_MISSED: Final = 0.01
MOST_FALSE: Final = 0.005


def main() -> int:
    """Count over all families, lengths, places and seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--verbose", action="store_true", help="Print every curve that is wrong.")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    lost = [case for seed in seeds for case in with_nan(LENGTHS, seed)]
    true = [*with_true_zeros(LENGTHS, seeds)]
    missed = _count("NaN found", lost, options.verbose)
    false = _count("true zeros left alone", true, options.verbose)
    for kind, module in (("more", curves_more), ("held-out", curves_held_out)):
        lost_too = [
            case for seed in seeds for case in with_nan(LENGTHS, seed, families=module.LOSSES)
        ]
        true_too = [*with_true_zeros(LENGTHS, seeds, module.TRUE_ZEROS)]
        _count(f"NaN found, {kind} families", lost_too, options.verbose)
        _count(f"true zeros left alone, {kind} families", true_too, options.verbose)
    return int(missed > MOST_MISSED * len(lost) or false > MOST_FALSE * len(true))


def _count(what: str, cases: list[Case], verbose: bool) -> int:
    suspected = suspects(cases)
    wrong: Counter[str] = Counter()
    for place, case in enumerate(cases):
        suspect = suspected.get(place, set())
        if suspect != case.marked:
            wrong[case.family] += 1
            if verbose:
                lost, false = sorted(case.marked - suspect), sorted(suspect - case.marked)
                print(f"  {case.family}, {len(case.values)} values: missed {lost}, false {false}")
    print(f"{what}: {len(cases) - wrong.total():,} of {len(cases):,} curves are right")
    for family, count in wrong.most_common():
        print(f"  {family}: {count:,} wrong")
    return wrong.total()


if __name__ == "__main__":
    sys.exit(main())

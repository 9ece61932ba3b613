"""Planted credentials by the thousand: found, missed, false alarms, and what the search costs.

    python -m tests.bench.planted [SEEDS]

Ends with 1 when less than 93 % of the credentials are found, or more than 1 % of the ordinary
parameters are taken for one.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable

from clearml_snapshot.exporter.redaction.redactor import Redactor
from tests.support.credentials.ordinary import ordinary
from tests.support.credentials.ordinary_later import ordinary_later
from tests.support.credentials.planted import Planted, planted, unseen
from tests.support.credentials.planted_later import later
from tests.support.credentials.planted_manuals import manuals
from tests.support.credentials.planted_servers import servers

_LEAST, _MOST = 0.93, 0.01


def _found(title: str, draw: Callable[[int], Iterable[Planted]], seeds: int) -> bool:
    redactor, missed, number = Redactor(), Counter[str](), 0
    for seed in range(seeds):
        for one in draw(seed):
            number += 1
            stored, _ = redactor.parameter("Args", one.name, one.value)
            missed[one.kind] += one.secret in (stored or "")
    lost = missed.total()
    print(f"{title}: {number - lost:,} of {number:,} found ({(number - lost) / number:.1%})")
    for kind, times in missed.most_common():
        if times:
            print(f"  missed {times} of {seeds} or {2 * seeds}: {kind}")
    return number - lost >= _LEAST * number


def _taken(seeds: int) -> bool:
    parameters = [pair for seed in range(seeds) for pair in ordinary(seed, drawn=2_000)]
    parameters += [pair for seed in range(seeds) for pair in ordinary_later(seed, drawn=2_000)]
    redactor, begun = Redactor(), time.process_time()
    taken = {pair for pair in parameters if redactor.parameter("Args", *pair)[1]}
    seconds = time.process_time() - begun
    print(f"ordinary parameters: {len(taken):,} of {len(parameters):,} taken for a credential")
    print(f"  {seconds / len(parameters) * 1e6:.0f} microseconds for each")
    for name, value in sorted(taken):
        print(f"  {name}: {value}")
    return len(taken) <= _MOST * len(parameters)


def main() -> int:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    done = [
        _found("kinds that were checked", planted, seeds),
        _found("kinds kept apart", unseen, seeds),
        _found("kinds gathered later", later, seeds),
        _found("kinds of issuers' lists and manuals", manuals, seeds),
        _found("kinds of servers, code and commands", servers, seeds),
        _taken(seeds),
    ]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The tables and sentences of docs/scale.md with figures in them; the rest is written by hand."""

from collections.abc import Callable, Mapping
from typing import Final

from docs.scale.markdown import days, gb, mb, minutes, span, spread, table
from docs.scale.plan import Plan

LARGE_QUESTIONS: Final = (
    "max of every series",
    "leaderboard",
    "first below 1",
    "stats of loss",
    "curve, 100 rows per task",
    "health of everything",
)
"""Of docs/performance.md."""

BY_SERIES: Final = ("max of every series",)
"""Those that read ``series`` only: the dataset of 10⁹ points has as many tasks as the team."""

MANY: Final = "10000"
"""Data files of the largest dataset of that kind."""

PARTS: Final = ("points", "files", "commits", "readers", "planning")


def blocks() -> Mapping[str, str]:
    """Write every block of the page."""
    plan = Plan.read()
    makers: Mapping[str, Callable[[Plan], str]] = {
        "scale-short": short,
        "scale-files": files,
        "scale-commits": commits,
        "scale-server": server,
        "scale-readers": readers,
        "scale-reading": reading,
        "scale-bucket": bucket,
        "scale-questions": questions,
        "scale-memory": memory,
        "scale-money": money,
        "scale-breaks": breaks,
        "scale-assumed": assumed,
        "scale-measured": measured,
    }
    return {name: make(plan) for name, make in makers.items()}


def short(plan: Plan) -> str:
    """Write the answers in one table."""
    s3 = plan.money(plan.assumed["prices"]["s3"])
    inside = sum(s3.values()) - s3["reading from outside"]
    together, beside = plan.measured["commits"]["into nothing"], plan.measured["readers"]
    rows = [
        ("stored", f"{gb(plan.stored_bytes)} in {plan.files:,} files with points"),
        ("first export", f"{days(plan.export_seconds)} through one connection"),
        ("one night", f"{minutes(plan.night_seconds)} for all writers together"),
        (
            "writers at once",
            f"{together['succeeded']} of {together['writers']} exports succeeded here, in "
            f"{span(together['seconds'])}",
        ),
        (
            "readers beside commits",
            f"{beside['succeeded'] - beside['mixed']} of {beside['readers']} saw one state each",
        ),
        (
            "first question of a reader",
            f"about {span(plan.first_seconds)}; later ones as on a small dataset",
        ),
        ("money", f"${inside:.0f} per month in the region of the bucket"),
    ]
    return table(("", ""), rows, "--")


def files(plan: Plan) -> str:
    """Write what is stored."""
    few, many = plan.of_files["1000"], plan.of_files[MANY]
    rows = [
        ("bytes per point", f"{plan.bytes_per_point:.2f}", "measured at 1/1000"),
        ("points", gb(plan.points * plan.bytes_per_point), "in proportion to the points"),
        (
            "tasks, series, hyperparameters",
            gb(plan.other_bytes),
            "measured with 100,000 tasks",
        ),
        (
            "points per file",
            f"{plan.points_per_file / 1e6:.1f} million",
            "measured with 10⁹ points",
        ),
        ("files with points", f"{plan.files:,}", "in proportion to the points"),
        (
            "manifest",
            mb(plan.manifest_bytes),
            f"line through {mb(few['copy']['manifest'])} at 1,000 files and "
            f"{mb(many['copy']['manifest'])} at 10,000",
        ),
        ("views with addresses", mb(plan.views_bytes), "the same"),
    ]
    return table(("", "", "from"), rows, "-r-")


def commits(plan: Plan) -> str:
    """Write what the simulation of writers gave."""
    found = plan.measured["commits"]["into nothing"]
    lost = found["succeeded"] * found["points_per_writer"] - found["points_stored"]
    rows = [
        ("exports that succeeded", f"{found['succeeded']} of {found['writers']}"),
        ("points lost", f"{lost:,}"),
        ("manifests sent per commit", _tries(found["tries"])),
        ("reads of the pointer per export", spread(found["looks"], "{:,.0f}")),
        ("seconds for all", f"{found['seconds']:.0f}"),
        ("seconds between two commits, median", f"{found['seconds_between_commits']}"),
        ("requests per export", spread(found["requests"], "{:,.0f}")),
        ("sent per export", spread(found["bytes_sent"], "{:,.1f} MB", 1e6)),
        ("received per export", spread(found["bytes_received"], "{:,.1f} MB", 1e6)),
        ("CPU seconds per export", spread(found["cpu_seconds"], "{:.1f}")),
        ("MB of memory per export", spread(found["megabytes"], "{:,.0f}")),
    ]
    heads = (f"{found['writers']} exports that begin together, into an empty bucket", "")
    return table(heads, rows, "-r")


def _tries(tries: Mapping[str, int]) -> str:
    counts = sorted(int(count) for count, n in tries.items() for _ in range(n))
    return f"{counts[len(counts) // 2]} (up to {counts[-1]})"


def readers(plan: Plan) -> str:
    """Write what the simulation of readers gave."""
    found = plan.measured["readers"]
    rows = [
        ("answers", f"{found['succeeded']} of {found['readers']}"),
        ("answers of a mixed state", f"{found['mixed']}"),
        ("exports that succeeded meanwhile", f"{found['exports_succeeded']} of {found['exports']}"),
        ("different states that were seen", f"{found['snapshots_seen']}"),
        ("requests per reader", spread(found["requests"], "{:,.0f}")),
        ("received per reader", spread(found["bytes_received"], "{:,.2f} MB", 1e6)),
        ("CPU seconds per reader", spread(found["cpu_seconds"], "{:.1f}")),
        ("MB of memory per reader", spread(found["megabytes"], "{:,.0f}")),
        ("seconds for all", f"{found['seconds']:.0f}"),
    ]
    heads = (
        f"{found['readers']} readers with empty caches, {found['at_once']} at once, "
        f"{found['files']} files with points",
        "",
    )
    return table(heads, rows, "-r")


def server(plan: Plan) -> str:
    """Write what the server of ClearML has to do."""
    clearml, team = plan.assumed["clearml"], plan.assumed["team"]
    wire = plan.pages * clearml["page_bytes"]
    night = plan.points / plan.nights
    per_writer = night / team["writers"]
    pages_night = plan.pages / plan.nights
    rate = sum(clearml["events_per_second"]) / 2 / clearml["events_per_page"]
    rows = [
        ("", "first export", "each night"),
        ("points", f"{plan.points / 1e9:,.0f} billion", f"{night / 1e6:,.0f} million"),
        ("of each writer", "", f"{per_writer / 1e6:,.1f} million"),
        ("requests for pages", f"{plan.pages / 1e6:,.1f} million", f"{pages_night:,.0f}"),
        (
            "requests to list all tasks once",
            f"{plan.listing_requests:,.0f}",
            f"{plan.listing_requests:,.0f}",
        ),
        ("over the network", gb(wire), gb(wire / plan.nights)),
        ("time, one connection", days(plan.export_seconds), minutes(plan.night_seconds)),
        (
            "budget of each writer (`--max-rate`), if one connection is all that the server has",
            f"{rate / team['writers']:.2f} per second",
            f"{rate / team['writers']:.2f} per second",
        ),
    ]
    return table(rows[0], rows[1:], "-rr")


def reading(plan: Plan) -> str:
    """Write what a first question fetches, by the number of files."""
    found = plan.of_files
    numbers = [*found]
    rows = []
    for question in found[MANY]["in a bucket"]:
        asked = (found[number]["in a bucket"][question]["cold"] for number in numbers)
        cold = (f"{answer['requests']:,}" for answer in asked)
        rows.append((question, *cold, f"{plan.first_requests(question):,.0f}"))
    heads = ("requests, empty cache", *(f"{int(n):,} files" for n in numbers))
    return table((*heads, f"{plan.files:,} files"), rows, "-" + "r" * (len(heads)))


def bucket(plan: Plan) -> str:
    """Write what questions fetch at 1/1000, where each file is as large as the team's."""
    rows = []
    for question, runs in plan.measured["points"]["in a bucket"].items():
        cells = [
            cell
            for run in (runs["cold"], runs["again"])
            for cell in (f"{run['requests']:,}", mb(run["bytes_received"]))
        ]
        rows.append((question, *cells))
    heads = ("100 tasks, 50 million points", "requests", "bytes", "asked again", "bytes")
    return table(heads, rows, "-rrrr")


def questions(plan: Plan) -> str:
    """Write how long questions take with all points."""
    rows = []
    for question in LARGE_QUESTIONS:
        measured_at = max(row.points for row in plan.growth if row.question == question)
        (row,) = [r for r in plan.growth if (r.question, r.points) == (question, measured_at)]
        rows.append(
            (
                question,
                span(row.cpu_seconds),
                f"{row.megabytes:,.0f} MB",
                "" if question in BY_SERIES else f"{plan.exponent(question):.2f}",
                "the same" if question in BY_SERIES else span(plan.cpu_seconds_of(question)),
            )
        )
    heads = (
        "CPU time of a question",
        "10⁹ points",
        "memory",
        "exponent",
        f"{plan.points / 1e9:,.0f}·10⁹ points",
    )
    return table(heads, rows, "-rrrr")


def memory(plan: Plan) -> str:
    """Write what must be in memory at once."""
    planning, found = plan.measured["planning"], plan.of_files[MANY]
    folder = found["in a folder"]
    listed = planning["listed"]
    few, many = sorted(listed, key=int)
    per_task = (listed[many]["cpu_seconds"] - listed[few]["cpu_seconds"]) / (int(many) - int(few))
    most = max(question["megabytes"] for question in folder.values())
    remote = max(q["cold"]["megabytes"] for q in found["in a bucket"].values())
    stored = planning["stored"]
    rows = [
        (
            "plan a night of 100,000 stored tasks",
            f"{stored['megabytes']:,.0f} MB",
            f"{stored['read_cpu_seconds'] + stored['plan_cpu_seconds']:.1f}",
        ),
        (
            f"list 100,000 tasks (line through {int(few):,} and {int(many):,})",
            "",
            f"{per_task * plan.tasks:.0f}",
        ),
        (
            "a question, 10,000 files in a folder",
            f"up to {most:,.0f} MB",
            f"up to {max(question['cpu_seconds'] for question in folder.values()):.1f}",
        ),
        (
            "a question, 10,000 files in a bucket, first time",
            f"up to {remote:,.0f} MB",
            f"up to {max(q['cold']['cpu_seconds'] for q in found['in a bucket'].values()):.1f}",
        ),
        (
            "an export of one small task into a bucket",
            f"up to {plan.measured['commits']['into nothing']['megabytes']['most']:,.0f} MB",
            f"up to {plan.measured['commits']['into nothing']['cpu_seconds']['most']:.1f}",
        ),
    ]
    return table(("", "memory", "CPU seconds"), rows, "-rr")


def money(plan: Plan) -> str:
    """Write the bill."""
    prices = plan.assumed["prices"]
    bills = {name: plan.money(price) for name, price in prices.items()}
    first = next(iter(bills.values()))
    rows = [(what, *(f"${bill[what]:,.2f}" for bill in bills.values())) for what in first]
    rows.append(("**all**", *(f"**${sum(bill.values()):,.2f}**" for bill in bills.values())))
    heads = ("dollars per month", *(price["name"] for price in prices.values()))
    return table(heads, rows, "-" + "r" * len(prices))


def breaks(plan: Plan) -> str:
    """Write what breaks first, with the figure that shows it."""
    team = plan.assumed["team"]
    per_try = plan.manifest_bytes + plan.views_bytes
    night = plan.manifests_per_month / team["nights"]
    health = span(plan.cpu_seconds_of("health of everything"))
    together = plan.measured["commits"]["into nothing"]["writers"]
    curve = plan.folder_cpu_seconds("curve of one task")
    rows = [
        (
            "the first export",
            f"{days(plan.export_seconds)} of the server; tasks that are deleted meanwhile are "
            "not saved",
            "Read first what is deleted first (`--order archived-first`). Stop and go on as you "
            "like: what was committed is not read again. More connections help if the server has "
            "more cores.",
        ),
        (
            "the first question of a reader about points",
            f"{plan.files:,} requests, {gb(plan.first_bytes)}, {span(plan.first_seconds)} of "
            f"waiting, and {plan.first_cpu_seconds:.0f} CPU seconds here",
            "One dataset per group of projects, each with its own address: the requests are "
            "divided by the number of datasets. Or `copy` it to one machine and read there.",
        ),
        (
            "every question about points",
            f"{curve:.0f} CPU seconds to open {plan.files:,} files, also on a local disk",
            "The same. `max`, `min` and `status` do not open them.",
        ),
        (
            "the manifest",
            f"{mb(per_try)} per try: {gb(night)} per night if all commit at once, and "
            f"{gb(plan.checkpoint_bytes)} in up to {plan.checkpoints:,.0f} checkpoints of the "
            "first export",
            "Spread the writers over the night. Export the first time into a folder and `copy` it.",
        ),
        (
            "long questions on one machine",
            f"`query health` of everything: {health} of CPU time",
            "`--engine spark` with the cores that you have ([engine.md](engine.md)); or fewer "
            "metrics and projects.",
        ),
        (
            "the pointer",
            f"{plan.tries_per_commit:.1f} manifests sent per commit of {together} writers at once; "
            f"Google Cloud Storage takes {_per_second(plan)} to one object",
            "Spread the writers over the night.",
        ),
    ]
    numbered = [(f"{number}. {row[0]}", *row[1:]) for number, row in enumerate(rows, 1)]
    return table(("what", "figure", "what then"), numbered, "---")


def _per_second(plan: Plan) -> str:
    updates = plan.assumed["store"]["pointer_updates_per_second"]
    return f"{updates} write per second"


def assumed(plan: Plan) -> str:
    """Write what is assumed, with sources."""
    team, clearml, store = (plan.assumed[name] for name in ("team", "clearml", "store"))
    slow, fast = clearml["events_per_second"]
    rows = [
        (
            f"{team['nights']} nights and {team['working_days']} working days per month, "
            f"{team['questions_per_day']} questions per reader and day, a history of "
            f"{team['days_of_history']} days",
            "invented; change them",
        ),
        (f"{slow:,} to {fast:,} events per second", clearml["events_per_second_source"]),
        (f"{clearml['page_bytes'] / 1000:,.0f} kB per page", clearml["page_bytes_source"]),
        (
            f"{1000 * store['request_seconds']:.0f} ms per request to the bucket",
            store["request_seconds_source"],
        ),
        (
            f"{store['requests_at_once']} requests at once of one question",
            store["requests_at_once_source"],
        ),
        (
            f"{store['bytes_per_second'] / 1e6:.0f} MB per second from the bucket",
            store["bytes_per_second_source"],
        ),
        (
            f"a checkpoint every {clearml['points_per_checkpoint']:,} points",
            clearml["points_per_checkpoint_source"],
        ),
        (f"{_per_second(plan)} to one object", store["pointer_updates_source"]),
    ]
    rows += [
        (
            f"{price['name']}: ${price['gb_month']} per GB and month, ${price['put_per_1000']} per "
            f"1,000 writes, ${price['get_per_1000']} per 1,000 reads, ${price['gb_out']} per GB to "
            "the internet",
            f"{price['source']}, {price['date']}",
        )
        for price in plan.assumed["prices"].values()
    ]
    return table(("assumed", "source"), rows, "--")


def measured(plan: Plan) -> str:
    """Write how each figure was measured."""
    abouts = [plan.measured[part]["about"] for part in PARTS]
    rows = [
        (
            f"`{about['command']}`",
            ", ".join(about[key] for key in ("date", "note") if key in about),
            f"{about['seconds']:,} s",
            "–".join(f"{load:.0f}" for load in about["load"]),
        )
        for about in abouts
    ]
    machines = {about["machine"] for about in abouts}
    written = table(("command", "date", "took", "load"), rows, "--rr")
    return f"{written}\nThe machine: {'; '.join(sorted(machines))}.\n"

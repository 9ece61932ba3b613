"""The options that filter tasks."""

from typing import Annotated, Final, Literal

from clearml_snapshot.cli.options.groups import OptionGroup, option
from clearml_snapshot.cli.options.sections import TASKS
from clearml_snapshot.cli.options.text_input import read_ids
from clearml_snapshot.exporter.selection.task_filter import Archived, Order, TaskFilter

Hidden = Literal["include", "exclude"]

_TIME: Final = "A date, a time (local unless it has a zone) or an age such as 12h, 7d, 6mo or 1y."

_Projects = Annotated[
    list[str] | None,
    option(
        "--project",
        section=TASKS,
        metavar="NAME",
        help="Project: exact name, glob (* also matches /) or id; includes its sub-projects.",
    ),
]
_NoSubprojects = Annotated[
    bool,
    option(
        "--no-subprojects",
        section=TASKS,
        help="Exclude sub-projects of the projects given.",
    ),
]
_TaskNames = Annotated[
    list[str] | None,
    option(
        "--task-name",
        section=TASKS,
        metavar="NAME",
        help="Task name: exact, or a glob such as 'training*'.",
    ),
]
_TaskNameRegex = Annotated[
    str | None,
    option(
        "--task-name-regex",
        section=TASKS,
        metavar="REGEX",
        help="Regular expression that matches anywhere in the task name.",
    ),
]
_Tasks = Annotated[
    list[str] | None,
    option(
        "--task",
        section=TASKS,
        metavar="TASK",
        help="Task: id or its beginning, exact name, or address in the browser. @FILE or - (stdin) "
        "reads many, one per line or as a CSV with a column task_id.",
    ),
]
_Tags = Annotated[
    list[str] | None,
    option(
        "--tag",
        section=TASKS,
        metavar="TAG",
        help="Tag or glob; if given several times, a task must have all of them.",
    ),
]
_AnyTags = Annotated[
    list[str] | None,
    option(
        "--any-tag",
        section=TASKS,
        metavar="TAG",
        help="Tag or glob; if given several times, a task must have at least one of them.",
    ),
]
_ExcludedTags = Annotated[
    list[str] | None,
    option(
        "--exclude-tag",
        section=TASKS,
        metavar="TAG",
        help="Tag or glob that a task must not have.",
    ),
]
_Statuses = Annotated[
    list[str] | None,
    option(
        "--status",
        section=TASKS,
        metavar="STATUS",
        help="completed, failed, …, a name from the web UI (draft, pending, running, aborted), or "
        "a glob.",
    ),
]
_Types = Annotated[
    list[str] | None,
    option(
        "--type",
        section=TASKS,
        metavar="TYPE",
        help="training, testing, …, any other type that exists, or a glob.",
    ),
]
_Users = Annotated[
    list[str] | None,
    option(
        "--user",
        section=TASKS,
        metavar="USER",
        help="User name, id, or 'me'; offline that is who made the last export.",
    ),
]
_CreatedAfter = Annotated[
    str | None,
    option(
        "--created-after",
        section=TASKS,
        metavar="TIME",
        help=_TIME,
    ),
]
_CreatedBefore = Annotated[
    str | None,
    option(
        "--created-before",
        section=TASKS,
        metavar="TIME",
        help=_TIME,
    ),
]
_UpdatedAfter = Annotated[
    str | None,
    option(
        "--updated-after",
        section=TASKS,
        metavar="TIME",
        help=_TIME,
    ),
]
_UpdatedBefore = Annotated[
    str | None,
    option(
        "--updated-before",
        section=TASKS,
        metavar="TIME",
        help=_TIME,
    ),
]
_Where = Annotated[
    list[str] | None,
    option(
        "--where",
        section=TASKS,
        metavar="CONDITION",
        help="Condition on hyperparameters and on best values of metrics, such as 'Args/lr < 0.1 "
        "and accuracy/validation > 0.9'; last(), max() and min() choose another value. export "
        "compares hyperparameters only.",
    ),
]
_Archived = Annotated[
    Archived,
    option(
        "--archived",
        section=TASKS,
        help="Whether to include archived tasks.",
    ),
]
_Hidden = Annotated[
    Hidden,
    option(
        "--hidden",
        section=TASKS,
        help="Whether to include tasks that the web UI hides.",
    ),
]
_Limit = Annotated[
    int | None,
    option(
        "--limit",
        section=TASKS,
        metavar="N",
        min=1,
        help="Maximum number of tasks.",
    ),
]
_Order = Annotated[
    Order,
    option(
        "--order",
        section=TASKS,
        help="Which tasks come first, in the export and for --limit.",
    ),
]


def task_filter(
    project: _Projects = None,
    no_subprojects: _NoSubprojects = False,
    task_name: _TaskNames = None,
    task_name_regex: _TaskNameRegex = None,
    task: _Tasks = None,
    tag: _Tags = None,
    any_tag: _AnyTags = None,
    exclude_tag: _ExcludedTags = None,
    status: _Statuses = None,
    type_: _Types = None,
    user: _Users = None,
    created_after: _CreatedAfter = None,
    created_before: _CreatedBefore = None,
    updated_after: _UpdatedAfter = None,
    updated_before: _UpdatedBefore = None,
    where: _Where = None,
    archived: _Archived = "include",
    hidden: _Hidden = "exclude",
    limit: _Limit = None,
    order: _Order = "newest",
) -> TaskFilter:
    """Build the task filter; reads ids from files, leaves prefixes to be resolved later.

    Raises:
        UsageError: a file of ids cannot be read.
    """
    return TaskFilter(
        projects=tuple(project or ()),
        subprojects=not no_subprojects,
        task_names=tuple(task_name or ()),
        task_name_regex=task_name_regex,
        task_ids=read_ids(task or ()),
        tags=tuple(tag or ()),
        any_tags=tuple(any_tag or ()),
        exclude_tags=tuple(exclude_tag or ()),
        statuses=tuple(status or ()),
        types=tuple(type_ or ()),
        users=tuple(user or ()),
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        updated_before=updated_before,
        where=tuple(where or ()),
        archived=archived,
        hidden=hidden == "include",
        limit=limit,
        order=order,
    )


Filters = Annotated[TaskFilter, OptionGroup(task_filter)]

"""The handlers for tasks, projects, users and tags."""

from collections.abc import Callable, Mapping
from typing import Any

from clearml_snapshot.exporter.standin.api import query
from clearml_snapshot.exporter.standin.api.listing import (
    Kind,
    Scrolls,
    page,
    project,
    project_plain,
)
from clearml_snapshot.exporter.standin.auth import API_VERSION, SERVER_VERSION
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.errors import fail

Request = Mapping[str, Any]
Answer = dict[str, Any]
Document = dict[str, Any]

_TASK_FIELDS = (
    "id name type status status_reason status_message status_changed comment report report_assets "
    "created started completed published active_duration parent project output execution tags "
    "system_tags script last_worker last_worker_report last_update last_change last_iteration "
    "last_metrics unique_metrics metric_stats company company_origin user duration hyperparams "
    "configuration runtime models container enqueue_status last_changed_by"
)
_PROJECT_FIELDS = (
    "id name basename description created tags system_tags default_output_destination last_update "
    "featured logo_url logo_blob company company_origin parent path user"
)
_USER_FIELDS = (
    "id company name family_name given_name avatar preferences created_in_version created"
)


class Records:
    """Answers everything but events."""

    def __init__(
        self,
        database: Database,
        user: str,
        versions: tuple[str, str] = (API_VERSION, SERVER_VERSION),
    ) -> None:
        self.database = database
        self.user = user
        self.versions = versions
        self.scrolls = Scrolls()
        companies = {database.company: {"id": database.company, "name": "clearml"}}
        self.user_kind = Kind(
            "User", _words(_USER_FIELDS), frozenset({"preferences"}), {"company": companies}
        )
        self.project_kind = Kind(
            "Project",
            _words(_PROJECT_FIELDS),
            frozenset({"path", "logo_blob", "company_origin"}),
            {"company": companies, "user": database.users, "parent": database.projects},
        )
        self.task_kind = Kind(
            "Task",
            _words(_TASK_FIELDS),
            frozenset({"unique_metrics", "company_origin", "enqueue_status"}),
            {
                "company": companies,
                "user": database.users,
                "project": database.projects,
                "parent": database.tasks,
            },
        )

    def endpoints(self) -> dict[str, Callable[[Request], Answer]]:
        """Return the handler of each endpoint."""
        return {
            "server.info": self.server_info,
            "users.get_current_user": self.current_user,
            "users.get_by_id": self.user_by_id,
            "users.get_all": self.users_plain,
            "users.get_all_ex": self.users,
            "projects.get_by_id": self.project_by_id,
            "projects.get_all": self.projects_plain,
            "projects.get_all_ex": self.projects,
            "projects.get_task_tags": self.task_tags,
            "projects.get_unique_metric_variants": self.unique_metric_variants,
            "organization.get_tags": self.tags,
            "tasks.get_by_id": self.task_by_id,
            "tasks.get_by_id_ex": self.tasks_by_id,
            "tasks.get_all": self.tasks_plain,
            "tasks.get_all_ex": self.tasks,
            "tasks.get_types": self.types,
        }

    def server_info(self, _: Request) -> Answer:
        """server.info."""
        return {
            "version": self.versions[1],
            "build": "",
            "commit": "",
            "api_version": self.versions[0],
        }

    def current_user(self, _: Request) -> Answer:
        """users.get_current_user."""
        stored = self.database.users[self.user]
        names = [*(_words(_USER_FIELDS) - {"preferences", "company"}), "company.name"]
        return {
            "user": {**project(self.user_kind, [stored], names)[0], "role": "user"},
            "getting_started": {
                "agentName": "clearml",
                "configure": "clearml-init",
                "install": "pip install clearml",
                "packageName": "clearml",
            },
            "settings": {"max_download_items": 50000},
        }

    def user_by_id(self, request: Request) -> Answer:
        """users.get_by_id."""
        user = self.database.users.get(request["user"])
        if user is None:
            fail(400, 301, id=request["user"], company=self.database.company)
        return {"user": user}

    def users(self, request: Request) -> Answer:
        """users.get_all_ex: no scroll (docs/clearml-server.md, "Pages of a list")."""
        chosen, _ = page(self.user_kind, self._users(request), request, self.scrolls)
        return {"users": project(self.user_kind, chosen, request.get("only_fields"))}

    def users_plain(self, request: Request) -> Answer:
        """users.get_all."""
        chosen, _ = page(self.user_kind, self._users(request), request, self.scrolls)
        return {"users": project_plain(self.user_kind, chosen, request.get("only_fields"))}

    def project_by_id(self, request: Request) -> Answer:
        """projects.get_by_id."""
        project_found = self.database.projects.get(request["project"])
        if project_found is None:
            fail(400, 401, id=request["project"])
        return {"project": project_found}

    def projects(self, request: Request) -> Answer:
        """projects.get_all_ex."""
        chosen, more = page(self.project_kind, self._projects(request), request, self.scrolls)
        only = request.get("only_fields")
        answer = project(self.project_kind, chosen, only)
        for document, stored in zip(answer, chosen, strict=True):
            if request.get("search_hidden") and "hidden" in stored["system_tags"]:
                document["hidden"] = True
        if request.get("include_stats"):
            for document in answer:
                document["stats"] = self._stats(document["id"])
                document["sub_projects"] = self._below(document["id"])
        return {"projects": answer, **more}

    def projects_plain(self, request: Request) -> Answer:
        """projects.get_all."""
        chosen, more = page(self.project_kind, self._projects(request), request, self.scrolls)
        only = request.get("only_fields")
        return {"projects": project_plain(self.project_kind, chosen, only), **more}

    def task_tags(self, request: Request) -> Answer:
        """projects.get_task_tags: of these projects and those below."""
        roots = request.get("projects")
        inside = self.database.with_children(roots) if roots else None
        return self._tags(request, inside)

    def tags(self, request: Request) -> Answer:
        """organization.get_tags."""
        return self._tags(request, None)

    def unique_metric_variants(self, request: Request) -> Answer:
        """projects.get_unique_metric_variants: from the summaries, hidden tasks too."""
        root, ids = request.get("project"), request.get("ids")
        inside = {root} if root else None
        if inside and request.get("include_subprojects") is not False:
            inside = self.database.with_children(inside)
        series: dict[tuple[str, str], Document] = {}
        for task in self.database.tasks.values():
            if (inside and task.get("project") not in inside) or (ids and task["id"] not in ids):
                continue
            for metric_hash, variants in task["last_metrics"].items():
                for variant_hash, summary in variants.items():
                    series[summary["metric"], summary["variant"]] = {
                        "metric": summary["metric"],
                        "metric_hash": metric_hash,
                        "variant": summary["variant"],
                        "variant_hash": variant_hash,
                    }
        return {"metrics": [series[key] for key in sorted(series)]}

    def task_by_id(self, request: Request) -> Answer:
        """tasks.get_by_id: every field, references as plain ids."""
        return {"task": self.existing(request["task"])[0]}

    def tasks_by_id(self, request: Request) -> Answer:
        """tasks.get_by_id_ex."""
        tasks = self._filtered(self.database.tasks, query.TASKS, request)
        chosen, _ = page(self.task_kind, tasks, request, self.scrolls)
        return {"tasks": project(self.task_kind, chosen, request.get("only_fields"))}

    def tasks(self, request: Request) -> Answer:
        """tasks.get_all_ex: with joins."""
        chosen, more = page(self.task_kind, self._tasks(request), request, self.scrolls)
        return {"tasks": project(self.task_kind, chosen, request.get("only_fields")), **more}

    def tasks_plain(self, request: Request) -> Answer:
        """tasks.get_all: without joins."""
        chosen, more = page(self.task_kind, self._tasks(request), request, self.scrolls)
        return {"tasks": project_plain(self.task_kind, chosen, request.get("only_fields")), **more}

    def types(self, request: Request) -> Answer:
        """tasks.get_types."""
        roots = request.get("projects")
        inside = self.database.with_children(roots) if roots else None
        tasks = self.database.tasks.values()
        return {
            "types": sorted({t["type"] for t in tasks if not inside or t.get("project") in inside})
        }

    def existing(self, ids: str | list[str]) -> list[Document]:
        """Return these tasks, or raise 400/101 with all requested ids."""
        task_ids = dict.fromkeys([ids] if isinstance(ids, str) else ids)
        tasks = [self.database.tasks[key] for key in task_ids if key in self.database.tasks]
        if len(tasks) != len(task_ids):
            fail(400, 101, ids=[ids] if isinstance(ids, str) else ids)
        return tasks

    def _filtered(
        self, documents: Mapping[str, Document], options: query.Options, request: Request
    ) -> list[Document]:
        test = query.matcher(options, request)
        text = request.get("search_text")
        words = text.lower().split() if text else None
        return [
            document
            for document in documents.values()
            if test(document) and (words is None or _mentions(document, words))
        ]

    def _tasks(self, request: Request) -> list[Document]:
        if request.get("include_subprojects") and request.get("project"):
            roots = request["project"]
            inside = self.database.with_children([roots] if isinstance(roots, str) else roots)
            request = {**request, "project": sorted(inside)}
        tasks = self._filtered(self.database.tasks, query.TASKS, request)
        return _visible(tasks, request)

    def _projects(self, request: Request) -> list[Document]:
        changed = dict(request)
        changed.pop("path", None)
        if not request.get("shallow_search"):
            if "parent" in changed:
                changed["path"] = changed.pop("parent")
        elif "parent" not in changed:
            changed["parent"] = [None]
        projects = self._filtered(self.database.projects, query.PROJECTS, changed)
        users = request.get("active_users")
        if users:
            active = {t.get("project") for t in self.database.tasks.values() if t["user"] in users}
            projects = [p for p in projects if self.database.with_children([p["id"]]) & active]
        return _visible(projects, request)

    def _users(self, request: Request) -> list[Document]:
        inside = request.get("active_in_projects")
        users = self._filtered(self.database.users, query.USERS, request)
        if inside is None:
            return users
        projects = self.database.with_children(inside) if inside else None
        tasks = self.database.tasks.values()
        active = {t["user"] for t in tasks if not projects or t.get("project") in projects}
        return [user for user in users if user["id"] in active]

    def _tags(self, request: Request, projects: set[str] | None) -> Answer:
        fields = ["tags", "system_tags"] if request.get("include_system") else ["tags"]
        lists = {k: v for k, v in (request.get("filter") or {}).items() if v}
        test = query.matcher(query.Options(lists=("tags", "system_tags")), lists)
        tasks = [
            task
            for task in self.database.tasks.values()
            if test(task) and (projects is None or task.get("project") in projects)
        ]
        return {name: sorted({tag for task in tasks for tag in task[name]}) for name in fields}

    def _stats(self, project_id: str) -> Document:
        inside = self.database.with_children([project_id])
        stats: Document = {}
        for state in ("active", "archived"):
            tasks = [
                task
                for task in self.database.tasks.values()
                if task.get("project") in inside
                and ("archived" in task["system_tags"]) == (state == "archived")
                and "hidden" not in task["system_tags"]
            ]
            counts: dict[str, int] = {}
            for task in tasks:
                counts[task["status"]] = counts.get(task["status"], 0) + 1
            stats[state] = {"status_count": counts, "total_tasks": len(tasks)}
        return stats

    def _below(self, project_id: str) -> list[Document]:
        ids = self.database.with_children([project_id]) - {project_id}
        return [{"id": key, "name": self.database.projects[key]["name"]} for key in sorted(ids)]


def _visible(documents: list[Document], request: Request) -> list[Document]:
    if request.get("search_hidden") or request.get("id"):
        return documents
    return [document for document in documents if "hidden" not in document["system_tags"]]


def _mentions(document: Document, words: list[str]) -> bool:
    text = " ".join(str(document.get(name, "")) for name in ("name", "id", "comment")).lower()
    return any(word in text for word in words)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split(" "))

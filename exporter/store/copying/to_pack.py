"""Copies the current snapshot into one .zip, with the same content id."""

from pathlib import Path

from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.store.copying.incoming import Incoming
from clearml_snapshot.exporter.store.copying.report import CopyReport
from clearml_snapshot.exporter.store.copying.sources import Source
from clearml_snapshot.exporter.store.disk.disk_errors import disk_errors
from clearml_snapshot.exporter.store.disk.scratch import replacing_file, scratch_beside
from clearml_snapshot.exporter.store.disk.targets import check_new_file, check_space
from clearml_snapshot.exporter.store.pack.zip_writer import members, top_folder, write_archive
from clearml_snapshot.exporter.store.writing.remote.sending import at_once


def copy_to_pack(source: Source, target: Path, progress: Progress) -> CopyReport:
    """Write the current snapshot as an archive, which replaces an existing one when it is complete.

    What has arrived is kept in a hidden folder beside the archive, for a copy after one that was
    killed.

    Args:
        source: what to copy.
        target: the archive.
        progress: reports what is being transferred.

    Raises:
        UsageError: the target is a folder, or the folder above it does not exist.
        DatasetError: a file of the source is damaged.
        SnapshotError: the disk refuses.
    """
    check_new_file(target)
    current = source.snapshots[-1]
    incoming = Incoming(target.parent / f".{target.name}.incoming")
    with disk_errors(target):
        by_hash = {entry.sha256: entry for entry in current.files}
        missing = [entry for entry in by_hash.values() if not incoming.has(entry)]
        size = sum(entry.bytes for entry in missing)
        check_space(target.parent, 2 * size, Path(source.place))
        progress.note(f"copying {len(missing):,} files ({size_in_words(size)}) to {target}")
        at_once(lambda entry: incoming.receive(source, current, entry), missing)
        with scratch_beside(target, "copying") as scratch:
            folder = scratch / "snapshot"
            for entry in current.files:
                (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
                incoming.place(entry, folder / entry.path)
            for name in current.pages:
                (folder / name).write_bytes(source.page(current, name))
            for name, text in current.texts.items():
                (folder / name).write_bytes(text)
            with replacing_file(target) as stream:
                write_archive(stream, members(folder), top_folder(current.content_id))
        incoming.remove()
    return CopyReport(
        source.place,
        str(target),
        current.number,
        current.content_id,
        1,
        (current.number,),
        (),
        len(missing),
        size,
        len(by_hash) - len(missing),
    )

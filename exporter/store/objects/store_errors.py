"""Describes in one line what an object store refuses.

The store's own text is never shown: answers about a wrong signature repeat what was signed. Only
the code of the error and the HTTP status are taken from it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.objects.address import Address

_CODE: Final = re.compile(r"<Code>([A-Za-z]{3,60})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})|[Ss]tatus:? (\d{3})")
_NO_BUCKET: Final = ("NoSuchBucket", "The specified bucket does not exist", "ContainerNotFound")
_METADATA: Final = re.compile(r"https?://(?:169\.254\.\d+\.\d+|metadata\.google)")
"""Where the credentials of a machine come from, when nothing else names any."""
_REDIRECTED: Final = re.compile(r"redirect without LOCATION|PermanentRedirect", re.IGNORECASE)
_CERTIFICATE: Final = re.compile(r"InvalidCertificate|NoCertificatesPresented|AlertReceived")
_BODIES: Final = {
    "MissingContentLength": "the web server does not state the size of files; it must send them as "
    "they are, with Content-Length",
    "IncompleteBody": "an answer of the web server ended early; run it again",
    "kind: Interrupted": "an answer of the web server ended early; run it again",
}

ENVIRONMENT: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""What may be set, by the scheme of the address."""

_ENDPOINT: Final = {"s3": "the address of the store (AWS_ENDPOINT_URL)"}
"""What may be wrong besides the network, by the scheme."""


class MissingObjectError(DatasetError):
    """An object that is not there; its bucket is."""


class NoAnswerError(SnapshotError):
    """The store cannot be reached, or its answer ended early."""


class ForbiddenError(SnapshotError):
    """The store gives no permission; some answer so for an object that is not there."""


@contextmanager
def store_errors(address: Address, doing: str) -> Iterator[None]:
    """Translate the errors of obstore in a block.

    Args:
        address: of the dataset.
        doing: ``read`` or ``write``.

    Raises:
        MissingObjectError: an object is not there.
        UsageError: the bucket is not there, or is elsewhere.
        SnapshotError: the store refuses, or cannot be reached.
    """
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        NotModifiedError,
        NotSupportedError,
        PermissionDeniedError,
        PreconditionError,
        UnauthenticatedError,
    )

    try:
        yield
    except (AlreadyExistsError, PreconditionError, NotModifiedError):
        raise  # answers, not failures
    except FileNotFoundError as error:  # what obstore's NotFoundError is
        raise _missing(address, str(error)) from None
    except NotSupportedError:  # a range
        raise UsageError(
            f"{address} cannot be queried where it is: the web server does not send parts of files "
            f"(range requests); copy it first: clearml-snapshot copy {address} FOLDER"
        ) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        if address.is_web:
            raise _forbidden_web(address, str(error)) from None
        raise ForbiddenError(
            f"no permission to {doing} {address}{_detail(str(error))}; check the credentials and "
            "the rights that they have in this bucket"
        ) from None
    except (BaseError, OSError, ValueError) as error:
        other = _other_of_web if address.is_web else _other
        raise other(address, doing, str(error)) from None


def _missing(address: Address, text: str) -> SnapshotError:
    if address.is_web:
        return MissingObjectError(
            f"a file of {address} is missing; run it again if a newer snapshot was just published "
            "there, otherwise publish it again"
        )
    if any(word in text for word in _NO_BUCKET):
        return UsageError(
            f"there is no bucket {address.root}; check its name, or create it with the tools of "
            "the store"
        )
    return MissingObjectError(
        f"an object of {address} is missing; run it again if a newer snapshot was just copied "
        "there, otherwise copy it there again"
    )


def _other(address: Address, doing: str, text: str) -> SnapshotError:
    if any(word in text for word in _NO_BUCKET):  # of a listing
        return _missing(address, text)
    if _METADATA.search(text):
        return SnapshotError(
            f"no credentials for {address} were found; set {ENVIRONMENT[address.scheme]}"
        )
    status = _status(text)
    if status == "301" or _REDIRECTED.search(text):
        return UsageError(
            f"{address.root} is in another region than the configured one; set AWS_REGION"
        )
    if status is not None:
        return SnapshotError(
            f"{address} cannot be {_done(doing)}: the store answers with an error"
            f"{_detail(text)}; run it again later"
        )
    return NoAnswerError(
        f"{address} cannot be {_done(doing)}: the store does not answer; check the network and "
        f"{_ENDPOINT.get(address.scheme, 'the address of the store')}, and run it again"
    )


def _forbidden_web(address: Address, text: str) -> ForbiddenError:
    return ForbiddenError(
        f"the web server gives no permission to read {address}{_detail(text)}; check the "
        "address, and that the dataset there can be read without credentials"
    )


def _other_of_web(address: Address, doing: str, text: str) -> SnapshotError:
    del doing  # they are only read
    cannot = f"{address} cannot be read"
    status = _status(text)
    if _REDIRECTED.search(text) or (status or "").startswith("3") or "kind: Redirect" in text:
        return UsageError(
            f"{cannot}: the web server redirects to an address that cannot be followed; open it in "
            "a browser and give the address that is shown there"
        )
    if status == "416":
        return DatasetError(
            f"{cannot}: a file is shorter than its snapshot states; publish it again"
        )
    if status is not None:
        return SnapshotError(
            f"{cannot}: the web server answers with an error{_detail(text)}; run it again later"
        )
    if _CERTIFICATE.search(text):
        return SnapshotError(
            f"{cannot}: the certificate of the web server is not valid for this machine; check the "
            "address, or let SSL_CERT_FILE name the certificates to trust"
        )
    for sign, meaning in _BODIES.items():
        if sign in text:
            return NoAnswerError(f"{cannot}: {meaning}")
    return NoAnswerError(
        f"{cannot}: the web server does not answer; check the network and the address, and run it "
        "again"
    )


def _done(doing: str) -> str:
    return {"read": "read", "write": "written"}[doing]


def _detail(text: str) -> str:
    """Return the status and the store's code for the error, in parentheses."""
    code = _CODE.search(text)
    parts = [*filter(None, (_status(text), code and code[1]))]
    return f" ({' '.join(parts)})" if parts else ""


def _status(text: str) -> str | None:
    match = _STATUS.search(text)
    return match[1] or match[2] if match else None

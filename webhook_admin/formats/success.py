"""Which HTTP status of a receiver's answer says that the notification has arrived."""

from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Success(Container[int]):
    """The statuses that count as success, and how a document writes them: `str(ANY_2XX)` is `2xx`."""

    text: str
    codes: Container[int]

    def __contains__(self, status_code: object) -> bool:
        return status_code in self.codes

    def __str__(self) -> str:
        return self.text


ANY_2XX = Success("2xx", range(200, 300))
ONLY_200 = Success("200", range(200, 201))

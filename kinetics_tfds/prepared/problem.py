"""One thing that is wrong with a prepared dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where.

    Attributes:
        file: name of the file in the dataset's folder.
        record: number of the record in the file, None where it is not about one.
        id: of the clip that should be there, None where it is not about one.
        what: in words.
        holds: id of the clip that is there instead, None where that is not the problem.
    """

    file: str
    record: int | None
    id: str | None
    what: str
    holds: str | None = None

    def with_owner(self, owners: Mapping[str, str]) -> Problem:
        """Returns the problem with the file that the strange clip belongs to, where that is known."""
        if self.holds is None or self.holds not in owners:
            return self
        return dataclasses.replace(self, what=f"{self.what} (of {owners[self.holds]})")

    def __str__(self) -> str:
        place = self.file if self.record is None else f"{self.file} record {self.record}"
        return f"{place}{f' ({self.id})' if self.id else ''}: {self.what}"

"""The payload formats that a webhook may choose from: one file each, and this table.

A format's module says what a receiver gets: `SCHEMA` (the JSON Schema of a body), `EXAMPLE` (a body), and `SUCCESS`
(which HTTP status acknowledges a notification).
"""

from types import ModuleType

from webhook_admin.formats import insider, mta_v1, phonovation_v2, routee, standard

FORMATS: dict[str, ModuleType] = {
    "standard": standard,
    "phonovation-v2": phonovation_v2,
    "routee": routee,
    "insider": insider,
    "mta-v1": mta_v1,
}
DEFAULT = "standard"

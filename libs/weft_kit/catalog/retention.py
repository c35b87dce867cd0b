"""How long a tenant's jobs are kept, as set in the catalog."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from weft_kit.catalog.providers import Entry

Days = Annotated[float, Field(gt=0, le=36_500)]


class Retention(Entry):
    """Days after a job was accepted until its contents, and then its whole record, are deleted.

    Contents are the request with its webhook, the answer with its sources, and the texts of errors. The record that
    stays for reports holds ids, labels, model, states and times, attempts, usage and cost.
    """

    contents_days: Days = 30.0
    records_days: Days = 365.0

    @model_validator(mode="after")
    def _contents_go_first(self) -> "Retention":
        if self.records_days < self.contents_days:
            raise PydanticCustomError(
                "retention",
                "records_days ({records}) must be at least contents_days ({contents})",
                {"records": f"{self.records_days:g}", "contents": f"{self.contents_days:g}"},
            )
        return self

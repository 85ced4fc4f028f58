"""What a language model may answer when it is asked for a plan. Form only; ``planner`` judges what it says."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Action = Literal["propose", "refine", "achieve", "stop"]


class Proposal(BaseModel):
    """The next candidate, or the wish to end."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    action: Action
    reason: str
    title: str = ""
    family: str = ""
    model_config_: dict[str, Any] | None = Field(default=None, alias="model_config")
    design: str = ""
    recipe: dict[str, Any] = {}

    @property
    def ends(self) -> bool:
        return self.action in ("achieve", "stop")

    @model_validator(mode="after")
    def _says_what_to_build(self) -> Self:
        if not self.ends and not self.model_config_ and not self.design.strip():
            raise ValueError("to propose or refine, give model_config, or design in words")
        return self


class Proposals(BaseModel):
    """Several at once, which differ in what they try."""

    model_config = ConfigDict(frozen=True)

    proposals: Annotated[list[Proposal], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _one_alone(cls, said: Any) -> Any:
        """A model that gives one where several were asked for has given one."""
        return {"proposals": [said]} if isinstance(said, dict) and "action" in said else said

"""What a language model may answer when it is asked for a plan. Form only; ``planner`` judges what it says."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _plain_word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Action = Annotated[Literal["propose", "refine", "achieve", "stop"], BeforeValidator(_plain_word)]
Words = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""Models write null for what they leave out."""


class Proposal(BaseModel):
    """The next candidate, or the wish to end."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    action: Action
    reason: str
    title: Words = ""
    family: Words = ""
    model_config_: Annotated[dict[str, Any] | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None, alias="model_config"
    )
    design: Words = ""
    recipe: Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)] = {}

    @property
    def ends(self) -> bool:
        return self.action in ("achieve", "stop")

    @model_validator(mode="after")
    def _says_what_to_build(self) -> Self:
        if not self.ends and self.model_config_ is None and not self.design.strip():
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

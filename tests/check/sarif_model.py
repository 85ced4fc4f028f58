"""The part of SARIF 2.1.0 (OASIS) that verdicts use, as strict types: no other property, and what GitHub asks for."""

from typing import Annotated, Any, Literal

from pydantic import AnyUrl, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


Text = Annotated[str, Field(min_length=1)]


class Message(_Object):
    text: Text


class ArtifactLocation(_Object):
    uri: Annotated[str, Field(min_length=1, pattern=r"^[!-~]+$")]
    uri_base_id: Text | None = None
    index: Annotated[int, Field(ge=0)] | None = None


class Region(_Object):
    start_line: Annotated[int, Field(ge=1)]


class PhysicalLocation(_Object):
    artifact_location: ArtifactLocation
    region: Region


class Location(_Object):
    physical_location: PhysicalLocation


class Result(_Object):
    rule_id: Text
    rule_index: Annotated[int, Field(ge=0)]
    level: Literal["none", "note", "warning", "error"]
    message: Message
    locations: Annotated[list[Location], Field(min_length=1)]
    partial_fingerprints: dict[str, Text]
    properties: dict[str, Any]


class Configuration(_Object):
    level: Literal["none", "note", "warning", "error"]


class ReportingDescriptor(_Object):
    id: Text
    name: Annotated[str, Field(pattern=r"^([A-Z][a-z0-9]+)+(NaN[A-Za-z]*)?$")]
    short_description: Message
    full_description: Message
    help: Message
    default_configuration: Configuration


class Driver(_Object):
    name: Text
    version: Text
    semantic_version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+")]
    rules: list[ReportingDescriptor]
    notifications: list[ReportingDescriptor]


class Tool(_Object):
    driver: Driver


class AutomationDetails(_Object):
    id: Annotated[str, Field(pattern=r"/$")]


class DescriptorReference(_Object):
    id: Text


class Notification(_Object):
    level: Literal["none", "note", "warning", "error"]
    message: Message
    descriptor: DescriptorReference


class Invocation(_Object):
    execution_successful: bool
    exit_code: int
    exit_code_description: Text
    tool_execution_notifications: list[Notification]


class Artifact(_Object):
    location: ArtifactLocation
    length: Annotated[int, Field(ge=0)]
    source_language: Text
    roles: list[Literal["analysisTarget"]]
    hashes: dict[Literal["sha-256"], Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


class SarifRun(_Object):
    tool: Tool
    automation_details: AutomationDetails
    invocations: Annotated[list[Invocation], Field(min_length=1, max_length=1)]
    artifacts: Annotated[list[Artifact], Field(min_length=1, max_length=1)]
    column_kind: Literal["utf16CodeUnits", "unicodeCodePoints"]
    results: list[Result]
    properties: dict[str, Any]


class SarifLog(_Object):
    model_config = ConfigDict(strict=False)

    schema_: Annotated[AnyUrl, Field(alias="$schema")]
    version: Literal["2.1.0"]
    runs: Annotated[list[SarifRun], Field(min_length=1, max_length=1)]

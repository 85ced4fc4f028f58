"""What the assembler says when a configuration cannot become a model."""

from fumehood.errors import UsageError


class AssemblyError(UsageError):
    """A ``model_config`` or recipe that is not understood or does not fit together; names the layer and what to do."""

    kind = "assembly"


class LayerMisfitError(Exception):
    """Raised inside a layer's rules; ``trace`` adds the layer's number and turns it into an ``AssemblyError``."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

"""The blueprint that the resources are made with."""

from collections.abc import Callable
from typing import Any, TypeVar

import flask_smorest

from webhook_admin.web.parsing import MAX_BODY, StrictParser

View = TypeVar("View", bound=Callable[..., Any])


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's, with the strict parser, and with types for its decorators."""

    def __init__(self, *arguments: Any, max_body: int = MAX_BODY, **options: Any) -> None:
        """`max_body` is how many bytes the bodies of its calls may have."""
        super().__init__(*arguments, **options)
        self.ARGUMENTS_PARSER = StrictParser(max_body)

    def arguments(self, *arguments: Any, **options: Any) -> Callable[[View], View]:
        """Check the input by a schema, and give it to the view."""
        decorator: Callable[[View], View] = super().arguments(*arguments, **options)
        return decorator

    def response(self, *arguments: Any, **options: Any) -> Callable[[View], View]:
        """Write what the view returns by a schema."""
        decorator: Callable[[View], View] = super().response(*arguments, **options)
        return decorator

    def alt_response(self, *arguments: Any, **options: Any) -> Callable[[View], View]:
        """Document another answer."""
        decorator: Callable[[View], View] = super().alt_response(*arguments, **options)
        return decorator

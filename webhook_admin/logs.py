"""Log lines on standard error: text (logfmt) or JSON, and never a key, a secret or a callback URL's query string."""

import logging
import re
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# What must not be logged, wherever it turns up: API keys, signing secrets, and what follows the `?` of a URL.
_CONFIDENTIAL = re.compile(r"(wh[ap]k_|whsec_)[\w+/=.-]+|((?i:https?):[^\s?\"\\]+\?)[^\s\"\\]+")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _StandardError:
    """Standard error, where a full disk or a closed pipe costs lines of the log, and not requests."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def configure(level: str, format_: str) -> None:
    """Send this process's log lines, the libraries' included, to standard error in one format."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: list[Processor] = [_renderer(format_), _redact]
    output = cast("TextIO", _StandardError())
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=max(_LEVELS[level], logging.WARNING), handlers=[handler], force=True)


def _renderer(format_: str) -> Processor:
    if format_ == "json":
        return structlog.processors.JSONRenderer()
    return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)


def _redact(_logger: WrappedLogger, _method: str, line: EventDict | str) -> str:
    return _CONFIDENTIAL.sub(lambda found: f"{found[1] or found[2]}[hidden]", str(line))

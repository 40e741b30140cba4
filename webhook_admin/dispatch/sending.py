"""An attempt on its way: as it is counted, and as it has ended."""

from msgspec import Struct

from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.sender.request import Request


class Sending(Struct, frozen=True, kw_only=True):
    """A delivery as it was before the attempt, the attempt as it is counted, and the request that is to be made.

    From `expires_at` on (ms since the epoch; None: never) the request is not started.
    """

    due: Due
    begun: Begun
    request: Request
    message_id: str
    expires_at: int | None = None

    def is_expired(self, now: int) -> bool:
        """Whether it is too late to start the request."""
        return self.expires_at is not None and now >= self.expires_at


class Ended(Struct, frozen=True, kw_only=True):
    """An attempt that has ended, and the delivery's next state.

    `is_gone`: the receiver said that it is gone for good. `is_exhausted`: the delivery has used up its attempts.
    """

    sending: Sending
    attempt: Attempt
    transition: Transition
    is_gone: bool = False
    is_exhausted: bool = False

    @property
    def acknowledged_after(self) -> int | None:
        """From acceptance, or the resend, to the receiver's acknowledgement (ms); None if there was none."""
        if self.transition.state is not State.DELIVERED:
            return None
        return self.attempt.started_at + (self.attempt.duration_ms or 0) - self.sending.due.starts_at

"""A receiver that sometimes answers late or with 500, and counts what it has acknowledged."""

import asyncio
import random
from collections import Counter

from tests.receiver import Receiver, answer

OK, FAILED = answer(200), answer(500)


class Moody:
    """Answers 200, sometimes late, and sometimes 500. `acknowledged` counts the 200s of each delivery."""

    def __init__(self, receiver: Receiver, failing: float = 0.1, late: float = 0.1, seconds: float = 0.3) -> None:
        self._receiver = receiver
        self._failing, self._late, self._seconds = failing, late, seconds
        self.acknowledged: Counter[str] = Counter()

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        # The latest request is this one: the receiver awaits nothing between noting it and calling here.
        delivery_id = self._receiver.requests[-1].headers["webhook-id"]
        if random.random() < self._late:
            await asyncio.sleep(self._seconds)
        if random.random() < self._failing:
            await FAILED(writer)
            return
        self.acknowledged[delivery_id] += 1
        await OK(writer)

    def duplicates(self) -> int:
        """How often a delivery came that had been acknowledged already."""
        return sum(count - 1 for count in self.acknowledged.values() if count)

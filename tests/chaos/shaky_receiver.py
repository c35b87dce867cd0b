"""A receiver of webhooks that is not always well."""

from collections import defaultdict

from tests.support.webhook_receiver import Post, WebhookReceiver

_TAKEN = 204
_REFUSED = 503
_REFUSES_EVERY = 3


class ShakyReceiver(WebhookReceiver):
    """Remembers the `webhook-id` of what it took, by order; it refuses the first try of every third one."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[int, list[str]] = defaultdict(list)
        self._refused: set[int] = set()

    def judge(self, post: Post) -> int:
        order = int(post.path.rpartition("/")[2])
        if order % _REFUSES_EVERY == 0 and order not in self._refused:
            self._refused.add(order)
            return _REFUSED
        self.taken[order].append(post.webhook_id)
        return _TAKEN

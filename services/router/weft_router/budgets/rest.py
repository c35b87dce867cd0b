"""How long a job rests in the queue that a budget has no room for."""


def rest_s(wait_s: float, left_s: float, delivery: int, max_deliveries: int, share: float) -> float | None:
    """Return the seconds until the job is worth another look; None when it would not be looked at in time.

    At least as long as it was told to wait, and up to a quarter more (`share`, 0-1, drawn at random), so that not all
    who wait come back at one moment. A job may be handed out `max_deliveries` times: the more of them are used, the
    longer the rests, so that they last for its life.
    """
    remaining = max_deliveries - delivery
    if remaining <= 0 or wait_s >= left_s:
        return None
    stretched_s = left_s * (delivery / max_deliveries) ** 2 / remaining
    return min(max(wait_s * (1 + share / 4), stretched_s), max(wait_s, 0.95 * left_s))

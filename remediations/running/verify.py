"""Did it help? A run is closed by what is seen after its last step, never by an exit code; pure."""

from __future__ import annotations

from dataclasses import replace

from model.outcome import Outcome
from remediations.running.run import Run, closed
from remediations.writing.playbook import Playbook, Verify


def judged(run: Run, playbook: Playbook, gone: bool | None, now_ms: int) -> Run:
    """Return the run after one look at the trouble: gone, still there, or (None) not seen.

    It is fixed once the trouble was gone for the whole hold; it did not help once ``within`` is over
    and the trouble is there. A hold that began in time may end after ``within``. What is not seen
    proves nothing: it neither breaks a hold nor completes it.
    """
    verify = playbook.verify or Verify()
    run = _looked(run, gone, now_ms)
    if gone and now_ms - run.healed_ms >= verify.hold.ms:
        fixed = replace(run, verified_ms=now_ms)
        took = f"{(run.healed_ms - run.onset_ms) / 1000:.1f}s after it began"
        reason = f"{playbook.playbook} helped: the trouble was gone {took} and stayed away for {verify.hold}"
        return closed(fixed, playbook.otherwise, Outcome.FIXED, reason, now_ms)
    over_ms = run.done_ms + verify.within.ms
    in_time = 0 < run.healed_ms <= over_ms
    if now_ms < over_ms or (in_time and now_ms < over_ms + verify.hold.ms):
        return run
    if run.trouble:
        return closed(run, playbook.otherwise, Outcome.FAILED, run.trouble, now_ms)
    if gone is None:
        reason = f"whether {playbook.playbook} helped could not be seen within {verify.within}"
    elif gone:
        reason = f"the trouble was gone only later than {verify.within} after {playbook.playbook} was done"
    else:
        reason = f"the trouble was still there {verify.within} after {playbook.playbook} was done"
    return closed(run, playbook.otherwise, Outcome.INEFFECTIVE, reason, now_ms)


def _looked(run: Run, gone: bool | None, now_ms: int) -> Run:
    if gone is False:
        return replace(run, healed_ms=0)
    if gone and not run.healed_ms:
        return replace(run, healed_ms=now_ms)
    return run


def turns_ms(run: Run, playbook: Playbook) -> tuple[int, ...]:
    """Return the moments at which time alone decides something: ends of the hold and of the wait."""
    verify = playbook.verify or Verify()
    over_ms = run.done_ms + verify.within.ms
    return (run.healed_ms + verify.hold.ms, over_ms + verify.hold.ms) if run.healed_ms else (over_ms,)

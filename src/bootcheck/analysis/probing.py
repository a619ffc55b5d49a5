"""The settings of a liveness or startup probe, as a user knows them: what it can have killed, and what not."""

from __future__ import annotations

from dataclasses import dataclass

from bootcheck.model.errors import BootcheckError


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A liveness or startup probe as the platform is told it."""

    delay: float
    period: float
    failures: int

    @property
    def earliest(self) -> float:
        """Seconds after the container's start before which it cannot have killed it."""
        return self.delay + self.period * (self.failures - 1)

    @property
    def patience(self) -> float:
        """Delay and failures × period: what is usually taken for its patience."""
        return self.delay + self.period * self.failures

    @classmethod
    def parse(cls, text: str) -> Probe:
        """Read `DELAY,PERIOD,FAILURES`."""
        try:
            delay, period, failures = (float(part) for part in text.split(","))
        except ValueError:
            delay = period = failures = -1.0
        if delay < 0 or period <= 0 or failures < 1 or failures != int(failures):
            msg = (
                f"--probe {text!r} is not DELAY,PERIOD,FAILURES. Write initialDelaySeconds, periodSeconds and "
                f"failureThreshold of the probe, for example --probe 10,30,15."
            )
            raise BootcheckError(msg)
        return cls(delay=delay, period=period, failures=int(failures))

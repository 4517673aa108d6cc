import math

import pytest

from seedfill.training.objectives.noise import NoiseSchedule

SCHEDULES = [NoiseSchedule("linear"), NoiseSchedule("cosine"), NoiseSchedule("log-linear")]
TIMES = [i / 50 for i in range(3, 50)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.kind)
def test_rate_rises_from_nothing_to_everything(schedule: NoiseSchedule) -> None:
    rates = [schedule.rate(t) for t in (0.0, *TIMES, 1.0)]
    assert rates == sorted(rates)
    assert rates[0] <= 0.001
    assert rates[-1] == pytest.approx(1.0, abs=0.0011)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.kind)
def test_weight_is_slope_over_rate(schedule: NoiseSchedule) -> None:
    step = 1e-5
    for t in TIMES:
        rate, weight = schedule.at(t)
        slope = (schedule.rate(t + step) - schedule.rate(t - step)) / (2 * step)
        assert math.isclose(weight, slope / rate, rel_tol=1e-3)

"""Ways to make Gunicorn fail, and ways in which it does not: what `make.py` runs.

The key is `<cause class>/<scenario>`; `none` is healthy. The first set is kept as Gunicorn wrote it, the
others come behind the prefixes of platforms.
"""

from __future__ import annotations

from dataclasses import replace

import scenarios_app
import scenarios_database
import scenarios_eighth
import scenarios_eighth_app
import scenarios_eighth_service
import scenarios_fifth
import scenarios_first
import scenarios_fourth
import scenarios_fourth_app
import scenarios_fourth_database
import scenarios_healthy
import scenarios_launch
import scenarios_native
import scenarios_second
import scenarios_service
import scenarios_seventh
import scenarios_seventh_app
import scenarios_seventh_service
import scenarios_sixth
import scenarios_sixth_app
import scenarios_sixth_database
import scenarios_start
import scenarios_third
import scenarios_third_app
import scenarios_third_database
from scene import Scenario

SCENARIOS: dict[str, Scenario] = {
    **{key: replace(scenario, plain=True) for key, scenario in scenarios_first.SCENARIOS.items()},
    **scenarios_launch.SCENARIOS,
    **scenarios_start.SCENARIOS,
    **scenarios_native.SCENARIOS,
    **scenarios_app.SCENARIOS,
    **scenarios_database.SCENARIOS,
    **scenarios_service.SCENARIOS,
    **scenarios_healthy.SCENARIOS,
    **scenarios_second.SCENARIOS,
    **scenarios_third.SCENARIOS,
    **scenarios_third_app.SCENARIOS,
    **scenarios_third_database.SCENARIOS,
    **scenarios_fourth.SCENARIOS,
    **scenarios_fourth_app.SCENARIOS,
    **scenarios_fourth_database.SCENARIOS,
    **scenarios_fifth.SCENARIOS,
    **scenarios_sixth.SCENARIOS,
    **scenarios_sixth_app.SCENARIOS,
    **scenarios_sixth_database.SCENARIOS,
    **scenarios_seventh.SCENARIOS,
    **scenarios_seventh_app.SCENARIOS,
    **scenarios_seventh_service.SCENARIOS,
}
for _set in (scenarios_eighth, scenarios_eighth_app, scenarios_eighth_service):
    # Written without a look at the others, it has some of their names.
    for _key, _scenario in _set.SCENARIOS.items():
        _taken = _key in SCENARIOS
        SCENARIOS[f"{_key}-2" if _taken else _key] = replace(_scenario, known_as=_key) if _taken else _scenario

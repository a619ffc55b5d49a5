"""Gunicorn is never executed: what shells, supervisors and small inits say then.

systemd cannot run here, so its own `203/EXEC` is not among these: what is here was said by programs.
"""

from __future__ import annotations

from scene import HELLO, Scenario, app

_SUPERVISOR = """\
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=%(here)s/supervisord.pid
[program:web]
autorestart=true
startretries=2
startsecs=1
redirect_stderr=true
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
"""
SUPERVISED = ("{bin}/supervisord", "-c", "supervisord.conf")


def supervised(text: str) -> dict[str, str]:
    """Return the files of an app and its supervisord."""
    return {**app(HELLO), "supervisord.conf": _SUPERVISOR + text}


SCENARIOS: dict[str, Scenario] = {
    "launcher-error/sh-name": Scenario(
        app(HELLO), command=("sh", "-c", "exec gunicornn app:app"), by="the shell finds no program of that name"
    ),
    "launcher-error/entrypoint": Scenario(
        {
            **app(HELLO),
            "start.sh": "#!/bin/bash\nset -e\necho 'Applying migrations ... done'\ngunicorn app:app --bind :8000\n",
        },
        command=("env", "-i", "PATH=/usr/bin:/bin", "bash", "./start.sh"),
        by="the environment's folder is not on the PATH of the container's script",
    ),
    "launcher-error/moved-venv": Scenario(
        app(HELLO),
        prepare=("printf '#!/home/deploy/old/venv/bin/python\\nimport gunicorn\\n' > gunicorn; chmod +x gunicorn",),
        command=("bash", "-c", "./gunicorn app:app"),
        by="the script's interpreter was moved",
    ),
    "launcher-error/not-executable": Scenario(
        {**app(HELLO), "run.sh": "#!/bin/sh\nexec gunicorn app:app\n"},
        command=("sh", "-c", "exec ./run.sh"),
        by="the start script was committed without its execute bit",
    ),
    "launcher-error/supervisor-command": Scenario(
        supervised("command=%(here)s/venv/bin/gunicorn app:app\n"),
        command=SUPERVISED,
        acts=("wait FATAL", "sleep 0.3", "signal TERM"),
        by="supervisord is given the path of an environment that is not there",
    ),
    "launcher-error/supervisor-directory": Scenario(
        supervised("command=gunicorn app:app\ndirectory=/srv/nowhere\n"),
        command=SUPERVISED,
        acts=("wait FATAL", "sleep 0.3", "signal TERM"),
        by="supervisord is given a working directory that is not there",
    ),
    "launcher-error/supervisor-user": Scenario(
        supervised("command=gunicorn app:app\nuser=webapp\n"),
        command=SUPERVISED,
        by="supervisord is given a user who does not exist",
    ),
    "launcher-error/tini": Scenario(
        app(HELLO),
        command=("tini", "-s", "--", "/opt/venv/bin/gunicorn", "app:app"),
        by="a container's init is given a program that the image does not have",
    ),
    "launcher-error/gosu-user": Scenario(
        app(HELLO), command=("gosu", "webapp", "{gunicorn}", "app:app"), by="gosu is given a user who does not exist"
    ),
    "launcher-error/honcho": Scenario(
        {**app(HELLO), "Procfile": "web: /usr/local/bin/gunicorn-web app:app\n"},
        command=("{bin}/honcho", "start"),
        by="a Procfile names a program that is not installed",
    ),
}

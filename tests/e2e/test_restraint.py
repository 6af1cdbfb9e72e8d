"""What a human did on purpose stands: a clean stop is not fought, and the kill switch is obeyed."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Begin
from tests.e2e.installation import sessions, shop
from tests.e2e.patience import never, until
from tests.e2e.servers import Nginx, Redis, pid_of

WATCHED_S = 3.0


@pytest.mark.needs("nginx")
def test_an_nginx_that_a_human_stopped_is_not_started_again(begin: Begin, nginx: Nginx) -> None:
    running = begin(watches=(shop(nginx),))
    subprocess.run(nginx.quit_argv, check=True, timeout=10)
    until(lambda: not nginx.pidfile.exists(), 5, "nginx has removed its pid file")
    never(nginx.answers, WATCHED_S, "nginx serves against its human's will", running.story)


@pytest.mark.needs("redis-server")
def test_a_redis_that_a_human_shut_down_is_not_started_again(begin: Begin, redis: Redis) -> None:
    running = begin(watches=(sessions(redis),))
    redis.ask("SHUTDOWN")
    until(lambda: not redis.pidfile.exists(), 5, "redis has removed its pid file")
    never(redis.answers, WATCHED_S, "redis serves against its human's will", running.story)


@pytest.mark.needs("redis-server")
def test_stop_takes_effect_within_a_second_outlives_the_agent_and_ends_with_resume(
    begin: Begin, redis: Redis
) -> None:
    running = begin(watches=(sessions(redis),))
    running.run("stop", "--because", "we are looking at it ourselves")
    servers.kill(redis)
    never(redis.answers, 2.0, "redis was healed under the kill switch", running.story)

    running.agent.kill()
    running.agent.start()
    never(redis.answers, 2.0, "redis was healed after a restart under the kill switch", running.story)

    running.run("resume")
    until(lambda: pid_of(redis) and redis.answers(), 45, "redis serves after resume", running.story)

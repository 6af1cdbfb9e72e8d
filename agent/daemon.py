"""The agent's loop: the walk of a sample from probe to posting, on one thread."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final, TypeVar

from agent import posting
from agent.clock import Clock
from agent.config import Installation
from agent.effect import Effects
from agent.endpoint import Endpoint
from agent.memory import Memory
from agent.outbox import Outbox
from agent.pool import Pool
from agent.posting import Said, Terms
from agent.routes import routes
from agent.senses import Reading, Senses, target_of
from agent.state import StateDirectory
from agent.watch import Watches
from model.alert import Alert, AlertState
from model.labels import Labels
from model.misfit import Rejected
from model.outcome import Remedy
from model.plugin import FileChange
from remediations.hand import Hand
from remediations.healer import Healer
from remediations.journal import Journal
from remediations.kill_switch import KillSwitch
from rules.judge import Judge
from rules.store import Store
from rules.store_log import StoreLog

TURN_MAX_S: Final = 1.0
ASK_S: Final = 5.0
LAST_WORDS_S: Final = 3.0

_SWITCH: Final = "the kill switch"

T = TypeVar("T")

log = logging.getLogger("beforehand.agent")

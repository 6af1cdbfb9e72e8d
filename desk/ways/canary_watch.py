"""A channel that falls silent is an alert of the desk's own, and the operators hear of it by another one."""

from __future__ import annotations

from sqlalchemy import Connection

from desk.catalogue.person import Zone, printable
from desk.house import House
from desk.incident import records
from desk.incident.incident import Signal
from desk.notice import leaflet
from desk.notice.compose import Letter, Line, said_time, staff_letter
from desk.notice.leaflet import Leaflet
from desk.page.view import DAY_MS
from desk.ways import canary
from desk.ways.canary import Flight


def news(conn: Connection, house: House, now_ms: int) -> tuple[Signal, ...]:
    """Return the alerts on channels that are silent, and on those that were; tell the team of both."""
    found = canary.news(conn, house.config.channels.canaries, house.started_ms, now_ms)
    for flight in found.begun:
        _tell(conn, house, flight, now_ms, over=False)
    for flight in found.ended:
        _tell(conn, house, flight, now_ms, over=True)
    return found.signals


def _tell(conn: Connection, house: House, flight: Flight, now_ms: int, *, over: bool) -> None:
    """Write to the team that desk.yaml names, if any."""
    canaries = house.config.channels.canaries
    team = house.catalogue.teams.get(canaries.tell) if canaries and canaries.tell else None
    if team is None:
        return
    letters = {("en", str(team.zone)): _letter(house, flight, team.zone, now_ms, over=over)}
    about = f"channel {flight.channel}"
    person = house.people[records.person_key(team.email, team.team)]
    leaflet.put(conn, Leaflet(about, "word", (), now_ms, now_ms, now_ms + DAY_MS, letters), [person])


def _letter(house: House, flight: Flight, zone: Zone, now_ms: int, *, over: bool) -> Letter:
    name = house.config.name
    if over:
        subject = printable(f"[{name}] Messages by {flight.channel} arrive again")
        lines = [Line(f"The canary on {flight.channel} is back.", "en")]
    else:
        subject = printable(f"[{name}] Messages by {flight.channel} do not arrive")
        since = said_time(flight.waits_ms, now_ms, "en", zone)
        lines = [
            Line(f"The canary on {flight.channel} was sent at {since} and is not back.", "en"),
            Line(f"The first server said: {printable(flight.reply) or 'nothing'}", "en"),
            Line("People may not get what we send by it, although the server takes it.", "en"),
        ]
    return staff_letter(subject, lines, (), (f"{house.config.url}/", "The current state"))

"""What stands beside agent.yaml for a desk that starts: who speaks, and one service without a customer."""

from __future__ import annotations

from typing import Final

DESK: Final = """\
# The desk of this host: it tells people. Written by `beforehand init`.
name: This machine
# The address that links in mails begin with.
url: http://127.0.0.1:9467
# For staff, and for the agent's alerts: on loopback, for nobody is asked who they are.
listen: 127.0.0.1:9466
# The page for everybody else; put a proxy with TLS in front of it.
public: 127.0.0.1:9467
catalogue: [catalogue.yaml]
# Without a mail server notices go to a mailbox that the staff's page shows.
#smtp: {host: mail.example.com, from: "Status <status@example.com>"}
"""

CATALOGUE: Final = """\
# What people use, and who they are. Written by `beforehand init`: one service, and nobody to tell yet.
services:
- service: this-machine
  name: {en: This machine, de: Dieser Rechner}
  stage: live
  # agent.yaml lays this label over every series of the host.
  shows: ['service="this-machine"']
  impact:
  - {when: 'severity="critical"', impact: major, affects: uses}
  - {when: 'severity="warning"', impact: degraded, affects: uses}
# Whom to ask when a repair does not help: name the team as owner: of the service.
#teams:
#- {team: operations, email: operations@example.com}
#customers:
#- customer: acme
#  uses: [this-machine]
#  people:
#  - {name: Ada, email: ada@acme.example, language: en, zone: Etc/UTC, via: [email]}
"""

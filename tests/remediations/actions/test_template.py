from __future__ import annotations

import pytest

from model.deed import RestoreFile, WriteFile
from model.misfit import Rejected
from remediations.apart.packing import pack, unpack
from tests.remediations.actions.planning import planned, undone


def test_holes_are_filled_from_the_playbook_and_the_rest_is_that_of_a_file() -> None:
    text = (
        "path: /etc/app.conf\ncontent: 'port={{ port }} host={{host}}'\nvars: {port: 8080, host: web}\n"
        "mode: 0640\nvalidate: [appctl, -t, -c, '%s']"
    )
    judge = ("appctl", "-t", "-c", "/etc/.app.conf.beforehand")
    [step] = planned("template", text)
    assert step == WriteFile("/etc/app.conf", "present", "port=8080 host=web", 0o640, "", "", judge)
    assert unpack(pack(step), (type(step),)) == step
    assert undone("template", text) == [RestoreFile("/etc/app.conf")]


def test_a_value_is_not_looked_at_for_holes() -> None:
    [step] = planned("template", "path: /etc/x\ncontent: 'a={{ a }}'\nvars: {a: '{{ b }}'}")
    assert isinstance(step, WriteFile)
    assert step.content == "a={{ b }}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{path: /etc/x, content: 'a={{ a }}'}", "there is no value for a"),
        ("{path: /etc/x, content: 'a', vars: {a: 1}}", "'a' is filled in nowhere"),
        ("{path: /etc/x, content: '{{ labels.instance }}'}", "is not a name"),
        ("{path: /etc/x, content: '{{ a | upper }}', vars: {a: 1}}", "is not a name"),
        ("{path: /etc/x, content: '{{ a() }}', vars: {a: 1}}", "is not a name"),
        ("{path: /etc/x, content: '{% if a %}b{% endif %}', vars: {a: 1}}", "no statements"),
        ("{path: /etc/x, content: '{{ a }}', vars: {a: '{{ labels.instance }}'}}", "values are not filled"),
        ("{path: /etc/shadow, content: a}", "decides who may do what"),
        ("{path: /etc/x}", "content"),
        (f"{{path: /etc/x, content: '{{{{ a }}}}', vars: {{a: {'a' * 20_000}}}}}", "longer than"),
    ],
)
def test_a_template_that_could_do_harm_or_does_not_agree_with_its_values_is_refused(
    text: str, sentence: str
) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("template", text)

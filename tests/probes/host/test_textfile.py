from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import FileChange, Remark, Seen
from probes.host import textfile
from probes.host.roots import Tree
from probes.host.textfile import Options
from tests.probes.host.exporter import PROGRAM, exporter, plant, said
from tests.probes.targets import values, within

BACKUP = """# HELP backup_bytes How much was saved.
# TYPE backup_bytes gauge
backup_bytes{volume="a b"} 12
"""


def looked(folder: Path, **limits: int) -> list[Seen]:
    return list(textfile.begin(Options(directories=(Tree(folder),), **limits))(within(5)))


def wrongs(seen: list[Seen]) -> list[str]:
    return [line for one in seen if isinstance(one, Remark) for line in one.text.splitlines()]


def test_what_files_expose_is_told_with_the_time_of_each(tmp_path: Path) -> None:
    plant(tmp_path, {"backup.prom": BACKUP, "other.prom": "jobs 3\n", "not.txt": "x 1\n", "empty.prom": ""})
    os.utime(tmp_path / "backup.prom", ns=(0, 1_500_000_000_500_000_000))
    seen = looked(tmp_path)
    told = values(seen)
    assert told['backup_bytes{volume="a b"}'] == 12
    assert told["jobs"] == 3
    assert told[f'node_textfile_mtime_seconds{{file="{tmp_path}/backup.prom"}}'] == 1_500_000_000.5
    assert told["node_textfile_scrape_error"] == 0
    assert FileChange(f"{tmp_path}/backup.prom") in seen
    assert wrongs(seen) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a 1", "the text was cut"),
        ("a one\n", "line 2: 'one' is not a number"),
        ("a 1\na 2\n", "stands twice"),
        ("a 1 1500000000000\n", "carry times"),
        ('up{job="node"} 1\n', "up is a metric of the agent itself"),
        ("node_textfile_scrape_error 0\n", "is a metric of the agent itself"),
        ("# TYPE a counter\na_total -1\n# EOF\n", "is no count"),
    ],
)
def test_a_file_that_is_wrong_is_left_out_whole_and_named(tmp_path: Path, text: str, sentence: str) -> None:
    plant(tmp_path, {"good.prom": "good 1\n", "wrong.prom": f"fine 1\n{text}"})
    seen = looked(tmp_path)
    told = values(seen)
    assert told["node_textfile_scrape_error"] == 1
    assert told["good"] == 1
    assert "fine" not in told
    assert [series for series in told if "mtime" in series] == [
        f'node_textfile_mtime_seconds{{file="{tmp_path}/good.prom"}}'
    ]
    [wrong] = wrongs(seen)
    assert wrong.startswith(f"{tmp_path}/wrong.prom: ")
    assert sentence in wrong


def test_a_file_may_be_openmetrics(tmp_path: Path) -> None:
    plant(tmp_path, {"a.prom": "# TYPE a counter\na_total 1\n# EOF\n"})
    assert values(looked(tmp_path))["a_total"] == 1


def test_the_same_series_in_two_files_is_taken_from_the_first(tmp_path: Path) -> None:
    plant(tmp_path, {"a.prom": "jobs 1\n", "b.prom": "jobs 2\nmore 2\n", "c.prom": 'jobs{host="c"} 3\n'})
    seen = looked(tmp_path)
    told = values(seen)
    assert (told["jobs"], told['jobs{host="c"}'], told["node_textfile_scrape_error"]) == (1, 3, 1)
    assert "more" not in told
    assert wrongs(seen) == [f"{tmp_path}/b.prom: another file has jobs already"]


def test_two_files_must_agree_on_the_type_of_a_metric(tmp_path: Path) -> None:
    plant(
        tmp_path, {"a.prom": "# TYPE jobs gauge\njobs 1\n", "b.prom": '# TYPE jobs counter\njobs{b="1"} 2\n'}
    )
    assert wrongs(looked(tmp_path)) == [f"{tmp_path}/b.prom: another file says that jobs is a gauge"]


def test_a_link_a_pipe_and_a_folder_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password 123456\n")
    folder = plant(tmp_path / "drop", {"link.prom": f"->{secret}", "folder.prom": "/"})
    os.mkfifo(folder / "pipe.prom")
    seen = looked(folder)
    assert set(values(seen)) == {"node_textfile_scrape_error"}
    assert len(wrongs(seen)) == 3
    assert "123456" not in str(seen)


def test_every_limit_is_kept(tmp_path: Path) -> None:
    plant(tmp_path, {"a.prom": "a 1\nb 1\n", "b.prom": "c 1\nd 1\n", "c.prom": "e 1\n"})
    seen = looked(tmp_path, samples_max=3)
    assert {series for series in values(seen) if "node" not in series} == {"a", "b", "e"}
    assert wrongs(seen) == [f"{tmp_path}/b.prom: with it there are more than 3 samples"]
    seen = looked(tmp_path, files_max=2)
    assert wrongs(seen) == ["there are 3 files, and only 2 are read"]
    assert "e" not in values(seen)
    seen = looked(tmp_path, file_bytes_max=5)
    assert set(wrongs(seen)) == {f"{tmp_path}/{name}.prom: it has more than 5 bytes" for name in "ab"}


def test_a_directory_that_is_not_there_is_empty_and_one_that_cannot_be_read_is_an_error(
    tmp_path: Path,
) -> None:
    assert values(looked(tmp_path / "none")) == {"node_textfile_scrape_error": 0}
    (tmp_path / "file").write_text("")
    seen = looked(tmp_path / "file")
    assert values(seen) == {"node_textfile_scrape_error": 1}
    assert wrongs(seen) == [f"{tmp_path}/file: Not a directory"]


def test_a_file_that_changed_is_read_again_and_one_that_went_is_forgotten(tmp_path: Path) -> None:
    plant(tmp_path, {"a.prom": "a 1\n", "b.prom": "b 1\n"})
    look = textfile.begin(Options(directories=(Tree(tmp_path),)))
    first = values(look(within(5)))
    assert values(look(within(5))) == first
    (tmp_path / "new").write_text("a 2\n")
    (tmp_path / "new").rename(tmp_path / "a.prom")
    (tmp_path / "b.prom").unlink()
    told = values(look(within(5)))
    assert told["a"] == 2
    assert "b" not in told
    (tmp_path / "a.prom").write_text("a broken\n")
    assert "a" not in values(look(within(5)))


@pytest.mark.needs(PROGRAM)
def test_node_exporter_tells_the_same_of_the_same_files(tmp_path: Path) -> None:
    files = {
        "a.prom": BACKUP,
        "b.prom": "# TYPE jobs_total counter\njobs_total 1e3\nodd NaN\n",
        "c.prom": "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
        "cut.prom": "cut 1\ncut_again{a=\"b\" 2\n",
        "times.prom": "late 1 1500000000000\n",
    }  # fmt: skip
    plant(tmp_path, files)
    for name in files:
        os.utime(tmp_path / name, (0, 1_600_000_000))
    with exporter("textfile", options=(f"--collector.textfile.directory={tmp_path}",)) as port:
        theirs = said(port)
    assert values(looked(tmp_path)) == pytest.approx(theirs, nan_ok=True)


@pytest.mark.parametrize("text", ["files_max: 0", "directories: [var/lib]", "samples_max: -1"])
def test_options_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        decode(f"{{{text}}}".encode(), "f", Options)

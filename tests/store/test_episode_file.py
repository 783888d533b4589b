"""Ended episodes on disk: what comes back after a restart, and in which order."""

import logging

import pytest

from store.episodes import EpisodeFile, Reason
from tests.store.scripted_episodes import ended_episode

FIRST = ended_episode(2.0)
SECOND = ended_episode(0.5, opened=1_010.0, symbol="币-USDT", size=None, notional=None, reason=Reason.VENUE_LOST)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "episodes.jsonl"


def keep(path, *episodes):
    file = EpisodeFile(path)
    for episode in episodes:
        file.append(episode)
    file.close()


def test_episodes_come_back_as_they_were_the_last_ended_first(path):
    keep(path, FIRST)
    keep(path, SECOND)
    assert EpisodeFile(path).read() == [SECOND, FIRST]


def test_a_file_takes_more_after_it_was_closed(path):
    file = EpisodeFile(path)
    file.append(FIRST)
    file.close()
    file.append(SECOND)
    file.close()
    assert file.read() == [SECOND, FIRST]


def test_an_episode_that_was_continued_counts_as_it_ended_last(path):
    later = ended_episode(9.0)
    assert later.id == FIRST.id
    keep(path, FIRST, SECOND, later)
    assert EpisodeFile(path).read() == [later, SECOND]


def test_only_the_latest_are_held(path):
    episodes = [ended_episode(1.0, opened=1_000.0 + n) for n in range(5)]
    keep(path, *episodes)
    assert EpisodeFile(path).read(most=2) == [episodes[4], episodes[3]]


def test_a_row_that_is_no_episode_is_skipped_and_told(path, caplog):
    keep(path, FIRST)
    text = path.read_text()
    path.write_text('{"id": "torn by hand"}\n' + text.replace('"edge gone"', '"bored"') + text)
    assert EpisodeFile(path).read() == [FIRST]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"2 rows of '{path}' are no episodes and are skipped: ")
    assert "bored" in record.getMessage()


def test_without_a_path_nothing_is_kept():
    file = EpisodeFile(None)
    file.append(FIRST)
    file.close()
    assert file.read() == []


def test_a_disk_that_fails_does_not_reach_the_one_who_appends(path, caplog):
    path.parent.write_text("a file stands where the folder should be")
    keep(path, FIRST, SECOND)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(path) in record.getMessage()

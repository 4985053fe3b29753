"""The store's tables, and what makes those of an earlier version these."""

from __future__ import annotations

SCHEMA_VERSION = 4

_OF_TRACES = """
CREATE TABLE trace (
    id       INTEGER PRIMARY KEY,
    run_id   TEXT NOT NULL REFERENCES run,
    key      TEXT NOT NULL,
    data     BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    UNIQUE (run_id, key)
);
CREATE TABLE reading_head (
    reading_id TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL,
    reader     TEXT NOT NULL,
    identity   TEXT NOT NULL,
    created    TEXT NOT NULL,
    finished   TEXT,
    manifest   TEXT NOT NULL,
    checksum   INTEGER NOT NULL
);
CREATE INDEX reading_head_identity ON reading_head (identity, created);
CREATE TABLE reading (
    id          INTEGER PRIMARY KEY,
    reading_id  TEXT NOT NULL REFERENCES reading_head,
    key         TEXT NOT NULL,
    suite       TEXT NOT NULL,
    question_id TEXT NOT NULL,
    sample      INTEGER NOT NULL,
    data        BLOB NOT NULL,
    checksum    INTEGER NOT NULL,
    UNIQUE (reading_id, key)
);
"""
# Their rows have numbers, as completions do: large values make tables without them slow, and
# what is damaged can be stepped over by number.

SCHEMA = (
    """
CREATE TABLE run (
    run_id   TEXT PRIMARY KEY,
    model    TEXT NOT NULL,
    identity TEXT NOT NULL,
    created  TEXT NOT NULL,
    finished TEXT,
    manifest TEXT NOT NULL,
    checksum INTEGER
);
CREATE INDEX run_identity ON run (identity, created);
CREATE TABLE question (
    run_id      TEXT NOT NULL REFERENCES run,
    suite       TEXT NOT NULL,
    question_id TEXT NOT NULL,
    content     TEXT NOT NULL,
    prompt      TEXT NOT NULL,
    checksum    INTEGER,
    PRIMARY KEY (run_id, suite, question_id)
) WITHOUT ROWID;
CREATE TABLE completion (
    id                INTEGER PRIMARY KEY,
    run_id            TEXT NOT NULL REFERENCES run,
    key               TEXT NOT NULL,
    suite             TEXT NOT NULL,
    question_id       TEXT NOT NULL,
    sample            INTEGER NOT NULL,
    text              BLOB NOT NULL,
    finish_reason     TEXT NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    reasoning_tokens  INTEGER NOT NULL,
    tokens_estimated  INTEGER NOT NULL,
    seed              INTEGER,
    seconds           REAL NOT NULL,
    finish_word       TEXT NOT NULL DEFAULT '',
    drafted_tokens    INTEGER,
    created           TEXT NOT NULL,
    verdict           TEXT,
    checksum          INTEGER,
    verdict_checksum  INTEGER,
    UNIQUE (run_id, key)
);
CREATE INDEX completion_key ON completion (key);
CREATE TABLE engine_error (
    run_id      TEXT NOT NULL REFERENCES run,
    key         TEXT NOT NULL,
    suite       TEXT NOT NULL,
    question_id TEXT NOT NULL,
    sample      INTEGER NOT NULL,
    message     TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    created     TEXT NOT NULL,
    checksum    INTEGER,
    PRIMARY KEY (run_id, key)
) WITHOUT ROWID;
"""
    + _OF_TRACES
)
"""Checksums are of the row's other columns (`lrmtest.runs.checked_rows`), but for a completion's
text, which has zlib's own, and its verdict, which comes later. Rows of 0.1.0 have none, and those
of completions without a draft have the one that they had before there were drafts."""

_FIRST_TABLES = frozenset({"run", "question", "completion", "engine_error"})
TABLES_OF_TRACES = frozenset({"trace", "reading_head", "reading"})

UPGRADES = {
    1: """
ALTER TABLE completion ADD COLUMN finish_word TEXT NOT NULL DEFAULT '';
ALTER TABLE completion ADD COLUMN checksum INTEGER;
ALTER TABLE completion ADD COLUMN verdict_checksum INTEGER;
ALTER TABLE run ADD COLUMN checksum INTEGER;
ALTER TABLE question ADD COLUMN checksum INTEGER;
ALTER TABLE engine_error ADD COLUMN checksum INTEGER;
""",
    2: _OF_TRACES,
    3: "ALTER TABLE completion ADD COLUMN drafted_tokens INTEGER;",
}
"""What makes a schema the next one."""


def tables_of(version: int) -> frozenset[str]:
    """The tables that a store of a schema has."""
    return _FIRST_TABLES | TABLES_OF_TRACES if version >= 3 else _FIRST_TABLES

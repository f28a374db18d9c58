"""The tables of index.db.

Rule 1: a file of another VERSION is thrown away and built from the log again, never migrated.
Rule 2: `trace` stays narrow, because filters walk it; what is only shown stands in `preview`.
Rule 3: a span's row id is its trace's row id and its number in the trace, so that a trace's spans
(and their full text) lie beside each other and no index is needed to find them.
"""

VERSION = 2

SPAN_BITS = 24
"""A span's row id is `trace << SPAN_BITS | n`."""

SPANS_OF_A_TRACE = 1 << SPAN_BITS

META = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""

TABLES = """
-- Every text that repeats, once. Ids are never reused; 0 stands for "none".
CREATE TABLE word (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE);

CREATE TABLE project (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, traces INTEGER NOT NULL
);

-- Times in µs, costs in nano-dollars, -1 for an unknown one.
-- owner: the user who may see it as their own, else 0. user: the first one that a span named.
-- labels: JSON, the (dimension, value) pairs of its spans, where they are more than the columns
-- model, provider, user and kinds say. changed: position of the last record that touched it.
CREATE TABLE trace (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trace_id BLOB NOT NULL UNIQUE,
  project INTEGER NOT NULL,
  session INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  user INTEGER NOT NULL,
  several INTEGER NOT NULL,
  root INTEGER NOT NULL,
  rooted INTEGER NOT NULL,
  root_start INTEGER NOT NULL,
  name TEXT NOT NULL,
  name_word INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  status INTEGER NOT NULL,
  start INTEGER NOT NULL,
  end INTEGER NOT NULL,
  latency INTEGER NOT NULL,
  spans INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  prompt INTEGER NOT NULL,
  completion INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  model INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  kinds INTEGER NOT NULL,
  labels TEXT NOT NULL,
  next_n INTEGER NOT NULL,
  changed INTEGER NOT NULL
);
CREATE INDEX trace_by_start ON trace (project, start);
CREATE INDEX trace_by_latency ON trace (project, latency);
CREATE INDEX trace_by_tokens ON trace (project, tokens);
CREATE INDEX trace_by_cost ON trace (project, cost);
CREATE INDEX trace_by_spans ON trace (project, spans);
CREATE INDEX trace_by_errors ON trace (project, errors);
CREATE INDEX trace_by_name ON trace (project, name);
CREATE INDEX trace_by_change ON trace (changed);

CREATE TABLE preview (
  trace INTEGER PRIMARY KEY, input TEXT NOT NULL, output TEXT NOT NULL
);

-- Which traces have a value, by start: what every filter for one value walks, and an end user's
-- whole view. See `postings.Posted` for the dimensions.
CREATE TABLE posting (
  dimension INTEGER NOT NULL, value INTEGER NOT NULL, project INTEGER NOT NULL,
  start INTEGER NOT NULL, trace INTEGER NOT NULL,
  PRIMARY KEY (dimension, value, project, start, trace)
) WITHOUT ROWID;

-- position NULL: the cell made it. Tokens and cost NULL where it is no call of a model.
CREATE TABLE span (
  id INTEGER PRIMARY KEY,
  span_id INTEGER NOT NULL,
  parent INTEGER,
  name INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  status INTEGER NOT NULL,
  start INTEGER NOT NULL,
  end INTEGER NOT NULL,
  model INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  user INTEGER NOT NULL,
  session INTEGER NOT NULL,
  prompt INTEGER,
  completion INTEGER,
  cached INTEGER,
  reasoning INTEGER,
  cost INTEGER,
  position INTEGER,
  ordinal INTEGER NOT NULL
);
CREATE UNIQUE INDEX span_by_id ON span (span_id);

-- A trace that has no span yet, because those that came under its id were repeats. As in Phoenix,
-- the first of them has already chosen project and session.
CREATE TABLE shell (
  trace_id BLOB PRIMARY KEY, project INTEGER NOT NULL, session INTEGER NOT NULL,
  start INTEGER NOT NULL, end INTEGER NOT NULL
) WITHOUT ROWID;

-- Sums over its traces; priced: how many of them have a known cost; the least and the greatest
-- number of a user tell whether there are several.
CREATE TABLE session (
  word INTEGER PRIMARY KEY, project INTEGER NOT NULL, start INTEGER NOT NULL,
  end INTEGER NOT NULL, traces INTEGER NOT NULL, failed INTEGER NOT NULL,
  tokens INTEGER NOT NULL, cost INTEGER NOT NULL, priced INTEGER NOT NULL,
  several INTEGER NOT NULL, least_user INTEGER, most_user INTEGER
);
CREATE INDEX session_by_end ON session (end);
CREATE INDEX session_by_project ON session (project, end);

-- target: a trace's or span's id in hex, or a session's id. trace: 0 while it is not known.
CREATE TABLE annotation (
  of TEXT NOT NULL, target TEXT NOT NULL, name TEXT NOT NULL, identifier TEXT NOT NULL,
  trace INTEGER NOT NULL, annotator_kind TEXT NOT NULL, label TEXT, score REAL, explanation TEXT,
  subject TEXT NOT NULL, subject_name TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (of, target, name, identifier)
) WITHOUT ROWID;
CREATE INDEX annotation_by_label ON annotation (name, label, trace) WHERE trace;
CREATE INDEX annotation_by_score ON annotation (name, score, trace) WHERE trace;
CREATE INDEX annotation_by_trace ON annotation (trace) WHERE trace;
CREATE INDEX annotation_waiting ON annotation (of) WHERE trace = 0 AND of <> 'session';

-- Tombstones.
CREATE TABLE gone_trace (trace_id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE gone_span (span_id INTEGER PRIMARY KEY);

-- What watchers that come back must be told to let go of: `owner` saw it until then; whoever sees
-- everything did as well, and no longer does where it was deleted.
CREATE TABLE removal (
  id INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL, trace_id BLOB NOT NULL,
  owner INTEGER NOT NULL, deleted INTEGER NOT NULL
);
CREATE INDEX removal_by_position ON removal (position);

-- grain: 0 hour, 1 day. call: 0 everything, latencies of traces; 1 the calls of one model, and
-- their latencies.
CREATE TABLE usage (
  grain INTEGER NOT NULL, call INTEGER NOT NULL, bucket INTEGER NOT NULL, project INTEGER NOT NULL,
  model INTEGER NOT NULL, provider INTEGER NOT NULL,
  spans INTEGER NOT NULL, errors INTEGER NOT NULL, traces INTEGER NOT NULL, failed INTEGER NOT NULL,
  prompt INTEGER NOT NULL, completion INTEGER NOT NULL, cached INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
  sketch BLOB NOT NULL,
  PRIMARY KEY (grain, call, bucket, project, model, provider)
) WITHOUT ROWID;

-- The same by the first user of each span's trace; own: that user may see the trace.
CREATE TABLE user_usage (
  grain INTEGER NOT NULL, call INTEGER NOT NULL, bucket INTEGER NOT NULL, project INTEGER NOT NULL,
  model INTEGER NOT NULL, provider INTEGER NOT NULL, user INTEGER NOT NULL, own INTEGER NOT NULL,
  spans INTEGER NOT NULL, errors INTEGER NOT NULL, traces INTEGER NOT NULL, failed INTEGER NOT NULL,
  prompt INTEGER NOT NULL, completion INTEGER NOT NULL, cached INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
  sketch BLOB NOT NULL,
  PRIMARY KEY (grain, call, bucket, user, project, model, provider, own)
) WITHOUT ROWID;
CREATE INDEX user_usage_by_user ON user_usage (user, grain, call, bucket);
"""

FULL_TEXT = """
-- One row a span, by its row id. Text that an earlier span of the same trace has in the same batch
-- is not repeated.
CREATE VIRTUAL TABLE words_of USING fts5 (
  text, detail = none, columnsize = 0, tokenize = "unicode61"
);
"""

PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = FAST;
PRAGMA cache_size = -65536;
"""

-- The tables as they were when migrations got numbers. A database of an earlier version has some of them.

CREATE TABLE IF NOT EXISTS user (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    login varchar NOT NULL UNIQUE,
    name varchar NOT NULL,
    email varchar NOT NULL,
    team varchar NOT NULL,
    administrator boolean NOT NULL,
    disabled boolean NOT NULL,
    password varchar NOT NULL,
    may_watch boolean NOT NULL,
    may_export boolean NOT NULL,
    may_delete boolean NOT NULL,
    reach varchar NOT NULL,
    role integer NOT NULL,
    external varchar NOT NULL,
    totp varchar NOT NULL,
    totp_step integer NOT NULL,
    recovery varchar NOT NULL,
    email_language varchar
);

CREATE TABLE IF NOT EXISTS login (
    hash varchar NOT NULL PRIMARY KEY,
    user integer NOT NULL,
    until integer NOT NULL,
    confirmed integer NOT NULL
);

CREATE TABLE IF NOT EXISTS passkey (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    user integer NOT NULL,
    name varchar NOT NULL,
    credential varchar NOT NULL UNIQUE,
    body text NOT NULL,
    created integer NOT NULL,
    used integer NOT NULL
);

CREATE TABLE IF NOT EXISTS customer (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    name varchar NOT NULL,
    email varchar NOT NULL,
    company varchar NOT NULL,
    address varchar,
    search text
);

CREATE TABLE IF NOT EXISTS incident (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    customer integer NOT NULL,
    subject varchar NOT NULL,
    description text NOT NULL,
    status varchar NOT NULL,
    priority varchar NOT NULL,
    kind varchar NOT NULL,
    owner integer,
    team varchar NOT NULL,
    desk varchar NOT NULL,
    ticket varchar NOT NULL,
    stamp varchar NOT NULL,
    created integer NOT NULL,
    updated integer NOT NULL,
    search text
);

CREATE TABLE IF NOT EXISTS journal (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    incident integer NOT NULL,
    at integer NOT NULL,
    kind varchar NOT NULL,
    author varchar NOT NULL,
    text text NOT NULL,
    session varchar,
    mail integer
);

CREATE TABLE IF NOT EXISTS session (
    id varchar NOT NULL PRIMARY KEY,
    incident integer NOT NULL,
    created integer NOT NULL,
    key_hash varchar,
    link_hash varchar,
    stored boolean NOT NULL
);

CREATE TABLE IF NOT EXISTS event (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    session varchar NOT NULL,
    seq integer NOT NULL,
    at integer NOT NULL,
    body text NOT NULL,
    hash varchar NOT NULL
);

CREATE TABLE IF NOT EXISTS seal (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    session varchar NOT NULL,
    at integer NOT NULL,
    body text NOT NULL
);

CREATE TABLE IF NOT EXISTS past (
    session varchar NOT NULL PRIMARY KEY,
    incident integer NOT NULL,
    number varchar NOT NULL,
    subject varchar NOT NULL,
    kind varchar NOT NULL,
    customer varchar NOT NULL,
    owner integer NOT NULL,
    owner_name varchar NOT NULL,
    team varchar NOT NULL,
    people varchar NOT NULL,
    people_by_role boolean NOT NULL,
    started integer NOT NULL,
    ended integer NOT NULL,
    ending varchar NOT NULL,
    joined boolean NOT NULL,
    waited integer NOT NULL,
    handled integer NOT NULL,
    messages integer NOT NULL,
    files integer NOT NULL,
    transfers integer NOT NULL,
    holds integer NOT NULL,
    rating integer,
    held boolean NOT NULL,
    recording_bytes integer
);

CREATE TABLE IF NOT EXISTS tombstone (
    session varchar NOT NULL PRIMARY KEY,
    body text NOT NULL,
    standing text NOT NULL,
    done boolean NOT NULL
);

CREATE TABLE IF NOT EXISTS admission (
    hash varchar NOT NULL PRIMARY KEY,
    session varchar NOT NULL,
    participant integer NOT NULL,
    handover boolean NOT NULL,
    until integer NOT NULL
);

CREATE TABLE IF NOT EXISTS mail (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    incident integer NOT NULL,
    at integer NOT NULL,
    sender varchar NOT NULL,
    recipient varchar NOT NULL,
    subject varchar NOT NULL,
    text text NOT NULL,
    html text NOT NULL,
    sent boolean NOT NULL,
    name varchar NOT NULL,
    author integer NOT NULL,
    sealed text NOT NULL
);

CREATE TABLE IF NOT EXISTS letter (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    name varchar NOT NULL UNIQUE,
    at integer NOT NULL,
    sender varchar NOT NULL,
    sender_name varchar NOT NULL,
    subject varchar NOT NULL,
    text text NOT NULL,
    quoted text NOT NULL,
    attachments text NOT NULL,
    incident integer,
    kept_out varchar NOT NULL
);

CREATE TABLE IF NOT EXISTS setting (
    id integer NOT NULL PRIMARY KEY,
    body text NOT NULL
);

CREATE TABLE IF NOT EXISTS canned (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    title varchar NOT NULL,
    text text NOT NULL,
    team varchar NOT NULL
);

CREATE TABLE IF NOT EXISTS expert (
    hash varchar NOT NULL PRIMARY KEY,
    session varchar NOT NULL,
    number integer NOT NULL,
    until integer NOT NULL
);

CREATE TABLE IF NOT EXISTS team (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    name varchar NOT NULL UNIQUE,
    code_name varchar NOT NULL,
    comments text NOT NULL
);

CREATE TABLE IF NOT EXISTS api_account (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    name varchar NOT NULL,
    comments text NOT NULL,
    client_id varchar NOT NULL UNIQUE,
    secret varchar NOT NULL,
    scopes varchar NOT NULL,
    enabled boolean NOT NULL,
    created integer NOT NULL
);

CREATE TABLE IF NOT EXISTS api_token (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    hash varchar NOT NULL UNIQUE,
    account integer,
    name varchar NOT NULL,
    scopes varchar NOT NULL,
    created integer NOT NULL,
    until integer NOT NULL
);

CREATE TABLE IF NOT EXISTS answered (
    hash varchar NOT NULL PRIMARY KEY,
    request varchar NOT NULL,
    at integer NOT NULL,
    status integer NOT NULL,
    body text NOT NULL
);

CREATE TABLE IF NOT EXISTS receiver (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind varchar NOT NULL,
    name varchar NOT NULL,
    url varchar NOT NULL,
    secret varchar NOT NULL,
    events text NOT NULL,
    authority text NOT NULL,
    enabled boolean NOT NULL,
    retry_seconds integer NOT NULL,
    retry_hours integer NOT NULL,
    created integer NOT NULL
);

CREATE TABLE IF NOT EXISTS delivery (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    receiver integer NOT NULL,
    session varchar NOT NULL,
    seq integer NOT NULL,
    event varchar NOT NULL,
    created integer NOT NULL,
    attempts integer NOT NULL,
    due integer NOT NULL,
    state varchar NOT NULL,
    answer text NOT NULL,
    delivered integer
);

CREATE VIRTUAL TABLE IF NOT EXISTS transcript_fts USING fts5 (
    session UNINDEXED,
    at UNINDEXED,
    who UNINDEXED,
    shown UNINDEXED,
    text,
    -- Folding takes the accents off already.
    tokenize = 'unicode61 remove_diacritics 0'
);

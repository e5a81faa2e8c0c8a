//! The database as the server meets it: new, of an earlier version, or not to be opened.

mod bad_input;
mod fixture;
mod schema;
mod upgrade;

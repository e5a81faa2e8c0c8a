//! Pictures through libaom.

mod probe;

//! Rewrap.

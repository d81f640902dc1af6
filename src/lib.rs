//! Wirebeat.

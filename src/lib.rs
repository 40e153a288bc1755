//! keyrota.

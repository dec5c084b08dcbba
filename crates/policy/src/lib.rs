//! Who may do what: pure decisions over rules; no IO, no clock, no runtime.

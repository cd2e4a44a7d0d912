//! End to end with the real programs: what crosses a process boundary.

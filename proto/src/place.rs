//! Where agent and client meet.

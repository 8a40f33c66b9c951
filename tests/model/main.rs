//! The rules of selling against a naive reference that shares no code with them.

mod agreement;
mod arriving;
mod generate;
mod golden;
mod host;
mod hostile;
mod payload;
mod reference;
mod regressions;
mod reply;
mod scope;
mod selftest;
mod simulated;
mod simulation;
mod tails;
mod targets;

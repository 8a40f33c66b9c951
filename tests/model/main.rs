//! The rules of selling against a naive reference that shares no code with them.

mod agreement;
mod generate;
mod golden;
mod host;
mod reference;
mod regressions;
mod reply;
mod selftest;
mod simulated;
mod simulation;
mod tails;

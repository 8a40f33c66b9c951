//! The rules of selling against a naive reference that shares no code with them.

mod agreement;
mod arriving;
mod broken;
mod golden;
mod hostile;
mod options;
mod regressions;
mod rolling;
mod selftest;
mod simulated;
mod tails;
mod zones;

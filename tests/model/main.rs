//! Model tests.
mod generate;
mod reference;
mod reply;
mod selftest;

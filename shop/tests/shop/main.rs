//! The shop as its users meet it: the real program with a real Redis, over HTTP, and in a browser.

mod browser;
mod databases;
mod failures;
mod hostile;
mod sale;
mod visitor;
mod world;
